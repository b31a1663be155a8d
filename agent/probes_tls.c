// SPDX-License-Identifier: Apache-2.0
/*
 * probes_tls.c - the part of the object that TLS capture needs: loaded when it is on, and else as small as can be.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "probes_internal.h"

#define UPROBE_MULTI 48		/* BPF_TRACE_UPROBE_MULTI: newer than the headers */
#define SCRATCHES_MIN 4
#define SCRATCHES_MAX 16

static uint32_t scratches(const struct probes *p)
{
	uint32_t n = p->fds.ncpu;

	return n < SCRATCHES_MIN ? SCRATCHES_MIN : n > SCRATCHES_MAX ? SCRATCHES_MAX : n;
}

/* Those that lie where this one lies. */
void probes_tls_own(struct probes *p)
{
	static const char *const names[TLS_OWN_MAX] = { "hosttraild", "hosttrail-forward", "hosttrail-store", "hosttrail" };
	char dir[PATH_MAX], path[PATH_MAX + 32], *slash;
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	unsigned found = 0;

	if (n < 0)
		return;
	dir[n] = 0;
	slash = strrchr(dir, '/');
	for (unsigned i = 0; slash && i < TLS_OWN_MAX; i++) {
		_cleanup_close_ int fd = -1;
		struct ht_exe e;

		*slash = 0;
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0 && exefile_of_fd(p->exefile, fd, &e) == 0)
			p->tls_own[found++] = (struct dir_key){ .ino = e.ino, .dev = e.dev };
	}
}

void probes_tls_size(struct probes *p, struct hosttrail_bpf *s)
{
	struct bpf_map *const sized[] = { s->maps.tls_conns, s->maps.tls_socks, s->maps.tls_wanted, s->maps.tls_gos, s->maps.tls_funcs };
	struct bpf_program *const progs[] = { s->progs.ht_tls_entry, s->progs.ht_tls_return };

	memcpy((void *)s->rodata->ht_tls_own, p->tls_own, sizeof(p->tls_own));
	if (p->tls && p->optouts)
		memcpy((void *)&s->rodata->ht_optouts, p->optouts, sizeof(*p->optouts));
	s->rodata->ht_tls_scratch = scratches(p);
	bpf_map__set_max_entries(s->maps.scratch, p->fds.ncpu + (p->tls ? scratches(p) : 0));
	for (size_t i = 0; i < ARRAY_SIZE(sized) && !p->tls; i++)
		bpf_map__set_max_entries(sized[i], 1);
	for (size_t i = 0; i < ARRAY_SIZE(progs); i++) {
		bpf_program__set_autoload(progs[i], p->tls);
		if (p->features.uprobe_multi)
			bpf_program__set_expected_attach_type(progs[i], UPROBE_MULTI);
	}
}

int probes_tls_fill(struct probes *p)
{
	int funcs = bpf_map__fd(p->skel->maps.tls_funcs);

	if (!p->tls)
		return 0;
	for (__u32 i = 0; i < tls_nfuncs; i++)
		if (bpf_map_update_elem(funcs, &i, &tls_funcs[i].k, BPF_ANY) < 0)
			return -errno;
	p->tls_entry = fcntl(bpf_program__fd(p->skel->progs.ht_tls_entry), F_DUPFD_CLOEXEC, 3);
	p->tls_return = fcntl(bpf_program__fd(p->skel->progs.ht_tls_return), F_DUPFD_CLOEXEC, 3);
	p->fds.tls_wanted = fcntl(bpf_map__fd(p->skel->maps.tls_wanted), F_DUPFD_CLOEXEC, 3);
	return p->tls_entry < 0 || p->tls_return < 0 || p->fds.tls_wanted < 0 ? -EMFILE : 0;
}

int probes_tls_pin(struct probes *p)
{
	int r;

	if (!p->tls)
		return 0;
	r = pins_put(p->dir, "tls_entry", p->tls_entry);
	if (!r)
		r = pins_put(p->dir, "tls_return", p->tls_return);
	return r ?: pins_put(p->dir, "tls_wanted", p->fds.tls_wanted);
}

int probes_tls_adopt(struct probes *p)
{
	if (!p->tls)
		return 0;
	p->tls_entry = pins_get(p->dir, "tls_entry");
	p->tls_return = pins_get(p->dir, "tls_return");
	p->fds.tls_wanted = pins_get(p->dir, "tls_wanted");
	return p->tls_entry < 0 || p->tls_return < 0 || p->fds.tls_wanted < 0 ? -ENOENT : 0;
}

void probes_tls(const struct probes *p, int *ret_entry, int *ret_return, bool *ret_multi)
{
	*ret_entry = p->tls_entry;
	*ret_return = p->tls_return;
	*ret_multi = p->features.uprobe_multi;
}
