// SPDX-License-Identifier: Apache-2.0
/* Fills in what the probes take as constants, loads them, makes the rings, attaches. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "calls.h"
#include "probes_internal.h"

static unsigned group_shift(const struct probes *p)
{
	unsigned shift = CPUS_PER_GROUP_SHIFT;

	while (((p->fds.ncpu - 1) >> shift) + 1 > p->fds.ngroups)
		shift++;
	return shift;
}

/* ---- what is constant while the probes are loaded --------------------------------------- */

static int fill_rodata(struct probes *p, const struct probes_config *c, struct hosttrail_bpf *s)
{
	if (calls_count() > HT_INDEX_RESTART)
		return -E2BIG;
	if (bpf_map__value_size(s->maps.data_captured) != sizeof(captured_map))	/* it is read and written whole */
		return -EINVAL;
	s->rodata->ht_have_cast = p->features.have_cast;
	s->rodata->ht_exit_has_mm = p->features.exit_has_mm;
	s->rodata->ht_have_preempt = p->features.have_preempt;
	s->rodata->ht_hooked = p->features.hooked;
	s->rodata->ht_scope = c->scope;
	s->rodata->ht_scope_level = p->scope_level;
	s->rodata->ht_ncpu = p->fds.ncpu;
	s->rodata->ht_group_shift = group_shift(p);
	s->rodata->ht_ngroups = p->fds.ngroups;
	if (getrandom((void *)&s->rodata->ht_flood_seed, sizeof(s->rodata->ht_flood_seed), 0) < 0)
		return -errno;
	for (unsigned i = 0; i < HT_CLASS__MAX; i++)
		s->rodata->ht_ring_shift[i] = (uint32_t)__builtin_ctz(p->fds.ring_bytes[i]);
	s->rodata->ht_uring_cqe = p->features.uring.cqe;
	s->rodata->ht_uring_creds = p->features.uring.creds;
	s->rodata->ht_uring_multishot = p->features.uring.multishot;
	s->rodata->ht_tls_on = p->tls;
	probes_captured_fill(c->calls, p->tls, &p->capture);
	*s->data_captured = p->capture;
	memcpy((void *)s->rodata->ht_calls, calls_descs(), calls_count() * sizeof(struct ht_call_desc));
	return 0;
}

/* ---- loading ------------------------------------------------------------------------ */

static int make_rings(struct probes *p)
{
	int outer = bpf_map__fd(p->skel->maps.rings);
	char name[32];

	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < probes_rings(&p->fds, c); g++) {
			__u32 key = c * HT_GROUPS_MAX + g;
			int fd;

			probes_ring_name(name, c, g);
			fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, name, 0, 0, p->fds.ring_bytes[c], NULL);
			if (fd < 0)
				return -errno;
			p->fds.ring[c][g] = fd;
			if (bpf_map_update_elem(outer, &key, &fd, BPF_ANY) < 0)
				return -errno;
		}
	return 0;
}

static int fill_maps(struct probes *p)
{
	struct ht_shared shared = { .epoch = 1, .scope_cgroup = p->scope_cgroup };
	__u32 zero = 0, one = 1;

	if (bpf_map_update_elem(bpf_map__fd(p->skel->maps.shared), &zero, &shared, BPF_ANY) < 0)
		return -errno;
	for (unsigned i = 0; i < p->nown; i++)
		if (bpf_map_update_elem(bpf_map__fd(p->skel->maps.own_dirs), &p->own[i], &one, BPF_ANY) < 0)
			return -errno;
	return probes_tls_fill(p) ?: make_rings(p);
}

static void size_maps(struct probes *p, struct hosttrail_bpf *s)
{
	bpf_map__set_max_entries(s->maps.counters, HT_CLASS__MAX * p->fds.ncpu);
	bpf_map__set_max_entries(s->maps.principals, HT_CLASS__MAX * p->fds.ngroups);
	bpf_map__set_max_entries(s->maps.settled, HT_CLASS__MAX * p->fds.ngroups);
	probes_tls_size(p, s);
	bpf_map__set_autocreate(s->maps.exe_query, false);
	bpf_program__set_autoload(s->progs.ht_iter_file, false);
	for (const struct hook *h = hooks; h->prog; h++) {
		struct probes_feature *f = features_get(&p->features, h->name);

		struct bpf_program *prog = bpf_object__find_program_by_name(s->obj, h->prog);

		if (f && !f->on)
			bpf_program__set_autoload(prog, false);
		else if (p->features.older & 1u << (h - hooks))
			bpf_program__set_attach_target(prog, 0, h->older);
	}
}

static int try_load(struct probes *p, const struct probes_config *c)
{
	int r;

	p->skel = hosttrail_bpf__open();
	if (!p->skel)
		return -errno;
	r = fill_rodata(p, c, p->skel);
	if (r)
		return r;
	size_maps(p, p->skel);
	r = hosttrail_bpf__load(p->skel);
	if (r) {
		hosttrail_bpf__destroy(p->skel);
		p->skel = NULL;
	}
	return r;
}

/* With everything that this kernel has; else without what its verifier may not like, one thing at a time. */
static int load_some(struct probes *p, const struct probes_config *c)
{
	bool cast = p->features.have_cast;
	int r = try_load(p, c);

	if (r && cast) {
		p->features.have_cast = false;
		r = try_load(p, c);
	}
	if (r && p->features.hooked) {
		features_unhook(&p->features, "the probes do not load with it");
		p->features.have_cast = cast;
		r = try_load(p, c);
		if (r && cast) {
			p->features.have_cast = false;
			r = try_load(p, c);
		}
	}
	if (r && p->tls) {		/* rather calls alone than nothing */
		p->tls = false;
		features_off(&p->features, "uprobe", "the programs of TLS capture do not load");
		return load_some(p, c);
	}
	if (cast && !p->features.have_cast)
		features_off(&p->features, "bpf_rdonly_cast", "the probes do not load with it");
	return r;
}

int probes_load(struct probes *p, const struct probes_config *c, char why[256])
{
	int r;

	for (const struct hook *h = hooks; h->prog; h++) {
		struct probes_feature *f = features_get(&p->features, h->name);

		if (h->required && !f->on) {
			snprintf(why, 256, "%.60s: %.160s", h->name, f->why);
			return -EOPNOTSUPP;
		}
	}
	r = load_some(p, c);
	if (r)
		return probes_fail(why, r, "loading the probes");
	p->tasks = fcntl(bpf_map__fd(p->skel->maps.tasks), F_DUPFD_CLOEXEC, 3);
	p->captured = fcntl(bpf_map__fd(p->skel->maps.data_captured), F_DUPFD_CLOEXEC, 3);
	p->rule_ids = fcntl(bpf_map__fd(p->skel->maps.rule_ids), F_DUPFD_CLOEXEC, 3);
	p->rule_paths = fcntl(bpf_map__fd(p->skel->maps.rule_paths), F_DUPFD_CLOEXEC, 3);
	p->flush = fcntl(bpf_program__fd(p->skel->progs.ht_flush), F_DUPFD_CLOEXEC, 3);
	p->fds.counters = fcntl(bpf_map__fd(p->skel->maps.counters), F_DUPFD_CLOEXEC, 3);
	p->fds.shared = fcntl(bpf_map__fd(p->skel->maps.shared), F_DUPFD_CLOEXEC, 3);
	p->fds.principals = fcntl(bpf_map__fd(p->skel->maps.principals), F_DUPFD_CLOEXEC, 3);
	p->fds.settled = fcntl(bpf_map__fd(p->skel->maps.settled), F_DUPFD_CLOEXEC, 3);
	p->task_size = probes_value_size(p->tasks);
	r = fill_maps(p);
	return r ? probes_fail(why, r, "filling maps") : 0;
}

int probes_attach(struct probes *p, char why[256])
{
	for (const struct hook *h = hooks; h->prog; h++) {
		struct bpf_program *prog = bpf_object__find_program_by_name(p->skel->obj, h->prog);
		int fd, r;

		if (!prog || !bpf_program__autoload(prog))
			continue;
		fd = bpf_raw_tracepoint_open(NULL, bpf_program__fd(prog));
		if (fd < 0 && h->required)
			return probes_fail(why, -errno, h->name);
		if (fd < 0) {
			features_off(&p->features, h->name, "attaching: %s", strerror(errno));
			continue;
		}
		p->link_name[p->nlinks] = h->prog;
		p->links[p->nlinks++] = fd;
		r = *p->dir ? pins_put(p->dir, h->prog, fd) : 0;
		if (r)
			return probes_fail(why, r, "pinning a link");
	}
	return 0;
}
