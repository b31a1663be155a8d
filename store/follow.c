/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include <errno.h>
#include <string.h>

#include "engine.h"
#include "lib/cleanup.h"
#include "tailer.h"

/* ---- records that are there twice */

/* 1, 0 or why nobody can say. A frame that is lost has no content: its records are in no answer. */
static int same_content(struct store *st, const struct index_key *k, const uint8_t id[16], const struct buf *json)
{
	_cleanup_buf_ struct buf other = { 0 };
	struct record_summary s;
	struct decoded *d;
	int r;

	/* a copy of our own: the caller holds a frame's lock, and another may hold this one's and want that */
	r = decoded_read(st->decoded, st->journal, k->place.pos, false, &d);
	if (r < 0)
		return decoded_is_lost(r) ? 0 : r;
	if (k->place.record < d->records && reader_summary(d->reader, k->place.record, &s) == 0 && !memcmp(s.event_id, id, 16)) {
		r = reader_json(d->reader, k->place.record, &other);
		if (!r)
			r = other.n == json->n && !memcmp(other.p, json->p, other.n);
		else if (r != -ENOMEM)
			r = 0;
	}
	decoded_release(st->decoded, d);
	return r;
}

/* 1, 0 or -errno: nobody can say (-EAGAIN: yet). partial: the index that is there is asked, whether or not it is whole. */
static int find_twin(struct store *st, struct decoded *d, unsigned i, bool earlier, bool partial)
{
	struct index_query q = { .from = INT64_MIN, .to = INT64_MAX, .by_attr = true, .attr = ATTR_EVENT_ID, .partial = partial };
	_cleanup_index_cursor_ struct index_cursor *c = NULL;
	_cleanup_buf_ struct buf json = { 0 };
	struct record_summary s;
	uint8_t id[16];
	struct index_key k;
	int r, there = 0;

	if (reader_summary(d->reader, i, &s) < 0)
		return 0;
	memcpy(id, s.event_id, sizeof(id));
	q.hash = index_hash(st->index, id, sizeof(id));
	r = reader_json(d->reader, i, &json);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = index_cursor_open(st->index, &q, &c);
	while (!r && !there && (r = index_cursor_next(c, &k)) > 0) {
		if (earlier ? k.place.pos < d->pos : k.place.pos != d->pos)
			there = same_content(st, &k, id, &json);
		r = 0;
	}
	return there ? there : r;
}

int follow_is_indexed(struct store *st, struct decoded *d, unsigned i)
{
	int r = find_twin(st, d, i, false, true);

	return r == -EAGAIN ? 0 : r;
}

int follow_is_repeat(struct store *st, struct decoded *d, unsigned i)
{
	return d->flags & JOURNAL_FORK ? find_twin(st, d, i, true, false) : 0;
}

/* ---- frames */

struct follow {
	struct store *st;
	journal_pos to;
	follow_fn fn;
	void *ctx;
	journal_pos next;
};

static int on_entry(void *ctx, const struct journal_entry *e)
{
	struct follow *f = ctx;
	struct decoded *d;
	int r;

	if (e->pos >= f->to)
		return 1;
	r = decoded_get(f->st->decoded, f->st->journal, e->pos, &d);
	if (r == -EBADMSG || r == -ENOENT) {
		f->next = e->next;
		return 0;
	}
	if (r < 0)
		return r;
	r = d->state == DECODED_RECORDS ? f->fn(f->ctx, e, d) : 0;
	decoded_release(f->st->decoded, d);
	if (!r)
		f->next = e->next;
	return r;
}

static int follow_journal(struct store *st, journal_pos from, journal_pos to, follow_fn fn, void *ctx, journal_pos *ret_next)
{
	journal_pos done = tailer_done(st->tailer).pos;
	struct follow f = { st, to < done ? to : done, fn, ctx, from };
	int r = from < f.to ? journal_scan(st->journal, from, false, on_entry, &f, NULL) : 0;

	if (ret_next)
		*ret_next = f.next;
	return r < 0 ? r : 0;
}

int follow_frames(struct store *st, journal_pos from, journal_pos to, follow_fn fn, void *ctx, journal_pos *ret_next)
{
	return (st->engine ? st->engine->follow : follow_journal)(st, from, to, fn, ctx, ret_next);
}

static int journal_range(struct store *st, journal_pos *ret_oldest, journal_pos *ret_end)
{
	*ret_oldest = 0;
	*ret_end = tailer_done(st->tailer).pos;
	return 0;
}

int follow_range(struct store *st, journal_pos *ret_oldest, journal_pos *ret_end)
{
	return (st->engine ? st->engine->range : journal_range)(st, ret_oldest, ret_end);
}

journal_pos follow_end(struct store *st)
{
	return st->engine ? st->engine->end(st) : journal_end(st->journal);
}
