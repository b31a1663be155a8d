/* SPDX-License-Identifier: Apache-2.0 */
/* gather.c - from the journal to the next log files of a trail. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deliver_internal.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "proto/recordselect.h"
#include "store/follow.h"

/* As CloudTrail: management events, until PutEventSelectors says otherwise. */
static const char default_selectors[] = "[{\"ReadWriteType\":\"All\",\"IncludeManagementEvents\":true}]";

void batch_clear(struct batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		logfile_free(&b->parts[i].file);
	memset(b, 0, sizeof(*b));
}

int gather_selectors(struct worker *w)
{
	_cleanup_buf_ struct buf text = { 0 };
	_cleanup_selectors_ struct selectors *s = NULL;
	char why[SELECTORS_WHY_MAX];
	int r = ledger_trail_selectors(w->d->ledger, w->id, &text);

	if (!r && !text.n)
		r = buf_adds(&text, default_selectors);
	if (r < 0 || (w->selectors && text.n == w->selectors_text.n && !memcmp(text.p, w->selectors_text.p, text.n)))
		return r;
	r = selectors_parse((const char *)text.p, text.n, &s, why);
	if (r < 0) {
		log_limited(LOG_LEVEL_ERROR, 0, "trail %s: its event selectors cannot be read: %s", w->trail.name, why);
		return r;
	}
	selectors_free(&w->selectors);
	w->selectors = TAKE_PTR(s);
	w->noted = false;
	buf_reset(&w->selectors_text);
	return buf_add(&w->selectors_text, text.p, text.n);
}

static struct part *find_part(struct batch *b, const struct journal_origin *o)
{
	struct part *p;

	for (unsigned i = 0; i < b->n; i++)
		if (!strcmp(b->parts[i].account, o->account) && !strcmp(b->parts[i].region, o->region))
			return &b->parts[i];
	if (b->n == PARTS_MAX)
		return NULL;
	p = &b->parts[b->n];
	if (logfile_new(&p->file) < 0)
		return NULL;
	memcpy(p->account, o->account, sizeof(p->account));
	memcpy(p->region, o->region, sizeof(p->region));
	b->n++;
	return p;
}

/* Frames of a forked branch may repeat what the other branch has; the index has each record once. 1: this one is in it,
 * 0: it is not, -EAGAIN: the index cannot say now. */
static int is_indexed(struct worker *w, const struct decoded *d, unsigned i, const uint8_t id[16])
{
	struct store *st = w->d->st;
	struct index_query q = { .from = INT64_MIN, .to = INT64_MAX, .by_attr = true, .attr = ATTR_EVENT_ID };
	_cleanup_index_cursor_ struct index_cursor *c = NULL;
	struct index_key k;
	int r;

	if (!st->index)		/* an engine of its own shows what both branches have */
		return 1;
	q.hash = index_hash(st->index, id, 16);
	r = index_cursor_open(st->index, &q, &c);
	while (!r && (r = index_cursor_next(c, &k)) > 0)
		r = k.place.pos == d->pos && k.place.record == i ? 1 : 0;
	return r;
}

static int add_record(struct worker *w, struct decoded *d, unsigned i)
{
	struct record_summary s;
	struct select_view view;
	uint8_t id[16];
	int r = reader_select_view(d->reader, i, w->selectors->uses, &w->text, &view);

	if (r < 0 || selectors_match(w->selectors, &view) != SELECT_YES)
		return r == -ENOMEM ? r : 0;
	r = reader_summary(d->reader, i, &s);
	if (r < 0)
		return 0;
	memcpy(id, s.event_id, sizeof(id));
	if (d->flags & JOURNAL_FORK) {
		r = is_indexed(w, d, i, id);
		if (r <= 0)
			return r;
	}
	buf_reset(&w->json);
	r = reader_json(d->reader, i, &w->json);
	if (r < 0)
		return r;
	w->behind = (struct index_place){ d->pos, i + 1 };
	return w->take(w, d, s.time);
}

int gather_into_file(struct worker *w, struct decoded *d, int64_t time)
{
	struct part *p = find_part(&w->batch, &d->origin);
	uint64_t before;
	int r;

	if (!p)
		return w->batch.n == PARTS_MAX ? -E2BIG : -ENOMEM;
	before = logfile_bytes(p->file);
	r = logfile_add(p->file, w->json.p, w->json.n, time);
	w->batch.bytes += logfile_bytes(p->file) - before;
	if (!w->batch.first)
		w->batch.first = d->received;
	if (w->batch.bytes >= w->d->config.size)
		w->batch.full = true;
	return r;
}

/* Whether the trail takes records of this host at all. */
static bool is_of_trail(const struct worker *w, const struct decoded *d)
{
	return d->state == DECODED_RECORDS && (w->kind == TO_HOOK || w->trail.multi_region || !strcmp(d->origin.region, w->d->st->region));
}

/* The frame's records from the cursor on; the cursor follows. 1: the batch is full. */
static int add_frame(struct worker *w, struct decoded *d)
{
	unsigned i = d->pos == w->cursor.pos ? w->cursor.record : 0;
	int r = 0;

	decoded_lock(d);
	for (; is_of_trail(w, d) && i < d->records && !r; i++) {
		r = add_record(w, d, i);
		if (r == -E2BIG)
			r = w->batch.full = 1;
		if (r)
			break;
		w->cursor = (struct index_place){ d->pos, i + 1 };
		if (w->batch.full) {
			r = 1;
			i++;
			break;
		}
	}
	if (!r || (r == 1 && i == d->records))
		w->cursor = (struct index_place){ d->next, 0 };
	decoded_unlock(d);
	return r;
}

static int on_frame(void *ctx, const struct journal_entry *e, struct decoded *d)
{
	struct worker *w = ctx;

	return delivery_stopping(w->d) ? 1 : add_frame(w, d);
}

int gather(struct worker *w)
{
	journal_pos next;
	int r;

	if (w->batch.full)
		return 0;
	r = follow_frames(w->d->st, w->cursor.pos, w->span.stop ? w->span.stop : UINT64_MAX, on_frame, w, &next);
	if (next > w->cursor.pos)	/* else within a frame */
		w->cursor = (struct index_place){ next, 0 };
	return r == -EAGAIN ? 0 : r;
}
