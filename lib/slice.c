// SPDX-License-Identifier: Apache-2.0
#include "slice.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of <linux/sched/types.h>, its first version; that header and <sched.h> cannot be had at once. */
struct sched_attr {
	uint32_t size, sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime, sched_deadline, sched_period;
};

int slice_set(uint64_t ns)
{
	struct sched_attr a = { 0 };

	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) < 0)
		return -errno;
	if (a.sched_policy != SCHED_OTHER && a.sched_policy != SCHED_BATCH)
		return 0;		/* somebody gave it a place of its own */
	a.sched_runtime = ns;
	return syscall(SYS_sched_setattr, 0, &a, 0) < 0 ? -errno : 0;
}
