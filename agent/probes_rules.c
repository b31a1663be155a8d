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

/* Entries that a map is to have: an array of structures that begin with the key. */
struct wanted {
	const void *v;
	size_t n, each, key, value_at, value;	/* key, value: their bytes */
	int (*order)(const void *, const void *);	/* of the array; NULL: none */
};

static const void *wanted_at(const struct wanted *w, size_t i)
{
	return (const uint8_t *)w->v + i * w->each;
}

static bool wanted_has(const struct wanted *w, const void *key)
{
	if (w->order) {
		const void *found = w->n ? bsearch(key, w->v, w->n, w->each, w->order) : NULL;

		return found && !memcmp(found, key, w->key);
	}
	for (size_t i = 0; i < w->n; i++)
		if (!memcmp(wanted_at(w, i), key, w->key))
			return true;
	return false;
}

/* An entry that is missing or changed is put back. */
static bool put_back(int map, const struct wanted *w, size_t i)
{
	const uint8_t *key = wanted_at(w, i), *value = key + w->value_at;
	struct ht_rule_paths now;	/* the larger of the values */

	if (!bpf_map_lookup_elem(map, key, &now) && !memcmp(&now, value, w->value))
		return false;
	bpf_map_update_elem(map, key, value, BPF_ANY);
	return true;
}

/* Makes the map have just the entries of v (n arrays). Had it others? */
static bool check_map(int map, const struct wanted *v, unsigned n)
{
	struct rule_path key, next;	/* the larger of the entries */
	bool more, changed = false;

	for (unsigned w = 0; w < n; w++)
		for (size_t i = 0; i < v[w].n; i++)
			changed |= put_back(map, &v[w], i);
	more = !bpf_map_get_next_key(map, NULL, &key);
	while (more) {
		bool known = false;

		more = !bpf_map_get_next_key(map, &key, &next);
		for (unsigned w = 0; w < n && !known; w++)
			known = wanted_has(&v[w], &key);
		if (!known)
			changed |= !bpf_map_delete_elem(map, &key);
		key = next;
	}
	return changed;
}

#define WANTED_IDS(at, count, by) \
	{ at, count, sizeof(struct rule_id), sizeof(struct ht_rule_id), offsetof(struct rule_id, may), sizeof(uint64_t), by }
#define WANTED_PATHS(at, count) \
	{ at, count, sizeof(struct rule_path), sizeof(struct ht_rule_path), offsetof(struct rule_path, value), sizeof(struct ht_rule_paths), NULL }

void probes_rules_check(struct probes *p, probes_lost_fn lost, void *ctx)
{
	const struct kernelrules *k = p->rules;

	if (!k)
		return;
	if (check_map(p->rule_ids, (struct wanted[]){ WANTED_IDS(k->ids, k->nids, NULL), WANTED_IDS(p->cgroups, p->ncgroups, by_id) }, 2))
		lost(ctx, "map", PROBES_RULE_IDS, "written to by somebody else", true);
	if (check_map(p->rule_paths, (struct wanted[]){ WANTED_PATHS(k->paths, k->npaths) }, 1))
		lost(ctx, "map", PROBES_RULE_PATHS, "written to by somebody else", true);
}
