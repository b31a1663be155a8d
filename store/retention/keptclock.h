/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keptclock.h - the time by which things are removed: one that nobody can set forward.
 *
 * It goes on with the machine's running time (CLOCK_BOOTTIME, which setting the clock does not touch) and stays where it is
 * while the store does not run. Where it is behind the wall clock (the store was down, the clock was set, a snapshot was
 * restored), it catches up a fiftieth of the time that the store runs: a week in a year. So removal may be late, never early.
 * A clock that was set back is believed at once (removal waits), and for good after a day.
 *
 * Pure: the caller brings the times, ns. One thread, or the caller's lock.
 */
#ifndef HOSTTRAIL_STORE_KEPTCLOCK_H
#define HOSTTRAIL_STORE_KEPTCLOCK_H

#include <stdint.h>

#define KEPTCLOCK_CATCH_UP 50
#define KEPTCLOCK_BACK_NS (86400 * 1000000000ll)

struct keptclock {
	int64_t kept;			/* wall-clock ns */
	uint64_t boot;			/* of the last tick */
	uint64_t behind_since;		/* boot-time ns since when the wall clock is behind it; 0: it is not */
};

void keptclock_start(struct keptclock *k, int64_t kept, uint64_t boot);
/* Returns the time to go by: not beyond the wall clock. */
int64_t keptclock_tick(struct keptclock *k, int64_t wall, uint64_t boot);

#endif
