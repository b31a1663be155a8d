/* SPDX-License-Identifier: Apache-2.0 */
#include "shipmsg.h"

#include <errno.h>
#include <string.h>

#define REASON_MAX 1024

/* Field numbers of hosttrail.proto. */
enum { REQUEST_FRAMES = 1, REQUEST_SENT_AT = 2 };
enum { REPLY_RESULTS = 1, RESULT_STATUS = 1, RESULT_REASON = 2 };
enum { HEADS_STREAM = 1, HEADS_HEADS = 1, HEAD_CHAIN = 1, HEAD_NEXT = 2, HEAD_LAST_HASH = 3 };

/* The next field `number` of type bytes; others are skipped. */
static int next_bytes(struct wire_span *s, uint32_t number, struct wire_span *ret)
{
	struct wire_field f;
	int r;

	while ((r = wire_next(s, &f)) == 1) {
		if (f.field != number)
			continue;
		if (f.type != WIRE_BYTES)
			return -EBADMSG;
		*ret = f.bytes;
		return 1;
	}
	return r;
}

/* A message within a message: tag, length, then `n` bytes for which the caller gets the place. */
static uint8_t *add_inner(struct buf *out, unsigned field, size_t n)
{
	if (buf_reserve(out, WIRE_FIELD_MAX + n) < 0)
		return NULL;
	return wire_varint(wire_tag(out->p + out->n, field, WIRE_BYTES), n);
}

int ship_request_add(struct buf *out, const void *frame, size_t n)
{
	uint8_t *p = add_inner(out, REQUEST_FRAMES, n);

	if (!p)
		return -ENOMEM;
	memcpy(p, frame, n);
	out->n = (size_t)(p + n - out->p);
	return 0;
}

int ship_request_time(struct buf *out, int64_t wall_ns)
{
	if (buf_reserve(out, WIRE_FIELD_MAX) < 0)
		return -ENOMEM;
	out->n = (size_t)(wire_number(out->p + out->n, REQUEST_SENT_AT, (uint64_t)wall_ns) - out->p);
	return 0;
}

int ship_request_check(const void *p, size_t n, int64_t *ret_wall_ns)
{
	struct wire_span s = { p, (const uint8_t *)p + n };
	struct wire_field f;
	int64_t wall = 0;
	int r, frames = 0;

	while ((r = wire_next(&s, &f)) == 1) {
		if (f.field == REQUEST_FRAMES && f.type != WIRE_BYTES)
			return -EBADMSG;
		if (f.field == REQUEST_SENT_AT && f.type != WIRE_VARINT)
			return -EBADMSG;
		frames += f.field == REQUEST_FRAMES;
		if (f.field == REQUEST_SENT_AT)
			wall = f.number > INT64_MAX ? INT64_MAX : (int64_t)f.number;
	}
	if (r < 0)
		return r;
	*ret_wall_ns = wall;
	return frames;
}

int ship_request_next(struct wire_span *s, struct wire_span *ret_frame)
{
	return next_bytes(s, REQUEST_FRAMES, ret_frame);
}

int ship_reply_add(struct buf *out, enum ship_status status, const char *reason)
{
	uint8_t inner[REASON_MAX + 2 * WIRE_FIELD_MAX], *end = inner, *p;
	size_t n;

	end = wire_number(end, RESULT_STATUS, status);
	end = wire_bytes(end, RESULT_REASON, reason, strnlen(reason, REASON_MAX));
	n = (size_t)(end - inner);
	p = add_inner(out, REPLY_RESULTS, n);
	if (!p)
		return -ENOMEM;
	memcpy(p, inner, n);
	out->n = (size_t)(p + n - out->p);
	return 0;
}

int ship_reply_next(struct wire_span *s, struct ship_result *ret_result)
{
	struct ship_result result = { SHIP_UNSPECIFIED, "", 0 };
	struct wire_span inner;
	struct wire_field f;
	int r = next_bytes(s, REPLY_RESULTS, &inner);

	if (r != 1)
		return r;
	while ((r = wire_next(&inner, &f)) == 1) {
		if (f.field == RESULT_STATUS && f.type == WIRE_VARINT) {
			result.status = f.number <= SHIP_RETRY ? (enum ship_status)f.number : SHIP_UNSPECIFIED;
		} else if (f.field == RESULT_REASON && f.type == WIRE_BYTES) {
			result.reason = (const char *)f.bytes.p;
			result.reason_len = wire_left(&f.bytes);
		}
	}
	if (r < 0)
		return r;
	*ret_result = result;
	return 1;
}

int heads_request_build(struct buf *out, const uint8_t stream[16])
{
	uint8_t *p = add_inner(out, HEADS_STREAM, 16);

	if (!p)
		return -ENOMEM;
	memcpy(p, stream, 16);
	out->n = (size_t)(p + 16 - out->p);
	return 0;
}

int heads_request_read(const void *p, size_t n, uint8_t ret_stream[16])
{
	struct wire_span s = { p, (const uint8_t *)p + n }, id;

	if (next_bytes(&s, HEADS_STREAM, &id) != 1 || wire_left(&id) != 16)
		return -EBADMSG;
	memcpy(ret_stream, id.p, 16);
	return 0;
}

int heads_reply_add(struct buf *out, const struct ship_head *head)
{
	uint8_t inner[3 * WIRE_FIELD_MAX + 32], *end = inner, *p;
	size_t n;

	end = wire_number(end, HEAD_CHAIN, head->chain);
	end = wire_number(end, HEAD_NEXT, head->next);
	end = wire_bytes(end, HEAD_LAST_HASH, head->last_hash, head->has_hash ? sizeof(head->last_hash) : 0);
	n = (size_t)(end - inner);
	p = add_inner(out, HEADS_HEADS, n);
	if (!p)
		return -ENOMEM;
	memcpy(p, inner, n);
	out->n = (size_t)(p + n - out->p);
	return 0;
}

int heads_reply_next(struct wire_span *s, struct ship_head *ret_head)
{
	struct ship_head head = { 0 };
	struct wire_span inner;
	struct wire_field f;
	int r = next_bytes(s, HEADS_HEADS, &inner);

	if (r != 1)
		return r;
	while ((r = wire_next(&inner, &f)) == 1) {
		if (f.field == HEAD_CHAIN && f.type == WIRE_VARINT) {
			head.chain = f.number > UINT32_MAX ? UINT32_MAX : (uint32_t)f.number;
		} else if (f.field == HEAD_NEXT && f.type == WIRE_VARINT) {
			head.next = f.number;
		} else if (f.field == HEAD_LAST_HASH && f.type == WIRE_BYTES && wire_left(&f.bytes) == 32) {
			memcpy(head.last_hash, f.bytes.p, 32);
			head.has_hash = true;
		}
	}
	if (r < 0)
		return r;
	*ret_head = head;
	return 1;
}
