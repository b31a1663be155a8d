// SPDX-License-Identifier: Apache-2.0
#include "selftest.h"

#include <string.h>

#include "calls_internal.h"
#include "selfcalls.h"

void selftest_begin(struct selftest *t, uint64_t now)
{
	memset(t, 0, sizeof(*t));
	t->next = now;
}

void selftest_prober(struct selftest *t, uint32_t pid, uint64_t now)
{
	t->pid = pid;
	t->start = 0;
	t->waiting = 0;
	t->syncing = t->whole = t->stats.all = false;
	t->next = now;
}

void selftest_prober_gone(struct selftest *t)
{
	t->pid = 0;
}

static uint32_t every_call(void)
{
	return (1u << selfcalls_count()) - 1;
}

uint32_t selftest_due(struct selftest *t, uint64_t now)
{
	if (!t->pid || t->waiting || now < t->next)
		return 0;
	t->asked = t->whole ? 1u << selfcall_canary : every_call();
	t->waiting = t->asked;
	t->begun = now;
	t->slowest = 0;
	t->next = now + SELFTEST_EVERY;
	t->whole = true;
	return t->asked;
}

static void finish(struct selftest *t, uint64_t now)
{
	struct selftest_stats *s = &t->stats;

	s->runs++;
	s->finished = now;
	s->latency = t->slowest;
	if (t->slowest > s->latency_max)
		s->latency_max = t->slowest;
	s->missing &= ~t->asked;
	s->all = !s->missing;
}

/* Which of the calls that are waited for this is; -1: none. */
static int call_of(const struct selftest *t, const char *name)
{
	for (unsigned i = 0; selfcalls[i].family; i++)
		if (t->waiting >> i & 1 && !strcmp(selfcalls[i].call, name))
			return (int)i;
	return -1;
}

bool selftest_take(struct selftest *t, const struct ht_call *c, uint64_t frame, uint64_t now)
{
	const struct call *row;
	int i;

	if (!t->waiting || c->h.tgid != t->pid || c->h.time < t->begun || (t->start && c->h.start != t->start))
		return false;
	row = calls_row(c->call);
	i = row ? call_of(t, row->name) : -1;
	if (i < 0)
		return false;
	t->start = c->h.start;
	t->waiting &= ~(1u << i);
	if (now - c->h.time > t->slowest)
		t->slowest = now - c->h.time;
	if ((unsigned)i == selfcall_canary) {
		t->call_time = c->h.time;
		t->frame = frame;
		t->syncing = true;
	}
	if (!t->waiting)
		finish(t, now);
	return true;
}

void selftest_synced(struct selftest *t, uint64_t frames, uint64_t now)
{
	if (!t->syncing || frames <= t->frame)
		return;
	t->syncing = false;
	t->stats.disk = now - t->call_time;
	if (t->stats.disk > t->stats.disk_max)
		t->stats.disk_max = t->stats.disk;
}

uint32_t selftest_late(struct selftest *t, uint64_t now)
{
	uint32_t late = t->waiting;

	if (late && now < t->begun + SELFTEST_PATIENCE)
		return 0;
	if (!late && (t->pid || now < t->next + SELFTEST_PATIENCE))
		return 0;
	if (!late) {		/* nobody is there to make the calls */
		late = every_call();
		t->next = now + SELFTEST_EVERY;
	}
	t->waiting = 0;
	t->stats.runs++;
	t->stats.failures++;
	t->stats.finished = now;
	t->stats.missing = late;
	t->stats.all = false;
	t->whole = false;	/* the next one asks for all again */
	return late;
}
