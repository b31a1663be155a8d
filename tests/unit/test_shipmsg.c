/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tap.h"

#include <errno.h>

#include "hosttrail.pb-c.h"
#include "proto/shipmsg.h"

static struct wire_span span(const struct buf *b)
{
	return (struct wire_span){ b->p, b->p + b->n };
}

static void requests_are_what_protobuf_reads(void)
{
	static const char *const frames[] = { "first", "", "a third one" };
	struct buf b = { 0 };
	struct wire_span s, f;
	Hosttrail__V1__ShipRequest *q;

	for (unsigned i = 0; i < 3; i++)
		ok_int(ship_request_add(&b, frames[i], strlen(frames[i])), 0);
	q = hosttrail__v1__ship_request__unpack(NULL, b.n, b.p);
	must(q && q->n_frames == 3);
	s = span(&b);
	for (unsigned i = 0; i < 3; i++) {
		must(ship_request_next(&s, &f) == 1);
		ok_int(wire_left(&f), strlen(frames[i]));
		ok(!wire_left(&f) || !memcmp(f.p, frames[i], wire_left(&f)));
		ok_int(q->frames[i].len, strlen(frames[i]));
		ok(!q->frames[i].len || !memcmp(q->frames[i].data, frames[i], q->frames[i].len));
	}
	ok_int(ship_request_next(&s, &f), 0);
	hosttrail__v1__ship_request__free_unpacked(q, NULL);
	buf_free(&b);
}

static void requests_say_when_they_were_made(void)
{
	struct buf b = { 0 };
	struct wire_span s, f;
	Hosttrail__V1__ShipRequest *q;
	int64_t wall = -1;

	ok_int(ship_request_add(&b, "one", 3), 0);
	ok_int(ship_request_check(b.p, b.n, &wall), 1);
	ok_int(wall, 0);
	ok_int(ship_request_time(&b, 1795342530123456789), 0);
	ok_int(ship_request_add(&b, "two", 3), 0);
	q = hosttrail__v1__ship_request__unpack(NULL, b.n, b.p);
	must(q && q->n_frames == 2);
	ok_int((int64_t)q->sent_at_ns, 1795342530123456789);
	hosttrail__v1__ship_request__free_unpacked(q, NULL);
	ok_int(ship_request_check(b.p, b.n, &wall), 2);
	ok_int(wall, 1795342530123456789);
	s = span(&b);	/* who looks for frames passes it over */
	ok_int(ship_request_next(&s, &f), 1);
	ok_int(ship_request_next(&s, &f), 1);
	ok_int(ship_request_next(&s, &f), 0);
	for (size_t cut = 1; cut < b.n; cut++)
		ok(ship_request_check(b.p, cut, &wall) == -EBADMSG || cut == 5 || cut == 15);
	/* past what a signed number holds; and of another type */
	ok_int(ship_request_check("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, &wall), 0);
	ok_int(wall, INT64_MAX);
	ok_int(ship_request_check("\x12\x01x", 3, &wall), -EBADMSG);
	buf_free(&b);
}

static void overhead_is_as_promised(void)
{
	struct buf b = { 0 };
	char *big = calloc(1, 5 << 20);

	must(big);
	ok_int(ship_request_add(&b, big, 5 << 20), 0);
	ok(b.n <= (5u << 20) + SHIP_FRAME_OVERHEAD);
	buf_free(&b);
	free(big);
}

static void replies_are_what_protobuf_reads(void)
{
	static const enum ship_status statuses[] = { SHIP_STORED, SHIP_REJECTED, SHIP_RETRY };
	static const char *const reasons[] = { "", "bad", "later" };
	struct buf b = { 0 };
	struct wire_span s;
	struct ship_result result;
	Hosttrail__V1__ShipReply *m;

	for (unsigned i = 0; i < 3; i++)
		ok_int(ship_reply_add(&b, statuses[i], reasons[i]), 0);
	m = hosttrail__v1__ship_reply__unpack(NULL, b.n, b.p);
	must(m && m->n_results == 3);
	s = span(&b);
	for (unsigned i = 0; i < 3; i++) {
		must(ship_reply_next(&s, &result) == 1);
		ok_int(result.status, statuses[i]);
		ok_int(m->results[i]->status, statuses[i]);
		ok_int(result.reason_len, strlen(reasons[i]));
		ok_str(m->results[i]->reason, reasons[i]);
	}
	ok_int(ship_reply_next(&s, &result), 0);
	hosttrail__v1__ship_reply__free_unpacked(m, NULL);
	buf_free(&b);
}

static void unknown_statuses_and_fields_are_harmless(void)
{
	/* a result with status 77 and an unknown field 9; then an unknown field 5 of the reply */
	static const uint8_t text[] = { 0x0a, 0x04, 0x08, 77, 0x48, 3, 0x28, 1 };
	struct wire_span s = { text, text + sizeof(text) };
	struct ship_result result;

	ok_int(ship_reply_next(&s, &result), 1);
	ok_int(result.status, SHIP_UNSPECIFIED);
	ok_int(result.reason_len, 0);
	ok_int(ship_reply_next(&s, &result), 0);
}

static void heads_go_there_and_back(void)
{
	static const uint8_t stream[16] = { 1, 2, 3, 255 };
	struct ship_head heads[2] = { { .chain = 0, .next = 0 }, { .chain = 2, .next = 1ull << 40, .has_hash = true } }, h;
	struct buf b = { 0 };
	struct wire_span s;
	uint8_t back[16];
	Hosttrail__V1__HeadsReply *m;

	memset(heads[1].last_hash, 0xab, 32);
	ok_int(heads_request_build(&b, stream), 0);
	ok_int(heads_request_read(b.p, b.n, back), 0);
	ok(!memcmp(back, stream, 16));
	ok_int(heads_request_read(b.p, b.n - 1, back), -EBADMSG);
	ok_int(heads_request_read("", 0, back), -EBADMSG);
	buf_reset(&b);
	for (unsigned i = 0; i < 2; i++)
		ok_int(heads_reply_add(&b, &heads[i]), 0);
	m = hosttrail__v1__heads_reply__unpack(NULL, b.n, b.p);
	must(m && m->n_heads == 2);
	ok_int(m->heads[1]->next_number, 1ull << 40);
	ok_int(m->heads[1]->last_hash.len, 32);
	s = span(&b);
	for (unsigned i = 0; i < 2; i++) {
		must(heads_reply_next(&s, &h) == 1);
		ok_int(h.chain, heads[i].chain);
		ok_int(h.next, heads[i].next);
		ok_int(h.has_hash, heads[i].has_hash);
	}
	ok(!memcmp(h.last_hash, heads[1].last_hash, 32));
	hosttrail__v1__heads_reply__free_unpacked(m, NULL);
	buf_free(&b);
}

static void what_is_cut_or_wrong_is_refused(void)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = {
		{ "\x0a", 1 },			   /* no length */
		{ "\x0a\x05xx", 4 },		   /* longer than the message */
		{ "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
		{ "\x08\x01", 2 },		   /* a number where bytes must be */
		{ "\x0b", 1 },			   /* a group */
		{ "\x00\x01", 2 },		   /* field 0 */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11 },
	};
	struct wire_span f;
	struct ship_result result;
	struct ship_head head;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct wire_span s = { (const uint8_t *)bad[i].p, (const uint8_t *)bad[i].p + bad[i].n }, t = s, u = s;

		ok_int(ship_request_next(&s, &f), -EBADMSG);
		ok_int(ship_reply_next(&t, &result), -EBADMSG);
		ok_int(heads_reply_next(&u, &head), -EBADMSG);
	}
}

static const struct tap_case cases[] = {
	CASE(requests_are_what_protobuf_reads),
	CASE(requests_say_when_they_were_made),
	CASE(overhead_is_as_promised),
	CASE(replies_are_what_protobuf_reads),
	CASE(unknown_statuses_and_fields_are_harmless),
	CASE(heads_go_there_and_back),
	CASE(what_is_cut_or_wrong_is_refused),
};

TAP_MAIN(cases)
