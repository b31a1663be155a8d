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
	struct bpf_map *const sized[] = { s->maps.tls_conns, s->maps.tls_socks, s->maps.tls_wanted, s->maps.tls_gos, s->maps.tls_funcs, s->maps.tls_told };
	struct bpf_program *const progs[] = { s->progs.ht_tls_entry, s->progs.ht_tls_return };

	memcpy((void *)s->rodata->ht_tls_own, p->tls_own, sizeof(p->tls_own));
	if (p->tls && p->optouts)
		memcpy((void *)&s->rodata->ht_optouts, p->optouts, sizeof(*p->optouts));
	s->rodata->ht_tls_scratch = scratches(p);
	bpf_map__set_max_entries(s->maps.scratch, p->fds.ncpu + (p->tls ? scratches(p) : 0));
	for (size_t i = 0; i < ARRAY_SIZE(sized) && !p->tls; i++)
		bpf_map__set_max_entries(sized[i], 1);
	for (size_t i = 0; i < ARRAY_SIZE(progs); i++) {
		bpf_program__set_autoload(progs[i], p->tls && !p->features.uprobe_session);
		if (p->features.uprobe_multi)
			bpf_program__set_expected_attach_type(progs[i], UPROBE_MULTI);
	}
	bpf_program__set_autoload(s->progs.ht_tls_session, p->tls && p->features.uprobe_session);
	bpf_program__set_expected_attach_type(s->progs.ht_tls_session, UPROBE_SESSION);
}

static int of_skel(const struct bpf_program *prog)
{
	int fd = bpf_program__fd(prog);

	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static bool complete(const struct probes *p)
{
	bool programs = p->features.uprobe_session ? p->tls_progs.session >= 0 : p->tls_progs.entry >= 0 && p->tls_progs.ret >= 0;

	return programs && p->fds.tls_told >= 0 && p->fds.tls_wanted >= 0;
}

int probes_tls_fill(struct probes *p)
{
	int funcs = bpf_map__fd(p->skel->maps.tls_funcs);

	if (!p->tls)
		return 0;
	for (__u32 i = 0; i < tls_nfuncs; i++)
		if (bpf_map_update_elem(funcs, &i, &tls_funcs[i].k, BPF_ANY) < 0)
			return -errno;
	p->tls_progs.entry = of_skel(p->skel->progs.ht_tls_entry);
	p->tls_progs.ret = of_skel(p->skel->progs.ht_tls_return);
	p->tls_progs.session = of_skel(p->skel->progs.ht_tls_session);
	p->fds.tls_told = fcntl(bpf_map__fd(p->skel->maps.tls_told), F_DUPFD_CLOEXEC, 3);
	p->fds.tls_wanted = fcntl(bpf_map__fd(p->skel->maps.tls_wanted), F_DUPFD_CLOEXEC, 3);
	return complete(p) ? 0 : -EMFILE;
}

int probes_tls_pin(struct probes *p)
{
	int r = 0;

	if (!p->tls)
		return 0;
	if (p->features.uprobe_session) {
		r = pins_put(p->dir, "tls_session", p->tls_progs.session);
	} else {
		r = pins_put(p->dir, "tls_entry", p->tls_progs.entry);
		if (!r)
			r = pins_put(p->dir, "tls_return", p->tls_progs.ret);
	}
	r = r ?: pins_put(p->dir, "tls_told", p->fds.tls_told);
	return r ?: pins_put(p->dir, "tls_wanted", p->fds.tls_wanted);
}

int probes_tls_adopt(struct probes *p)
{
	if (!p->tls)
		return 0;
	if (p->features.uprobe_session) {
		p->tls_progs.session = pins_get(p->dir, "tls_session");
	} else {
		p->tls_progs.entry = pins_get(p->dir, "tls_entry");
		p->tls_progs.ret = pins_get(p->dir, "tls_return");
	}
	p->fds.tls_told = pins_get(p->dir, "tls_told");
	p->fds.tls_wanted = pins_get(p->dir, "tls_wanted");
	return complete(p) ? 0 : -ENOENT;
}

void probes_tls_untold(const struct probes *p, const struct ht_exe *e)
{
	struct ht_tls_file key;

	memset(&key, 0, sizeof(key));
	key.ino = e->ino;
	key.ctime_sec = e->ctime_sec;
	key.ctime_nsec = e->ctime_nsec;
	key.dev = e->dev;
	key.gen = e->gen;
	bpf_map_delete_elem(p->fds.tls_told, &key);	/* in vain: it was not there */
}

bool probes_tls(const struct probes *p, struct probes_tls_progs *ret_progs)
{
	*ret_progs = p->tls_progs;
	ret_progs->multi = p->features.uprobe_multi;
	return p->tls_progs.session >= 0 || p->tls_progs.entry >= 0;
}
