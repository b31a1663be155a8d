/* SPDX-License-Identifier: Apache-2.0 */
#include "scan.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/recordselect.h"
#include "store/follow.h"
#include "store/tailer.h"

/* ---- all scans, by id */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct scan *scans;
static uint64_t last_id;

void scan_spans_free(struct scan_span *spans, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		selectors_free(&spans[i].selectors);
	free(spans);
}

uint64_t scan_number(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = ++last_id;
	pthread_mutex_unlock(&lock);
	return n;
}

int scan_new(struct store *st, struct scan_span *spans, unsigned nspans, uint64_t id, struct scan **ret_s)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (!s) {
		scan_spans_free(spans, nspans);
		return -ENOMEM;
	}
	s->st = st;
	s->refs = 1;
	s->spans = spans;
	s->nspans = nspans;
	s->id = id;
	pthread_mutex_lock(&lock);
	s->next = scans;
	scans = s;
	pthread_mutex_unlock(&lock);
	*ret_s = s;
	return 0;
}

static struct scan *scan_ref(struct scan *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void scan_unref(struct scan *s)
{
	bool last;

	if (!s)
		return;
	pthread_mutex_lock(&lock);
	last = __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0;
	for (struct scan **p = &scans; last && *p; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			break;
		}
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	scan_spans_free(s->spans, s->nspans);
	free(s->frames);
	free(s->order);
	free(s);
}

static struct scan *scan_find(uint64_t id)
{
	struct scan *s;

	pthread_mutex_lock(&lock);
	for (s = scans; s && s->id != id; s = s->next)
		;
	if (s)
		scan_ref(s);
	pthread_mutex_unlock(&lock);
	return s;
}

/* ---- which frames */

struct filling {
	struct scan *s;
	journal_pos to, next;
	uint64_t max;
	bool same_day;
};

static int64_t day_of(int64_t ns)
{
	return ns / (int64_t)NS_PER_SEC / 86400;
}

static int on_frame(void *ctx, const struct journal_entry *e)
{
	struct filling *f = ctx;
	struct scan *s = f->s;

	if (e->pos >= f->to || (s->nframes && s->records + e->header->records > f->max) ||
	    (f->same_day && s->nframes && day_of(e->received) != day_of(s->first_received)))
		return 1;
	if (e->header->kind == FRAME_BATCH) {
		if (s->nframes == s->cap) {
			size_t cap = s->cap ? s->cap * 2 : 256;
			void *p = realloc(s->frames, cap * sizeof(*s->frames));

			if (!p)
				return -ENOMEM;
			s->frames = p;
			s->cap = cap;
		}
		if (!s->nframes)
			s->first_received = e->received;
		s->frames[s->nframes].pos = e->pos;
		s->frames[s->nframes++].records = e->header->records;
		s->records += e->header->records;
		s->bytes += e->frame_len;
	}
	f->next = e->next;
	return 0;
}

int scan_fill(struct scan *s, journal_pos from, journal_pos to, uint64_t max, bool same_day, journal_pos *ret_next)
{
	journal_pos done = tailer_done(s->st->tailer).pos;
	struct filling f = { s, to < done ? to : done, from, max, same_day };
	int r = from < f.to ? journal_scan(s->st->journal, from, false, on_frame, &f, NULL) : 0;

	*ret_next = f.next;
	return r < 0 ? r : 0;
}

/* ---- rows */

struct shared {
	struct scan *s;
	size_t next;			/* frame; atomic */
	uint64_t ncolumns;
	bool json;			/* some column is made from it */
	unsigned columns[];
};

struct local {
	struct decoded_cache *cache;
	struct decoded *d;
	unsigned record;
	uint32_t frame;			/* d's, in scan_each() */
	struct buf json, text;
	struct fill fill;
};

static bool is_selected(struct scan *s, struct local *l)
{
	struct select_view view;

	for (unsigned i = 0; i < s->nspans; i++) {
		const struct scan_span *p = &s->spans[i];

		if (l->d->pos < p->from || l->d->pos >= p->to)
			continue;
		if (!p->selectors)
			return true;
		buf_reset(&l->text);
		select_view_init(&view);
		return reader_select_view(l->d->reader, l->record, p->selectors->uses, &l->text, &view) == 0 &&
		       selectors_match(p->selectors, &view) == SELECT_YES;
	}
	return false;
}

static bool is_past(struct scan *s, struct local *l)
{
	struct record_summary summary;

	return l->d->received < s->keep_from && reader_summary(l->d->reader, l->record, &summary) == 0 && summary.time < s->keep_from;
}

/* 1, 0; -errno: nobody can say, -EAGAIN: as the index is being made anew. */
static int is_row(struct scan *s, struct local *l)
{
	int r;

	if (is_past(s, l) || !is_selected(s, l))
		return 0;
	r = follow_is_repeat(s->st, l->d, l->record);
	return r < 0 ? r : !r;
}

/* 0: a row, 1: this record is none, -ENOMEM. */
static int one_row(struct shared *h, struct local *l, duckdb_data_chunk out, uint64_t row)
{
	struct fill_row *x = &l->fill.row;
	int r = 0;

	if (h->json) {
		buf_reset(&l->json);
		r = reader_json(l->d->reader, l->record, &l->json);
		if (r < 0)
			return r == -ENOMEM ? r : 1;
		x->json = (struct piece){ (const char *)l->json.p, l->json.n };
		walk_record(x->json.p, x->json.n, x->slots);
	}
	x->received = l->d->received;
	x->position = (int64_t)l->d->pos;
	x->number = l->record;
	for (uint64_t c = 0; c < h->ncolumns && !r; c++)
		if (h->columns[c] < lake_ncolumns)
			r = fill_column(&l->fill, h->columns[c], duck.data_chunk_get_vector(out, c), row);
	return r;
}

/* 1: here it is; 0: what cannot be read is evidence that is set aside, as everywhere. */
static int get_frame(struct scan *s, struct local *l, size_t i)
{
	int r = decoded_get(s->st->decoded, s->st->journal, s->frames[i].pos, &l->d);

	if (r < 0) {
		l->d = NULL;
		return decoded_is_lost(r) ? 0 : r;
	}
	if (l->d->state == DECODED_RECORDS)
		return 1;
	decoded_release(l->cache, TAKE_PTR(l->d));
	return 0;
}

/* 1: there is one, 0: no more. */
static int next_frame(struct shared *h, struct local *l)
{
	size_t i;
	int r = 0;

	while (!r) {
		i = __atomic_fetch_add(&h->next, 1, __ATOMIC_RELAXED);
		if (i >= h->s->nframes)
			return 0;
		r = get_frame(h->s, l, i);
	}
	l->record = 0;
	return r;
}

static int rows(struct shared *h, struct local *l, duckdb_data_chunk out, uint64_t *ret_n)
{
	uint64_t room = duck.vector_size(), n = 0;
	int r = 0;

	while (n < room && r >= 0) {
		if (!l->d) {
			r = next_frame(h, l);
			if (r <= 0)
				break;
		}
		decoded_lock(l->d);
		for (r = 0; n < room && l->record < l->d->records && r >= 0; l->record++) {
			r = is_row(h->s, l);
			if (r <= 0)
				continue;
			r = one_row(h, l, out, n);
			n += r == 0;
		}
		decoded_unlock(l->d);
		if (r >= 0 && l->record == l->d->records) {
			decoded_release(l->cache, TAKE_PTR(l->d));
		}
	}
	*ret_n = n;
	return r < 0 ? r : 0;
}

/* ---- rows in the order of time */

static void let_go(struct local *l)
{
	if (!l->d)
		return;
	decoded_unlock(l->d);
	decoded_release(l->cache, TAKE_PTR(l->d));
}

void scan_show(struct scan_record *x, const struct buf *json, const struct record_parts *parts)
{
	const char *text = (const char *)json->p;

	x->json = (struct piece){ text, json->n };
	for (unsigned i = 0; i < PART__MAX; i++)
		x->parts[i] = (struct walk_part){ text + parts->v[i].at, parts->v[i].n, parts->v[i].hash };
	x->parts[PART__MAX].p = NULL;
}

/* The row's record as text. */
static int sorted_row(struct scan *s, struct local *l, const struct scan_row *row, struct scan_record *ret_x)
{
	struct record_parts parts;
	int r = 1;

	if (!l->d || l->frame != row->frame) {
		let_go(l);
		r = get_frame(s, l, row->frame);
		if (r > 0)
			decoded_lock(l->d);
		l->frame = row->frame;
	}
	if (r <= 0)
		return r < 0 ? r : -EBADMSG;
	buf_reset(&l->json);
	r = reader_json_parts(l->d->reader, row->record, &l->json, &parts);
	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	scan_show(ret_x, &l->json, &parts);
	ret_x->received = l->d->received;
	ret_x->position = (int64_t)l->d->pos;
	ret_x->number = row->record;
	return 0;
}

int scan_each(struct scan *s, int (*fn)(void *ctx, const struct scan_record *x), void *ctx)
{
	struct local l = { .cache = s->st->decoded };
	struct scan_record x;
	int r = 0;

	for (size_t i = 0; i < s->nrows && !r; i++) {
		r = sorted_row(s, &l, &s->order[i], &x);
		if (!r)
			r = fn(ctx, &x);
	}
	let_go(&l);
	buf_free(&l.json);
	return r;
}

static int compare_rows(const void *a, const void *b)
{
	const struct scan_row *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	if (x->frame != y->frame)
		return x->frame < y->frame ? -1 : 1;
	return x->record < y->record ? -1 : x->record > y->record;
}

static int note_rows(struct scan *s, struct local *l, size_t frame)
{
	int r = 0;

	decoded_lock(l->d);
	for (l->record = 0; l->record < l->d->records && s->nrows < s->records && r >= 0; l->record++) {
		r = is_row(s, l);
		if (r > 0)
			s->order[s->nrows++] = (struct scan_row){ reader_time(l->d->reader, l->record), (uint32_t)frame, l->record };
	}
	decoded_unlock(l->d);
	return r;
}

/* As a chain of one host's is. */
static bool in_order(const struct scan *s)
{
	for (size_t i = 1; i < s->nrows; i++)
		if (compare_rows(&s->order[i - 1], &s->order[i]) > 0)
			return false;
	return true;
}

int scan_sort(struct scan *s)
{
	struct local l = { .cache = s->st->decoded };
	int r = 0;

	if (s->order)
		return 0;
	s->order = calloc(s->records + 1, sizeof(*s->order));
	if (!s->order)
		return -ENOMEM;
	for (size_t i = 0; i < s->nframes && r >= 0; i++) {
		r = get_frame(s, &l, i);
		if (r <= 0)
			continue;
		r = note_rows(s, &l, i);
		decoded_release(l.cache, TAKE_PTR(l.d));
	}
	buf_free(&l.text);
	if (r < 0) {
		free(TAKE_PTR(s->order));
		s->nrows = 0;
		return r;
	}
	if (!in_order(s))
		qsort(s->order, s->nrows, sizeof(*s->order), compare_rows);
	return 0;
}

/* ---- the engine's callbacks */

static void drop_scan(void *p)
{
	scan_unref(p);
}

static void drop_local(void *p)
{
	struct local *l = p;

	if (l->d)
		decoded_release(l->cache, l->d);
	buf_free(&l->json);
	buf_free(&l->text);
	fill_free(&l->fill);
	free(l);
}

static void on_bind(duckdb_bind_info info)
{
	duckdb_value v = duck.bind_get_parameter(info, 0);
	struct scan *s = scan_find((uint64_t)duck.get_int64(v));

	duck.destroy_value(&v);
	if (!s) {
		duck.bind_set_error(info, "there is no such scan");
		return;
	}
	duck.bind_set_bind_data(info, s, drop_scan);
	for (unsigned i = 0; i < lake_ncolumns; i++) {
		duckdb_logical_type t = schema_type(&lake_columns[i]);

		duck.bind_add_result_column(info, lake_columns[i].name, t);
		duck.destroy_logical_type(&t);
	}
}

static void on_init(duckdb_init_info info)
{
	uint64_t n = duck.init_get_column_count(info);
	struct shared *h = calloc(1, sizeof(*h) + n * sizeof(h->columns[0]));

	if (!h) {
		duck.init_set_error(info, "out of memory");
		return;
	}
	h->s = duck.init_get_bind_data(info);
	h->ncolumns = n;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t c = duck.init_get_column_index(info, i);

		h->columns[i] = c < lake_ncolumns ? (unsigned)c : lake_ncolumns;
		h->json |= c < lake_ncolumns && fill_needs_json((unsigned)c);
	}
	duck.init_set_init_data(info, h, free);
	duck.init_set_max_threads(info, h->s->nframes < 64 ? h->s->nframes + 1 : 64);
}

static void on_local_init(duckdb_init_info info)
{
	struct local *l = calloc(1, sizeof(*l));
	const struct scan *s = duck.init_get_bind_data(info);

	if (!l) {
		duck.init_set_error(info, "out of memory");
		return;
	}
	l->cache = s->st->decoded;
	duck.init_set_init_data(info, l, drop_local);
}

const char *scan_why(int r)
{
	switch (r) {
	case -ENOMEM:
		return "out of memory";
	case -EAGAIN:
		return "a part of the index is being made anew, try again";
	case -EMFILE:
	case -ENFILE:
		return "the store can open no more files now, try again";
	default:
		return "a frame of the journal cannot be read";
	}
}

static void on_rows(duckdb_function_info info, duckdb_data_chunk out)
{
	struct shared *h = duck.function_get_init_data(info);
	struct local *l = duck.function_get_local_init_data(info);
	uint64_t n = 0;
	int r = rows(h, l, out, &n);

	if (r < 0)
		duck.function_set_error(info, scan_why(r));
	duck.data_chunk_set_size(out, n);
}

int scan_register(duckdb_connection c, char why[DUCK_WHY_MAX])
{
	duckdb_table_function f = duck.create_table_function();
	duckdb_logical_type number = duck.create_logical_type(DUCKDB_TYPE_BIGINT);
	int r = 0;

	duck.table_function_set_name(f, "hosttrail_scan");
	duck.table_function_add_parameter(f, number);
	duck.table_function_set_bind(f, on_bind);
	duck.table_function_set_init(f, on_init);
	duck.table_function_set_local_init(f, on_local_init);
	duck.table_function_set_function(f, on_rows);
	duck.table_function_supports_projection_pushdown(f, true);
	if (duck.register_table_function(c, f) != DuckDBSuccess) {
		snprintf(why, DUCK_WHY_MAX, "the engine does not take a table function");
		r = -EIO;
	}
	duck.destroy_logical_type(&number);
	duck.destroy_table_function(&f);
	return r;
}
