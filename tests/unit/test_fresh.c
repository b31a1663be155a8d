/* SPDX-License-Identifier: Apache-2.0 */
/* Which replicas of a shard have what was acknowledged, by what each says of itself. */
#include <errno.h>

#include "lib/cleanup.h"
#include "store/clickhouse/fresh.h"
#include "tests/tap.h"

#define LOG(pointer, last) "/clickhouse/tables/01/h/t\t0\t" #pointer "\t" #last "\t0\t0\n"

static int read_queue(struct fresh_replica *r, const char *text)
{
	return fresh_read_queue(r, text, strlen(text));
}

/* Two of a shard: what each waits for. The letter of each that is good. */
static const char *good(const char *log_a, const char *queue_a, const char *log_b, const char *queue_b)
{
	static char out[3];
	struct fresh_replica v[2] = { { .pointer = 0 } };
	struct fresh_goal g = { .end = 0 };
	unsigned n = 0;

	ok_int(fresh_read_log(&v[0], log_a), 0);
	ok_int(fresh_read_log(&v[1], log_b), 0);
	ok_int(read_queue(&v[0], queue_a), 0);
	ok_int(read_queue(&v[1], queue_b), 0);
	g.end = v[0].end > v[1].end ? v[0].end : v[1].end;
	ok_int(fresh_aim(&g, v, 2), 0);
	fresh_judge(v, 2, &g);
	for (unsigned i = 0; i < 2; i++) {
		if (v[i].good)
			out[n++] = "ab"[i];
		fresh_clear(&v[i]);
	}
	out[n] = '\0';
	fresh_goal_clear(&g);
	return out;
}

static void who_has_what_the_other_has(void)
{
	ok_str(good(LOG(8, 7), "", LOG(8, 7), ""), "ab");
	ok_str(good(LOG(8, 7), "", LOG(8, 7), "20261130_3_3_0\n"), "a");
	ok_str(good(LOG(8, 7), "20261130_4_4_0\n20261130_3_3_0\n", LOG(8, 7), ""), "b");
	/* what neither has is not to be had, and no reason to prefer one */
	ok_str(good(LOG(8, 7), "20261130_3_3_0\n", LOG(8, 7), "20261130_3_3_0\n"), "ab");
	ok_str(good(LOG(8, 7), "20261130_3_3_0\n", LOG(8, 7), "20261130_3_3_0\n20261130_5_5_0\n"), "a");
	ok_str(good(LOG(8, 7), "20261130_3_3_0\n", LOG(8, 7), "20261130_5_5_0\n"), "");
}

static void who_has_read_the_log(void)
{
	ok_str(good(LOG(8, 7), "", LOG(7, 7), ""), "a");
	ok_str(good(LOG(8, 7), "", LOG(8, 8), ""), "");		/* one more came in between */
	ok_str(good(LOG(9, 8), "", LOG(8, 7), ""), "a");
	ok_str(good(LOG(0, 0), "", LOG(0, 0), ""), "ab");
	ok_str(good(LOG(0, 0), "", LOG(1, 0), ""), "b");
}

static void who_has_lost_zookeeper(void)
{
	const char *cut = "/p\t0\t0\t0\t1\t0\n", *readonly = "/p\t0\t0\t0\t0\t1\n";

	ok_str(good(LOG(8, 7), "", cut, ""), "a");
	ok_str(good(LOG(8, 7), "20261130_3_3_0\n", readonly, ""), "a");
	/* nothing is taken meanwhile */
	ok_str(good(cut, "", readonly, ""), "ab");
	ok_str(good(cut, "", cut, "20261130_3_3_0\n"), "a");
	/* no replicated table: each is asked for what it has */
	ok_str(good("", "", "", ""), "ab");
}

static void who_waits_for_very_many(void)
{
	_cleanup_buf_ struct buf many = { 0 };

	for (unsigned i = 0; i <= FRESH_PARTS_MAX; i++)
		buf_addf(&many, "20261130_%u_%u_0\n", i, i);
	ok_str(good(LOG(8, 7), buf_text(&many), LOG(8, 7), ""), "b");
	ok_str(good(LOG(8, 7), buf_text(&many), LOG(8, 7), "20261130_3_3_0\n"), "b");
}

static void what_cannot_be_read(void)
{
	static const char *const logs[] = { "8\n", "/p\t1\t8\t7\t0\n", "/p\t1\t8\t7\t0\t0", "/p\t1\t-8\t7\t0\t0\n", "/p\t 1\t8\t7\t0\t0\n", "/p\t1\t8\t7\t\t0\n",
					   "/p\t1\t18446744073709551616\t7\t0\t0\n", "/p\t1\t8\t7\t0\t0\t0\n" };
	struct fresh_replica r = { .pointer = 0 };
	char path[400];

	for (unsigned i = 0; i < ARRAY_SIZE(logs); i++)
		ok_int(fresh_read_log(&r, logs[i]), -EBADMSG);
	snprintf(path, sizeof(path), "/%0300d\t0\t8\t7\t0\t0\n", 0);
	ok_int(fresh_read_log(&r, path), -EBADMSG);
	ok_int(read_queue(&r, "20261130_3_3_0"), -EBADMSG);
	ok_int(fresh_read_queue(&r, "a\0b\n", 4), -EBADMSG);
	fresh_clear(&r);
}

static const struct tap_case cases[] = {
	CASE(who_has_what_the_other_has), CASE(who_has_read_the_log), CASE(who_has_lost_zookeeper), CASE(who_waits_for_very_many), CASE(what_cannot_be_read),
};
TAP_MAIN(cases)
