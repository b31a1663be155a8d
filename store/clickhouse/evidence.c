/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evidence.c - a cluster's frames as evidence (frames.h): the rows that hold their bytes. What such a row says of its frame is
 * not believed where the frame says it itself; a row whose bytes are no frame any more is damage.
 *
 * All of them are read by days, and within a day by when they were received; a chain by its numbers, which is the order in which it lies.
 * First where rows are, then the rows: nothing is sorted that has a frame in it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lines.h"
#include "proto/keys.h"
#include "replay.h"
#include "store/frames.h"
#include "tables.h"

#define SETTLE_NS (3 * (int64_t)NS_PER_SEC)	/* so long after it was taken a frame is seen, whichever replica is asked */
#define SECONDS_MAX 9e9		/* that fit into nanoseconds */
#define ROUNDED_NS 1000		/* a double's seconds are as exact as that */
#define PAGE_FRAMES 512u
#define PAGE_BYTES (24u << 20)
#define CANDIDATES 64u
#define KIND "kind = 1 AND eventtime = toDateTime(0)"

/* Where a row is. */
struct row_place {
	int64_t received;
	uint64_t key, batch;
	bool taken;
};

struct page {
	struct cluster *c;
	struct ch_link link, places_link;
	struct row_place places[PAGE_FRAMES + 1];
	unsigned n, given;
	struct frame_row row;
	struct frame_header header;
	char why[CH_WHY_MAX];
};

static struct page *page_new(struct store *st)
{
	struct page *p = calloc(1, sizeof(*p));

	if (p)
		p->c = cluster_of(st);
	return p;
}

static void page_free(struct page **p)
{
	if (!*p)
		return;
	ch_link_free(&(*p)->link);
	ch_link_free(&(*p)->places_link);
	free(*p);
}

static int failed(struct page *p, int r)
{
	log_limited(LOG_LEVEL_WARN, r, "clickhouse: frames cannot be read: %s", *p->why ? p->why : "out of memory");
	return r == -ENOMEM ? r : -EAGAIN;
}

static unsigned wanted(const struct frames_scan *s)
{
	return s->max < PAGE_FRAMES ? s->max : PAGE_FRAMES;
}

/* ---- one row */

static bool is_whole(struct page *p)
{
	const struct journal_entry *e = &p->row.entry;
	const char *why;

	return !p->row.strange && frame_check(e->frame, e->frame_len, &p->header, &why) == 0;
}

static void position_of(const struct frame_row *r, char ret[FRAMES_POSITION])
{
	snprintf(ret, FRAMES_POSITION, "batch %" PRIu64 " frame %" PRIu64, r->batch, r->key);
}

static int give(struct page *p, struct frames_scan *s, bool whole)
{
	struct frames_item f = { .entry = &p->row.entry, .header = &p->header };

	if (!whole)
		f = (struct frames_item){ .damaged = "the frame's checksum differs", .length = p->row.entry.frame_len };
	position_of(&p->row, f.position);
	p->given++;
	return s->fn(s->ctx, &f);
}

/* ---- all of a day */

/* received, framekey, batch */
static int on_place(void *ctx, const char *line)
{
	struct page *p = ctx;
	struct row_place *l = &p->places[p->n];

	if (p->n > PAGE_FRAMES || LINE_NUMBERS(line, I64(&l->received), U64(&l->key), U64(&l->batch)) < 0)
		return -EBADMSG;
	p->n++;
	return 0;
}

/* How far a scan of everything is: the day that it is in; what was received by `until` is told; `received`, and rows of it are passed over. */
struct cursor {
	unsigned day;
	int64_t until, received;
	unsigned pass;
};

/* until: in ms, so that the day has place beside it. */
static struct cursor cursor_of(const struct index_key *at)
{
	return (struct cursor){ .day = at->place.pos & 0xffff, .until = (int64_t)(at->place.pos >> 16) * (int64_t)NS_PER_MS, .received = at->time,
				.pass = at->place.record };
}

static struct index_key key_of(const struct cursor *c)
{
	return (struct index_key){ c->received, { (uint64_t)(c->until / (int64_t)NS_PER_MS) << 16 | c->day, c->pass } };
}

static int find_places(struct page *p, const struct cursor *at, int64_t to, unsigned n)
{
	_cleanup_buf_ struct buf sql = { 0 };

	buf_addf(&sql, "SELECT received, framekey, batch FROM " TABLE_ALL " WHERE " KIND " AND day = toDate(%u) AND received >= %" PRId64 " AND received <= %" PRId64,
		 at->day, at->received, at->until < to ? at->until : to);
	cluster_hide(p->c, &sql);
	buf_addf(&sql, " ORDER BY received, framekey, batch LIMIT %u, %u FORMAT TabSeparated", at->pass, n);
	p->n = 0;
	return cluster_lines(p->c, &p->places_link, &sql, on_place, p, p->why);
}

static bool is_same(const struct row_place *a, const struct row_place *b)
{
	return a->key == b->key && a->batch == b->batch;
}

/* Rows that nothing tells apart are given together: of two that have a frame's place, one may have been put there. */
static unsigned cut(const struct page *p, unsigned max)
{
	unsigned n = max;

	if (p->n <= max)
		return p->n;
	while (n && is_same(&p->places[n - 1], &p->places[max]))
		n--;
	return n ? n : max;
}

static int read_rows(struct page *p, unsigned day, unsigned n)
{
	_cleanup_buf_ struct buf sql = { 0 };
	struct ch_statement st = { .max = PAGE_BYTES, .fresh = TABLE_ROWS };

	buf_addf(&sql, "%s AND day = toDate(%u) AND received >= %" PRId64 " AND received <= %" PRId64, frames_select, day, p->places[0].received,
		 p->places[n - 1].received);
	cluster_hide(p->c, &sql);
	buf_adds(&sql, " AND framekey IN (");
	for (unsigned i = 0; i < n; i++)
		buf_addf(&sql, "%s%" PRIu64, i ? "," : "", p->places[i].key);
	buf_adds(&sql, ") ORDER BY received, framekey, batch FORMAT RowBinary");
	st.sql = buf_text(&sql);
	return sql.failed ? -ENOMEM : ch_ask(&p->c->ch, &p->link, &st, p->why);
}

static bool take_place(struct page *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!p->places[i].taken && p->places[i].key == p->row.key && p->places[i].batch == p->row.batch) {
			p->places[i].taken = true;
			return true;
		}
	return false;
}

/* The range that was asked for is in parts of a second. */
struct range {
	double from, to;
};

static bool in_range(const struct range *r, int64_t received)
{
	double at = (double)received / 1e9;

	return at >= r->from && at <= r->to;
}

static void pass(struct cursor *at, int64_t received)
{
	at->pass = received == at->received ? at->pass + 1 : 1;
	at->received = received;
}

/* The n rows that were found. 1: it ends here, by who asks. */
static int give_rows(struct page *p, struct frames_scan *s, struct cursor *at, const struct range *range, unsigned n)
{
	struct str rest = { (const char *)p->link.answer.p, p->link.answer.n };
	unsigned taken = 0;
	int r = 0;

	while (rest.n && !r) {
		if (!frames_next(&rest, &p->row))
			return -EBADMSG;
		if (!take_place(p, n))
			continue;	/* of another page */
		if (in_range(range, p->row.entry.received))
			r = give(p, s, is_whole(p));
		pass(at, p->row.entry.received);
		taken++;
	}
	if (r >= 0 && taken < n && !rest.n) {
		snprintf(p->why, sizeof(p->why), "a row that one replica has is not at another");
		return -EAGAIN;
	}
	return r;
}

/* A row that nobody can have made of a frame. */
static int give_huge(struct page *p, struct frames_scan *s, struct cursor *at)
{
	struct frames_item f = { .damaged = "larger than a frame can be", .length = PAGE_BYTES };

	p->row = (struct frame_row){ .key = p->places[0].key, .batch = p->places[0].batch };
	position_of(&p->row, f.position);
	pass(at, p->places[0].received);
	p->given++;
	return s->fn(s->ctx, &f);
}

/* 1: the day has more. */
static int some_of_day(struct page *p, struct frames_scan *s, struct cursor *at, const struct range *range)
{
	int64_t to = range->to < SECONDS_MAX ? (int64_t)(range->to * 1e9) + ROUNDED_NS : INT64_MAX;
	unsigned n, all;
	int r;

	if (!at->received && range->from > 0)
		at->received = range->from < SECONDS_MAX ? (int64_t)(range->from * 1e9) - ROUNDED_NS : INT64_MAX;
	r = find_places(p, at, to, wanted(s) + 1);
	if (r < 0 || !p->n)
		return r;
	all = p->n;
	n = cut(p, wanted(s));
	while ((r = read_rows(p, at->day, n)) == -EFBIG && n > 1)
		n = n / 2;
	if (r == -EFBIG)
		r = give_huge(p, s, at);
	else if (!r)
		r = give_rows(p, s, at, range, n);
	return r ? r : n < all;
}

/* ---- all days */

static int on_number(void *ctx, const char *line)
{
	return LINE_NUMBERS(line, I64(ctx));
}

/* -1 as *ret: there is none. */
static int ask_number(struct page *p, struct buf *sql, int64_t *ret)
{
	*ret = -1;
	return cluster_lines(p->c, &p->places_link, sql, on_number, ret, p->why);
}

/* The next day that has any. */
static int next_day(struct page *p, struct cursor *at, bool *ret_there)
{
	_cleanup_buf_ struct buf sql = { 0 };
	int64_t day;
	int r;

	buf_addf(&sql, "SELECT toUInt16(day) FROM " TABLE_ALL " WHERE " KIND " AND day > toDate(%u) AND received <= %" PRId64 " ORDER BY day LIMIT 1 FORMAT TabSeparated",
		 at->day, at->until);
	r = ask_number(p, &sql, &day);
	*ret_there = day > 0;
	if (!r && day > 0)
		*at = (struct cursor){ .day = (unsigned)day, .until = at->until };
	return r;
}

/* When the youngest frame was received; 0: there is none. */
static int youngest(struct page *p, int64_t *ret)
{
	_cleanup_buf_ struct buf sql = { 0 };

	buf_adds(&sql, "SELECT max(received) FROM " TABLE_ALL " WHERE " KIND " FORMAT TabSeparated");
	return ask_number(p, &sql, ret);
}

/* What has just come may not be at every replica yet: it is waited for, once. 1: as OP_WAIT. */
static int begin(struct page *p, struct op_state *state, struct cursor *at)
{
	int64_t last = (int64_t)state->place.pos;
	int r = 0;

	if (!state->begun) {
		r = youngest(p, &last);
		state->begun = true;
		state->place.pos = last > 0 ? (uint64_t)last : 0;
		if (!state->wait_until)
			state->wait_until = last > clock_wall() - SETTLE_NS ? clock_boot() + SETTLE_NS : 1;
	}
	if (!r && clock_boot() < state->wait_until)
		return OP_WAIT;
	at->until = (int64_t)state->place.pos + (int64_t)NS_PER_MS;
	return r;
}

/* As far as a day has any. */
static int some(struct page *p, struct frames_scan *s, struct cursor *at, const struct range *range)
{
	struct cursor next = *at;
	bool there = true;
	int r = 0;

	if (!at->received && !at->pass)
		r = next_day(p, &next, &there);
	while (!r && there && !p->given) {
		*at = next;
		r = some_of_day(p, s, at, range);
		next = *at;
		if (!r)
			r = next_day(p, &next, &there);
	}
	s->more = there;
	s->at = key_of(at);
	return r;
}

static int all(struct store *st, struct op_state *state, double from, double to, struct frames_scan *s)
{
	_cleanup_(page_free) struct page *p = page_new(st);
	struct cursor at = cursor_of(&s->at);
	const struct range range = { from, to };
	int r = 0;

	if (!p)
		return -ENOMEM;
	if (!at.until) {
		r = begin(p, state, &at);
		if (r == OP_WAIT)
			return r;
		/* a batch lies in the day on which it was written: not before its frames came, but for a clock that was set back */
		if (from > 3 * 86400)
			at.day = from / 86400 < 0xffff ? (unsigned)(from / 86400) - 2 : 0xffff;
	}
	if (!r)
		r = some(p, s, &at, &range);
	return r < 0 ? failed(p, r) : 0;
}

/* ---- one record's */

struct candidates {
	struct row_place v[CANDIDATES];
	unsigned day[CANDIDATES], record[CANDIDATES], n;
};

/* day, batch, framekey, record */
static int on_candidate(void *ctx, const char *line)
{
	struct candidates *k = ctx;
	struct row_place *l = &k->v[k->n];

	if (k->n == CANDIDATES || LINE_NUMBERS(line, U32(&k->day[k->n]), U64(&l->batch), U64(&l->key), U32(&k->record[k->n])) < 0)
		return -EBADMSG;
	k->n++;
	return 0;
}

static int find_candidates(struct page *p, const uint8_t id[16], struct candidates *k)
{
	_cleanup_buf_ struct buf sql = { 0 };
	char text[37];

	uuid_text(id, text);
	buf_addf(&sql, "SELECT toUInt16(day), batch, framekey, record FROM " TABLE_ALL " WHERE kind = 0 AND eventid = '%s'", text);
	cluster_hide(p->c, &sql);
	buf_addf(&sql, " ORDER BY received, framekey, batch LIMIT %u FORMAT TabSeparated", CANDIDATES);
	return cluster_lines(p->c, &p->places_link, &sql, on_candidate, k, p->why);
}

/* Whether the frame that is in p has this record at this place. */
static int has_record(struct page *p, unsigned record, const uint8_t id[16])
{
	struct record_summary s;
	struct decoded *d;
	int r;

	p->row.entry.header = &p->header;
	r = decoded_make(p->c->cache, &p->row.entry, &d);
	if (r < 0)
		return r;
	r = record < d->records && reader_summary(d->reader, record, &s) == 0 && !memcmp(s.event_id, id, 16);
	decoded_release(p->c->cache, d);
	return r;
}

static int keep(struct page *p, unsigned record, struct frames_found *f)
{
	const struct journal_entry *e = &p->row.entry;

	f->record = record;
	f->entry = *e;
	f->header = p->header;
	position_of(&p->row, f->position);
	if (buf_add(&f->bytes, e->frame, e->frame_len) < 0)
		return -ENOMEM;
	f->entry.frame = f->bytes.p;
	f->entry.header = NULL;
	return 0;
}

/* One whose frame is not there, or is not what it was, is none. */
static int try_candidate(struct page *p, const struct candidates *k, unsigned i, const uint8_t id[16], struct frames_found *f)
{
	_cleanup_buf_ struct buf sql = { 0 };
	struct ch_statement st = { .max = PAGE_BYTES, .fresh = TABLE_ROWS };
	struct str rest;
	int r;

	buf_addf(&sql, "%s AND day = toDate(%u) AND framekey = %" PRIu64 " AND batch = %" PRIu64 " FORMAT RowBinary", frames_select, k->day[i], k->v[i].key,
		 k->v[i].batch);
	st.sql = buf_text(&sql);
	r = sql.failed ? -ENOMEM : ch_ask(&p->c->ch, &p->link, &st, p->why);
	rest = (struct str){ (const char *)p->link.answer.p, p->link.answer.n };
	while (!r && rest.n) {
		if (!frames_next(&rest, &p->row))
			return -EBADMSG;
		if (is_whole(p))
			r = has_record(p, k->record[i], id);
	}
	return r > 0 && !f->bytes.n && keep(p, k->record[i], f) < 0 ? -ENOMEM : r;
}

static int find(struct store *st, const uint8_t id[16], struct frames_found *f)
{
	_cleanup_(page_free) struct page *p = page_new(st);
	_cleanup_free_ struct candidates *k = calloc(1, sizeof(*k));
	int r, found = 0;

	if (!p || !k)
		return -ENOMEM;
	r = find_candidates(p, id, k);
	for (unsigned i = 0; i < k->n && r >= 0; i++) {
		r = try_candidate(p, k, i, id, f);
		found += r > 0;
	}
	f->others = found > 1 ? (unsigned)found - 1 : 0;
	return r < 0 ? failed(p, r) : found > 0;
}

/* ---- its chain */

static void add_chain(struct buf *sql, const struct frames_found *f)
{
	const struct journal_origin *o = &f->entry.origin;
	char stream[33];

	hex_text(f->header.stream, 16, stream);
	buf_adds(sql, " AND account = ");
	ch_quote(sql, o->account, strlen(o->account));
	buf_adds(sql, " AND host = ");
	ch_quote(sql, o->host_id, strlen(o->host_id));
	buf_addf(sql, " AND stream = '%s' AND chain = %u", stream, f->header.chain);
}

/* Rows of so many numbers, from `number` on; as many of them as are wanted, and one more. */
static int read_chain(struct page *p, const struct frames_found *f, uint64_t number, unsigned pass_over, unsigned n)
{
	_cleanup_buf_ struct buf sql = { 0 };
	struct ch_statement st = { .max = PAGE_BYTES, .fresh = TABLE_ROWS };

	buf_addf(&sql, "SELECT framekey, batch, account, host, hostkey, region, received, flags, substring(frame, 1, %u) FROM " TABLE_ALL " WHERE " KIND,
		 FRAME_HEADER_MAX);
	add_chain(&sql, f);
	buf_addf(&sql, " AND number >= %" PRIu64 " AND number < %" PRIu64, number, number + PAGE_FRAMES);
	cluster_hide(p->c, &sql);
	buf_addf(&sql, " ORDER BY number, received, framekey, batch LIMIT %u, %u FORMAT RowBinary", pass_over, n);
	st.sql = buf_text(&sql);
	return sql.failed ? -ENOMEM : ch_ask(&p->c->ch, &p->link, &st, p->why);
}

/* A header without the rest of its frame. What is none, verify tells. */
static bool is_header(struct page *p)
{
	const struct journal_entry *e = &p->row.entry;
	size_t total;

	return !p->row.strange && frame_peek(e->frame, e->frame_len, &p->header, &total) == 0;
}

static bool is_itself(const struct frames_found *f, const struct page *p)
{
	char position[FRAMES_POSITION];

	position_of(&p->row, position);
	return !strcmp(position, f->position);
}

/* 1: there are more of these numbers. */
static int give_chain(struct page *p, const struct frames_found *f, struct frames_scan *s, unsigned n)
{
	struct str rest = { (const char *)p->link.answer.p, p->link.answer.n };
	int r = 0;

	for (unsigned i = 0; rest.n && !r; i++) {
		if (i == n)
			return 1;
		if (!frames_next(&rest, &p->row))
			return -EBADMSG;
		if (is_header(p) && !is_itself(f, p))
			r = give(p, s, true);
		s->at.place.record++;
	}
	return r;
}

/* The next number that there is, behind those that were read; -1: none. */
static int next_number(struct page *p, const struct frames_found *f, uint64_t from, int64_t *ret)
{
	_cleanup_buf_ struct buf sql = { 0 };

	buf_adds(&sql, "SELECT number FROM " TABLE_ALL " WHERE " KIND);
	add_chain(&sql, f);
	buf_addf(&sql, " AND number >= %" PRIu64 " ORDER BY number LIMIT 1 FORMAT TabSeparated", from);
	return ask_number(p, &sql, ret);
}

static int chain(struct store *st, const struct frames_found *f, struct frames_scan *s)
{
	_cleanup_(page_free) struct page *p = page_new(st);
	unsigned n = wanted(s);
	int64_t next;
	int r;

	if (!p)
		return -ENOMEM;
	if (!s->at.time && !s->at.place.record)
		s->at.time = f->header.number ? (int64_t)f->header.number - 1 : 0;
	r = read_chain(p, f, (uint64_t)s->at.time, s->at.place.record, n + 1);
	if (!r)
		r = give_chain(p, f, s, n);
	s->more = r > 0;
	if (!r) {
		r = next_number(p, f, (uint64_t)s->at.time + PAGE_FRAMES, &next);
		s->more = !r && next >= 0;
		if (s->more)
			s->at = (struct index_key){ .time = next };
	}
	return r < 0 ? failed(p, r) : 0;
}

const struct frames_ops cluster_frames = { .all = all, .find = find, .chain = chain };
