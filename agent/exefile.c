// SPDX-License-Identifier: Apache-2.0
/*
 * The iterator belongs to the process that asks, never to the pins: a second instance of the
 * BPF object is opened for it, with everything else in the object left out. Its two descriptors are kept, and libbpf's three megabytes are not.
 */
#include "exefile.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gen/hosttrail.skel.h"
#include "lib/cleanup.h"

struct exefile {
	int prog, query;		/* the iterator, and the map that tells it which descriptor is meant */
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

static int load(struct exefile *x, struct hosttrail_bpf *skel, bool have_cast)
{
	int r;

	skel->rodata->ht_have_cast = have_cast;
	leave_out(skel);
	r = hosttrail_bpf__load(skel);
	if (r)
		return r;
	x->prog = fcntl(bpf_program__fd(skel->progs.ht_iter_file), F_DUPFD_CLOEXEC, 3);
	x->query = fcntl(bpf_map__fd(skel->maps.exe_query), F_DUPFD_CLOEXEC, 3);
	return x->prog < 0 || x->query < 0 ? -errno : 0;
}

int exefile_new(bool have_cast, struct exefile **ret_x)
{
	_cleanup_(exefile_free) struct exefile *x = calloc(1, sizeof(*x));
	struct hosttrail_bpf *skel;
	int r;

	if (!x)
		return -ENOMEM;
	x->prog = x->query = -1;
	skel = hosttrail_bpf__open();
	if (!skel)
		return -errno;
	r = load(x, skel, have_cast);
	hosttrail_bpf__destroy(skel);
	if (r)
		return r;
	*ret_x = TAKE_PTR(x);
	return 0;
}

void exefile_free(struct exefile **x)
{
	if (!*x)
		return;
	cleanup_close(&(*x)->prog);
	cleanup_close(&(*x)->query);
	free(*x);
	*x = NULL;
}

int exefile_of_fd(struct exefile *x, int fd, struct ht_exe *ret_e)
{
	union bpf_iter_link_info info = { .task = { .pid = (__u32)getpid() } };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
	_cleanup_close_ int link = -1, it = -1;
	struct ht_exe e;
	__u32 zero = 0, want = (__u32)fd;
	ssize_t n;

	if (bpf_map_update_elem(x->query, &zero, &want, BPF_ANY) < 0)
		return -errno;
	link = bpf_link_create(x->prog, 0, BPF_TRACE_ITER, &opts);
	if (link < 0)
		return -errno;
	it = bpf_iter_create(link);
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
