/* SPDX-License-Identifier: Apache-2.0 */
/* frames_journal.c - the journal's frames as evidence. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoded.h"
#include "engine.h"
#include "frames.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define LOOK_NS NS_PER_SEC	/* one answer looks no longer than this */

struct look {
	struct store *st;
	struct frames_scan *s;
	double from, to;
	const struct frames_found *found;	/* of a chain */
	journal_pos at, until;			/* at: where the next entry should begin */
	uint64_t look_until;
	unsigned given;
	bool full;
	struct buf frame;
	struct frame_header header;
};

static void position_text(journal_pos pos, char ret[FRAMES_POSITION])
{
	snprintf(ret, FRAMES_POSITION, "%u:%u", (unsigned)(pos >> 32), (unsigned)pos);
}

/* What is given may be the last that is wanted: the next one is left for another time. */
static int give(struct look *l, const struct frames_item *f)
{
	int r = l->s->fn(l->s->ctx, f);

	l->full = ++l->given == l->s->max || r == 1;
	return r < 0 ? r : 0;
}

static int give_entry(struct look *l, const struct journal_entry *e, const struct frame_header *h)
{
	struct frames_item f = { .entry = e, .header = h };

	position_text(e->pos, f.position);
	return give(l, &f);
}

static int give_damage(struct look *l, journal_pos pos, uint64_t n, const char *what)
{
	struct frames_item f = { .damaged = what, .length = n };

	position_text(pos, f.position);
	return give(l, &f);
}

/* Whether it is left for another time. */
static bool ends(struct look *l)
{
	l->s->more = l->full || clock_boot() > l->look_until;
	return l->s->more;
}

/* From l->at on; tells in l->s how far it came. */
static int scan(struct look *l, journal_fn on_entry)
{
	int r;

	l->until = journal_end(l->st->journal);
	l->look_until = clock_boot() + LOOK_NS;
	r = journal_scan(l->st->journal, l->at, false, on_entry, l, NULL);
	l->s->at = (struct index_key){ .place.pos = l->at };
	buf_free(&l->frame);
	return r < 0 ? r : 0;
}

/* ---- all */

static int read_whole(struct look *l, const struct journal_entry *found)
{
	struct journal_entry e;
	size_t total;
	int r = journal_read(l->st->journal, found->pos, &l->frame, &e);

	if (r == -EBADMSG || (!r && (frame_peek(e.frame, e.frame_len, &l->header, &total) < 0 || total != e.frame_len)))
		return give_damage(l, found->pos, found->next - found->pos, "the frame's checksum differs");
	return r < 0 ? r : give_entry(l, &e, &l->header);
}

static int on_any(void *ctx, const struct journal_entry *e)
{
	struct look *l = ctx;
	double received = (double)e->received / 1e9;
	int r = 0;

	if (e->pos >= l->until || ends(l))
		return 1;
	/* an entry that does not begin where the one before ended: what lies between could not be read */
	if (e->pos >> 32 == l->at >> 32 && l->at && e->pos > l->at)
		r = give_damage(l, l->at, e->pos - l->at, "not readable as journal entries");
	l->at = e->next;
	return r < 0 || received < l->from || received > l->to ? r : read_whole(l, e);
}

static int all(struct store *st, struct op_state *state, double from, double to, struct frames_scan *s)
{
	_cleanup_free_ struct look *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	*l = (struct look){ .st = st, .s = s, .from = from, .to = to, .at = s->at.place.pos };
	return scan(l, on_any);
}

/* ---- one record's */

/* Whether the candidate is the record; the index may be wrong. */
static int is_record(struct store *st, const struct index_key *k, const uint8_t id[16])
{
	struct record_summary s;
	struct decoded *d;
	int r = decoded_get(st->decoded, st->journal, k->place.pos, &d);

	if (r < 0)
		return decoded_is_lost(r) ? 0 : r;
	decoded_lock(d);
	r = k->place.record < d->records && reader_summary(d->reader, k->place.record, &s) == 0 && !memcmp(s.event_id, id, 16);
	decoded_unlock(d);
	decoded_release(st->decoded, d);
	return r;
}

/* How many there are. */
static int find_places(struct store *st, const uint8_t id[16], struct index_key *ret_first)
{
	struct index_query q = { .from = INT64_MIN, .to = INT64_MAX, .by_attr = true, .attr = ATTR_EVENT_ID };
	_cleanup_index_cursor_ struct index_cursor *c = NULL;
	struct index_key k;
	int r, found = 0;

	q.hash = index_hash(st->index, id, 16);
	r = index_cursor_open(st->index, &q, &c);
	while (r >= 0 && (r = index_cursor_next(c, &k)) > 0) {
		r = is_record(st, &k, id);
		if (r > 0 && !found++)
			*ret_first = k;
	}
	return r < 0 ? r : found;
}

static int find(struct store *st, const uint8_t id[16], struct frames_found *f)
{
	struct index_key first;
	size_t total;
	int r, n = find_places(st, id, &first);

	if (n <= 0)
		return n;
	r = journal_read(st->journal, first.place.pos, &f->bytes, &f->entry);
	if (!r && (frame_peek(f->entry.frame, f->entry.frame_len, &f->header, &total) < 0 || total != f->entry.frame_len))
		r = -EBADMSG;
	f->record = first.place.record;
	f->others = (unsigned)n - 1;
	position_text(f->entry.pos, f->position);
	return r < 0 ? r : 1;
}

static bool of_chain(const struct frames_found *f, const struct journal_entry *e)
{
	const struct frame_header *h = e->header;

	return h->chain == f->header.chain && h->number + 1 >= f->header.number && !memcmp(h->stream, f->header.stream, 16) &&
	       !strcmp(e->origin.host_id, f->entry.origin.host_id);
}

static int on_linked(void *ctx, const struct journal_entry *e)
{
	struct look *l = ctx;

	if (ends(l))
		return 1;
	l->at = e->next;
	return of_chain(l->found, e) && e->pos != l->found->entry.pos ? give_entry(l, e, e->header) : 0;
}

/* The frame before may have come a little later or earlier than its place: the scan begins a segment of the journal before. */
static journal_pos begin_of(journal_pos pos)
{
	uint64_t segment = pos >> 32;

	return segment > 1 ? (segment - 1) << 32 : 0;
}

static int chain(struct store *st, const struct frames_found *f, struct frames_scan *s)
{
	_cleanup_free_ struct look *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	*l = (struct look){ .st = st, .s = s, .found = f, .at = s->at.place.pos ? s->at.place.pos : begin_of(f->entry.pos) };
	return scan(l, on_linked);
}

const struct frames_ops frames_journal = { .all = all, .find = find, .chain = chain };

/* ---- either */

const struct frames_ops *frames_of(const struct store *st)
{
	return st->engine ? st->engine->frames : &frames_journal;
}

void frames_found_free(struct frames_found *f)
{
	buf_free(&f->bytes);
}
