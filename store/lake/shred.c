/* SPDX-License-Identifier: Apache-2.0 */
#include "shred.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "lib/cleanup.h"

#define MEMOS 1024u		/* of each column that is a struct; a power of two */
#define MEMO_TEXT_MAX 2048u

/* What one column got. */
struct memo_leaf {
	uint32_t def, place;
	int64_t number;
};

struct memo {
	uint64_t group;			/* that the places are of, and 1 */
	char *text;			/* MEMO_TEXT_MAX bytes */
	size_t n;
	struct memo_leaf *leaves;
};

struct shred {
	struct parquet *p;
	struct column *columns;
	struct buf scratch;
	const struct scan_record *x;
	struct piece slots[SCHEMA_SLOTS_MAX];
	struct memo *memos;		/* MEMOS for each column of the table; NULL where it is no struct */
	struct memo **by_column;
	uint32_t *absent;		/* rows since the column had something, of each column of the table */
};

/* ---- single values */

static int put_nulls(struct column *c, unsigned n, unsigned rep, unsigned def)
{
	int r = 0;

	for (unsigned i = 0; i < n && !r; i++)
		r = column_null(&c[i], rep, def);
	return r;
}

static int put_text(struct shred *s, struct column *c, unsigned rep, struct piece v)
{
	struct piece t;
	int r;

	buf_reset(&s->scratch);
	r = walk_text(v, &s->scratch, &t);
	return r ? r : column_text(c, rep, t.p, t.n);
}

/* What is of another type is not there. */
static int put_scalar(struct shred *s, enum field_type type, struct column *c, struct piece v, unsigned def)
{
	struct piece t;
	int64_t n;

	buf_reset(&s->scratch);
	if (walk_text(v, &s->scratch, &t) < 0)
		return -ENOMEM;
	if (type == LAKE_BOOL ? fill_boolean(t, &n) : type == LAKE_INT ? fill_integer(t, &n) : fill_time(t, &n))
		return type == LAKE_BOOL ? column_boolean(c, n) : column_number(c, n);
	return column_null(c, 0, def);
}

/* ---- lists */

static int put_map(struct shred *s, struct column *c, struct piece v, unsigned def)
{
	struct piece key, value, t;
	unsigned rep = 0;
	struct walk w;
	int r = 0;

	if (!walk_begin(&w, v) || !w.object)
		return put_nulls(c, 2, 0, def);
	w.known = &s->x->known;
	for (; !r && walk_next(&w, &key, &value) > 0; rep = 1) {
		buf_reset(&s->scratch);
		r = walk_unescape(key, &s->scratch, &t);
		if (!r)
			r = column_text(&c[0], rep, t.p, t.n);
		if (!r)
			r = value.n ? put_text(s, &c[1], rep, value) : column_null(&c[1], rep, def + 2);
	}
	return r || rep ? r : put_nulls(c, 2, 0, def + 1);
}

static int put_resource(struct shred *s, const struct lake_field *list, struct column *c, struct piece v, unsigned rep, unsigned def)
{
	struct piece found[8] = { { NULL, 0 } }, key, value;
	struct walk w;
	int r = 0;

	if (walk_begin(&w, v) && w.object)
		while (walk_next(&w, &key, &value) > 0)
			for (unsigned k = 0; k < list->nfields && k < ARRAY_SIZE(found); k++)
				if (value.n && strlen(list->fields[k].path) == key.n && !memcmp(list->fields[k].path, key.p, key.n))
					found[k] = value;
	for (unsigned k = 0; k < list->nfields && !r; k++)
		r = found[k].n ? put_text(s, &c[k], rep, found[k]) : column_null(&c[k], rep, def + 3);
	return r;
}

static int put_resources(struct shred *s, const struct lake_field *f, struct column *c, struct piece v, unsigned def)
{
	struct piece key, value;
	unsigned rep = 0;
	struct walk w;
	int r = 0;

	if (!walk_begin(&w, v) || w.object)
		return put_nulls(c, f->nfields, 0, def);
	for (; !r && walk_next(&w, &key, &value) > 0; rep = 1)
		r = put_resource(s, f, c, value, rep, def);
	return r || rep ? r : put_nulls(c, f->nfields, 0, def + 1);
}

/* ---- columns */

static int put_field(struct shred *s, const struct lake_field *f, struct column *c, unsigned def)
{
	struct piece v = f->slot < 0 ? (struct piece){ NULL, 0 } : s->slots[f->slot];
	int r = 0;

	switch (f->type) {
	case LAKE_RECORD_TEXT:
		return column_text(c, 0, s->x->json.p, s->x->json.n);
	case LAKE_RECEIVED:
		return column_number(c, s->x->received / 1000);
	case LAKE_POSITION:
		return column_number(c, s->x->position);
	case LAKE_NUMBER:
		return column_number(c, s->x->number);
	default:
		break;
	}
	if (!v.n)
		return put_nulls(c, f->nleaves, 0, def);
	if (f->type == LAKE_TEXT)
		return put_text(s, c, 0, v);
	if (f->type == LAKE_MAP)
		return put_map(s, c, v, def);
	if (f->type == LAKE_RESOURCES)
		return put_resources(s, f, c, v, def);
	if (f->type != LAKE_STRUCT)
		return put_scalar(s, f->type, c, v, def);
	for (unsigned k = 0; k < f->nfields && !r; c += f->fields[k++].nleaves)
		r = put_field(s, &f->fields[k], c, def + 1);
	return r;
}

/* ---- structs that were there before */

static uint64_t mix(struct piece t)
{
	uint64_t h = t.n, w;

	for (; t.n >= 8; t.p += 8, t.n -= 8) {
		memcpy(&w, t.p, 8);
		h = (h ^ w) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	w = 0;
	memcpy(&w, t.p, t.n);
	h = (h ^ w) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 32;
}

static bool is_known(const struct shred *s, const struct memo *m, struct piece v)
{
	return m->group == parquet_group(s->p) + 1 && m->n == v.n && !memcmp(m->text, v.p, v.n);
}

/* 1: done; 0: a column has gone over to plain texts meanwhile. */
static int put_again(const struct memo *m, struct column *c, unsigned n)
{
	int r = 0;

	for (unsigned i = 0; i < n; i++)
		if (c[i].plain)
			return 0;
	for (unsigned i = 0; i < n && !r; i++) {
		const struct memo_leaf *l = &m->leaves[i];

		if (l->def < c[i].max_def)
			r = column_null(&c[i], 0, l->def);
		else if (c[i].kind == COLUMN_TEXT)
			r = column_again(&c[i], l->place);
		else
			r = c[i].kind == COLUMN_NUMBER ? column_number(&c[i], l->number) : column_boolean(&c[i], l->number);
	}
	return r ? r : 1;
}

static int remember(struct shred *s, struct memo *m, struct piece v, const struct column *c, unsigned n)
{
	if (!m->text)
		m->text = malloc(MEMO_TEXT_MAX);
	if (!m->leaves)
		m->leaves = calloc(n, sizeof(*m->leaves));
	if (!m->text || !m->leaves)
		return -ENOMEM;
	m->group = parquet_group(s->p) + 1;
	memcpy(m->text, v.p, v.n);
	m->n = v.n;
	for (unsigned i = 0; i < n; i++)
		m->leaves[i] = (struct memo_leaf){ column_level(&c[i]), c[i].last_place, c[i].last_number };
	return 0;
}

/* Before it is written: where each column stands. */
static uint64_t entries_of(const struct column *c, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += c[i].entries;
	return sum;
}

static int put_struct(struct shred *s, const struct lake_field *f, struct memo *memos, struct column *c)
{
	struct piece v = s->slots[f->slot];
	struct memo *m = &memos[mix(v) % MEMOS];
	uint64_t before;
	int r;

	r = is_known(s, m, v) ? put_again(m, c, f->nleaves) : 0;
	if (r)
		return r < 0 ? r : 0;
	walk_inner(f, s->slots);
	before = entries_of(c, f->nleaves);
	r = put_field(s, f, c, 0);
	if (r || v.n > MEMO_TEXT_MAX || entries_of(c, f->nleaves) != before + f->nleaves)
		return r;	/* one with a map that has several members is not remembered */
	return remember(s, m, v, c, f->nleaves);
}

/* ---- rows */

static int put_absent(struct shred *s, unsigned i, struct column *c)
{
	int r = 0;

	for (unsigned k = 0; k < lake_columns[i].nleaves && s->absent[i] && !r; k++)
		r = column_nulls(&c[k], s->absent[i]);
	s->absent[i] = 0;
	return r;
}

/* Most columns have nothing in most rows: that is only counted. */
static int put_column(struct shred *s, unsigned i, struct column *c)
{
	const struct lake_field *f = &lake_columns[i];
	int r = 0;

	if (f->slot >= 0 && !s->slots[f->slot].n) {
		s->absent[i]++;
		return 0;
	}
	if (s->absent[i])
		r = put_absent(s, i, c);
	if (r < 0)
		return r;
	return s->by_column[i] ? put_struct(s, f, s->by_column[i], c) : put_field(s, f, c, 0);
}

static int end_group(struct shred *s)
{
	struct column *c = s->columns;
	int r = 0;

	for (unsigned i = 0; i < lake_ncolumns && !r; c += lake_columns[i++].nleaves)
		r = put_absent(s, i, c);
	return r ? r : parquet_group_end(s->p);
}

int shred_row(struct shred *s, const struct scan_record *x)
{
	struct column *c = s->columns;
	int r = 0;

	s->x = x;
	walk_outer(x->json.p, x->json.n, &x->known, s->slots);
	for (unsigned i = 0; i < lake_ncolumns && !r; c += lake_columns[i++].nleaves)
		r = put_column(s, i, c);
	if (!r)
		r = parquet_row(s->p);
	return r > 0 ? end_group(s) : r;
}

int shred_end(struct shred *s, uint64_t *ret_rows)
{
	int r = end_group(s);

	return r ? r : parquet_end(s->p, ret_rows);
}

int shred_new(struct parquet *p, struct shred **ret_s)
{
	struct shred *s = calloc(1, sizeof(*s));
	struct memo *at;

	if (!s)
		return -ENOMEM;
	s->p = p;
	s->columns = parquet_columns(p);
	s->by_column = calloc(lake_ncolumns, sizeof(*s->by_column));
	s->absent = calloc(lake_ncolumns, sizeof(*s->absent));
	s->memos = calloc((size_t)lake_ncolumns * MEMOS, sizeof(*s->memos));
	if (!s->by_column || !s->absent || !s->memos) {
		shred_free(&s);
		return -ENOMEM;
	}
	at = s->memos;
	for (unsigned i = 0; i < lake_ncolumns; i++)
		if (lake_columns[i].type == LAKE_STRUCT) {
			s->by_column[i] = at;
			at += MEMOS;
		}
	*ret_s = s;
	return 0;
}

void shred_free(struct shred **ps)
{
	struct shred *s = *ps;

	if (!s)
		return;
	for (size_t i = 0; s->memos && i < (size_t)lake_ncolumns * MEMOS; i++) {
		free(s->memos[i].text);
		free(s->memos[i].leaves);
	}
	buf_free(&s->scratch);
	free(s->by_column);
	free(s->absent);
	free(s->memos);
	free(s);
	*ps = NULL;
}
