/* SPDX-License-Identifier: Apache-2.0 */
/* ht-test: first */
/* bpf/flood.bpf.h over a ring that is played: writers, a reader that frees what it has read in steps, and a clock. */
#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "tests/tap.h"

/* ---- what the header finds in the kernel ------------------------------------------------------ */

#undef __always_inline
#define __always_inline inline __attribute__((unused))
#define __noinline static __attribute__((unused))
#define barrier_var(x) asm volatile("" : "+r"(x))
#define NO_UNROLL
#define SHIFT 22
#define SIZE (1ull << SHIFT)
#define MS 1000000ull

enum { BPF_RB_AVAIL_DATA, BPF_RB_PROD_POS };

struct cred {
	struct {
		uint32_t val;
	} uid;
};

struct task_struct {
	const struct cred *cred;
	const uint32_t *cgroups;	/* from the root's child down, then 0 */
};

static const uint32_t ht_ring_shift[HT_CLASS__MAX] = { SHIFT, SHIFT, SHIFT, SHIFT }, ht_ngroups = 1, ht_group_shift = 3;
static const uint64_t ht_flood_seed = 0x1234567;
static char rings, principals, settled;
static struct {
	uint64_t now, written, read;
	struct ht_principals table;
	struct ht_settled done;
	struct ht_counters counters;
	struct cred cred;
	struct task_struct task;
} k;

static uint32_t asked_for;	/* which table of principals */

static void *bpf_map_lookup_elem(void *map, const uint32_t *key)
{
	if (map == &principals)
		asked_for = *key;
	return map == &principals ? (void *)&k.table : map == &settled ? (void *)&k.done : &rings;
}

static uint64_t bpf_ringbuf_query(void *ring, int what)
{
	return what == BPF_RB_AVAIL_DATA ? k.written - k.read : k.written;
}

static struct task_struct *this_task(void)
{
	return &k.task;
}

static uint64_t cgroup_of(const uint32_t *cgroups)
{
	return (uintptr_t)cgroups;
}

static uint64_t cgroup_above(uint64_t cgroup, unsigned i)
{
	const uint32_t *v = (const uint32_t *)cgroup;

	for (unsigned n = 0; n < i; n++)
		if (!v[n])
			return 0;
	return v[i];
}

static uint64_t cgroup_id_of(uint64_t cgroup)
{
	unsigned n = 0;

	while (cgroup_above(cgroup, n + 1))
		n++;
	return cgroup_above(cgroup, n);
}

static uint32_t ring_of(uint32_t class, uint32_t cpu)
{
	return class;
}

static struct ht_counters *counters_of(uint32_t class, uint32_t cpu)
{
	return &k.counters;
}

static void number_lost(struct ht_counters *c, uint32_t cause)
{
	c->lost[cause]++;
}

#include "bpf/flood.bpf.h"

/* ---- the play ----------------------------------------------------------------------------------- */

#define LEN 240
#define USUAL 7			/* the call that everybody makes */

struct writer {
	uint32_t uid, cgroup[8];	/* from the root's child down */
	uint32_t rare;		/* each so-many-th call is another one; 0: none */
	double rate, due;		/* calls a second */
	uint64_t from;			/* ns: is quiet before */
	uint32_t len;			/* of an entry; 0: LEN */
	uint64_t made, recorded, cut, full, rare_lost;
};

static void begin(void)
{
	memset(&k, 0, sizeof(k));
	k.now = 1000 * MS;
}

static uint64_t waits(void)
{
	return k.written - k.read;
}

/* As record_begin() and record_end() do it. */
static void one_call(struct writer *w)
{
	bool pressed = waits() >= SIZE / 4, rare = w->rare && w->made % w->rare == 0;
	uint32_t call = w->len ? 0 : rare ? USUAL + 1 : USUAL, cut, len = w->len ?: LEN;

	k.cred.uid.val = w->uid;
	k.task = (struct task_struct){ &k.cred, w->cgroup };
	w->made++;
	cut = pressed ? (uint32_t)flood_cut(HT_CLASS_DATA, 0, call) : 0;
	if (cut) {
		flood_lost(HT_CLASS_DATA, 0, cut);
		w->cut++;
		w->rare_lost += rare;
		return;
	}
	if (waits() + len > SIZE) {
		w->full++;
		w->rare_lost += rare;
		return;
	}
	k.written += len;
	w->recorded++;
	if (pressed)
		flood_charge(HT_CLASS_DATA, 0, call, len);
}

/* The reader frees what it read, and says what of the losses is on disk. */
static void commit(uint64_t bytes)
{
	k.read += bytes < waits() ? bytes : waits();
	for (unsigned i = 0; i < HT_FLOOD_SLOTS; i++)
		k.done.slot[i] = k.table.slot[i].cut;
	k.done.slot[HT_FLOOD_SLOTS] = k.table.others.cut;
}

/* For that long; a reader of so many bytes a second (0: stands still) that frees them each 20 ms. In steps of 100 us, everybody in turn. The
 * most that waited in the last half of it. */
static uint64_t play(struct writer *w, unsigned n, uint64_t ns, double reader)
{
	uint64_t end = k.now + ns, half = k.now + ns / 2, peak = 0;

	for (unsigned step = 0; k.now < end; step++) {
		for (unsigned i = 0; i < n; i++)
			if (k.now >= w[i].from)
				for (w[i].due += w[i].rate / 10000; w[i].due >= 1; w[i].due--)
					one_call(&w[i]);
		if (k.now >= half && waits() > peak)
			peak = waits();
		k.now += MS / 10;
		if (step % 200 == 199)
			commit((uint64_t)(reader / 50));
	}
	return peak;
}

static uint64_t lost(const struct writer *w, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += w[i].cut + w[i].full;
	return sum;
}

static uint64_t recorded(const struct writer *w, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += w[i].recorded;
	return sum;
}

/* Every cut is in the table, by whose it is. */
static void counts_add_up(const struct writer *w, unsigned n)
{
	uint64_t cut = 0, in_table = k.table.others.cut;

	for (unsigned i = 0; i < n; i++)
		cut += w[i].cut;
	for (unsigned i = 0; i < HT_FLOOD_SLOTS; i++)
		in_table += k.table.slot[i].cut;
	ok_int(in_table, cut);
	ok_int(k.counters.lost[HT_CAUSE_FLOOD], cut);
}

#define READER (SIZE * 2.5)	/* bytes a second */
#define CAN (READER / LEN)	/* calls a second */
#define QUIET 200
#define NEW 100

static struct writer all[4096];

/* Quiet ones, in cgroups and with users of all kinds, then newcomers who come in the flood with so many calls at once: who is not a
 * flooder. */
static unsigned quiet_and_new(struct writer *w, unsigned burst)
{
	for (unsigned i = 0; i < QUIET; i++)
		w[i] = (struct writer){ .uid = 1000 + i % 20, .cgroup = { 100 + i / 20 }, .rate = 20 + i % 7 };
	for (unsigned i = 0; i < NEW; i++)
		w[QUIET + i] = (struct writer){ .uid = i % 2 ? 3000 + i : 1000, .cgroup = { i % 2 ? 100 : 3000 + i }, .rate = 20, .due = burst,
						.from = k.now + (1000 + 15 * i) * MS };
	return QUIET + NEW;
}

static void one_flooder(void)
{
	struct writer *flooder = all, *rest = all + 1;
	unsigned n;

	begin();
	n = quiet_and_new(rest, 40);
	*flooder = (struct writer){ .uid = 1000, .cgroup = { 99 }, .rate = 5 * CAN, .rare = 100 };
	play(all, n + 1, 4000 * MS, READER);
	ok_int(lost(rest, n), 0);
	ok(flooder->cut > 0);
	ok_int(flooder->full, 0);
	ok_int(flooder->rare_lost, 0);
	ok(flooder->recorded > 3.5 * CAN * 0.9);	/* and it gets what the others leave */
	ok_int(k.table.others.window, 0);		/* everybody has a place */
	counts_add_up(all, n + 1);
}

/* One that writes much, but less than its part of what the reader can, pays for nobody's flood. */
static void a_busy_one_beside_floods(void)
{
	begin();
	all[0] = (struct writer){ .uid = 1, .cgroup = { 1 }, .rate = CAN / 8 };
	for (unsigned i = 1; i < 5; i++)
		all[i] = (struct writer){ .uid = 1 + i % 2, .cgroup = { 1 + i }, .rate = 3 * CAN };
	play(all, 5, 4000 * MS, READER);
	ok_int(lost(all, 1), 0);
	counts_add_up(all, 5);
}

/* The flooders are there, and others behind them: who is quiet loses nothing, and the ring is used. Says how full it gets, and what one gets. */
static uint64_t flooded(unsigned flooders, unsigned burst, uint64_t *ret_each)
{
	struct writer *rest = all + flooders;
	uint64_t peak, before, each;
	unsigned n;

	n = quiet_and_new(rest, burst);
	play(all, flooders + n, 3000 * MS, READER);
	before = recorded(all, flooders);
	each = all[2].recorded;
	peak = play(all, flooders + n, 3000 * MS, READER);
	printf("# %u flooders: at most %llu %% full, %llu of %llu calls of theirs recorded, one of them %llu of %llu\n", flooders,
	       (unsigned long long)(peak * 100 / SIZE), (unsigned long long)(recorded(all, flooders) - before),
	       (unsigned long long)(3 * CAN), (unsigned long long)(all[2].recorded - each), (unsigned long long)(3 * CAN / flooders));
	ok_int(lost(rest, n), 0);
	ok(recorded(all, flooders) - before > 3 * CAN * 0.6);
	counts_add_up(all, flooders + n);
	*ret_each = all[2].recorded - each;
	return peak;
}

static void floods_of(unsigned flooders, bool cgroups, unsigned burst)
{
	uint64_t each;

	begin();
	for (unsigned i = 0; i < flooders; i++)
		all[i] = (struct writer){ .uid = cgroups ? 5000 : 5000 + i, .cgroup = { cgroups ? 5000 + i : 99 }, .rate = 10 * CAN / flooders * (1 + i % 3) };
	ok(flooded(flooders, burst, &each) < SIZE * 15 / 16);
	ok(each < 3 * CAN / flooders * 1.5);
}

static void many_users_flood(void)
{
	floods_of(100, false, 40);
}

static void many_cgroups_flood(void)
{
	floods_of(250, true, 10);
}

/* One container, with users and cgroups as many as it likes, also deeper than cgroups are told apart: they leave a seventh of the ring, and use it. */
static void one_container_floods(unsigned users, unsigned cgroups, unsigned depth)
{
	unsigned flooders = users * cgroups;
	uint64_t each;

	begin();
	for (unsigned i = 0; i < flooders; i++) {
		all[i] = (struct writer){ .uid = 5000 + i % users, .cgroup = { 98, 99 }, .rate = 3 * CAN / flooders * (1 + i % 3) };
		for (unsigned d = 2; d < depth; d++)
			all[i].cgroup[d] = 100000 + (d == depth - 1 ? i / users : d);
	}
	ok(flooded(flooders, 40, &each) < SIZE * 7 / 8);
}

static void many_users_of_a_container(void)
{
	one_container_floods(1500, 1, 2);
}

static void many_cgroups_of_a_container(void)
{
	one_container_floods(1, 1500, 4);
	one_container_floods(2, 300, 7);
}

/* Who is quiet in it, as any user and in any cgroup of its own, goes on, and so does who is beside it in the same slice. */
static void quiet_in_the_same_container(void)
{
	struct writer *rest = all + 100;

	begin();
	for (unsigned i = 0; i < 100; i++)
		all[i] = (struct writer){ .uid = 5000 + i, .cgroup = { 97, 99, 100 + i % 10 }, .rate = CAN / 10 };
	for (unsigned i = 0; i < 30; i++)
		rest[i] = (struct writer){ .uid = 1 + i, .cgroup = { 97, i % 3 ? 99 : 98, i % 3 == 1 ? 1000 + i : 0 }, .rate = 20 };
	play(all, 130, 4000 * MS, READER);
	ok_int(lost(rest, 30), 0);
	ok(lost(all, 100) > 0);
	counts_add_up(all, 130);
}

/* What was found about a reader that works says nothing about one that stands still: who is quiet may fill what is free. */
static void the_reader_stands_still(void)
{
	begin();
	all[0] = (struct writer){ .uid = 1, .cgroup = { 1 }, .rate = 5 * CAN };
	all[1] = (struct writer){ .uid = 2, .cgroup = { 1 }, .rate = SIZE / 8 / LEN };
	play(all, 2, 500 * MS, READER);
	play(all, 2, 1000 * MS, 0);
	ok_int(lost(all + 1, 1), 0);
}

/* Who wrote much while there was room for it is not shut out when somebody else floods. */
static void a_past_is_forgotten(void)
{
	struct writer w[2] = { { .uid = 1, .cgroup = { 1 }, .rate = 1.05 * CAN }, { .uid = 2, .cgroup = { 1 }, .rate = 6 * CAN, .from = UINT64_MAX } };
	uint64_t before;

	begin();
	k.written = SIZE * 2 / 5;
	play(w, 2, 2000 * MS, 1.05 * READER);
	ok_int(lost(w, 1), 0);
	w[0].rate = CAN / 10;
	w[1].from = 0;
	play(w, 2, 100 * MS, READER);	/* of what it still holds */
	before = lost(w, 1);
	play(w, 2, 3000 * MS, READER);
	ok_int(lost(w, 1) - before, 0);
	ok(w[1].cut > 0);
}

/* Plaintext of TLS: large pieces that are no calls. Who has small ones loses none beside who fills the ring with the largest. */
static void large_pieces(void)
{
	uint32_t large = sizeof(struct ht_tls) + HT_TLS_CHUNK;
	struct writer w[4] = { { .uid = 1, .cgroup = { 1 }, .rate = 5 * READER / large, .len = large },
			       { .uid = 2, .cgroup = { 2 }, .rate = 5 * READER / large, .len = large },
			       { .uid = 3, .cgroup = { 3 }, .rate = 400, .len = 600 }, { .uid = 4, .cgroup = { 4 }, .rate = 10, .len = large } };

	begin();
	play(w, 4, 4000 * MS, READER);
	ok_int(lost(w + 2, 2), 0);
	ok(w[0].cut > 0 && w[1].cut > 0);
	ok_int(w[0].full + w[1].full, 0);
	ok(w[0].recorded * large > READER);	/* of 4 seconds: each gets its part */
	counts_add_up(w, 4);
}

/* The one ring of TLS has one table, whatever CPU writes; others one for each group of CPUs. */
static void whose_table(void)
{
	static const uint32_t cgroups[] = { 1, 0 };

	begin();
	k.task = (struct task_struct){ &k.cred, cgroups };
	flood_charge(HT_CLASS_TLS, 9, 0, LEN);
	ok_int(asked_for, HT_CLASS_TLS * ht_ngroups);
	flood_lost(HT_CLASS_TLS, 9, 1);
	ok_int(asked_for, HT_CLASS_TLS * ht_ngroups);
	flood_charge(HT_CLASS_DATA, 9, USUAL, LEN);
	ok_int(asked_for, HT_CLASS_DATA * ht_ngroups + 1);
}

#define HALF (SIZE / 2)

static void bounds(void)
{
	ok_int(bound_cubed(SIZE / 2, HALF), SIZE / 2);
	ok_int(bound_cubed(SIZE / 4, HALF), SIZE / 16);
	ok_int(bound_squared(SIZE / 4, HALF), SIZE / 8);
	ok_int(bound_cubed(0, HALF), 0);
	ok_int(bound_cubed(1ull << 31, 1ull << 31), 1ull << 31);	/* nothing overflows */
}

static const struct tap_case cases[] = {
	CASE(bounds), CASE(one_flooder), CASE(a_busy_one_beside_floods), CASE(many_users_flood), CASE(many_cgroups_flood),
	CASE(many_users_of_a_container), CASE(many_cgroups_of_a_container), CASE(quiet_in_the_same_container),
	CASE(the_reader_stands_still), CASE(a_past_is_forgotten), CASE(large_pieces), CASE(whose_table),
};
TAP_MAIN(cases)
