/* SPDX-License-Identifier: Apache-2.0 */
#include "thrift.h"

#include <assert.h>

#include "proto/wire.h"

enum { TRUE = 1, FALSE = 2 };

void thrift_number(struct buf *out, uint64_t v)
{
	uint8_t text[10];

	buf_add(out, text, (size_t)(wire_varint(text, v) - text));
}

static void member(struct thrift *t, int id, unsigned type)
{
	int step = id - t->last[t->depth];

	assert(step > 0 && step < 16);
	buf_addc(t->out, (uint8_t)(step << 4 | (int)type));
	t->last[t->depth] = id;
}

void thrift_i32(struct thrift *t, int id, int32_t v)
{
	member(t, id, THRIFT_I32);
	thrift_number(t->out, wire_zigzag(v));
}

void thrift_i64(struct thrift *t, int id, int64_t v)
{
	member(t, id, THRIFT_I64);
	thrift_number(t->out, wire_zigzag(v));
}

void thrift_bool(struct thrift *t, int id, bool v)
{
	member(t, id, v ? TRUE : FALSE);
}

void thrift_bytes(struct thrift *t, int id, const void *p, size_t n)
{
	member(t, id, THRIFT_BINARY);
	thrift_bytes_element(t, p, n);
}

void thrift_open(struct thrift *t, int id)
{
	if (id)
		member(t, id, THRIFT_STRUCT);
	assert(t->depth + 1 < THRIFT_DEPTH_MAX);
	t->last[++t->depth] = 0;
}

void thrift_close(struct thrift *t)
{
	buf_addc(t->out, 0);
	if (t->depth)
		t->depth--;
}

void thrift_list(struct thrift *t, int id, enum thrift_type of, size_t n)
{
	member(t, id, THRIFT_LIST);
	if (n < 15) {
		buf_addc(t->out, (uint8_t)(n << 4 | of));
	} else {
		buf_addc(t->out, (uint8_t)(0xf0 | of));
		thrift_number(t->out, n);
	}
}

void thrift_i32_element(struct thrift *t, int32_t v)
{
	thrift_number(t->out, wire_zigzag(v));
}

void thrift_bytes_element(struct thrift *t, const void *p, size_t n)
{
	thrift_number(t->out, n);
	buf_add(t->out, p, n);
}
