// SPDX-License-Identifier: Apache-2.0
/*
 * The iterator belongs to the process that asks, never to the pins: a second instance of the
 * BPF object is opened for it, with everything else in the object left out.
 */
#include "exefile.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gen/hosttrail.skel.h"
#include "lib/cleanup.h"

struct exefile {
	struct hosttrail_bpf *skel;
};

static void leave_out(struct hosttrail_bpf *skel)
{
	struct bpf_program *p;
	struct bpf_map *m;

	bpf_object__for_each_program(p, skel->obj)
		bpf_program__set_autoload(p, p == skel->progs.ht_iter_file);
	bpf_object__for_each_map(m, skel->obj)
		bpf_map__set_autocreate(m, m == skel->maps.exe_query || m == skel->maps.rodata || m == skel->maps.bss ||
						m == skel->maps.data_captured);	/* libbpf maps what has initial values */
}

int exefile_new(bool have_cast, struct exefile **ret_x)
{
	_cleanup_(exefile_free) struct exefile *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	x->skel = hosttrail_bpf__open();
	if (!x->skel)
		return -errno;
	x->skel->rodata->ht_have_cast = have_cast;
	leave_out(x->skel);
	r = hosttrail_bpf__load(x->skel);
	if (r)
		return r;
	*ret_x = TAKE_PTR(x);
	return 0;
}

void exefile_free(struct exefile **x)
{
	if (!*x)
		return;
	hosttrail_bpf__destroy((*x)->skel);
	free(*x);
	*x = NULL;
}

static void link_cleanup(struct bpf_link **l)
{
	bpf_link__destroy(*l);
}

int exefile_of_fd(struct exefile *x, int fd, struct ht_exe *ret_e)
{
	union bpf_iter_link_info info = { .task = { .pid = (__u32)getpid() } };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	_cleanup_(link_cleanup) struct bpf_link *link = NULL;
	_cleanup_close_ int it = -1;
	struct ht_exe e;
	__u32 zero = 0, want = (__u32)fd;
	ssize_t n;

	if (bpf_map_update_elem(bpf_map__fd(x->skel->maps.exe_query), &zero, &want, BPF_ANY) < 0)
		return -errno;
	link = bpf_program__attach_iter(x->skel->progs.ht_iter_file, &opts);
	if (!link)
		return -errno;
	it = bpf_iter_create(bpf_link__fd(link));
	if (it < 0)
		return -errno;
	n = read(it, &e, sizeof(e));
	if (n < 0)
		return -errno;
	if ((size_t)n != sizeof(e))
		return -EBADF;
	*ret_e = e;
	return 0;
}
