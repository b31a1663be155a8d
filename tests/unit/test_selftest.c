// SPDX-License-Identifier: Apache-2.0
/* The self-test ticks off the prober's calls and nobody else's, and says which did not come. */
#include <stdlib.h>
#include <string.h>

#include "agent/calls.h"
#include "agent/calls_internal.h"
#include "agent/selfcalls.h"
#include "agent/selftest.h"
#include "tests/tap.h"

#define PROBER 4711
#define T0 1000000000ull

static struct ht_call call_of(const char *name, uint32_t tgid, uint64_t time)
{
	struct ht_call c = { .h = { .tgid = tgid, .tid = tgid, .start = 77, .time = time, .class = HT_CLASS_CONTROL } };

	c.call = (uint16_t)calls_lookup(name);
	return c;
}

static bool take(struct selftest *t, const char *name, uint32_t tgid, uint64_t time)
{
	struct ht_call c = call_of(name, tgid, time);

	return selftest_take(t, &c, 3, time + 5000);
}

static void pass(struct selftest *t, uint64_t now)
{
	for (unsigned i = 0; i < selfcalls_count(); i++)
		ok(take(t, selfcalls[i].call, PROBER, now));
}

static bool has_family(const char *source)
{
	size_t n = strcspn(source, ".");

	for (unsigned i = 0; i < selfcalls_count(); i++)
		if (strlen(selfcalls[i].family) == n && !strncmp(selfcalls[i].family, source, n))
			return true;
	return false;
}

static void every_family_has_a_call(void)
{
	for (unsigned i = 1; i < calls_count(); i++) {
		const struct call *row = calls_row(i);

		if (!row->i386 && i != HT_CALL_UNKNOWN && !has_family(row->source)) {
			printf("# no call of %s (%s)\n", row->source, row->name);
			ok(false);
		}
	}
	for (unsigned i = 0; i < selfcalls_count(); i++) {
		unsigned call = calls_lookup(selfcalls[i].call);
		const struct call *row = calls_row(call);

		must(row);
		ok(!strncmp(row->source, selfcalls[i].family, strlen(selfcalls[i].family)));
		ok(!(calls_descs()[call].flags & HT_CALL_F_HIGHRATE));
		if (i == selfcall_canary)
			ok_int(calls_descs()[call].class, HT_CLASS_CONTROL);
	}
}

static void a_test_passes(void)
{
	struct selftest t;

	selftest_begin(&t, T0);
	ok_int(selftest_due(&t, T0), 0);
	selftest_prober(&t, PROBER, T0);
	ok_int(selftest_due(&t, T0), (1u << selfcalls_count()) - 1);
	ok_int(selftest_due(&t, T0), 0);
	pass(&t, T0 + 10);
	ok(t.stats.all);
	ok_int(t.stats.runs, 1);
	ok_int(t.stats.failures, 0);
	ok_int(t.stats.latency, 5000);
	selftest_synced(&t, 3, T0 + 20);
	ok_int(t.stats.disk, 0);
	selftest_synced(&t, 4, T0 + 30);
	ok_int(t.stats.disk, 20);
	ok_int(selftest_late(&t, T0 + SELFTEST_PATIENCE), 0);
	ok_int(selftest_due(&t, T0 + SELFTEST_EVERY), 1u << selfcall_canary);
	ok(!take(&t, "mount", PROBER, T0 + SELFTEST_EVERY));
	ok(take(&t, selfcalls[selfcall_canary].call, PROBER, T0 + SELFTEST_EVERY));
	ok_int(t.stats.runs, 2);
}

static void other_calls_are_no_tests(void)
{
	struct ht_call c;
	struct selftest t;

	selftest_begin(&t, T0);
	ok(!take(&t, "kill", PROBER, T0));
	selftest_prober(&t, PROBER, T0);
	ok(!take(&t, "kill", PROBER, T0));		/* none runs yet */
	ok(selftest_due(&t, T0));
	ok(!take(&t, "kill", PROBER + 1, T0));		/* another process */
	ok(!take(&t, "kill", PROBER, T0 - 1));		/* before the test */
	ok(!take(&t, "openat", PROBER, T0));		/* not asked for */
	ok(take(&t, "kill", PROBER, T0));
	ok(!take(&t, "kill", PROBER, T0));		/* a second time */
	c = call_of("umount2", PROBER, T0);
	c.h.start++;
	ok(!selftest_take(&t, &c, 0, T0));		/* the pid again, another task */
	c.call = 0xffff;
	c.h.start--;
	ok(!selftest_take(&t, &c, 0, T0));		/* no such row */
}

static void what_is_missing_is_said(void)
{
	uint64_t now = T0 + SELFTEST_PATIENCE;
	struct selftest t;

	selftest_begin(&t, T0);
	selftest_prober(&t, PROBER, T0);
	selftest_due(&t, T0);
	for (unsigned i = 0; i < selfcalls_count(); i++)
		if (i != 2 && i != 5)
			ok(take(&t, selfcalls[i].call, PROBER, T0));
	ok_int(selftest_late(&t, now - 1), 0);
	ok_int(selftest_late(&t, now), 1u << 2 | 1u << 5);
	ok_int(selftest_late(&t, now), 0);
	ok_int(t.stats.missing, 1u << 2 | 1u << 5);
	ok(!t.stats.all);
	ok(!take(&t, selfcalls[2].call, PROBER, now));
	/* the next one asks for all again, and makes it good */
	ok_int(selftest_due(&t, T0 + SELFTEST_EVERY), (1u << selfcalls_count()) - 1);
	pass(&t, T0 + SELFTEST_EVERY);
	ok(t.stats.all && !t.stats.missing);
	ok_int(t.stats.failures, 1);
}

static void without_a_prober_everything_is_missing(void)
{
	uint32_t all = (1u << selfcalls_count()) - 1;
	struct selftest t;

	selftest_begin(&t, T0);
	ok_int(selftest_late(&t, T0 + SELFTEST_PATIENCE - 1), 0);
	ok_int(selftest_late(&t, T0 + SELFTEST_PATIENCE), all);
	ok_int(selftest_late(&t, T0 + SELFTEST_PATIENCE + 1), 0);
	selftest_prober(&t, PROBER, T0 + 2 * SELFTEST_PATIENCE);
	ok_int(selftest_due(&t, T0 + 2 * SELFTEST_PATIENCE), all);
	selftest_prober_gone(&t);
	ok_int(selftest_late(&t, T0 + 3 * SELFTEST_PATIENCE), all);
}

static const struct tap_case cases[] = {
	CASE(every_family_has_a_call),
	CASE(a_test_passes),
	CASE(other_calls_are_no_tests),
	CASE(what_is_missing_is_said),
	CASE(without_a_prober_everything_is_missing),
};
TAP_MAIN(cases)
