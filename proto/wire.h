/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - protobuf's wire format, as far as the record writer and reader need it.
 *
 * Writing: the caller has made room (WIRE_VARINT_MAX bytes a number, one or two more for its tag);
 * the functions return the end. Reading: a span of hostile bytes; nothing is read past its end.
 * Pure functions, thread-safe.
 */
#ifndef HOSTTRAIL_WIRE_H
#define HOSTTRAIL_WIRE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WIRE_VARINT_MAX 10
#define WIRE_FIELD_MAX (WIRE_VARINT_MAX + 2)	/* a number with its tag, fields below 2048 */

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static inline uint64_t wire_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t wire_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static inline unsigned wire_varint_len(uint64_t v)
{
	return (unsigned)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}

static inline uint8_t *wire_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)v | 0x80;
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

static inline uint8_t *wire_tag(uint8_t *p, unsigned field, enum wire_type type)
{
	return wire_varint(p, (uint64_t)field << 3 | type);
}

/* A number with its tag; zero is proto3's default and is not written. */
static inline uint8_t *wire_number(uint8_t *p, unsigned field, uint64_t v)
{
	if (!v)
		return p;
	return wire_varint(wire_tag(p, field, WIRE_VARINT), v);
}

/* Bytes with tag and length; nothing when empty. */
static inline uint8_t *wire_bytes(uint8_t *p, unsigned field, const void *bytes, size_t n)
{
	if (!n)
		return p;
	p = wire_varint(wire_tag(p, field, WIRE_BYTES), n);
	memcpy(p, bytes, n);
	return p + n;
}

/* ---- reading */
struct wire_span {
	const uint8_t *p, *end;
};

/* One field of a message: number for WIRE_VARINT and the fixed types, span for WIRE_BYTES. */
struct wire_field {
	uint32_t field;
	enum wire_type type;
	uint64_t number;
	struct wire_span bytes;
};

static inline size_t wire_left(const struct wire_span *s)
{
	return (size_t)(s->end - s->p);
}

/* false: truncated, longer than ten bytes, or more than 64 bits. */
static inline bool wire_get_varint(struct wire_span *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && s->p < s->end; shift += 7) {
		uint8_t c = *s->p++;

		if (shift == 63 && c > 1)
			return false;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* 1: a field, 0: the end, -EBADMSG. Groups (types 3 and 4) are not part of proto3. */
int wire_next(struct wire_span *s, struct wire_field *ret);

#endif
