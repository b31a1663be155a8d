// SPDX-License-Identifier: Apache-2.0
#include "agent/settle.h"
#include "tests/tap.h"

#include <errno.h>

#define DATA HT_CLASS_DATA
#define SEC 1000000000ull

static struct frame_header h;
static struct settle_report reports[64];

static struct settle *fresh(unsigned ncpu)
{
	struct settle *s = NULL;

	ok_int(settle_new(ncpu, &s), 0);
	return s;
}

/* The kernel's counters after `submitted` and `lost` numbers, `inflight` more taken and not yet there. */
static struct ht_counters counters(uint64_t submitted, uint64_t lost, uint64_t inflight)
{
	return (struct ht_counters){ .seq = submitted + lost + inflight, .submitted = submitted, .lost = { lost },
				     .lost_first = lost ? 100 : 0, .lost_last = lost ? 200 : 0 };
}

static uint64_t lost_now(struct settle *s)
{
	uint64_t sum = 0;
	unsigned n = settle_take_lost(s, reports, 64);

	for (unsigned i = 0; i < n; i++)
		sum += reports[i].count;
	return sum;
}

static void in_order(void)
{
	struct settle *s = fresh(2);
	struct ht_counters c = counters(10, 0, 0);

	settle_observe(s, DATA, 1, &c);
	for (unsigned i = 0; i < 10; i++)
		ok_int(settle_seen(s, DATA, 1, i), 1);
	ok_int(settle_pass_end(s, 1), 0);
	ok_int(settle_unsettled(s), 0);
	ok(!settle_has_lost(s));
	settle_frame_ranges(s, CHAIN_DATA, &h);
	ok_int(h.nranges, 1);
	ok(h.ranges[0].ring_class == DATA && h.ranges[0].cpu == 1 && h.ranges[0].first == 0 && h.ranges[0].last == 9);
	ok_int(settle_seen(s, DATA, 1, 3), 0);
	ok_int(settle_seen(s, DATA, 2, 0), -EINVAL);
	ok_int(settle_seen(s, 15, 0, 0), -EINVAL);
	settle_free(&s);
}

static void a_gap_that_the_kernel_counted(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = counters(8, 2, 0);

	settle_observe(s, DATA, 0, &c);
	for (unsigned i = 0; i < 10; i++)
		if (i != 4 && i != 5)
			ok_int(settle_seen(s, DATA, 0, i), 1);
	ok_int(settle_pass_end(s, 1), 0);
	ok_int(settle_lost_total(s), 2);
	ok_int(settle_lost_of(s, DATA), 2);
	ok_int(settle_lost_of(s, HT_CLASS_CONTROL) + settle_lost_of(s, HT_CLASS__MAX), 0);
	ok_int(settle_take_lost(s, reports, 64), 1);
	ok_int(reports[0].count, 2);
	ok_int(reports[0].cause, SETTLE_RING_FULL);
	ok(reports[0].first_seq == 4 && reports[0].last_seq == 5 && reports[0].first_time == 100 && reports[0].last_time == 200);
	settle_frame_ranges(s, CHAIN_DATA, &h);
	ok_int(h.nranges, 2);
	settle_frame_ranges(s, CHAIN_CONTROL, &h);
	ok_int(h.nranges, 1);
	ok(h.ranges[0].ring_class == DATA && h.ranges[0].first == 4 && h.ranges[0].last == 5);
	settle_free(&s);
}

static void trailing_loss(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = counters(3, 7, 0);

	settle_observe(s, DATA, 0, &c);
	for (unsigned i = 0; i < 3; i++)
		settle_seen(s, DATA, 0, i);
	settle_pass_end(s, 1);
	ok_int(lost_now(s), 7);
	ok_int(settle_unsettled(s), 0);
	settle_free(&s);
}

/* A number that is taken but not in the ring yet is not a loss, however many passes see it missing for a moment. */
static void in_flight_is_not_lost(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = counters(5, 1, 1);

	settle_observe(s, DATA, 0, &c);
	for (unsigned i = 0; i < 7; i++)
		if (i != 2 && i != 4)	/* one of them is lost: which is not known yet */
			settle_seen(s, DATA, 0, i);
	settle_pass_end(s, 1);
	ok(!settle_has_lost(s));
	c = counters(6, 1, 0);
	settle_observe(s, DATA, 0, &c);
	ok_int(settle_seen(s, DATA, 0, 4), 1);
	settle_pass_end(s, 2);
	ok_int(lost_now(s), 1);
	ok_int(reports[0].first_seq, 2);
	settle_free(&s);
}

/* The agent ends before the counters add up: nothing stays without an answer. */
static void given_up_is_lost(void)
{
	struct settle *s = fresh(2);
	struct ht_counters c = counters(5, 0, 2), d = counters(0, 0, 3);

	settle_observe(s, DATA, 0, &c);
	settle_observe(s, DATA, 1, &d);
	for (unsigned i = 0; i < 6; i++)
		if (i != 3)
			settle_seen(s, DATA, 0, i);
	settle_pass_end(s, 1);
	ok(!settle_has_lost(s));
	ok_int(settle_unsettled(s), 5);
	ok_int(settle_give_up(s), 0);
	ok_int(settle_unsettled(s), 0);
	ok_int(lost_now(s), 5);
	ok_int(reports[0].cause, SETTLE_UNEXPLAINED);
	ok_int(settle_give_up(s), 0);
	ok(!settle_has_lost(s));
	settle_free(&s);
}

static void causes_are_shared_out(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = { .seq = 10, .submitted = 4, .lost = { 3, 2, 1 } };
	uint64_t by_cause[SETTLE__MAX] = { 0 };
	unsigned n;

	settle_observe(s, DATA, 0, &c);
	for (unsigned i = 0; i < 10; i += 3)
		settle_seen(s, DATA, 0, i);
	settle_pass_end(s, 1);
	n = settle_take_lost(s, reports, 64);
	for (unsigned i = 0; i < n; i++)
		by_cause[reports[i].cause] += reports[i].count;
	ok_int(by_cause[SETTLE_RING_FULL], 3);
	ok_int(by_cause[SETTLE_SCRATCH], 2);
	ok_int(by_cause[SETTLE_STORAGE], 1);
	settle_free(&s);
}

static void malformed_is_lost_once(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = counters(3, 0, 0);

	settle_observe(s, DATA, 0, &c);
	settle_seen(s, DATA, 0, 0);
	ok_int(settle_malformed(s, DATA, 0, 1), 1);
	ok_int(settle_malformed(s, DATA, 0, 1), 0);
	ok_int(settle_malformed(s, DATA, 0, 3), -EINVAL);	/* never given */
	settle_seen(s, DATA, 0, 2);
	settle_pass_end(s, 1);
	ok_int(lost_now(s), 1);
	ok_int(reports[0].cause, SETTLE_MALFORMED);
	settle_free(&s);
}

/* ---- frames */

static void a_failed_frame_becomes_lost(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = counters(20, 0, 0);

	settle_observe(s, DATA, 0, &c);
	for (unsigned i = 0; i < 10; i++)
		settle_seen(s, DATA, 0, i);
	ok_int(settle_frame_failed(s, CHAIN_DATA), 0);
	ok(settle_frame_empty(s, CHAIN_DATA));
	for (unsigned i = 10; i < 20; i++)
		settle_seen(s, DATA, 0, i);
	ok_int(settle_frame_failed(s, CHAIN_DATA), 0);
	ok_int(settle_lost_total(s), 20);
	ok_int(lost_now(s), 20);
	ok_int(reports[0].cause, SETTLE_DISK_FULL);
	settle_frame_ranges(s, CHAIN_CONTROL, &h);
	ok_int(h.nranges, 1);		/* a long loss is one range */
	/* the control frame that was to say it fails too: the losses wait again and are not counted twice */
	settle_user_seq(s);
	ok_int(settle_frame_failed(s, CHAIN_CONTROL), 0);
	ok_int(settle_lost_total(s), 20);
	ok_int(lost_now(s), 20);
	settle_free(&s);
}

static void filtered_is_neither(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = counters(10, 0, 0);

	settle_observe(s, DATA, 0, &c);
	for (unsigned i = 0; i < 10; i++)
		ok_int(i % 2 ? settle_seen(s, DATA, 0, i) : settle_filtered(s, DATA, 0, i), 1);
	ok_int(settle_filtered(s, DATA, 0, 4), 0);
	settle_pass_end(s, 1);
	ok_int(settle_unsettled(s), 0);
	ok_int(settle_frame_filtered(s, CHAIN_DATA), 5);
	settle_frame_ranges(s, CHAIN_DATA, &h);
	ok_int(h.nranges, 1);		/* one range, however they alternate */
	ok_int(settle_frame_failed(s, CHAIN_DATA), 0);
	ok_int(settle_lost_total(s), 5);	/* the records alone */
	ok_int(lost_now(s), 5);
	ok_int(settle_frame_filtered(s, CHAIN_CONTROL), 5);
	settle_frame_ranges(s, CHAIN_CONTROL, &h);
	ok_int(h.nranges, 1);
	ok(h.ranges[0].first == 0 && h.ranges[0].last == 9);
	ok_int(settle_frame_failed(s, CHAIN_CONTROL), 0);
	ok_int(settle_lost_total(s), 5);
	ok_int(lost_now(s), 5);
	settle_frame_done(s, CHAIN_CONTROL);
	ok_int(settle_frame_filtered(s, CHAIN_CONTROL), 0);
	settle_free(&s);
}

static void a_frame_without_ranges_left(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = counters(2000, 0, 0);
	unsigned n = 0;

	settle_observe(s, DATA, 0, &c);
	while (!settle_frame_full(s, CHAIN_DATA)) {
		ok_int(settle_seen(s, DATA, 0, 2 * n), 1);
		n++;
	}
	ok_int(n, FRAME_RANGES_MAX - SETTLE_SPARE);
	settle_frame_ranges(s, CHAIN_DATA, &h);
	ok_int(h.nranges, n);
	ok_int(settle_frame_done(s, CHAIN_DATA), 0);
	ok(!settle_frame_full(s, CHAIN_DATA));
	ok_int(settle_seen(s, DATA, 0, 1), 1);
	settle_free(&s);
}

static void losses_beyond_a_frame_wait_for_the_next(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = counters(1000, 1000, 0);
	uint64_t lost = 0;
	int frames = 0;

	settle_observe(s, DATA, 0, &c);
	for (unsigned i = 0; i < 2000; i += 2) {
		if (settle_frame_full(s, CHAIN_DATA))
			settle_frame_done(s, CHAIN_DATA);
		settle_seen(s, DATA, 0, i);
	}
	settle_pass_end(s, 1);
	while (settle_has_lost(s)) {
		lost += lost_now(s);
		settle_user_seq(s);
		settle_frame_ranges(s, CHAIN_CONTROL, &h);
		ok(h.nranges <= FRAME_RANGES_MAX);
		settle_frame_done(s, CHAIN_CONTROL);
		frames++;
	}
	ok_int(lost, 1000);
	ok(frames >= 5);
	settle_free(&s);
}

/* ---- restart */

static struct settle *restarted(struct settle *old)
{
	struct settle *s = fresh(1);
	struct buf b = { 0 };

	ok_int(settle_save(old, &b), 0);
	ok_int(settle_load(s, b.p, b.n), 0);
	buf_free(&b);
	settle_free(&old);
	return s;
}

static void restart_skips_what_is_on_disk(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = counters(10, 0, 0);

	settle_observe(s, DATA, 0, &c);
	for (unsigned i = 0; i < 6; i++)
		settle_seen(s, DATA, 0, i);
	settle_frame_done(s, CHAIN_DATA);
	for (unsigned i = 6; i < 9; i++)	/* in a frame that never got to the disk */
		settle_seen(s, DATA, 0, i);
	s = restarted(s);
	settle_observe(s, DATA, 0, &c);
	for (unsigned i = 0; i < 10; i++)
		ok_int(settle_seen(s, DATA, 0, i), i >= 6);
	settle_pass_end(s, 1);
	ok(!settle_has_lost(s));
	settle_free(&s);
}

/* Killed between a frame's append and the state's write: the frame on disk says it. */
static void restart_with_a_frame_newer_than_the_state(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = counters(10, 0, 0);

	settle_observe(s, DATA, 0, &c);
	settle_seen(s, DATA, 0, 0);
	settle_frame_done(s, CHAIN_DATA);
	s = restarted(s);
	h.nranges = 1;
	h.ranges[0] = (struct frame_range){ DATA, 0, 1, 4 };
	ok_int(settle_found(s, &h), 0);
	h.ranges[0] = (struct frame_range){ DATA, 77, 1, 4 };	/* another host's idea of a CPU */
	ok_int(settle_found(s, &h), 0);
	settle_observe(s, DATA, 0, &c);
	for (unsigned i = 0; i < 10; i++)
		ok_int(settle_seen(s, DATA, 0, i), i >= 5);
	settle_free(&s);
}

/* Losses from before the restart cannot be told from the counters alone: what is still missing after the grace is lost. */
static void restart_with_losses(void)
{
	struct settle *s = fresh(1);
	struct ht_counters c = counters(6, 4, 0);

	settle_observe(s, DATA, 0, &c);
	settle_seen(s, DATA, 0, 0);
	settle_frame_done(s, CHAIN_DATA);
	s = restarted(s);
	settle_observe(s, DATA, 0, &c);
	for (unsigned i = 5; i < 10; i++)
		settle_seen(s, DATA, 0, i);
	settle_pass_end(s, SEC);
	ok(!settle_has_lost(s));
	settle_observe(s, DATA, 0, &c);
	settle_pass_end(s, SEC + SETTLE_GRACE);
	ok_int(lost_now(s), 4);
	/* now everything adds up: the next loss is known at once */
	c = counters(7, 5, 0);
	settle_observe(s, DATA, 0, &(struct ht_counters){ .seq = 10, .submitted = 6, .lost = { 4 } });
	settle_pass_end(s, 2 * SEC);
	settle_observe(s, DATA, 0, &c);
	settle_seen(s, DATA, 0, 11);
	settle_pass_end(s, 2 * SEC + 1);
	ok_int(lost_now(s), 1);
	settle_free(&s);
}

static void own_numbers_go_on(void)
{
	struct settle *s = fresh(1);

	ok_int(settle_user_seq(s), 0);
	ok_int(settle_user_seq(s), 1);
	settle_frame_done(s, CHAIN_CONTROL);
	s = restarted(s);
	ok_int(settle_user_seq(s), 2);
	h.nranges = 1;
	h.ranges[0] = (struct frame_range){ HT_CLASS_USER, 0, 3, 9 };
	settle_found(s, &h);
	ok_int(settle_user_seq(s), 10);
	settle_free(&s);
}

static void a_lost_segment(void)
{
	struct settle *s = fresh(1);

	h.nranges = 1;
	h.ranges[0] = (struct frame_range){ DATA, 0, 5, 8 };
	ok_int(settle_lost_frame(s, &h), 0);
	ok_int(lost_now(s), 4);
	ok_int(reports[0].cause, SETTLE_BAD_SEGMENT);
	ok_int(settle_seen(s, DATA, 0, 6), 0);
	settle_free(&s);
}

static void a_damaged_state_changes_nothing(void)
{
	struct settle *s = fresh(1), *other = fresh(2);
	struct buf b = { 0 };
	struct ht_counters c = counters(1, 0, 0);

	settle_observe(s, DATA, 0, &c);
	settle_seen(s, DATA, 0, 0);
	settle_frame_done(s, CHAIN_DATA);
	settle_save(s, &b);
	ok_int(settle_load(other, b.p, b.n), -EBADMSG);
	settle_free(&other);
	other = fresh(1);
	for (size_t n = 0; n < b.n; n++)
		ok_int(settle_load(other, b.p, n), -EBADMSG);
	memset(b.p + 16, 0xff, 16);
	ok_int(settle_load(other, b.p, b.n), -EBADMSG);
	memcpy(b.p + 16, (const uint64_t[]){ 0, 1 }, 16);	/* a range that reaches to where the next number could not be saved */
	buf_add(&b, b.p + 24, 16);
	memmove(b.p + 48, b.p + 32, b.n - 48);
	memcpy(b.p + 32, (const uint64_t[]){ 0, UINT64_MAX - 1 }, 16);
	ok_int(settle_load(other, b.p, b.n), -EBADMSG);
	ok_int(settle_seen(other, DATA, 0, 0), 1);
	buf_free(&b);
	settle_free(&other);
	settle_free(&s);
}

/* ---- against a model: floods, late entries, frames that fail, restarts at any point */

enum { N = 3000 };
struct world {
	char state[N];			/* what became of a number: 0 nothing, 1 in the ring, 2 lost by the kernel */
	char recorded[N], lost[N];	/* said by frames on disk */
	char open_data[N];		/* in the open data frame */
	unsigned taken;
	uint64_t submitted, dropped, now;
	unsigned seed;
};

static void take_numbers(struct world *w)
{
	unsigned n = (unsigned)rand_r(&w->seed) % 40;

	for (unsigned i = 0; i < n && w->taken < N; i++) {
		bool full = rand_r(&w->seed) % 3 == 0;

		w->state[w->taken] = full ? 2 : 1;
		if (full)
			w->dropped++;
		else
			w->submitted++;
		w->taken++;
	}
}

static void model_close(struct world *w, struct settle *s, bool fail)
{
	if (fail) {
		settle_frame_failed(s, CHAIN_DATA);
		memset(w->open_data, 0, N);
		return;
	}
	settle_frame_ranges(s, CHAIN_DATA, &h);
	for (unsigned r = 0; r < h.nranges; r++)
		for (uint64_t q = h.ranges[r].first; q <= h.ranges[r].last; q++) {
			ok(w->open_data[q] && !w->recorded[q] && !w->lost[q]);
			w->recorded[q] = 1;
		}
	settle_frame_done(s, CHAIN_DATA);
	memset(w->open_data, 0, N);
}

static void model_say_lost(struct world *w, struct settle *s)
{
	if (!settle_has_lost(s))
		return;
	settle_take_lost(s, reports, 64);
	settle_frame_ranges(s, CHAIN_CONTROL, &h);
	for (unsigned r = 0; r < h.nranges; r++)
		for (uint64_t q = h.ranges[r].first; q <= h.ranges[r].last; q++) {
			ok(!w->recorded[q] && !w->lost[q]);
			w->lost[q] = 1;
		}
	settle_frame_done(s, CHAIN_CONTROL);
}

static void model_pass(struct world *w, struct settle *s)
{
	struct ht_counters c = { .seq = w->taken, .submitted = w->submitted, .lost = { w->dropped } };

	settle_observe(s, DATA, 0, &c);
	for (unsigned q = 0; q < w->taken; q++) {
		if (w->state[q] != 1)
			continue;
		if (settle_frame_full(s, CHAIN_DATA))
			model_close(w, s, false);
		if (settle_seen(s, DATA, 0, q) == 1)
			w->open_data[q] = 1;
	}
	settle_pass_end(s, w->now);
}

static void model(void)
{
	for (unsigned round = 0; round < 30; round++) {
		static struct world w;
		struct settle *s = fresh(1);
		unsigned missing = 0;

		memset(&w, 0, sizeof(w));
		w.seed = round + 1;
		for (int step = 0; step < 120; step++) {
			w.now += SETTLE_GRACE / 3;
			take_numbers(&w);
			model_pass(&w, s);
			if (rand_r(&w.seed) % 3 == 0)
				model_close(&w, s, rand_r(&w.seed) % 5 == 0);
			if (rand_r(&w.seed) % 3 == 0)
				model_say_lost(&w, s);
			if (rand_r(&w.seed) % 10 == 0) {
				s = restarted(s);
				memset(w.open_data, 0, N);
			}
		}
		for (int step = 0; step < 20; step++) {
			w.now += SETTLE_GRACE;
			model_pass(&w, s);
			model_close(&w, s, false);
			model_say_lost(&w, s);
		}
		for (unsigned q = 0; q < w.taken; q++)
			missing += w.recorded[q] + w.lost[q] != 1;
		ok_int(missing, 0);
		ok_int(settle_unsettled(s), 0);
		settle_free(&s);
	}
}

/* ---- floods ---- */

static struct ht_principals table;
static struct ht_settled done;

/* Two users and others were cut: 3, 5 and 2 of the numbers 2 to 11. */
static struct settle *flooded(struct ht_counters *ret_c)
{
	struct settle *s = fresh(2);

	memset(&table, 0, sizeof(table));
	memset(&done, 0, sizeof(done));
	table.slot[7] = (struct ht_principal){ .tag = 1, .cgroup_id = 99, .uid = 1000, .call = 12, .cut = 3 };
	table.slot[200] = (struct ht_principal){ .tag = 3, .cgroup_id = 98, .uid = 1001, .cut = 5 };
	table.others.cut = 2;
	*ret_c = (struct ht_counters){ .seq = 12, .submitted = 2, .lost = { [HT_CAUSE_FLOOD] = 10 } };
	ok_int(settle_principals(s, DATA, 0, 1, &table, &done), 0);
	return s;
}

static void flood_pass(struct settle *s, const struct ht_counters *c)
{
	settle_observe(s, DATA, 0, c);
	settle_seen(s, DATA, 0, 0);
	settle_seen(s, DATA, 0, 1);
	ok_int(settle_pass_end(s, 1), 0);
}

static void check_reports(unsigned n)
{
	uint64_t sum[3] = { 0 };

	for (unsigned i = 0; i < n; i++) {
		const struct settle_principal *p = &reports[i].principal;

		ok_int(reports[i].cause, SETTLE_FLOOD);
		if (p->known)
			ok(p->uid == 1000 ? p->cgroup_id == 99 && p->call == 12 : p->uid == 1001 && p->cgroup_id == 98 && !p->call);
		sum[!p->known ? 2 : p->uid - 1000] += reports[i].count;
	}
	ok(sum[0] == 3 && sum[1] == 5 && sum[2] == 2);
}

static void a_flood_is_somebodys(void)
{
	struct ht_counters c;
	struct settle *s = flooded(&c);

	ok_int(settle_principals(s, DATA, 1, 2, &table, &done), -EINVAL);
	flood_pass(s, &c);
	ok_int(settle_unsettled(s), 0);
	check_reports(settle_take_lost(s, reports, 64));
	ok_int(done.slot[7] + done.slot[200] + done.slot[HT_FLOOD_SLOTS], 0);
	settle_frame_done(s, CHAIN_CONTROL);
	ok_int(done.slot[7], 3);
	ok_int(done.slot[200], 5);
	ok_int(done.slot[HT_FLOOD_SLOTS], 2);
	settle_free(&s);
}

/* Nobody else's slot before its loss is on disk: a frame that fails is said again, with the same names. */
static void a_flood_whose_frame_failed(void)
{
	struct ht_counters c;
	struct settle *s = flooded(&c);

	flood_pass(s, &c);
	check_reports(settle_take_lost(s, reports, 64));
	settle_frame_failed(s, CHAIN_CONTROL);
	ok_int(done.slot[7], 0);
	check_reports(settle_take_lost(s, reports, 64));
	settle_frame_done(s, CHAIN_CONTROL);
	ok_int(done.slot[7], 3);
	ok_int(settle_lost_total(s), 10);
	settle_free(&s);
}

/* A cut that is counted to its principal, and not yet by its CPU, is not said; nor is another cause taken for a flood. */
static void a_cut_in_between(void)
{
	struct ht_counters c;
	struct settle *s = flooded(&c);

	table.slot[7].cut++;
	c.lost[HT_CAUSE_RING_FULL] = 1;
	c.seq++;
	flood_pass(s, &c);
	ok_int(settle_lost_total(s), 11);
	ok_int(settle_take_lost(s, reports, 64), 4);
	settle_frame_done(s, CHAIN_CONTROL);
	ok_int(done.slot[7] + done.slot[200] + done.slot[HT_FLOOD_SLOTS], 10);
	settle_free(&s);
}

/* The next reader knows from the table what is not settled; what a killed one did not get to note, it notes at rest. */
static void a_flood_over_a_restart(void)
{
	struct ht_counters c;
	struct settle *s = flooded(&c), *next = fresh(2);
	_cleanup_buf_ struct buf state = { 0 };

	flood_pass(s, &c);
	check_reports(settle_take_lost(s, reports, 64));
	settle_frame_done(s, CHAIN_CONTROL);
	settle_frame_done(s, CHAIN_DATA);
	ok_int(settle_save(s, &state), 0);
	done.slot[7] = 1;
	ok_int(settle_load(next, state.p, state.n), 0);
	ok_int(settle_principals(next, DATA, 0, 1, &table, &done), 0);
	settle_observe(next, DATA, 0, &c);
	settle_observe(next, DATA, 1, &(struct ht_counters){ 0 });
	settle_pass_end(next, 2);
	ok(!settle_has_lost(next));
	ok_int(done.slot[7], 3);
	table.slot[200].cut += 4;	/* and then it goes on */
	c.lost[HT_CAUSE_FLOOD] += 4;
	c.seq += 4;
	settle_observe(next, DATA, 0, &c);
	settle_pass_end(next, 3);
	ok_int(settle_take_lost(next, reports, 64), 1);
	ok(reports[0].principal.uid == 1001 && reports[0].count == 4);
	settle_free(&s);
	settle_free(&next);
}

static const struct tap_case cases[] = {
	CASE(in_order), CASE(a_gap_that_the_kernel_counted), CASE(trailing_loss), CASE(in_flight_is_not_lost), CASE(given_up_is_lost),
	CASE(causes_are_shared_out), CASE(malformed_is_lost_once), CASE(a_failed_frame_becomes_lost), CASE(filtered_is_neither),
	CASE(a_frame_without_ranges_left), CASE(losses_beyond_a_frame_wait_for_the_next),
	CASE(restart_skips_what_is_on_disk), CASE(restart_with_a_frame_newer_than_the_state), CASE(restart_with_losses),
	CASE(own_numbers_go_on), CASE(a_lost_segment), CASE(a_damaged_state_changes_nothing),
	CASE(a_flood_is_somebodys), CASE(a_flood_whose_frame_failed), CASE(a_cut_in_between), CASE(a_flood_over_a_restart),
	CASE(model),
};
TAP_MAIN(cases)
