// SPDX-License-Identifier: Apache-2.0
#include "agent/seqset.h"
#include "tests/tap.h"

#include <errno.h>
#include <stdint.h>

static void in_order(void)
{
	struct seqset s = { 0 };

	for (uint64_t i = 0; i < 1000; i++)
		ok_int(seqset_add(&s, i, i), 0);
	ok_int(s.next, 1000);
	ok_int(s.n, 0);
	ok(seqset_has(&s, 999) && !seqset_has(&s, 1000));
	seqset_free(&s);
}

static void gaps_and_joins(void)
{
	struct seqset s = { 0 };
	struct seq_range g;

	ok_int(seqset_add(&s, 10, 19), 0);
	ok_int(seqset_add(&s, 30, 39), 0);
	ok_int(seqset_add(&s, 25, 26), 0);
	ok_int(s.n, 3);
	ok_int(seqset_missing(&s, 40), 10 + 5 + 3);
	ok_int(seqset_missing(&s, 35), 10 + 5 + 3);
	ok_int(seqset_missing(&s, 12), 10);
	ok(seqset_gap(&s, 0, 40, &g) && g.first == 0 && g.last == 9);
	ok(seqset_gap(&s, 10, 40, &g) && g.first == 20 && g.last == 24);
	ok(seqset_gap(&s, 21, 23, &g) && g.first == 21 && g.last == 22);
	ok(!seqset_gap(&s, 30, 40, &g));
	ok(seqset_gap(&s, 30, 41, &g) && g.first == 40 && g.last == 40);
	ok_int(seqset_add(&s, 20, 29), 0);	/* joins all three */
	ok_int(s.n, 1);
	ok_int(seqset_add(&s, 0, 9), 0);
	ok_int(s.n, 0);
	ok_int(s.next, 40);
	seqset_free(&s);
}

static void refuses_nonsense(void)
{
	struct seqset s = { 0 };

	ok_int(seqset_add(&s, 5, 4), -EINVAL);
	ok_int(seqset_add(&s, 5, UINT64_MAX), -EINVAL);
	ok_int(seqset_add(&s, UINT64_MAX - 1, UINT64_MAX - 1), 0);
	ok(seqset_has(&s, UINT64_MAX - 1) && !seqset_has(&s, UINT64_MAX));
	seqset_free(&s);
}

/* Against the plainest set there is: a byte per number. */
static void random_ranges(void)
{
	enum { N = 512 };
	unsigned seed = 7;

	for (int round = 0; round < 200; round++) {
		struct seqset s = { 0 };
		char plain[N] = { 0 };

		for (int i = 0; i < 60; i++) {
			unsigned a = (unsigned)rand_r(&seed) % N, b = a + (unsigned)rand_r(&seed) % 12, missing = 0;

			b = b < N ? b : N - 1;
			ok_int(seqset_add(&s, a, b), 0);
			memset(plain + a, 1, b - a + 1);
			for (unsigned k = 0; k < N; k++) {
				must(seqset_has(&s, k) == (plain[k] == 1));
				must(seqset_missing(&s, k) == missing);
				missing += !plain[k];
			}
			for (unsigned k = 1; k < s.n; k++)
				must(s.above[k].first > s.above[k - 1].last + 1);
			must(!s.n || s.above[0].first > s.next);
		}
		seqset_free(&s);
	}
}

static const struct tap_case cases[] = {
	CASE(in_order), CASE(gaps_and_joins), CASE(refuses_nonsense), CASE(random_ranges),
};
TAP_MAIN(cases)
