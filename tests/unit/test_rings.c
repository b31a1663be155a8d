// SPDX-License-Identifier: Apache-2.0
/* The ring reader over images in memory: order, flags, hostile lengths. With real rings: test_probes*.c. */
#include <linux/bpf.h>

#include "agent/rings.h"
#include "tests/tap.h"

struct image {
	uint64_t w[1024];
	uint64_t n;		/* bytes */
};

static void put(struct image *m, uint32_t len, uint32_t bits, uint32_t kind, uint64_t seq)
{
	struct ht_event e = { .kind = (uint16_t)kind, .len = len, .seq = seq };
	uint32_t hdr[2] = { len | bits, 0 };
	uint8_t *p = (uint8_t *)m->w + m->n;

	memcpy(p, hdr, sizeof(hdr));
	memcpy(p + 8, &e, len < sizeof(e) ? len : sizeof(e));
	m->n += 8 + (len + 7) / 8 * 8;
}

static struct rings *open_image(const struct image *m)
{
	const void *image[HT_CLASS__MAX] = { [HT_CLASS_DATA] = m->w };
	uint64_t bytes[HT_CLASS__MAX] = { [HT_CLASS_DATA] = m->n };
	struct rings *r = NULL;

	ok_int(rings_open_image(image, bytes, &r), 0);
	rings_snapshot(r);
	return r;
}

/* Reads to the end: how many entries, and the sum of their numbers. */
static unsigned read_all(struct rings *r, uint64_t *ret_sum)
{
	const struct ht_event *e;
	unsigned n = 0;
	uint32_t len;

	*ret_sum = 0;
	while ((e = rings_next(r, HT_CLASS_DATA, &len))) {
		ok_int(e->len, len);
		*ret_sum += e->seq;
		n++;
	}
	return n;
}

static void entries_come_in_order(void)
{
	static struct image m;
	struct rings *r;
	const struct ht_event *e;
	uint32_t len;

	for (unsigned i = 0; i < 10; i++)
		put(&m, 48 + i, 0, HT_EV_CALL, i);
	r = open_image(&m);
	for (unsigned i = 0; i < 10; i++) {
		e = rings_next(r, HT_CLASS_DATA, &len);
		must(e);
		ok_int(e->seq, i);
		ok_int(len, 48 + i);
	}
	ok(!rings_next(r, HT_CLASS_DATA, &len));
	ok(!rings_next(r, HT_CLASS_CONTROL, &len));
	ok(!rings_next(r, 77, &len));
	rings_free(&r);
	ok(!r);
}

static void busy_stops_and_discarded_is_skipped(void)
{
	static struct image m;
	struct rings *r;
	uint64_t sum;

	put(&m, 64, 0, HT_EV_CALL, 1);
	put(&m, 64, BPF_RINGBUF_DISCARD_BIT, HT_EV_CALL, 10);
	put(&m, 64, 0, HT_EV_IDENT, 100);
	put(&m, 64, BPF_RINGBUF_BUSY_BIT, HT_EV_CALL, 1000);
	put(&m, 64, 0, HT_EV_CALL, 10000);
	r = open_image(&m);
	ok_int(read_all(r, &sum), 2);
	ok_int(sum, 101);
	ok_int(rings_malformed(r), 0);
	((uint32_t *)m.w)[3 * 72 / 4] &= ~BPF_RINGBUF_BUSY_BIT;	/* now the kernel is done with it */
	ok_int(read_all(r, &sum), 2);
	ok_int(sum, 11000);
	rings_free(&r);
}

static void lies_are_counted(void)
{
	static struct image m;
	struct rings *r;
	uint64_t sum;

	put(&m, 48, 0, HT_EV_CALL, 1);
	put(&m, 40, 0, HT_EV_CALL, 10);		/* shorter than a header */
	put(&m, 48, 0, HT_EV__MAX, 100);	/* unknown kind */
	put(&m, 48, 0, 0, 1000);
	put(&m, 64, 0, HT_EV_CALL, 10000);
	((struct ht_event *)((uint8_t *)m.w + m.n - 64))->len = 63;	/* says another length than the ring */
	put(&m, 48, 0, HT_EV_CALL, 2);
	r = open_image(&m);
	ok_int(read_all(r, &sum), 2);
	ok_int(sum, 3);
	ok_int(rings_malformed(r), 4);
	rings_free(&r);
}

static void a_length_past_the_end_ends_it(void)
{
	static struct image m;
	struct rings *r;
	uint64_t sum;

	put(&m, 48, 0, HT_EV_CALL, 1);
	put(&m, 48, 0, HT_EV_CALL, 10);
	((uint32_t *)m.w)[56 / 4] = 0x3fffffff;
	r = open_image(&m);
	ok_int(read_all(r, &sum), 1);
	ok_int(rings_malformed(r), 1);
	ok_int(read_all(r, &sum), 0);
	rings_free(&r);
	m.n -= 4;	/* a header that is cut */
	r = open_image(&m);
	ok_int(read_all(r, &sum), 1);
	rings_free(&r);
}

static void marks_and_fill(void)
{
	static struct image m;
	struct rings_mark mark;
	uint64_t used, size;
	struct rings *r;
	uint32_t len;

	for (unsigned i = 0; i < 4; i++)
		put(&m, 48, 0, HT_EV_CALL, i);
	r = open_image(&m);
	rings_fill(r, HT_CLASS_DATA, &used, &size);
	ok_int(used, m.n);
	ok_int(size, m.n);
	rings_next(r, HT_CLASS_DATA, &len);
	rings_mark(r, HT_CLASS_DATA, &mark);
	ok_int(mark.pos[0], 56);
	rings_next(r, HT_CLASS_DATA, &len);
	rings_commit(r, HT_CLASS_DATA, &mark);
	rings_fill(r, HT_CLASS_DATA, &used, &size);
	ok_int(used, m.n - 56);
	mark.pos[0] = m.n;	/* never past what was read, never back */
	rings_commit(r, HT_CLASS_DATA, &mark);
	mark.pos[0] = 8;
	rings_commit(r, HT_CLASS_DATA, &mark);
	rings_fill(r, HT_CLASS_DATA, &used, &size);
	ok_int(used, m.n - 56);
	ok(!rings_counters(r, HT_CLASS_DATA, 0));
	ok_int(rings_marked_tasks(r), 0);
	rings_free(&r);
}

static const struct tap_case cases[] = {
	CASE(entries_come_in_order),
	CASE(busy_stops_and_discarded_is_skipped),
	CASE(lies_are_counted),
	CASE(a_length_past_the_end_ends_it),
	CASE(marks_and_fill),
};
TAP_MAIN(cases)
