/* SPDX-License-Identifier: Apache-2.0 */
#include "column.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire.h"

#define TRIED 2048u		/* texts after which a dictionary must have shown what it is good for */
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
	c->chunk.nulls++;
	return put_entry(c, rep, def);
}

int column_nulls(struct column *c, uint32_t n)
{
	int r = put_level(&c->defs, 0, n);

	if (!r && c->max_rep)
		r = put_level(&c->reps, 0, n);
	c->entries += n;
	c->chunk.nulls += n;
	return r;
}

static inline int put_value(struct column *c, unsigned rep, const void *p, size_t n)
{
	c->nvalues++;
	return buf_add(&c->values, p, n) < 0 ? -ENOMEM : put_entry(c, rep, c->max_def);
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
	return !c->keep && c->nvalues == TRIED && c->dict.count > TRIED / 4 * 3;
}

static int put_place(struct column *c, unsigned rep, uint32_t place)
{
	c->last_place = place;
	return put_value(c, rep, &place, sizeof(place));
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
	} else {
		memcpy(&w, p, n);
	}
	h += w * 0xa0761d6478bd642full;
	return &c->recent[(h ^ h >> 32) >> 7 & (COLUMN_RECENT - 1)];
}

/* A place in the dictionary; -E2BIG: it is too long or they are too many. */
static int64_t place_of(struct column *c, const void *p, size_t n)
{
	struct column_recent *recent = recent_of(c, p, n);
	int64_t place;

	if (recent->p && recent->n == n && !memcmp(recent->p, p, n))
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
			r = put_place(c, rep, (uint32_t)place);
			return !r && is_diverse(c) ? column_go_plain(c) : r;
		}
		r = place == -E2BIG ? column_go_plain(c) : (int)place;
		if (r < 0)
			return r;
	}
	if (put_plain(&c->values, p, n) < 0)
		return -ENOMEM;
	return put_value(c, rep, NULL, 0);
}

int column_again(struct column *c, uint32_t place)
{
	return put_place(c, 0, place);
}

/* ---- others */

int column_number(struct column *c, int64_t v)
{
	c->last_number = v;
	return put_value(c, 0, &v, sizeof(v));
}

int column_boolean(struct column *c, bool v)
{
	uint8_t bit = v;

	c->last_number = v;
	return put_value(c, 0, &bit, 1);
}

size_t column_size(const struct column *c)
{
	return c->values.n + c->defs.runs.n + c->reps.runs.n + c->pages.n + c->dict.bytes;
}

uint32_t column_level(const struct column *c)
{
	return c->defs.last.value;
}
