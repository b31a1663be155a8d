/* SPDX-License-Identifier: Apache-2.0 */
/* column_pages.c - what a column has gathered, as Parquet's pages (version 1), each compressed by itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "column.h"
#include "lib/cleanup.h"
#include "proto/wire.h"
#include "thrift.h"

#define SPILL (2u << 20)	/* bytes of texts after which a `whole` column makes a page */
#define SPILL_THOROUGH (4u << 20)
#define LEVEL 3
#define LEVEL_THOROUGH 9
#define BOUND_MAX 64u		/* longer texts are no bounds: then a chunk has none */
#define DIVERSE(count, n) ((count) > (n) / 4 * 3)

enum { DATA_PAGE = 0, DICTIONARY_PAGE = 2 };
enum { PLAIN = 0, RLE = 3, DELTA_BINARY_PACKED = 5, DELTA_BYTE_ARRAY = 7, RLE_DICTIONARY = 8 };

struct pack {
	ZSTD_CCtx *zstd;
	bool thorough;
	struct buf body, header, packed, values, scratch;
};

int pack_new(struct pack **ret_p)
{
	struct pack *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->zstd = ZSTD_createCCtx();
	if (!p->zstd)
		pack_free(&p);
	*ret_p = p;
	return p ? 0 : -ENOMEM;
}

void pack_free(struct pack **pp)
{
	struct pack *p = *pp;

	if (!p)
		return;
	ZSTD_freeCCtx(p->zstd);
	buf_free(&p->body);
	buf_free(&p->header);
	buf_free(&p->packed);
	buf_free(&p->values);
	buf_free(&p->scratch);
	free(p);
	*pp = NULL;
}

void pack_thorough(struct pack *p, bool thorough)
{
	p->thorough = thorough;
}

/* ---- one page */

/* Records repeat nearly all of the one before: a few long matches, found late, are worth more than many places tried. */
static const struct { ZSTD_cParameter name; int value; } for_records[] = {
	{ ZSTD_c_strategy, ZSTD_lazy2 }, { ZSTD_c_windowLog, 22 }, { ZSTD_c_hashLog, 19 }, { ZSTD_c_chainLog, 19 },
	{ ZSTD_c_searchLog, 3 }, { ZSTD_c_minMatch, 6 }, { ZSTD_c_targetLength, 512 },
};

static void choose_effort(struct pack *p, bool records)
{
	ZSTD_CCtx_reset(p->zstd, ZSTD_reset_session_and_parameters);
	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, p->thorough ? LEVEL_THOROUGH : LEVEL);
	for (unsigned i = 0; p->thorough && records && i < ARRAY_SIZE(for_records); i++)
		ZSTD_CCtx_setParameter(p->zstd, for_records[i].name, for_records[i].value);
}

static int compress(struct pack *p, bool records)
{
	size_t n;

	choose_effort(p, records);
	buf_reset(&p->packed);
	if (buf_reserve(&p->packed, ZSTD_compressBound(p->body.n)) < 0)
		return -ENOMEM;
	n = ZSTD_compress2(p->zstd, p->packed.p, p->packed.cap, p->body.p, p->body.n);
	if (ZSTD_isError(n))
		return -ENOMEM;
	p->packed.n = n;
	return 0;
}

/* p->body with its header, to out. */
static int put_page(struct column *c, struct pack *p, int type, uint64_t entries, int encoding, struct buf *out)
{
	struct thrift t = { .out = &p->header };
	struct column_chunk *chunk = &c->chunk;
	int r = compress(p, c->whole);

	if (r < 0 || p->body.n > INT32_MAX || entries > INT32_MAX)
		return r < 0 ? r : -E2BIG;
	buf_reset(&p->header);
	thrift_i32(&t, 1, type);
	thrift_i32(&t, 2, (int32_t)p->body.n);
	thrift_i32(&t, 3, (int32_t)p->packed.n);
	thrift_open(&t, type == DATA_PAGE ? 5 : 7);
	thrift_i32(&t, 1, (int32_t)entries);
	thrift_i32(&t, 2, encoding);
	if (type == DATA_PAGE) {
		thrift_i32(&t, 3, RLE);
		thrift_i32(&t, 4, RLE);
	}
	thrift_close(&t);
	thrift_close(&t);
	chunk->raw += p->header.n + p->body.n;
	chunk->packed += p->header.n + p->packed.n;
	buf_add(out, p->header.p, p->header.n);
	buf_add(out, p->packed.p, p->packed.n);
	return out->failed || p->header.failed ? -ENOMEM : 0;
}

static int put_levels(struct pack *p, struct column_levels *l, uint64_t entries, unsigned max)
{
	size_t at = p->body.n;
	uint32_t n = 0;

	if (!max)
		return 0;
	if (l->last.n && buf_add(&l->runs, &l->last, sizeof(l->last)) < 0)
		return -ENOMEM;
	buf_reset(&p->scratch);
	if (buf_reserve(&p->scratch, entries * sizeof(uint32_t)) < 0)
		return -ENOMEM;
	buf_add(&p->body, &n, sizeof(n));
	encode_runs((const void *)l->runs.p, l->runs.n / sizeof(struct encode_run), encode_width(max), (void *)p->scratch.p, &p->body);
	n = (uint32_t)(p->body.n - at - sizeof(n));
	if (p->body.failed)
		return -ENOMEM;
	memcpy(p->body.p + at, &n, sizeof(n));
	return 0;
}

/* Places that begin where bytes do repeat as bytes, which compression sees. */
static unsigned round_width(unsigned width)
{
	return width <= 2 ? width : width <= 4 ? 4 : (width + 7) / 8 * 8;
}

static int put_values(struct column *c, struct pack *p, int encoding)
{
	unsigned width;

	switch (encoding) {
	case DELTA_BINARY_PACKED:
		encode_deltas((const void *)c->values.p, c->nvalues, &p->body);
		break;
	case DELTA_BYTE_ARRAY:
		return encode_texts(c->values.p, c->nvalues, &p->body);
	case RLE_DICTIONARY:
		width = round_width(encode_width(c->dict.count - 1));
		buf_addc(&p->body, (uint8_t)width);
		encode_hybrid((const void *)c->values.p, c->nvalues, width, &p->body);
		break;
	default:
		if (c->kind == COLUMN_BOOLEAN)
			encode_bits(c->values.p, c->nvalues, &p->body);
		else
			buf_add(&p->body, c->values.p, c->values.n);
	}
	return p->body.failed ? -ENOMEM : 0;
}

static int data_page(struct column *c, struct pack *p, int encoding, struct buf *out)
{
	int r;

	buf_reset(&p->body);
	r = put_levels(p, &c->reps, c->entries, c->max_rep);
	if (!r)
		r = put_levels(p, &c->defs, c->entries, c->max_def);
	if (!r)
		r = put_values(c, p, encoding);
	if (!r)
		r = put_page(c, p, DATA_PAGE, c->entries, encoding, out);
	c->chunk.entries += c->entries;
	c->chunk.nulls += c->entries - c->nvalues;
	c->chunk.encoding = encoding;
	c->entries = c->nvalues = 0;
	c->defs.last.n = c->reps.last.n = 0;
	buf_reset(&c->defs.runs);
	buf_reset(&c->reps.runs);
	buf_reset(&c->values);
	return r;
}

int column_spill(struct column *c, struct pack *p)
{
	return c->whole && c->values.n >= (p->thorough ? SPILL_THOROUGH : SPILL) ? data_page(c, p, PLAIN, &c->pages) : 0;
}

/* ---- bounds */

static int before(const void *a, size_t na, const void *b, size_t nb)
{
	int r = memcmp(a, b, na < nb ? na : nb);

	return r ? r < 0 : na < nb;
}

struct bounds {
	struct piece least, most;
	bool any;
};

static void stretch(struct bounds *b, struct piece t)
{
	if (!b->any || before(t.p, t.n, b->least.p, b->least.n))
		b->least = t;
	if (!b->any || before(b->most.p, b->most.n, t.p, t.n))
		b->most = t;
	b->any = true;
}

static void number_bounds(struct column *c)
{
	const int64_t *v = (const void *)c->values.p;
	int64_t least = v[0], most = v[0];

	for (uint64_t i = 1; i < c->nvalues; i++) {
		least = v[i] < least ? v[i] : least;
		most = v[i] > most ? v[i] : most;
	}
	buf_add(&c->chunk.least, &least, sizeof(least));
	buf_add(&c->chunk.most, &most, sizeof(most));
	c->chunk.has_bounds = true;
}

static void keep_bounds(struct column *c, const struct bounds *b)
{
	c->chunk.has_bounds = b->any && b->least.n <= BOUND_MAX && b->most.n <= BOUND_MAX;
	if (!c->chunk.has_bounds)
		return;
	buf_add(&c->chunk.least, b->least.p, b->least.n);
	buf_add(&c->chunk.most, b->most.p, b->most.n);
}

static void plain_bounds(struct column *c)
{
	struct bounds b = { .any = false };
	const uint8_t *at = c->values.p;

	for (uint64_t i = 0; i < c->nvalues; i++) {
		uint32_t n;

		memcpy(&n, at, sizeof(n));
		stretch(&b, (struct piece){ (const char *)at + sizeof(n), n });
		at += sizeof(n) + n;
	}
	keep_bounds(c, &b);
}

/* ---- a chunk */

/* The dictionary as PLAIN texts into p->body, and its bounds. */
static int dictionary_page(struct column *c, struct pack *p, struct buf *out)
{
	struct bounds b = { .any = false };
	struct wire_span s;
	uint64_t n = 0;
	int r;

	buf_reset(&p->values);
	buf_reset(&p->body);
	if (intern_write(&c->dict, &p->values) < 0)
		return -ENOMEM;
	s = (struct wire_span){ p->values.p, p->values.p + p->values.n };
	for (uint32_t i = 0; i < c->dict.count; i++) {
		uint32_t len;

		s.p++;		/* the tag */
		wire_get_varint(&s, &n);
		len = (uint32_t)n;
		buf_add(&p->body, &len, sizeof(len));
		buf_add(&p->body, s.p, n);
		stretch(&b, (struct piece){ (const char *)s.p, n });
		s.p += n;
	}
	keep_bounds(c, &b);
	r = p->body.failed ? -ENOMEM : put_page(c, p, DICTIONARY_PAGE, c->dict.count, PLAIN, out);
	c->chunk.dictionary = c->chunk.packed;
	return r;
}

static int text_pages(struct column *c, struct pack *p, struct buf *out)
{
	int r = 0;

	if (!c->plain && DIVERSE(c->dict.count, c->nvalues))
		r = column_go_plain(c);
	if (r < 0)
		return r;
	if (c->plain) {
		plain_bounds(c);
		return data_page(c, p, DELTA_BYTE_ARRAY, out);
	}
	r = dictionary_page(c, p, out);
	return r ? r : data_page(c, p, RLE_DICTIONARY, out);
}

void column_begin(struct column *c)
{
	struct buf least = c->chunk.least, most = c->chunk.most;

	c->plain = false;
	buf_reset(&c->pages);
	if (c->kind == COLUMN_TEXT) {
		column_forget(c);
		intern_reset(&c->dict);
	}
	buf_reset(&least);
	buf_reset(&most);
	c->chunk = (struct column_chunk){ .least = least, .most = most };
}

int column_end(struct column *c, struct pack *p, struct buf *out, const struct column_chunk **ret_chunk)
{
	int r = 0;

	if (c->pages.n) {
		buf_add(out, c->pages.p, c->pages.n);
		if (c->entries)
			r = data_page(c, p, PLAIN, out);
	} else if (!c->nvalues || c->whole || c->kind == COLUMN_BOOLEAN) {
		r = data_page(c, p, PLAIN, out);
	} else if (c->kind == COLUMN_NUMBER) {
		number_bounds(c);
		r = data_page(c, p, DELTA_BINARY_PACKED, out);
	} else {
		r = text_pages(c, p, out);
	}
	*ret_chunk = &c->chunk;
	return r < 0 ? r : out->failed || c->chunk.least.failed || c->chunk.most.failed ? -ENOMEM : 0;
}
