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
	return kind == COLUMN_TEXT ? intern_init(&c->dict, DICTIONARY, UINT32_MAX - 1) : 0;
}

void column_free(struct column *c)
{
	struct buf *const bufs[] = { &c->defs, &c->reps, &c->values, &c->pages, &c->chunk.least, &c->chunk.most };

	for (unsigned i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
		buf_free(bufs[i]);
	if (c->kind == COLUMN_TEXT)
		intern_free(&c->dict);
}

/* ---- levels */

static int put_level(struct buf *runs, uint32_t v)
{
	struct encode_run *last = runs->n ? (struct encode_run *)(void *)(runs->p + runs->n) - 1 : NULL, run = { v, 1 };

	if (!last || last->value != v)
		return buf_add(runs, &run, sizeof(run));
	last->n++;
	return 0;
}

static int put_entry(struct column *c, unsigned rep, unsigned def)
{
	int r = put_level(&c->defs, def);

	if (!r && c->max_rep)
		r = put_level(&c->reps, rep);
	c->entries++;
	return r;
}

int column_null(struct column *c, unsigned rep, unsigned def)
{
	c->chunk.nulls++;
	return put_entry(c, rep, def);
}

static int put_value(struct column *c, unsigned rep, const void *p, size_t n)
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
	c->last = (struct piece){ NULL, 0 };
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

int column_text(struct column *c, unsigned rep, const void *p, size_t n)
{
	const void *at;
	int64_t place;
	int r;

	if (!c->plain && !c->whole) {
		if (c->last.p && c->last.n == n && !memcmp(c->last.p, p, n))
			return put_place(c, rep, c->last_place);
		place = intern_put(&c->dict, p, n, &at);
		if (place >= 0) {
			c->last = (struct piece){ at, n };
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
	c->last = (struct piece){ NULL, 0 };
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
	return c->values.n + c->defs.n + c->reps.n + c->pages.n + c->dict.bytes;
}

uint32_t column_level(const struct column *c)
{
	return c->defs.n ? ((const struct encode_run *)(const void *)(c->defs.p + c->defs.n))[-1].value : 0;
}
