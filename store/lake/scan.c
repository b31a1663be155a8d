/* SPDX-License-Identifier: Apache-2.0 */
#include "scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/recordselect.h"
#include "store/follow.h"
#include "store/tailer.h"
#include "wire.h"

void scan_spans_free(struct scan_span *spans, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		selectors_free(&spans[i].selectors);
	free(spans);
}

int scan_new(struct store *st, struct scan_span *spans, unsigned nspans, struct scan **ret_s)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (!s) {
		scan_spans_free(spans, nspans);
		return -ENOMEM;
	}
	s->st = st;
	s->spans = spans;
	s->nspans = nspans;
	*ret_s = s;
	return 0;
}

void scan_free(struct scan *s)
{
	if (!s)
		return;
	scan_spans_free(s->spans, s->nspans);
	free(s->frames);
	free(s->order);
	free(s);
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

struct local {
	struct decoded_cache *cache;
	struct decoded *d;
	unsigned record;
	uint32_t frame;			/* d's, in scan_each() */
	struct buf json, text;
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

/* 1: it is added, 0: this record is none, -ENOMEM. */
static int add_row(struct local *l, bool text, struct buf *out)
{
	int r = 0;

	buf_reset(&l->json);
	if (text)
		r = reader_json(l->d->reader, l->record, &l->json);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	wire_add_u32(out, l->record);
	wire_add_str(out, l->json.p, l->json.n);
	return out->failed ? -ENOMEM : 1;
}

static int add_rows(struct scan *s, struct local *l, bool text, struct buf *out, uint32_t *ret_n)
{
	int r = 0;

	*ret_n = 0;
	decoded_lock(l->d);
	for (l->record = 0; l->record < l->d->records && r >= 0; l->record++) {
		r = is_row(s, l);
		if (r > 0)
			r = add_row(l, text, out);
		*ret_n += r > 0;
	}
	decoded_unlock(l->d);
	return r < 0 ? r : 0;
}

int scan_serve(struct scan *s, uint64_t frame, bool text, struct buf *out)
{
	struct local l = { .cache = s->st->decoded };
	size_t start = out->n, behind;
	uint32_t n = 0;
	int r = frame < s->nframes ? get_frame(s, &l, frame) : -EINVAL;

	wire_add_u32(out, 0);
	wire_add_u64(out, r > 0 ? (uint64_t)l.d->received : 0);
	wire_add_u64(out, r > 0 ? (uint64_t)l.d->pos : 0);
	wire_add_u32(out, 0);
	behind = out->n;
	if (r > 0) {
		r = add_rows(s, &l, text, out, &n);
		decoded_release(l.cache, l.d);
	}
	buf_free(&l.json);
	buf_free(&l.text);
	if (out->failed)
		return -ENOMEM;
	if (r < 0)
		out->n = behind;	/* rows that are not all there are none */
	else
		memcpy(out->p + behind - sizeof(n), &n, sizeof(n));
	memcpy(out->p + start, &r, sizeof(r));
	return 0;
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

/* ---- errors */

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
