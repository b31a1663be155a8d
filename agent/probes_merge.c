// SPDX-License-Identifier: Apache-2.0
/* probes_merge.c - has the kernel send the calls that it merged: bpf/merge.bpf.h. */
#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probes_internal.h"

static size_t counters_len(const struct probes *p)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (size_t)HT_CLASS__MAX * p->fds.ncpu * sizeof(struct ht_counters);

	return (n + page - 1) / page * page;
}

static int64_t waiting(const struct probes *p)
{
	return (int64_t)counters_merged_waiting(p->counters, HT_CLASS__MAX * p->fds.ncpu);
}

int64_t probes_flush(struct probes *p, uint64_t before)
{
	struct ht_flush in = { .before = before, .all = before == UINT64_MAX };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &in, .ctx_size_in = sizeof(in));

	if (!p->counters) {
		void *at = mmap(NULL, counters_len(p), PROT_READ, MAP_SHARED, p->fds.counters, 0);

		if (at == MAP_FAILED)
			return -errno;
		p->counters = at;
	}
	if (!waiting(p))
		return 0;
	if (bpf_prog_test_run_opts(p->flush, &opts) < 0)
		return -errno;
	return waiting(p);
}

void probes_flush_end(struct probes *p)
{
	if (p->counters)
		munmap((void *)p->counters, counters_len(p));
	p->counters = NULL;
}
