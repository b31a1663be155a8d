/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tap.h"

#include "lib/clock.h"
#include "store/clocks.h"

#define S (int64_t)NS_PER_SEC

static const struct journal_origin a = { .host_id = "a" }, b = { .host_id = "b" };
static struct clocks *c;
static uint64_t boot;	/* ours, ns */

/* A request `ms` after the one before. */
static bool request(const struct journal_origin *o, unsigned ms, int64_t ahead)
{
	boot += ms * NS_PER_MS;
	return clocks_request(c, o, ahead, boot);
}

static bool says(const char *host, int64_t ahead)
{
	struct journal_origin o = { 0 };
	int64_t v = 0;

	return clocks_next(c, &o, &v) && !strcmp(o.host_id, host) && v == ahead;
}

static bool says_nothing(void)
{
	struct journal_origin o;
	int64_t v;

	return !clocks_next(c, &o, &v);
}

static void ahead_is_said_once_until_it_is_over(void)
{
	must(!clocks_new(&c));
	ok(!request(&a, 0, 60 * S));
	ok(request(&a, 10, 61 * S));
	ok(says("a", 61 * S));
	ok(says_nothing());
	ok(!request(&a, 10, 500 * S));
	ok(!request(&a, 10, 40 * S));	/* nearly right: not over yet */
	ok(!request(&a, 10, 61 * S));
	ok(!request(&a, 10, 29 * S));	/* over */
	ok(request(&a, 10, INT64_MAX));
	ok(says("a", INT64_MAX));
	ok_int(clocks_begun(c), 2);
	clocks_free(&c);
}

static void behind_is_believed_when_it_lasts(void)
{
	must(!clocks_new(&c));
	ok(!request(&a, 0, -3600 * S));		/* may have lain in a socket */
	ok(!request(&a, CLOCKS_SURE_MS - 1, -3600 * S));
	ok(request(&a, 1, -3601 * S));
	ok(says("a", -3601 * S));
	ok(!request(&a, 10000, -3600 * S));
	ok(!request(&a, 10, 0));
	ok(!request(&a, 10, -100 * S));
	ok(!request(&a, 3000, 0));		/* it was only late */
	ok(!request(&a, 3000, -100 * S));
	ok(says_nothing());
	ok(request(&a, CLOCKS_SURE_MS, INT64_MIN));
	ok(says("a", INT64_MIN));
	ok(request(&a, 10, 100 * S));		/* from one to the other */
	ok(says("a", 100 * S));
	clocks_free(&c);
}

static void hosts_have_their_own(void)
{
	int64_t v = 0;

	must(!clocks_new(&c));
	ok(request(&a, 0, 70 * S));
	ok(request(&b, 0, 80 * S));
	ok(!request(&b, 0, 0));			/* what was news stays to be said */
	ok(says("a", 70 * S));
	ok(says("b", 80 * S));
	ok(clocks_ahead(c, "a", &v) && v == 70 * S);
	ok(!clocks_ahead(c, "c", &v));
	ok(!clocks_records(c, &(struct journal_origin){ .host_id = "c" }, 0));
	ok(!clocks_ahead(c, "c", &v));		/* records are not requests */
	clocks_free(&c);
}

static void records_of_the_future_are_said_unless_the_request_was(void)
{
	must(!clocks_new(&c));
	ok(clocks_records(c, &a, 61 * S));
	ok(!clocks_records(c, &a, 90 * S));
	ok(!clocks_records(c, &a, -9000 * S));	/* late records are nobody's fault, and end it */
	ok(clocks_records(c, &a, 61 * S));
	ok(request(&b, 0, 3600 * S));
	ok(!clocks_records(c, &b, 3600 * S));
	ok_int(clocks_begun(c), 3);
	clocks_free(&c);
}

static const struct tap_case cases[] = {
	CASE(ahead_is_said_once_until_it_is_over),
	CASE(behind_is_believed_when_it_lasts),
	CASE(hosts_have_their_own),
	CASE(records_of_the_future_are_said_unless_the_request_was),
};

TAP_MAIN(cases)
