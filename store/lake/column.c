/* SPDX-License-Identifier: Apache-2.0 */
#include "column.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire.h"

#define DICTIONARY 1		/* field number of intern's form; wire_tag() of it is one byte */

int column_init(struct column *c, enum column_kind kind, unsigned max_def, unsigned max_rep)
{
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->max_def = (uint8_t)max_def;
	c->max_rep = (uint8_t)max_rep;
	if (kind != COLUMN_TEXT)
		return 0;
	c->recent = calloc(COLUMN_RECENT, sizeof(*c->recent));
	return c->recent ? intern_init(&c->dict, DICTIONARY, UINT32_MAX - 1) : -ENOMEM;
}

void column_free(struct column *c)
{
	struct buf *const bufs[] = { &c->defs.runs, &c->reps.runs, &c->values, &c->pages, &c->chunk.least, &c->chunk.most };

	for (unsigned i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
		buf_free(bufs[i]);
	if (c->kind == COLUMN_TEXT)
		intern_free(&c->dict);
	free(c->recent);
}

/* ---- levels */

static inline int put_level(struct column_levels *l, uint32_t v, uint32_t n)
{
	int r = 0;

	if (l->last.value != v) {
		r = l->last.n ? buf_add(&l->runs, &l->last, sizeof(l->last)) : 0;
		l->last = (struct encode_run){ v, 0 };
	}
	l->last.n += n;
	return r;
}

static inline int put_entry(struct column *c, unsigned rep, unsigned def)
{
	int r = put_level(&c->defs, def, 1);

	if (!r && c->max_rep)
		r = put_level(&c->reps, rep, 1);
	c->entries++;
	return r;
}

int column_null(struct column *c, unsigned rep, unsigned def)
{
	return put_entry(c, rep, def);
}

int column_levels(struct column *c, unsigned def, uint32_t n)
{
	int r = put_level(&c->defs, def, n);

	if (!r && c->max_rep)
		r = put_level(&c->reps, 0, n);
	c->entries += n;
	return r;
}

/* ---- texts */

static int put_plain(struct buf *out, const void *p, size_t n)
{
	uint32_t len = (uint32_t)n;

	if (n > UINT32_MAX || buf_reserve(out, sizeof(len) + n) < 0)
		return -ENOMEM;
	buf_add(out, &len, sizeof(len));
	return buf_add(out, p, n);
}

void column_forget(struct column *c)
{
	memset(c->recent, 0, COLUMN_RECENT * sizeof(*c->recent));
}

int column_go_plain(struct column *c)
{
	struct buf encoded = { 0 }, values = { 0 };
	struct piece *texts = calloc(c->dict.count + 1u, sizeof(*texts));
	int r = texts ? intern_write(&c->dict, &encoded) : -ENOMEM;
	struct wire_span s = { encoded.p, encoded.p + encoded.n };
	uint64_t n = 0;

	for (uint32_t i = 0; !r && i < c->dict.count; i++) {
		s.p++;
		wire_get_varint(&s, &n);
		texts[i] = (struct piece){ (const char *)s.p, n };
		s.p += n;
	}
	for (uint64_t i = 0; !r && i < c->nvalues; i++) {
		const struct piece *t = &texts[((const uint32_t *)(const void *)c->values.p)[i]];

		r = put_plain(&values, t->p, t->n);
	}
	buf_free(&encoded);
	free(texts);
	if (r < 0) {
		buf_free(&values);
		return r;
	}
	buf_free(&c->values);
	c->values = values;
	c->plain = true;
	column_forget(c);
	intern_reset(&c->dict);
	return 0;
}

/* Most texts are new ones: looking them up is work for nothing. */
static bool is_diverse(const struct column *c)
{
	return !c->keep && c->dict.count > COLUMN_TRIED / 4 * 3;
}

int column_judge(struct column *c)
{
	return is_diverse(c) ? column_go_plain(c) : 0;
}

static uint64_t load4(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Most names and words are of 8 to 16 bytes: two loads each, which overlap. */
static inline bool same_bytes(const char *a, const char *b, size_t n)
{
	uint64_t x[2], y[2];

	if (n < 8 || n > 16)
		return !memcmp(a, b, n);
	memcpy(&x[0], a, 8);
	memcpy(&x[1], a + n - 8, 8);
	memcpy(&y[0], b, 8);
	memcpy(&y[1], b + n - 8, 8);
	return !((x[0] ^ y[0]) | (x[1] ^ y[1]));
}

/* By its length and some of its bytes; most columns have few texts. */
static struct column_recent *recent_of(const struct column *c, const char *p, size_t n)
{
	uint64_t h = n, w = 0;

	if (n >= 8) {
		memcpy(&w, p, 8);
		h += w * 0x9e3779b97f4a7c15ull;
		memcpy(&w, p + n - 8, 8);
		h ^= w * 0xe7037ed1a0b428dbull;
		memcpy(&w, p + (n - 8) / 2, 8);
	} else if (n >= 4) {
		memcpy(&w, p, 4);
		w = w << 32 | load4(p + n - 4);
	} else if (n) {
		w = (uint64_t)(uint8_t)p[0] << 16 | (uint64_t)(uint8_t)p[n / 2] << 8 | (uint8_t)p[n - 1];
	}
	h += w * 0xa0761d6478bd642full;
	return &c->recent[(h ^ h >> 32) >> 7 & (COLUMN_RECENT - 1)];
}

/* A place in the dictionary; -E2BIG: it is too long or they are too many. */
static int64_t place_of(struct column *c, const void *p, size_t n)
{
	struct column_recent *recent = recent_of(c, p, n);
	int64_t place;

	if (recent->p && recent->n == n && same_bytes(recent->p, p, n))
		return recent->place;
	place = intern_put(&c->dict, p, n, &recent->p);
	if (place < 0)
		recent->p = NULL;
	recent->n = (uint32_t)n;
	recent->place = (uint32_t)place;
	return place;
}

int column_text(struct column *c, unsigned rep, const void *p, size_t n)
{
	int64_t place;
	int r;

	if (!c->plain && !c->whole) {
		place = place_of(c, p, n);
		if (place >= 0) {
			r = column_place(c, (uint32_t)place);
			return r ? r : put_entry(c, rep, c->max_def);
		}
		r = place == -E2BIG ? column_go_plain(c) : (int)place;
		if (r < 0)
			return r;
	}
	if (put_plain(&c->values, p, n) < 0)
		return -ENOMEM;
	c->nvalues++;
	return put_entry(c, rep, c->max_def);
}

struct column_value column_latest(const struct column *c)
{
	return (struct column_value){ c->defs.last.value, c->last_place, c->last_number };
}

int column_again(struct column *c, unsigned rep, const struct column_value *v)
{
	int r = v->def == c->max_def ? column_value(c, v) : 0;

	return r ? r : put_entry(c, rep, v->def);
}

/* Whether it becomes plain is asked at the end: then the value is one of its texts, as those before. */
static int store_places(struct column *c, uint32_t place, uint32_t n)
{
	bool was_tried = c->nvalues >= COLUMN_TRIED;

	if (buf_reserve(&c->values, n * sizeof(place)) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++, c->values.n += sizeof(place))
		memcpy(c->values.p + c->values.n, &place, sizeof(place));
	c->nvalues += n;
	c->last_place = place;
	return !was_tried && c->nvalues >= COLUMN_TRIED ? column_judge(c) : 0;
}

int column_values(struct column *c, const struct column_value *v, uint32_t n)
{
	int r = 0;

	if (c->kind == COLUMN_TEXT)
		return store_places(c, v->place, n);
	for (uint32_t i = 0; i < n && !r; i++)
		r = column_value(c, v);
	return r;
}

/* ---- others */

int column_number(struct column *c, int64_t v)
{
	int r = column_store(c, &v, sizeof(v));

	c->last_number = v;
	return r ? r : put_entry(c, 0, c->max_def);
}

int column_boolean(struct column *c, bool v)
{
	uint8_t bit = v;
	int r = column_store(c, &bit, 1);

	c->last_number = v;
	return r ? r : put_entry(c, 0, c->max_def);
}

size_t column_size(const struct column *c)
{
	return c->values.n + c->defs.runs.n + c->reps.runs.n + c->pages.n + c->dict.bytes;
}
