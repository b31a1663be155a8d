// SPDX-License-Identifier: Apache-2.0
/*
 * settle_flood.c - whose losses a flood's are.
 *
 * The probes count a cut number to its principal first and to the CPU's counter then, and the counters are read first
 * here: so the principals' counts cover every number that is known to be cut, and at rest they are equal. What is between
 * `cut` and `settled` of a slot is pending; `taken` of it waits as lost or lies in an open frame.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "settle_internal.h"

#define SLOTS (HT_FLOOD_SLOTS + 1)

struct flood {
	const struct ht_principals *table;
	struct ht_settled *settled;
	unsigned class, first_cpu, last_cpu;
	uint64_t taken[SLOTS];
	uint64_t before[SLOTS];		/* cut, as it was before the counters were read; until it is in step */
	bool in_step;			/* settled is exact: an earlier reader may have been killed before it said */
	unsigned at;			/* the slot that had pending numbers last */
	struct flood *next;
};

static const struct ht_principal *slot_of(const struct flood *f, unsigned i)
{
	return i < HT_FLOOD_SLOTS ? &f->table->slot[i] : &f->table->others;
}

static uint64_t cut_of(const struct flood *f, unsigned i)
{
	return __atomic_load_n(&slot_of(f, i)->cut, __ATOMIC_ACQUIRE);
}

/* What the table says is no more trusted than a ring: `settled` beyond `cut` is nothing pending. */
static uint64_t pending_of(const struct flood *f, unsigned i)
{
	uint64_t cut = cut_of(f, i), done = f->settled->slot[i] + f->taken[i];

	return cut > done ? cut - done : 0;
}

int settle_principals(struct settle *s, unsigned class, unsigned first_cpu, unsigned last_cpu, const struct ht_principals *table,
		      struct ht_settled *settled)
{
	struct flood *f;

	if (class >= HT_CLASS__MAX || first_cpu > last_cpu || last_cpu >= s->ncpu || !table || !settled)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->table = table;
	f->settled = settled;
	f->class = class;
	f->first_cpu = first_cpu;
	f->last_cpu = last_cpu;
	LL_PREPEND(s->floods, f);
	for (unsigned cpu = first_cpu; cpu <= last_cpu; cpu++)
		settle_slot(s, class, cpu)->flood = f;
	return 0;
}

void floods_free(struct settle *s)
{
	struct flood *f, *next;

	LL_FOREACH_SAFE(s->floods, f, next)
		free(f);
	s->floods = NULL;
}

void flood_observe(struct flood *f, unsigned cpu)
{
	for (unsigned i = 0; !f->in_step && cpu == f->first_cpu && i < SLOTS; i++)
		f->before[i] = cut_of(f, i);
}

uint64_t flood_pending(const struct flood *f)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SLOTS; i++)
		sum += pending_of(f, i);
	return sum;
}

uint64_t flood_take(struct flood *f, uint64_t n, int16_t *ret_who)
{
	for (unsigned i = 0; i < SLOTS; i++, f->at = (f->at + 1) % SLOTS) {
		uint64_t pending = pending_of(f, f->at);

		if (!pending)
			continue;
		n = pending < n ? pending : n;
		f->taken[f->at] += n;
		*ret_who = (int16_t)f->at;
		return n;
	}
	return 0;
}

void flood_settled(struct flood *f, int16_t who, uint64_t n)
{
	__u64 *done = &f->settled->slot[who];

	f->taken[who] -= n;
	__atomic_store_n(done, *done + n, __ATOMIC_RELEASE);
}

/* The owner cannot change before all of this is settled. */
void flood_principal(const struct flood *f, int16_t who, struct settle_principal *ret_p)
{
	const struct ht_principal *p;

	*ret_p = (struct settle_principal){ 0 };
	if (who == NOBODY || who >= HT_FLOOD_SLOTS)
		return;
	p = slot_of(f, (unsigned)who);
	*ret_p = (struct settle_principal){ true, p->cgroup_id, p->uid, p->call };
}

static bool at_rest(struct settle *s, const struct flood *f)
{
	for (unsigned cpu = f->first_cpu; cpu <= f->last_cpu; cpu++) {
		const struct slot *o = settle_slot(s, f->class, cpu);

		if (!o->quiet || seqset_missing(&o->seen, o->limit))
			return false;
	}
	return true;
}

/* Nothing is missing: all that had been cut is settled, in a frame on disk or in one that is open. */
static void get_in_step(struct flood *f)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (f->before[i] > f->settled->slot[i] + f->taken[i])
			__atomic_store_n(&f->settled->slot[i], f->before[i] - f->taken[i], __ATOMIC_RELEASE);
	f->in_step = true;
}

void floods_pass_end(struct settle *s)
{
	struct flood *f;

	LL_FOREACH(s->floods, f)
		if (!f->in_step && at_rest(s, f))
			get_in_step(f);
}
