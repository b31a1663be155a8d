// SPDX-License-Identifier: Apache-2.0
#include "tlsmapping.h"

#include <errno.h>

#include "exes.h"

#define CANDIDATES_MAX 16

struct search {
	struct probes *p;
	const struct tls_mapping *m;
	tls_discover_fn *fn;
	void *arg;
};

/* 1: it is the one. */
static int candidate(int fd, const struct tls_found *f, void *arg)
{
	struct search *s = arg;
	struct ht_exe e;

	if (probes_exe_of_fd(s->p, fd, &e) < 0 || !exe_same(&e, &s->m->exe))
		return 0;
	s->fn(fd, f, s->arg);
	return 1;
}

static int by_path(struct tls_discovery *d, struct search *s, uint32_t pid)
{
	const struct tls_mapping *m = s->m;
	int r = m->in_root && pid ? tls_discover_path(d, pid, m->path + m->in_root, candidate, s) : 0;

	return r == 1 ? r : tls_discover_path(d, pid, m->path, candidate, s);
}

int tls_mapping_find(struct probes *p, const struct tls_mapping *m, tls_discover_fn *fn, void *arg)
{
	struct search s = { p, m, fn, arg };
	struct tls_discovery *d = NULL;
	int r = tls_discovery_new(CANDIDATES_MAX, &d);

	if (!r)
		r = tls_discover_mapping(d, m->pid, m->at, m->end, m->path, candidate, &s);
	if (r != 1 && d)
		r = by_path(d, &s, m->parent);
	if (r != 1 && d)
		r = by_path(d, &s, 0);
	tls_discovery_free(&d);
	return r == 1 ? 0 : -ENOENT;
}
