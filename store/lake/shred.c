/* SPDX-License-Identifier: Apache-2.0 */
#include "shred.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "lib/cleanup.h"

#define MEMOS 4096u		/* a power of two */
#define MEMO_TEXT_MAX 2048u
#define LEARN_COLUMNS 8u
#define LEARN_PAIRS 8u
#define LEVELS 32u		/* columns of the file that one of the table has, at most, where it is remembered */

/* How much of each one's path is there in a row: a byte for each column of the file. */
struct levels {
	uint64_t v[LEVELS / 8];
};

/* What a column of the file got. */
struct memo_leaf {
	struct column *c;
	struct column_value value;
};

/* What a stretch of members became: levels of columns of the table, the values among them, and pairs of a map. */
struct memo {
	uint64_t group;			/* that the places are of, and 1 */
	const struct schema_node *at;	/* whose members they are */
	void *memory;			/* for the leaves, and the text behind them */
	size_t cap, n;			/* n: of the text */
	const char *text;
	struct memo_leaf *leaves;	/* nvalues, and two for each pair */
	unsigned nvalues, npairs, ncolumns;
	uint32_t times, upto;		/* so many rows before this one of the group have it, and their columns do not yet */
	struct {
		unsigned column;
		struct levels levels;
	} columns[LEARN_COLUMNS];
};

/* Rows of a column of the table that have the same levels: their values are there, their levels not yet. */
struct pending {
	uint32_t n;
	struct levels levels;
};

/* What is put while a stretch is looked into for the first time. */
struct learn {
	bool on, odd;			/* odd: not to be remembered */
	unsigned ncolumns, npairs;
	uint8_t columns[LEARN_COLUMNS];
	struct memo_leaf pairs[2 * LEARN_PAIRS];
};

struct shred {
	struct parquet *p;
	struct column **at;		/* where the columns of the table begin in the file's */
	unsigned own[4], nown;		/* those that are not made from the record's JSON, but one that is the whole of it */
	struct buf scratch;
	uint64_t group;
	uint32_t row, *rows;		/* of the group; and how many each column of the table has got */
	struct pending *pending;	/* of each column of the table */
	struct memo **owing;		/* what has rows that each column of the table has not got yet; NULL: nothing */
	struct memo *memos;		/* MEMOS, each where its text's hash says */
	struct learn learn;
	struct piece slots[SCHEMA_SLOTS_MAX];	/* members of a struct */
};

/* A row's map: its two columns. */
struct map {
	struct column *c;
	unsigned rep;
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

static void learn_pair(struct shred *s, const struct map *m)
{
	struct learn *l = &s->learn;

	if (l->npairs == LEARN_PAIRS) {
		l->odd = true;
		return;
	}
	for (unsigned i = 0; i < 2; i++)
		l->pairs[2 * l->npairs + i] = (struct memo_leaf){ &m->c[i], column_latest(&m->c[i]) };
	l->npairs++;
}

/* w: that they were found by. */
static int put_pair(struct shred *s, struct map *m, const struct walk *w, struct piece key, struct piece value)
{
	struct piece t = key;
	int r = 0;

	buf_reset(&s->scratch);
	if (!w->key_plain)
		r = walk_unescape(key, &s->scratch, &t);
	if (!r)
		r = column_text(&m->c[0], m->rep, t.p, t.n);
	if (!r)
		r = !value.n ? column_null(&m->c[1], m->rep, m->c[1].max_def - 1u) :
		    w->value_plain ? column_text(&m->c[1], m->rep, value.p + 1, value.n - 2) : put_text(s, &m->c[1], m->rep, value);
	m->rep = 1;
	return r;
}

static int put_map(struct shred *s, struct column *c, struct piece v, unsigned def)
{
	struct map m = { c, 0 };
	struct piece key, value;
	struct walk w;
	int r = 0;

	if (!walk_begin(&w, v) || !w.object)
		return put_nulls(c, 2, 0, def);
	while (!r && walk_next(&w, &key, &value) > 0)
		r = put_pair(s, &m, &w, key, value);
	return r || m.rep ? r : put_nulls(c, 2, 0, def + 1);
}

static int put_resource(struct shred *s, const struct lake_field *list, struct column *c, struct walk *w, unsigned rep, unsigned def)
{
	struct piece found[8] = { { NULL, 0 } }, key, value;
	struct walk inner;
	int r = 0;

	if (*w->p == '{' && walk_enter(w, &inner)) {
		while (walk_next(&inner, &key, &value) > 0)
			for (unsigned k = 0; k < list->nfields && k < ARRAY_SIZE(found); k++)
				if (value.n && !strncmp(list->fields[k].path, key.p, key.n) && !list->fields[k].path[key.n])
					found[k] = value;
		walk_leave(w, &inner);
	} else if (walk_value(w, &value) < 0) {
		w->p = w->end;
	}
	for (unsigned k = 0; k < list->nfields && !r; k++)
		r = found[k].n ? put_text(s, &c[k], rep, found[k]) : column_null(&c[k], rep, def + 3);
	return r;
}

static int put_resources(struct shred *s, const struct lake_field *f, struct column *c, struct walk *w, unsigned def)
{
	unsigned rep = 0;
	struct walk inner;
	struct piece key;
	uint64_t hash;
	int r = 0;

	walk_enter(w, &inner);
	for (; !r && walk_key(&inner, &key, &hash) > 0 && inner.p < inner.end; rep = 1)
		r = put_resource(s, f, c, &inner, rep, def);
	walk_leave(w, &inner);
	return r || rep ? r : put_nulls(c, f->nleaves, 0, def + 1);
}

/* ---- columns */

static int put_field(struct shred *s, const struct lake_field *f, struct column *c, struct piece v, unsigned def)
{
	int r = 0;

	if (!v.n)
		return put_nulls(c, f->nleaves, 0, def);
	switch (f->type) {
	case LAKE_TEXT:
		return put_text(s, c, 0, v);
	case LAKE_MAP:
		return put_map(s, c, v, def);
	case LAKE_RESOURCES:		/* those that are a list: put_member() */
		return put_nulls(c, f->nleaves, 0, def);
	case LAKE_STRUCT:
		for (unsigned k = 0; k < f->nfields && !r; c += f->fields[k++].nleaves)
			r = put_field(s, &f->fields[k], c, f->fields[k].slot < 0 ? (struct piece){ NULL, 0 } : s->slots[f->fields[k].slot], def + 1);
		return r;
	default:
		return put_scalar(s, f->type, c, v, def);
	}
}

static bool same_levels(const struct levels *a, const struct levels *b)
{
	const uint64_t *x = a->v, *y = b->v;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

static int settle(struct shred *s, unsigned i)
{
	struct pending *p = &s->pending[i];
	const uint8_t *def = (const uint8_t *)p->levels.v;
	int r = 0;

	for (unsigned k = 0; p->n && k < lake_columns[i].nleaves && !r; k++)
		r = column_levels(&s->at[i][k], def[k], p->n);
	p->n = 0;
	return r;
}

/* Most columns have nothing in most rows: that is put down when something comes again. */
static int fill_up(struct shred *s, unsigned i, uint32_t row)
{
	int r = s->pending[i].n ? settle(s, i) : 0;

	for (unsigned k = 0; s->rows[i] < row && k < lake_columns[i].nleaves && !r; k++)
		r = column_levels(&s->at[i][k], 0, row - s->rows[i]);
	s->rows[i] = row;
	return r;
}

/* n rows of these levels, from this one on. */
static int put_levels(struct shred *s, unsigned i, const struct levels *levels, uint32_t row, uint32_t n)
{
	struct pending *p = &s->pending[i];
	int r = 0;

	if (s->rows[i] != row || !same_levels(&p->levels, levels)) {
		r = fill_up(s, i, row);
		p->levels = *levels;
	}
	s->rows[i] += n;
	p->n += n;
	return r;
}

/* Its rows, to the columns. */
static int pay(struct shred *s, struct memo *m)
{
	uint32_t n = m->times, row = m->upto - n;
	int r = 0;

	m->times = 0;
	for (unsigned i = 0; i < m->ncolumns && !r; i++) {
		s->owing[m->columns[i].column] = NULL;
		r = put_levels(s, m->columns[i].column, &m->columns[i].levels, row, n);
	}
	for (unsigned i = 0; i < m->nvalues && !r; i++)
		r = column_values(m->leaves[i].c, &m->leaves[i].value, n);
	return r;
}

/* A column's turn in this row. 1; 0: it has got this row's already. */
static int catch_up(struct shred *s, unsigned i, uint32_t row)
{
	int r = s->owing[i] ? pay(s, s->owing[i]) : 0;

	if (r || s->rows[i] > row)
		return r;
	r = fill_up(s, i, row);
	s->rows[i]++;
	return r ? r : 1;
}

static uint64_t entries_of(const struct column *c, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += c[i].entries;
	return sum;
}

/* before: entries that it had. */
static void learn_column(struct shred *s, unsigned i, uint64_t before)
{
	struct learn *l = &s->learn;
	unsigned n = lake_columns[i].nleaves;

	if (l->ncolumns == LEARN_COLUMNS || n > LEVELS || entries_of(s->at[i], n) != before + n)
		l->odd = true;		/* one with a map that has several members, too */
	else
		l->columns[l->ncolumns++] = (uint8_t)i;
}

static int put_column(struct shred *s, unsigned i, struct piece v)
{
	const struct lake_field *f = &lake_columns[i];
	int r = catch_up(s, i, s->row);
	uint64_t before;

	if (r <= 0)
		return r;
	if (f->type == LAKE_STRUCT)
		walk_inner(f, v, s->slots);
	before = s->learn.on ? entries_of(s->at[i], f->nleaves) : 0;
	r = put_field(s, f, s->at[i], v, 0);
	if (s->learn.on)
		learn_column(s, i, before);
	return r;
}

/* ---- stretches that were there before */

static bool is_known(const struct shred *s, const struct memo *m, const struct schema_node *at, struct piece t)
{
	return m->group == s->group + 1 && m->at == at && m->n == t.n && !memcmp(m->text, t.p, t.n);
}

/* Has a column gone over to plain texts meanwhile, or got this row's already? */
static bool is_spoilt(const struct shred *s, const struct memo *m)
{
	for (unsigned i = 0; i < m->nvalues; i++)
		if (m->leaves[i].c->plain)
			return true;
	for (unsigned i = 0; i < m->ncolumns; i++)
		if (s->rows[m->columns[i].column] > s->row)
			return true;
	return false;
}

/* The map's columns get their part at once. 1, 0: they are plain meanwhile. */
static int put_pairs(const struct memo *m, struct map *map)
{
	const struct memo_leaf *l = m->leaves + m->nvalues, *end = l + 2 * m->npairs;
	int r = 0;

	if (l < end && (map->c[0].plain || map->c[1].plain))
		return 0;
	for (; l < end && !r; l += 2, map->rep = 1) {
		r = column_again(l[0].c, map->rep, &l[0].value);
		if (!r)
			r = column_again(l[1].c, map->rep, &l[1].value);
	}
	return r ? r : 1;
}

/* From this row on its columns owe it. 1; 0: they cannot. */
static int begin_owing(struct shred *s, struct memo *m)
{
	int r = 0;

	for (unsigned i = 0; i < m->ncolumns && !r; i++)
		if (s->owing[m->columns[i].column])
			r = pay(s, s->owing[m->columns[i].column]);
	if (r || is_spoilt(s, m))
		return r;
	for (unsigned i = 0; i < m->ncolumns; i++)
		s->owing[m->columns[i].column] = m;
	m->upto = s->row;
	return 1;
}

/* Nothing is owed. */
static void forget(struct shred *s, struct memo *m)
{
	for (unsigned i = 0; i < m->ncolumns; i++)
		if (s->owing[m->columns[i].column] == m)
			s->owing[m->columns[i].column] = NULL;
}

/* 1; 0: what is remembered cannot be used. */
static int put_again(struct shred *s, struct memo *m, struct map *map)
{
	int r = m->times && m->upto == s->row ? 1 : begin_owing(s, m);

	if (r <= 0)
		return r;
	r = put_pairs(m, map);
	if (r <= 0) {
		if (!m->times)
			forget(s, m);
		return r;
	}
	m->times++;
	m->upto++;
	return 1;
}

static int make_room(struct memo *m, unsigned nleaves, size_t n)
{
	size_t want = nleaves * sizeof(*m->leaves) + n;
	void *p;

	if (want <= m->cap)
		return 0;
	p = realloc(m->memory, want);
	if (!p)
		return -ENOMEM;
	m->memory = p;
	m->cap = want;
	return 0;
}

static void remember_column(const struct shred *s, struct memo *m, unsigned i)
{
	uint8_t *def = (uint8_t *)m->columns[m->ncolumns].levels.v;

	m->columns[m->ncolumns].levels = (struct levels){ { 0 } };
	m->columns[m->ncolumns++].column = i;
	for (unsigned k = 0; k < lake_columns[i].nleaves; k++) {
		struct column *c = &s->at[i][k];
		struct column_value v = column_latest(c);

		def[k] = (uint8_t)v.def;
		if (v.def == c->max_def)
			m->leaves[m->nvalues++] = (struct memo_leaf){ c, v };
	}
}

static int remember(struct shred *s, struct memo *m, const struct schema_node *at, struct piece t)
{
	const struct learn *l = &s->learn;
	unsigned n = 2 * l->npairs;

	m->group = 0;
	for (unsigned i = 0; i < l->ncolumns; i++)
		n += lake_columns[l->columns[i]].nleaves;
	if (make_room(m, n, t.n) < 0)
		return -ENOMEM;
	m->leaves = m->memory;
	m->nvalues = m->ncolumns = 0;
	for (unsigned i = 0; i < l->ncolumns; i++)
		remember_column(s, m, l->columns[i]);
	memcpy(m->leaves + m->nvalues, l->pairs, 2 * l->npairs * sizeof(*m->leaves));
	m->npairs = l->npairs;
	m->text = memcpy(m->leaves + n, t.p, t.n);
	m->n = t.n;
	m->at = at;
	m->group = s->group + 1;
	return 0;
}

static int put_members(struct shred *s, struct walk *w, const struct schema_node *at, struct map *map);

/* map: where these members are elements too, or NULL. */
static int put_stretch(struct shred *s, const struct schema_node *at, struct map *map, struct piece t, uint64_t hash)
{
	struct memo *m = &s->memos[hash % MEMOS];
	struct walk w;
	int r = is_known(s, m, at, t) ? put_again(s, m, map) : 0;

	if (r)
		return r < 0 ? r : 0;
	r = m->times ? pay(s, m) : 0;
	if (r)
		return r;
	s->learn = (struct learn){ .on = true };
	walk_stretch(&w, t);
	r = put_members(s, &w, at, map);
	s->learn.on = false;
	return r || s->learn.odd || t.n > MEMO_TEXT_MAX ? r : remember(s, m, at, t);
}

/* ---- members */

/* A map whose members may be columns of their own, or a list of resources, in the record itself. */
static int put_open(struct shred *s, unsigned i, struct walk *w, const struct schema_node *at)
{
	struct map map = { s->at[i], 0 };
	int r = catch_up(s, i, s->row);
	struct walk inner;

	if (r < 0)
		return r;
	if (lake_columns[i].type == LAKE_RESOURCES)
		return put_resources(s, &lake_columns[i], s->at[i], w, 0);
	walk_enter(w, &inner);
	r = put_members(s, &inner, at, &map);
	if (!r && !map.rep)
		r = put_nulls(map.c, 2, 0, 1);
	walk_leave(w, &inner);
	return r;
}

/* Can it be put down while it is walked through? */
static bool is_open(const struct shred *s, int i, const struct walk *w)
{
	if (i < 0 || w->p == w->end || s->rows[i] > s->row)
		return false;
	return (lake_columns[i].type == LAKE_MAP && *w->p == '{') || (lake_columns[i].type == LAKE_RESOURCES && *w->p == '[');
}

static int put_member(struct shred *s, struct walk *w, const struct schema_node *at, struct piece key, struct map *map)
{
	const struct schema_node *node = NULL;
	int n = at->inner ? schema_child(at, key.p, key.n) : -1, i, r;
	struct piece value;

	if (n >= 0)
		node = &schema_nodes()[n];
	i = node ? node->column : -1;
	if (!map && is_open(s, i, w)) {
		s->learn.odd = true;
		return put_open(s, (unsigned)i, w, node);
	}
	if (walk_value(w, &value) < 0) {
		w->p = w->end;		/* which ends it */
		return 0;
	}
	if (i >= 0 && value.n && lake_columns[i].type == LAKE_STRUCT && !s->learn.on) {
		struct piece t = { key.p - 1, (size_t)(w->p - key.p) + 1 };

		return put_stretch(s, at, map, t, record_hash(t.p, t.n));
	}
	r = map ? put_pair(s, map, w, key, value) : 0;
	if (map && s->learn.on)
		learn_pair(s, map);
	return !r && i >= 0 && value.n ? put_column(s, (unsigned)i, value) : r;
}

static int put_members(struct shred *s, struct walk *w, const struct schema_node *at, struct map *map)
{
	struct piece key;
	uint64_t hash;
	int r = 0, k;

	while (!r && (k = walk_key(w, &key, &hash)) > 0)
		r = k == WALK_PART ? put_stretch(s, at, map, key, hash) : put_member(s, w, at, key, map);
	return r;
}

/* ---- rows */

static int put_own(struct shred *s, unsigned i, const struct scan_record *x)
{
	struct column *c = s->at[i];

	s->rows[i]++;
	switch (lake_columns[i].type) {
	case LAKE_RECORD_TEXT:
		return column_text(c, 0, x->json.p, x->json.n);
	case LAKE_RECEIVED:
		return column_number(c, x->received / 1000);
	case LAKE_POSITION:
		return column_number(c, x->position);
	default:
		return column_number(c, x->number);
	}
}

static bool is_own(unsigned i)
{
	enum field_type t = lake_columns[i].type;

	return t == LAKE_RECORD_TEXT || t == LAKE_RECEIVED || t == LAKE_POSITION || t == LAKE_NUMBER;
}

static int end_group(struct shred *s)
{
	int r = 0;

	for (unsigned i = 0; i < lake_ncolumns && r >= 0; i++) {
		r = catch_up(s, i, s->row);
		s->rows[i] = 0;
	}
	s->row = 0;
	s->group++;
	return r < 0 ? r : parquet_group_end(s->p);
}

int shred_row(struct shred *s, const struct scan_record *x)
{
	struct walk w;
	int r = 0;

	for (unsigned i = 0; i < s->nown && !r; i++)
		r = put_own(s, s->own[i], x);
	if (!r && walk_begin(&w, x->json) && w.object) {
		w.parts = x->parts[0].p ? x->parts : NULL;
		r = put_members(s, &w, schema_nodes(), NULL);
	}
	s->row++;
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
	struct column *c = parquet_columns(p);

	if (!s)
		return -ENOMEM;
	s->p = p;
	s->at = calloc(lake_ncolumns, sizeof(*s->at));
	s->rows = calloc(lake_ncolumns, sizeof(*s->rows));
	s->pending = calloc(lake_ncolumns, sizeof(*s->pending));
	s->owing = calloc(lake_ncolumns, sizeof(*s->owing));
	s->memos = calloc(MEMOS, sizeof(*s->memos));
	if (!s->at || !s->rows || !s->pending || !s->owing || !s->memos) {
		shred_free(&s);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < lake_ncolumns; c += lake_columns[i++].nleaves) {
		s->at[i] = c;
		if (is_own(i) && s->nown < ARRAY_SIZE(s->own))
			s->own[s->nown++] = i;
	}
	*ret_s = s;
	return 0;
}

void shred_free(struct shred **ps)
{
	struct shred *s = *ps;

	if (!s)
		return;
	for (unsigned i = 0; s->memos && i < MEMOS; i++)
		free(s->memos[i].memory);
	buf_free(&s->scratch);
	free(s->at);
	free(s->rows);
	free(s->pending);
	free(s->owing);
	free(s->memos);
	free(s);
	*ps = NULL;
}
