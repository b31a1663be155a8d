/* SPDX-License-Identifier: Apache-2.0 */
#include "keptclock.h"

void keptclock_start(struct keptclock *k, int64_t kept, uint64_t boot)
{
	*k = (struct keptclock){ .kept = kept, .boot = boot };
}

static void ahead(struct keptclock *k, int64_t wall, uint64_t elapsed)
{
	int64_t gap = wall - k->kept, step = (int64_t)(elapsed + elapsed / KEPTCLOCK_CATCH_UP);

	k->behind_since = 0;
	k->kept += gap < step ? gap : step;
}

/* Once it was wrong, it would let a clock that is set forward later through. */
static void behind(struct keptclock *k, int64_t wall, uint64_t boot)
{
	if (!k->behind_since)
		k->behind_since = boot ? boot : 1;
	else if (boot - k->behind_since > KEPTCLOCK_BACK_NS)
		k->kept = wall;
}

int64_t keptclock_tick(struct keptclock *k, int64_t wall, uint64_t boot)
{
	uint64_t elapsed = boot > k->boot ? boot - k->boot : 0;

	k->boot = boot;
	if (wall >= k->kept)
		ahead(k, wall, elapsed);
	else
		behind(k, wall, boot);
	return k->kept < wall ? k->kept : wall;
}
