/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tap.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/chains.h"

#define HOST "11111111-2222-4333-8444-555555555555"

static char dir[] = "/tmp/hosttrail-test-chains-XXXXXX";
static struct chains *chains;
static uint8_t zero[32];

static void begin(void)
{
	if (!strchr(dir, 'X') || !mkdtemp(dir)) {
		/* the directory of an earlier case: chains_open() empties it */
	}
	chains = NULL;
	if (chains_open(dir, &chains) < 0)
		abort();
}

/* A hash that stands for frame `number` of branch `b`. */
static const uint8_t *hash_of(unsigned b, uint64_t number)
{
	static uint8_t ring[4][32];
	static unsigned at;
	uint8_t *h = ring[at++ % 4];

	memset(h, 0x40, 32);
	h[0] = (uint8_t)b;
	memcpy(h + 8, &number, 8);
	return h;
}

static struct frame_header header(uint64_t number, const uint8_t previous[32])
{
	struct frame_header h = { .chain = 1, .number = number };

	memcpy(h.previous, previous, 32);
	return h;
}

/* Judges and commits; -1 - errno when refused. */
static int put(const char *host, uint64_t number, const uint8_t *previous, const uint8_t *hash)
{
	struct frame_header h = header(number, previous);
	struct chain_judgement j;
	int r = chains_judge(chains, host, &h, hash, &j);

	if (r < 0)
		return r;
	r = chains_commit(chains, &j);
	return r < 0 ? r : (int)j.verdict;
}

static int put_of(unsigned b, uint64_t number)
{
	return put(HOST, number, number ? hash_of(b, number - 1) : zero, hash_of(b, number));
}

static void end(void)
{
	chains_free(&chains);
	ok(!chains);
}

static void what_was_removed_is_no_gap(void)
{
	static const uint8_t stream[16];
	struct chain_head heads[CHAIN__MAX];

	begin();
	ok_int(chains_base(chains, HOST, stream, 1, 1000, hash_of(0, 999)), 0);
	ok_int(chains_base(chains, HOST, stream, 1, 500, hash_of(0, 499)), 0);	/* an older note */
	chains_heads(chains, HOST, stream, heads);
	ok(heads[1].known && heads[1].next == 1000 && !memcmp(heads[1].last, hash_of(0, 999), 32) && !heads[0].known);
	ok_int(put_of(0, 1000), CHAIN_NEXT);
	ok_int(put_of(0, 1001), CHAIN_NEXT);
	ok_int(put_of(0, 1000), CHAIN_DUPLICATE);
	ok_int(put_of(0, 1005), CHAIN_GAP);
	ok_int(chains_base(chains, HOST, stream, CHAIN__MAX, 5, zero), -EDOM);
	end();
}

static void frames_in_order_then_again(void)
{
	begin();
	for (uint64_t n = 0; n < 1000; n++)
		ok_int(put_of(0, n), CHAIN_NEXT);
	for (uint64_t n = 0; n < 1000; n++)
		ok_int(put_of(0, n), CHAIN_DUPLICATE);
	ok_int(put_of(0, 1000), CHAIN_NEXT);
	end();
}

static void hosts_and_chains_are_apart(void)
{
	struct frame_header h = header(0, zero);
	struct chain_judgement j;
	struct chain_head heads[CHAIN__MAX];
	uint64_t n, branches;

	begin();
	ok_int(put_of(0, 0), CHAIN_NEXT);
	ok_int(put("another", 0, zero, hash_of(1, 0)), CHAIN_NEXT);
	h.chain = 2;
	ok_int(chains_judge(chains, HOST, &h, hash_of(2, 0), &j), 0);
	ok_int(j.verdict, CHAIN_NEXT);
	ok_int(chains_commit(chains, &j), 0);
	chains_count(chains, &n, &branches);
	ok_int(n, 3);
	ok_int(branches, 3);
	chains_heads(chains, HOST, h.stream, heads);
	ok(!heads[0].known && heads[1].known && heads[2].known);
	ok_int(heads[2].next, 1);
	ok(!memcmp(heads[2].last, hash_of(2, 0), 32));
	chains_heads(chains, "nobody", h.stream, heads);
	ok(!heads[0].known && !heads[1].known && !heads[2].known);
	end();
}

static void twins_each_have_a_branch(void)
{
	struct frame_header h;
	struct chain_judgement j;

	begin();
	for (uint64_t n = 0; n < 10; n++)
		ok_int(put(HOST, n, n ? hash_of(0, n - 1) : zero, hash_of(0, n)), CHAIN_NEXT);
	/* both continue from frame 9 */
	ok_int(put(HOST, 10, hash_of(0, 9), hash_of(0, 10)), CHAIN_NEXT);
	h = header(10, hash_of(0, 9));
	ok_int(chains_judge(chains, HOST, &h, hash_of(1, 10), &j), 0);
	ok_int(j.verdict, CHAIN_FORK);
	ok(!memcmp(j.expected, hash_of(0, 10), 32));
	ok_int(chains_commit(chains, &j), 0);
	for (uint64_t n = 11; n < 200; n++) {
		ok_int(put_of(1, n), CHAIN_NEXT);
		ok_int(put_of(0, n), CHAIN_NEXT);
	}
	for (uint64_t n = 10; n < 200; n++) {
		ok_int(put_of(0, n), CHAIN_DUPLICATE);
		ok_int(put_of(1, n), CHAIN_DUPLICATE);
	}
	/* and a third from the middle of the second */
	ok_int(put(HOST, 150, hash_of(1, 149), hash_of(2, 150)), CHAIN_FORK);
	ok_int(put_of(2, 151), CHAIN_NEXT);
	end();
}

static void gaps_are_filled_late(void)
{
	struct frame_header h = header(500, hash_of(0, 499));
	struct chain_judgement j;

	begin();
	ok_int(put_of(0, 0), CHAIN_NEXT);
	ok_int(chains_judge(chains, HOST, &h, hash_of(0, 500), &j), 0);
	ok_int(j.verdict, CHAIN_GAP);
	ok_int(j.first_missing, 1);
	ok_int(chains_commit(chains, &j), 0);
	for (uint64_t n = 1; n < 500; n += 2)
		ok_int(put_of(0, n), CHAIN_FILL);
	for (uint64_t n = 1; n < 500; n++)
		ok_int(put_of(0, n), n % 2 ? CHAIN_DUPLICATE : CHAIN_FILL);
	ok_int(put_of(0, 501), CHAIN_NEXT);
	end();
}

static void a_late_frame_of_another_chain_is_said(void)
{
	struct frame_header h = header(1, hash_of(7, 0));
	struct chain_judgement j;

	begin();
	ok_int(put_of(0, 0), CHAIN_NEXT);
	ok_int(put_of(0, 5), CHAIN_GAP);
	ok_int(chains_judge(chains, HOST, &h, hash_of(7, 1), &j), 0);
	ok_int(j.verdict, CHAIN_FILL);
	ok(j.broken);
	ok(!memcmp(j.expected, hash_of(0, 0), 32));
	end();
}

static void breaks_are_accepted(void)
{
	begin();
	ok_int(put_of(0, 0), CHAIN_NEXT);
	ok_int(put(HOST, 1, hash_of(9, 9), hash_of(0, 1)), CHAIN_BROKEN);
	ok_int(put_of(0, 2), CHAIN_NEXT);
	end();
	begin();
	ok_int(put(HOST, 0, hash_of(9, 9), hash_of(0, 0)), CHAIN_BROKEN);
	ok_int(put_of(0, 1), CHAIN_NEXT);
	end();
}

static void a_fork_that_was_not_stored_takes_no_place(void)
{
	struct chain_judgement j;
	struct frame_header h;
	uint64_t n, branches;

	begin();
	for (n = 0; n < 4; n++)
		ok_int(put_of(0, n), CHAIN_NEXT);
	for (unsigned i = 0; i < 1000; i++) {
		h = header(2, hash_of(0, 1));
		ok_int(chains_judge(chains, HOST, &h, hash_of(1, 2), &j), 0);
		ok_int(j.verdict, CHAIN_FORK);
	}
	chains_count(chains, &n, &branches);
	ok_int(branches, 2);
	ok_int(chains_commit(chains, &j), 0);
	ok_int(put_of(1, 2), CHAIN_DUPLICATE);
	ok_int(put_of(0, 2), CHAIN_DUPLICATE);
	end();
}

static void numbers_and_branches_are_bounded(void)
{
	unsigned kept = 0;

	begin();
	ok_int(put(HOST, CHAIN_NUMBER_MAX, zero, hash_of(0, 0)), -EDOM);
	ok_int(put(HOST, UINT64_MAX, zero, hash_of(0, 0)), -EDOM);
	ok_int(put_of(0, 0), CHAIN_NEXT);
	ok_int(put_of(0, 1), CHAIN_NEXT);
	for (unsigned i = 1; i < 400; i++) {
		uint8_t h[32];

		memset(h, 0x77, sizeof(h));
		memcpy(h, &i, sizeof(i));
		kept += put(HOST, 1, hash_of(0, 0), h) == CHAIN_FORK;
	}
	ok_int(kept, BRANCHES_MAX - 1);
	end();
}

static void a_full_disk_is_said_before_the_append(void)
{
	struct rlimit old, none;

	begin();
	ok_int(put_of(0, 0), CHAIN_NEXT);
	/* stands for a full disk: files may not grow */
	getrlimit(RLIMIT_FSIZE, &old);
	none = old;
	none.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &none);
	ok_int(put_of(0, 1), CHAIN_NEXT);
	ok(put(HOST, 4000, zero, hash_of(0, 4000)) < 0);
	setrlimit(RLIMIT_FSIZE, &old);
	ok_int(put_of(0, 2), CHAIN_NEXT);
	end();
}

static void clean_up(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	begin();
	end();
	must(d);
	while ((e = readdir(d)))
		ok(e->d_name[0] == '.');
	closedir(d);
	ok_int(rmdir(dir), 0);
}

static const struct tap_case cases[] = {
	CASE(frames_in_order_then_again),
	CASE(what_was_removed_is_no_gap),
	CASE(hosts_and_chains_are_apart),
	CASE(twins_each_have_a_branch),
	CASE(gaps_are_filled_late),
	CASE(a_late_frame_of_another_chain_is_said),
	CASE(breaks_are_accepted),
	CASE(a_fork_that_was_not_stored_takes_no_place),
	CASE(numbers_and_branches_are_bounded),
	CASE(a_full_disk_is_said_before_the_append),
	CASE(clean_up),
};

TAP_MAIN(cases)
