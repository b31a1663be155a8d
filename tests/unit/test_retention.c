/* SPDX-License-Identifier: Apache-2.0 */
/* The clock by which things are removed, locks and holds, and how they come back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "store/journal.h"
#include "store/retention/keptclock.h"
#include "store/retention/removed.h"
#include "store/retention/restore.h"
#include "store/retention/retention.h"
#include "store/retention/rules.h"
#include "tests/helpers/storekit.h"
#include "tests/tap.h"

#define S (int64_t)NS_PER_SEC
#define START (1700000000 * S)

static void test_clock(void)
{
	struct keptclock k;

	keptclock_start(&k, START, 5);
	ok(keptclock_tick(&k, START + 10 * S, 5 + 10 * S) == START + 10 * S);
	ok(keptclock_tick(&k, START + 4000 * RETENTION_DAY_NS, 5 + 20 * S) < START + 21 * S);
	for (int i = 0; i < 1000; i++)
		keptclock_tick(&k, START + 4000 * RETENTION_DAY_NS + i * S, (uint64_t)(5 + (20 + i) * S));
	ok(k.kept <= START + 20 * S + 1020 * S);
	ok(k.kept >= START + 20 * S + 1015 * S);

	keptclock_start(&k, START, 5);
	ok(keptclock_tick(&k, START + 5 * S, 5 + 100 * S) == START + 5 * S);
	ok(keptclock_tick(&k, START - 1000 * S, 5 + 101 * S) == START - 1000 * S);
	ok(keptclock_tick(&k, START + 6 * S, 5 + 102 * S) == START + 6 * S);
	keptclock_tick(&k, START - 1000 * S, 5 + 103 * S);
	ok(keptclock_tick(&k, START - 1000 * S, 5 + 103 * S + 86401 * S) == START - 1000 * S && k.kept == START - 1000 * S);
	ok(keptclock_tick(&k, START, 5 + 103 * S + 86402 * S) < START - 998 * S);
}

/* Field by field: what lies between them is anything. */
static bool same_lock(const struct retention_lock *a, const struct retention_lock *b)
{
	return !strcmp(a->target, b->target) && a->days == b->days && a->until == b->until;
}

static bool same_hold(const struct retention_hold *a, const struct retention_hold *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->target, b->target) && !strcmp(a->reason, b->reason) && !strcmp(a->by, b->by) &&
	       a->from == b->from && a->to == b->to && a->placed == b->placed;
}

static void test_rules(void)
{
	static struct rules u, v;
	struct retention_lock l = { .target = "eventDataStore x", .days = 30, .until = START };
	struct retention_hold h = { .name = "h", .reason = "\xff odd \"text\"\n", .from = INT64_MIN, .to = INT64_MAX, .placed = 7 };
	struct buf b = { 0 };

	u.clock = START;
	ok(!rules_lock(&u, &l) && !rules_place(&u, &h) && rules_place(&u, &h) == -EEXIST);
	snprintf(h.name, sizeof(h.name), "h2");
	snprintf(h.target, sizeof(h.target), "bucket b");
	ok(!rules_place(&u, &h) && rules_release(&u, "nosuch") == -ENOENT);
	ok(!rules_write(&u, &b) && !rules_read(buf_text(&b), b.n, &v));
	ok(v.clock == START && v.nlocks == 1 && v.nholds == 2 && same_lock(&v.locks[0], &l) && same_hold(&v.holds[1], &h));
	for (size_t n = 0; n < b.n - 1; n++)
		if (rules_read(buf_text(&b), n, &v) != -EBADMSG) {
			ok(!"a cut one is taken");
			break;
		}
	buf_addc(&b, 'x');
	ok(rules_read(buf_text(&b), b.n, &v) == -EBADMSG);
	ok(!rules_release(&u, "h") && u.nholds == 1 && !strcmp(u.holds[0].name, "h2"));
	l.days = 40;
	ok(!rules_lock(&u, &l) && u.nlocks == 1 && u.locks[0].days == 40);
	for (unsigned i = 1; i < RETENTION_LOCKS_MAX; i++) {
		snprintf(l.target, sizeof(l.target), "bucket %u", i);
		rules_lock(&u, &l);
	}
	snprintf(l.target, sizeof(l.target), "bucket more");
	ok(rules_lock(&u, &l) == -EDQUOT);
	buf_free(&b);
}

static void test_restore(void)
{
	static struct rules u;
	static const char *const records[] = {
		"{\"eventName\":\"RetentionLocked\",\"serviceEventDetails\":{\"target\":\"bucket b\",\"minimumDays\":30,\"until\":\"2027-01-01T00:00:00Z\"}}",
		"{\"eventName\":\"RetentionLocked\",\"serviceEventDetails\":{\"target\":\"bucket b\",\"minimumDays\":300000,\"until\":\"2027-01-01T00:00:00Z\"}}",
		"{\"eventName\":\"HoldPlaced\",\"eventTime\":\"2026-01-01T00:00:00Z\",\"serviceEventDetails\":{\"name\":\"a\",\"target\":\"everything\",\"reason\":\"r\"}}",
		"{\"eventName\":\"HoldPlaced\",\"serviceEventDetails\":{\"name\":\"b\",\"target\":\"bucket b\",\"startTime\":\"2026-01-01T00:00:00Z\",\"reason\":\"r\"}}",
		"{\"eventName\":\"HoldReleased\",\"serviceEventDetails\":{\"name\":\"b\"}}", "{\"eventName\":\"HoldPlaced\",\"serviceEventDetails\":{}}", "{", "",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(records); i++)
		restore_record(&u, records[i], strlen(records[i]));
	ok(u.nlocks == 1 && u.locks[0].days == 30 && u.locks[0].until == 1798761600 * S && !strcmp(u.locks[0].target, "bucket b"));
	ok(u.nholds == 1 && !strcmp(u.holds[0].name, "a") && !*u.holds[0].target && u.holds[0].from == INT64_MIN && u.holds[0].to == INT64_MAX);
}

/* A deleted event data store is forgotten after its days, unless it is locked or some of it held. */
static void forgotten_stores(struct retention *r)
{
	int64_t now = retention_now(r), past = now - 8 * RETENTION_DAY_NS;
	struct retention_lock l = { .days = 30, .until = now + 1000 * S }, old;
	struct retention_hold h = { .name = "store", .reason = "r", .from = 1, .to = 2 };

	ok(retention_forgets(r, "a", past) && !retention_forgets(r, "a", now - 6 * RETENTION_DAY_NS));
	retention_store_target("b", l.target);
	retention_store_target("c", h.target);
	ok(!retention_lock(r, &l, &old) && !retention_forgets(r, "b", past) && retention_forgets(r, "c", past));
	ok(!retention_hold_place(r, &h) && !retention_forgets(r, "c", past) && retention_forgets(r, "a", past));
	ok(!retention_hold_release(r, "store") && retention_forgets(r, "c", past));
}

static void test_all(void)
{
	char dir[] = "/tmp/hosttrail-retention-XXXXXX", command[128];
	struct retention_lock l = { .target = "bucket b", .days = 30 }, old;
	struct retention_hold h = { .name = "h", .target = "bucket b", .reason = "r", .from = 100, .to = 200 };
	struct journal *j = NULL;
	struct retention *r = NULL;
	char why[RETENTION_WHY_MAX], path[4096];

	must(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/journal", dir);
	ok(!journal_open(path, 0, NULL, NULL, &j) && !retention_open(dir, &r, why) && !retention_begin(r, j, NULL));
	ok(clock_wall() - retention_now(r) < 5 * S);
	l.until = retention_now(r) + 1000 * S;
	ok(!retention_lock(r, &l, &old) && retention_locked(r, "bucket b", &old) && old.days == 30 && !retention_locked(r, "bucket c", &old));
	l.days = 29;
	ok(retention_lock(r, &l, &old) == -EPERM && old.days == 30);
	l.days = 30;
	l.until--;
	ok(retention_lock(r, &l, &old) == -EPERM);
	ok(!retention_hold_place(r, &h) && retention_held(r, "bucket b", 200, 300) && !retention_held(r, "bucket b", 201, 300) &&
	   !retention_held(r, "bucket c", 100, 200));
	forgotten_stores(r);
	h = (struct retention_hold){ .name = "all", .reason = "r", .from = 500, .to = 600 };
	ok(!retention_hold_place(r, &h) && retention_held(r, "bucket c", 0, 500));
	retention_tick(r);
	retention_free(&r);
	ok(!retention_open(dir, &r, why) && !retention_begin(r, j, NULL) && retention_locked(r, "bucket b", &old) && retention_held(r, "x", 550, 550));
	ok(!retention_hold_release(r, "all") && !retention_held(r, "x", 550, 550) && retention_hold_release(r, "all") == -ENOENT);
	retention_free(&r);
	snprintf(path, sizeof(path), "%s/retention.clock", dir);
	ok(!fsx_replace(path, "9000000000000000000\n", 20, 0640) && !retention_open(dir, &r, why) && retention_now(r) <= clock_wall());
	retention_free(&r);
	snprintf(path, sizeof(path), "%s/retention.json", dir);
	ok(!fsx_replace(path, "{}", 2, 0640) && retention_open(dir, &r, why) == -EBADMSG && strstr(why, "damaged"));
	journal_free(&j);
	ok(retention_now(NULL) > 0 && !retention_held(NULL, "x", 0, 1) && !retention_locked(NULL, "x", &old));
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ok(system(command) == 0);
}

/* What stays of a segment that is removed, and as text. */
static void test_removed(void)
{
	char dir[] = "/tmp/hosttrail-retention-XXXXXX", command[128], path[4096];
	struct removed_segment *s = NULL, *again = NULL;
	struct journal *j = NULL;
	struct buf a = { 0 }, b = { 0 };
	struct kit kit;

	must(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	must(kit_init(&kit, path, "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b", START, S) == 0);
	must(journal_open(dir, 4096, NULL, NULL, &j) == 0);
	for (unsigned i = 0; i < 20; i++)
		must(kit_append(&kit, j, i * 10, 10, START + i, i == 1 ? JOURNAL_FORK : 0) == 0);
	must(journal_sync(j) == 0 && removed_make(j, 1, &s) == 0);
	ok(s->frames > 1 && s->records == s->frames * 10 && s->first == START && s->last == START + (int64_t)s->frames - 1);
	ok(s->oldest == START && s->newest == START + ((int64_t)s->records - 1) * S && HASH_COUNT(s->heads) == 1);
	ok(s->heads->number == s->frames - 1 && !s->heads->own);
	must(removed_write(s, &a) == 0 && removed_read(1, buf_text(&a), a.n, &again) == 0 && removed_write(again, &b) == 0);
	ok_str(buf_text(&a), buf_text(&b));
	ok(again->frames == s->frames && !memcmp(again->heads->hash, s->heads->hash, 32));
	removed_free(&again);
	ok(removed_read(1, "bytes 1 frames 1 records x", 26, &again) == -EBADMSG && removed_read(1, "", 0, &again) == -EBADMSG);
	ok(removed_read(1, buf_text(&a), a.n - 10, &again) == -EBADMSG);
	removed_free(&s);
	buf_free(&a);
	buf_free(&b);
	kit_free(&kit);
	journal_free(&j);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ok(system(command) == 0);
}

static const struct tap_case cases[] = {
	{ "the clock by which things are removed", test_clock },
	{ "locks and holds as a file", test_rules },
	{ "locks and holds from records", test_restore },
	{ "what stays of a segment", test_removed },
	{ "all of it", test_all },
};

TAP_MAIN(cases)
