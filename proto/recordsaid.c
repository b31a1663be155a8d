/* SPDX-License-Identifier: Apache-2.0 */
/* recordsaid.c - stretches that many records of a batch have: written once, and then as they were. */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "reader.h"

/* One for the batch, and one for each shape and each identity. */
enum { ONCE = 3, OF_SHAPE = 2, OF_IDENTITY = 3 };

static size_t count(const struct reader *r)
{
	return ONCE + OF_SHAPE * (size_t)r->nshapes + OF_IDENTITY * (size_t)r->nidentities;
}

static size_t place(const struct reader *r, enum record_part part, uint32_t of)
{
	size_t identities = ONCE + OF_SHAPE * (size_t)r->nshapes;

	switch (part) {
	case PART_CALL:
		return ONCE + of;
	case PART_KIND:
		return ONCE + r->nshapes + of;
	case PART_FROM:
		return identities + of;
	case PART_WHO:
		return identities + r->nidentities + of;
	case PART_PROCESS:
		return identities + 2 * (size_t)r->nidentities + of;
	case PART_ACCOUNT:
		return 1;
	case PART_HOST:
		return 2;
	default:
		return 0;
	}
}

struct reader_said *reader_said(struct reader *r, enum record_part part, uint32_t of)
{
	if (!r->says)
		r->says = calloc(count(r), sizeof(*r->says));
	return r->says ? &r->says[place(r, part, of)] : NULL;
}

size_t reader_said_cost(const struct reader *r)
{
	return count(r) * sizeof(*r->says);
}

bool reader_say_again(const struct reader *r, const struct reader_said *s, uint64_t with, struct json *j)
{
	if (!s || !s->n || s->with != with)
		return false;
	json_members(j, r->said.p + s->at, s->n);
	return true;
}

/* Where the text before was as long, this one takes its place. */
static bool make_room(struct reader *r, struct reader_said *s, size_t n)
{
	if (n <= s->room)
		return true;
	if (r->said.n + n > wire_left(&r->batch) || buf_reserve(&r->said, n) < 0)
		return false;
	s->at = (uint32_t)r->said.n;
	s->room = (uint32_t)n;
	r->said.n += n;
	return true;
}

uint64_t reader_keep(struct reader *r, struct reader_said *s, uint64_t with, const struct json *j, size_t from)
{
	size_t n = j->out->n - from;
	const uint8_t *p = j->out->p + from;
	uint64_t hash = record_hash(p, n);

	if (!s || j->out->failed || !make_room(r, s, n))
		return hash;
	memcpy(r->said.p + s->at, p, n);
	s->n = (uint32_t)n;
	s->with = with;
	s->hash = hash;
	return hash;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t record_hash(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t h = n * 0x9e3779b97f4a7c15ull, w;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&w, p, 8);
		h = fold(h ^ w, 0xa0761d6478bd642full);
	}
	w = 0;
	memcpy(&w, p, n);
	return fold(h ^ w, 0xe7037ed1a0b428dbull);
}
