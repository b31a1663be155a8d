/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lease.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lines.h"
#include "proto/keys.h"
#include "tables.h"

#define CHUNK_FRAMES 512u		/* read at once, */
#define CHUNK_BYTES (16u << 20)
#define CHUNK_ARRIVALS 64u		/* of so many batches */
#define REFRESH_NS (400 * NS_PER_MS)

/* Frames that lie behind each other, and their rows. */
struct chunk {
	struct { uint64_t key, batch; uint16_t day; } frames[CHUNK_FRAMES];
	journal_pos first;
	unsigned n;
	struct buf rows, more;		/* answers; more: of frames that are not where they were */
	struct frame_row *found[CHUNK_FRAMES];
	struct frame_row rows_of[CHUNK_FRAMES];
	bool gone[CHUNK_FRAMES];
	unsigned nrows;
	unsigned refs;
};

struct replay {
	struct cluster *c;
	pthread_mutex_t lock;		/* also of reading: what one has read the others have at hand */
	struct ch_link link;
	struct chunk *last;
	uint64_t refreshed;		/* boot-time ns: the ledger's copy, for who tails */
};

/* ---- rows */

const char frames_select[] = "SELECT framekey, batch, account, host, hostkey, region, received, flags, frame FROM " TABLE_ALL
			     " WHERE kind = 1 AND eventtime = toDateTime(0)";

/* false: there is no text. */
static bool take_name(struct str *s, char *ret, size_t room, bool *strange)
{
	struct str t;

	if (!rows_take_text(s, &t))
		return false;
	if (t.n >= room || memchr(t.p, 0, t.n)) {
		*strange = true;
		t.n = 0;
	}
	memcpy(ret, t.p, t.n);
	ret[t.n] = '\0';
	return true;
}

bool frames_next(struct str *p, struct frame_row *ret)
{
	struct journal_origin *o = &ret->entry.origin;
	struct str frame;
	char key[65];

	memset(ret, 0, sizeof(*ret));
	if (!rows_take(p, &ret->key, 8) || !rows_take(p, &ret->batch, 8) || !take_name(p, o->account, sizeof(o->account), &ret->strange) ||
	    !take_name(p, o->host_id, sizeof(o->host_id), &ret->strange) || !take_name(p, key, sizeof(key), &ret->strange) ||
	    !take_name(p, o->region, sizeof(o->region), &ret->strange) || !rows_take(p, &ret->entry.received, 8) ||
	    !rows_take(p, &ret->entry.flags, 2) || !rows_take_text(p, &frame))
		return false;
	ret->strange |= hex_parse(key, o->key, 32) < 0;
	ret->entry.frame = (const uint8_t *)frame.p;
	ret->entry.frame_len = frame.n;
	return true;
}

/* ---- chunks */

static void chunk_put(struct replay *r, struct chunk *k)
{
	if (!k || __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL))
		return;
	buf_free(&k->rows);
	buf_free(&k->more);
	free(k);
}

struct choosing {
	struct chunk *k;
	journal_pos from, to;
	unsigned arrivals;
};

static int on_arrival(void *ctx, const struct arrival *a)
{
	struct choosing *c = ctx;
	struct chunk *k = c->k;

	for (unsigned i = 0; i < a->frames; i++) {
		journal_pos pos = a->pos + i;

		if (pos < c->from)
			continue;
		if (pos >= c->to || k->n == CHUNK_FRAMES)
			return 1;
		if (!k->n)
			k->first = pos;
		if (8 * ((size_t)i + 1) > a->keys.n)
			return -EBADMSG;	/* trimmed, and yet wanted */
		memcpy(&k->frames[k->n].key, a->keys.p + 8 * (size_t)i, 8);
		k->frames[k->n].key = le64toh(k->frames[k->n].key);
		k->frames[k->n].batch = a->batch;
		k->frames[k->n++].day = a->day;
	}
	return ++c->arrivals == CHUNK_ARRIVALS;
}

static void match(struct chunk *k, unsigned from)
{
	for (unsigned i = 0; i < k->n; i++)
		for (unsigned m = from; !k->found[i] && m < k->nrows; m++)
			if (k->rows_of[m].key == k->frames[i].key)
				k->found[i] = &k->rows_of[m];
}

static int take_rows(struct chunk *k, const struct buf *b)
{
	struct str rest = { (const char *)b->p, b->n };
	unsigned before = k->nrows;

	/* of a frame that is there twice either will do */
	while (rest.n && k->nrows < CHUNK_FRAMES)
		if (!frames_next(&rest, &k->rows_of[k->nrows]) || k->rows_of[k->nrows++].strange)
			return -EBADMSG;
	match(k, before);
	return 0;
}

static void add_keys(struct chunk *k, struct buf *sql, bool missing)
{
	const char *comma = " AND framekey IN (";

	for (unsigned i = 0; i < k->n; i++) {
		if (missing && (k->found[i] || k->gone[i]))
			continue;
		buf_addf(sql, "%s%" PRIu64, comma, k->frames[i].key);
		comma = ",";
	}
	buf_adds(sql, ") LIMIT 1 BY framekey FORMAT RowBinary");
}

static void days_of(const struct chunk *k, bool missing, unsigned *ret_first, unsigned *ret_last)
{
	*ret_first = UINT16_MAX;
	*ret_last = 0;
	for (unsigned i = 0; i < k->n; i++) {
		if (missing && k->found[i])
			continue;
		*ret_first = k->frames[i].day < *ret_first ? k->frames[i].day : *ret_first;
		*ret_last = k->frames[i].day > *ret_last ? k->frames[i].day : *ret_last;
	}
}

static bool misses(const struct chunk *k)
{
	for (unsigned i = 0; i < k->n; i++)
		if (!k->found[i] && !k->gone[i])
			return true;
	return false;
}

/* Where a copy was taken out the other one lies in another batch, perhaps of the day before or after. */
static int read_rows(struct replay *r, struct chunk *k, bool missing, struct buf *to, char *why)
{
	_cleanup_buf_ struct buf sql = { 0 };
	struct ch_statement st = { .max = CHUNK_BYTES, .fresh = TABLE_ROWS };
	unsigned first, last;
	int res;

	days_of(k, missing, &first, &last);
	buf_addf(&sql, "%s AND day >= toDate(%u) AND day <= toDate(%u)", frames_select, missing ? first - 1 : first, missing ? last + 1 : last);
	add_keys(k, &sql, missing);
	st.sql = buf_text(&sql);
	res = sql.failed ? -ENOMEM : ch_ask(&r->c->ch, &r->link, &st, why);
	if (!res)
		res = buf_add(to, r->link.answer.p ? r->link.answer.p : (const uint8_t *)"", r->link.answer.n);
	return res ? res : take_rows(k, to);
}

static int on_count(void *ctx, const char *line)
{
	return LINE_NUMBERS(line, U64(ctx));
}

/* A day that was removed as a whole has nothing to deliver any more. */
static int look_for_gone(struct replay *r, struct chunk *k, char *why)
{
	for (unsigned i = 0; i < k->n; i++) {
		_cleanup_buf_ struct buf sql = { 0 };
		uint64_t rows = 0;
		int res;

		if (k->found[i] || k->gone[i])
			continue;
		if (i && k->frames[i].day == k->frames[i - 1].day && k->gone[i - 1]) {
			k->gone[i] = true;
			continue;
		}
		buf_addf(&sql, "SELECT count() FROM " TABLE_ALL " WHERE day = toDate(%u)", k->frames[i].day);
		res = cluster_lines(r->c, &r->link, &sql, on_count, &rows, why);
		if (res < 0 || rows)
			return res < 0 ? res : -EAGAIN;
		log_errx("clickhouse: a day's rows are gone before trails had them: what was received on day %u since 1970 is not delivered", k->frames[i].day);
		k->gone[i] = true;
	}
	return 0;
}

static int fill(struct replay *r, struct chunk *k, char *why)
{
	int res;

	while ((res = read_rows(r, k, false, &k->rows, why)) == -EFBIG && k->n > 1)
		k->n /= 2;

	if (!res && misses(k))
		res = read_rows(r, k, true, &k->more, why);
	return res || !misses(k) ? res : look_for_gone(r, k, why);
}

/* Locked. The frames from `from` on; *ret_k NULL: there are none. */
static int chunk_read(struct replay *r, struct ledger *l, journal_pos from, journal_pos to, struct chunk **ret_k)
{
	struct chunk *k = calloc(1, sizeof(*k));
	struct choosing c = { k, from, to, 0 };
	char why[CH_WHY_MAX] = "";
	int res;

	*ret_k = NULL;
	if (!k)
		return -ENOMEM;
	k->refs = 1;
	res = ledger_arrivals(l, from, on_arrival, &c);
	if (!res && k->n)
		res = fill(r, k, why);
	if (res < 0 || !k->n) {
		if (res < 0)
			log_limited(LOG_LEVEL_WARN, res, "clickhouse: frames cannot be read back: %s", why);
		chunk_put(r, k);
		return res;
	}
	*ret_k = k;
	return 0;
}

/* What holds `from`, read before by whoever came first. */
static int chunk_get(struct replay *r, struct ledger *l, journal_pos from, journal_pos to, struct chunk **ret_k)
{
	int res = 0;

	pthread_mutex_lock(&r->lock);
	if (!r->last || from < r->last->first || from >= r->last->first + r->last->n) {
		struct chunk *k;

		res = chunk_read(r, l, from, to, &k);
		if (!res && k) {
			chunk_put(r, r->last);
			r->last = k;
		} else {
			*ret_k = NULL;
			pthread_mutex_unlock(&r->lock);
			return res;
		}
	}
	*ret_k = r->last;
	__atomic_add_fetch(&r->last->refs, 1, __ATOMIC_ACQ_REL);
	pthread_mutex_unlock(&r->lock);
	return res;
}

/* ---- following */

static int give(struct replay *r, struct chunk *k, unsigned i, follow_fn fn, void *ctx)
{
	_cleanup_free_ struct frame_header *h = malloc(sizeof(*h));
	struct journal_entry e = k->found[i]->entry;
	struct decoded *d;
	size_t total;
	int res;

	if (!h)
		return -ENOMEM;
	if (frame_peek(e.frame, e.frame_len, h, &total) < 0)
		return 0;		/* as a damaged entry of a journal */
	e.header = h;
	e.pos = k->first + i;
	e.next = e.pos + 1;
	res = decoded_make(r->c->cache, &e, &d);
	if (res < 0)
		return res;
	res = d->state == DECODED_RECORDS ? fn(ctx, &e, d) : 0;
	decoded_release(r->c->cache, d);
	return res;
}

int replay_follow(struct store *st, journal_pos from, journal_pos to, follow_fn fn, void *ctx, journal_pos *ret_next)
{
	struct cluster *c = cluster_of(st);
	struct ledger *l = delivery_ledger(lease_delivery(c->lease));
	struct replay *r = c->replay;
	struct chunk *k;
	int res = 0;

	while (!res && from < to) {
		res = chunk_get(r, l, from, to, &k);
		if (res < 0 || !k)
			break;
		for (unsigned i = (unsigned)(from - k->first); !res && i < k->n && k->first + i < to; i++) {
			res = k->gone[i] ? 0 : give(r, k, i, fn, ctx);
			if (!res)
				from = k->first + i + 1;
		}
		chunk_put(r, k);
	}
	if (ret_next)
		*ret_next = from;
	return res < 0 ? res : 0;
}

journal_pos replay_end(struct store *st)
{
	struct lease *z = cluster_of(st)->lease;
	journal_pos end = 1;
	int64_t since;

	if (z)
		ledger_arrived(delivery_ledger(lease_delivery(z)), &end, &since);
	return end;
}

/* Many may wait for news: one of them asks. */
static bool is_due(struct replay *r)
{
	bool due;

	pthread_mutex_lock(&r->lock);
	due = !r->refreshed || clock_boot() - r->refreshed > REFRESH_NS;
	if (due)
		r->refreshed = clock_boot();
	pthread_mutex_unlock(&r->lock);
	return due;
}

int replay_range(struct store *st, journal_pos *ret_oldest, journal_pos *ret_end)
{
	struct cluster *c = cluster_of(st);
	char why[CH_WHY_MAX] = "trails are not begun yet";
	struct ledger *l;
	int64_t since = 0;
	int r = c->lease ? 0 : -EAGAIN;

	if (!r && is_due(c->replay))
		r = lease_refresh(c->lease, why);
	if (r < 0) {
		log_limited(LOG_LEVEL_WARN, r, "clickhouse: what has arrived cannot be told: %s", why);
		__atomic_store_n(&c->replay->refreshed, 0, __ATOMIC_RELAXED);
		return -EAGAIN;
	}
	l = delivery_ledger(lease_delivery(c->lease));
	r = ledger_arrived(l, ret_end, &since);
	if (!r && !since) {
		r = lease_take(c->lease, why);
		if (!r)
			r = ledger_arrived(l, ret_end, &since);
	}
	if (!r)
		r = ledger_arrivals_oldest(l, ret_oldest);
	if (r < 0)
		log_limited(LOG_LEVEL_WARN, r, "clickhouse: what has arrived cannot be told: %s", why);
	return r < 0 ? -EAGAIN : 0;
}

int replay_new(struct cluster *c, struct replay **ret_r)
{
	struct replay *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->c = c;
	pthread_mutex_init(&r->lock, NULL);
	*ret_r = r;
	return 0;
}

void replay_free(struct replay **pr)
{
	struct replay *r = *pr;

	if (!r)
		return;
	chunk_put(r, r->last);
	ch_link_free(&r->link);
	pthread_mutex_destroy(&r->lock);
	free(r);
	*pr = NULL;
}
