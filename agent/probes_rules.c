// SPDX-License-Identifier: Apache-2.0
/*
 * probes_rules.c - kernelrules.h in the kernel: put there, exchanged while the probes run, followed by cgroups, looked after.
 *
 * Rules lie in several maps and cannot be exchanged at once. So none is asked for while they are: ht_rules_of is emptied, and what
 * runs meanwhile is waited for (a program runs in one RCU reader, which membarrier(2) waits for). A cgroup that is not
 * known yet leaves every rule.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroupscan.h"
#include "lib/cleanup.h"
#include "probes_internal.h"

#define CGROUPS_MAX 12000	/* with the numbers that selectors name, fewer than the map has room for */

static int write_table(struct probes *p)
{
	__u32 zero = 0;

	return bpf_map_update_elem(p->captured, &zero, &p->capture, BPF_ANY) < 0 ? -errno : 0;
}

/* Until no program runs that began before. */
static int wait_for_running(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0 ? -errno : 0;
}

/* Needs the key's room. */
static void empty(int map, void *key)
{
	while (!bpf_map_get_next_key(map, NULL, key) && !bpf_map_delete_elem(map, key))
		;
}

static int off(struct probes *p)
{
	kernelrules_free(&p->rules);
	free(TAKE_PTR(p->cgroups));
	p->ncgroups = 0;
	memset((void *)p->capture.ht_rules_of, 0, sizeof(p->capture.ht_rules_of));
	return write_table(p);
}

/* ---- cgroups -------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	const struct rule_id *x = a, *y = b;

	return x->key.id < y->key.id ? -1 : x->key.id > y->key.id;
}

struct scan {
	const struct kernelrules *rules;
	struct rule_id *v;
	unsigned n, room;
};

static bool found(void *ctx, uint64_t id, struct str path)
{
	struct scan *s = ctx;

	if (s->n == s->room) {
		struct rule_id *v = realloc(s->v, (s->room * 2 + 64) * sizeof(*v));

		if (!v)
			return false;
		s->v = v;
		s->room = s->room * 2 + 64;
	}
	s->v[s->n++] = (struct rule_id){ .key = { .id = id, .kind = HT_RULE_CGROUP }, .may = kernelrules_cgroup(s->rules, path) };
	return s->n < CGROUPS_MAX;
}

static const struct rule_id *cgroup_known(const struct rule_id *v, unsigned n, const struct rule_id *what)
{
	return n ? bsearch(what, v, n, sizeof(*v), by_id) : NULL;
}

void probes_cgroups(struct probes *p)
{
	struct scan s = { .rules = p->rules };

	if (!p->rules || !(p->rules->asked >> HT_RULE_CGROUP & 1))
		return;
	cgroupscan(found, &s);
	if (s.n)
		qsort(s.v, s.n, sizeof(*s.v), by_id);
	for (unsigned i = 0; i < p->ncgroups; i++)
		if (!cgroup_known(s.v, s.n, &p->cgroups[i]))
			bpf_map_delete_elem(p->rule_ids, &p->cgroups[i].key);
	for (unsigned i = 0; i < s.n; i++)
		if (!cgroup_known(p->cgroups, p->ncgroups, &s.v[i]))
			bpf_map_update_elem(p->rule_ids, &s.v[i].key, &s.v[i].may, BPF_ANY);
	free(p->cgroups);
	p->cgroups = s.v;
	p->ncgroups = s.n;
}

/* ---- putting rules in force ------------------------------------------------------------------ */

static int fill_maps(struct probes *p)
{
	const struct kernelrules *k = p->rules;
	struct ht_rule_path path;
	struct ht_rule_id id;

	empty(p->rule_ids, &id);
	empty(p->rule_paths, &path);
	for (unsigned i = 0; i < k->nids; i++)
		if (bpf_map_update_elem(p->rule_ids, &k->ids[i].key, &k->ids[i].may, BPF_ANY) < 0)
			return -errno;
	for (unsigned i = 0; i < k->npaths; i++)
		if (bpf_map_update_elem(p->rule_paths, &k->paths[i].key, &k->paths[i].value, BPF_ANY) < 0)
			return -errno;
	probes_cgroups(p);
	return 0;
}

static int fill_table(struct probes *p)
{
	const struct kernelrules *k = p->rules;

	memcpy((void *)p->capture.ht_rules, k->v, sizeof(k->v));
	memcpy((void *)p->capture.ht_rules_other, k->other, sizeof(k->other));
	p->capture.ht_rules_path = k->path;
	p->capture.ht_rules_asked = k->asked;
	return write_table(p);
}

int probes_rules(struct probes *p, struct kernelrules *rules)
{
	int r = off(p);

	if (r < 0 || !rules) {
		kernelrules_free(&rules);
		return r;
	}
	p->rules = rules;
	r = wait_for_running() ?: fill_maps(p) ?: fill_table(p) ?: wait_for_running();
	if (r < 0) {
		off(p);
		return r;
	}
	memcpy((void *)p->capture.ht_rules_of, rules->of, sizeof(rules->of));
	return write_table(p);
}

/* ---- looking after them ---------------------------------------------------------------------- */

static bool same(int map, const void *key, const void *value, size_t n)
{
	struct ht_rule_paths now;

	return !bpf_map_lookup_elem(map, key, &now) && !memcmp(&now, value, n);
}

/* Entries that are missing or changed are put back. */
static bool put_back(int map, const void *key, const void *value, size_t n)
{
	if (same(map, key, value, n))
		return false;
	bpf_map_update_elem(map, key, value, BPF_ANY);
	return true;
}

static bool has_id(const struct probes *p, const struct ht_rule_id *key)
{
	struct rule_id what = { .key = *key };

	for (unsigned i = 0; i < p->rules->nids; i++)
		if (!memcmp(&p->rules->ids[i].key, key, sizeof(*key)))
			return true;
	return key->kind == HT_RULE_CGROUP && cgroup_known(p->cgroups, p->ncgroups, &what);
}

static bool has_path(const struct probes *p, const struct ht_rule_path *key)
{
	for (unsigned i = 0; i < p->rules->npaths; i++)
		if (!memcmp(&p->rules->paths[i].key, key, sizeof(*key)))
			return true;
	return false;
}

static bool check_ids(struct probes *p)
{
	struct ht_rule_id key, next;
	bool more, changed = false;

	for (unsigned i = 0; i < p->rules->nids; i++)
		changed |= put_back(p->rule_ids, &p->rules->ids[i].key, &p->rules->ids[i].may, sizeof(uint64_t));
	for (unsigned i = 0; i < p->ncgroups; i++)
		changed |= put_back(p->rule_ids, &p->cgroups[i].key, &p->cgroups[i].may, sizeof(uint64_t));
	more = !bpf_map_get_next_key(p->rule_ids, NULL, &key);
	while (more) {
		more = !bpf_map_get_next_key(p->rule_ids, &key, &next);
		if (!has_id(p, &key))
			changed |= !bpf_map_delete_elem(p->rule_ids, &key);
		key = next;
	}
	return changed;
}

static bool check_paths(struct probes *p)
{
	struct ht_rule_path key, next;
	bool more, changed = false;

	for (unsigned i = 0; i < p->rules->npaths; i++)
		changed |= put_back(p->rule_paths, &p->rules->paths[i].key, &p->rules->paths[i].value, sizeof(struct ht_rule_paths));
	more = !bpf_map_get_next_key(p->rule_paths, NULL, &key);
	while (more) {
		more = !bpf_map_get_next_key(p->rule_paths, &key, &next);
		if (!has_path(p, &key))
			changed |= !bpf_map_delete_elem(p->rule_paths, &key);
		key = next;
	}
	return changed;
}

void probes_rules_check(struct probes *p, probes_lost_fn lost, void *ctx)
{
	if (!p->rules)
		return;
	if (check_ids(p))
		lost(ctx, "map", PROBES_RULE_IDS, "written to by somebody else", true);
	if (check_paths(p))
		lost(ctx, "map", PROBES_RULE_PATHS, "written to by somebody else", true);
}
