// SPDX-License-Identifier: Apache-2.0
/*
 * probes_freeze.c - takes the right to write to maps away from user space, ours included.
 *
 * Whoever holds CAP_SYS_ADMIN can open any map by its id. A frozen map refuses writes through bpf(2) and mmap(2) for good,
 * while the programs go on writing to it; so nobody clears an own directory, a ring's place, a counter or the
 * last identity's number behind our back. A map that is new is frozen unless it is listed here with its writer.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "probes_internal.h"

static const char *const written[] = {
	".data.captured",	/* which calls are captured: probes_capture() */
	"rule_ids", "rule_paths",	/* what the kernel drops of that: probes_rules() */
	"tasks",	/* marks: probes_mark() */
	"shared",	/* the reader's epoch and whether it sleeps */
	"tls_wanted",	/* the reader's: what of connections is not to be sent */
	"tls_told",	/* what could not be looked at is taken out: probes_tls_untold() */
	"settled",	/* the reader's: which floods' losses are on disk */
};

bool probes_map_written(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(written); i++)
		if (!strcmp(name, written[i]))
			return true;
	return false;
}

/* libbpf keeps global variables mapped for writing, which nobody does here; a map with such a mapping cannot be frozen. */
static int unmap(const struct bpf_map *m)
{
	size_t n, page = (size_t)sysconf(_SC_PAGESIZE);
	const void *at = bpf_map__initial_value((struct bpf_map *)m, &n);

	if (!at)
		return 0;
	n = (n + page - 1) / page * page;
	at = mmap((void *)at, n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return at == MAP_FAILED ? -errno : 0;
}

int probes_freeze(struct probes *p, char why[256])
{
	struct bpf_map *m;
	int r = 0;

	bpf_object__for_each_map(m, p->skel->obj) {
		int fd = bpf_map__fd(m);

		if (fd < 0 || probes_map_written(bpf_map__name(m)) || m == p->skel->maps.rodata)	/* libbpf froze that one */
			continue;
		r = unmap(m);
		if (!r && bpf_map_freeze(fd) < 0)
			r = -errno;
		if (r)
			return probes_fail(why, r, bpf_map__name(m));
	}
	return 0;
}
