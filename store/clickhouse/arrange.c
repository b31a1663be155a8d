/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arrange.c - a cluster's frames have no order of their own: several stores write them. The store that delivers gives them one,
 * batch by batch as they become visible, and it stands in the ledger: every trail goes through it as through a journal. A
 * batch is arranged once, however late it comes; of a frame that two batches have, the one that is arranged first counts.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "lease.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lines.h"
#include "tables.h"

#define WINDOW_NS (900 * (int64_t)NS_PER_SEC)		/* looked through each time */
#define WHOLE_NS (86400 * (int64_t)NS_PER_SEC)		/* now and then */
#define DAY_NS (86400 * (int64_t)NS_PER_SEC)
#define WHOLE_EVERY_NS (600 * NS_PER_SEC)
#define KEYS_NS (3600 * (int64_t)NS_PER_SEC)		/* a frame that two stores wrote is there twice within it */
#define SKEW_NS (6 * KEYS_NS)		/* clocks of stores that lead one after the other differ by less */
#define BATCHES_MAX 256

struct known_key {
	uint64_t key;
	int64_t received;
	UT_hash_handle hh;
};

/* ---- frames that are arranged */

static bool is_known(struct arranging *a, uint64_t key)
{
	struct known_key *k;

	HASH_FIND(hh, a->keys, &key, sizeof(key), k);
	return k != NULL;
}

static int know(struct arranging *a, uint64_t key, int64_t received)
{
	struct known_key *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->key = key;
	k->received = received;
	HASH_ADD(hh, a->keys, key, sizeof(k->key), k);
	return 0;
}

static void forget(struct arranging *a, int64_t before)
{
	struct known_key *k, *next;

	HASH_ITER(hh, a->keys, k, next)
		if (k->received < before) {
			HASH_DEL(a->keys, k);
			free(k);
		}
}

static uint64_t key_at(const struct arrival *v, unsigned i)
{
	uint64_t key = 0;

	for (unsigned n = 0; n < 8; n++)
		key |= (uint64_t)v->keys.p[8 * i + n] << 8 * n;
	return key;
}

static int on_arrival(void *ctx, const struct arrival *v)
{
	struct arranging *a = ctx;
	int r = 0;

	for (unsigned i = 0; !r && i < v->keys.n / 8; i++)
		if (!is_known(a, key_at(v, i)))
			r = know(a, key_at(v, i), v->received);
	return r;
}

int arrange_begin(struct arranging *a)
{
	forget(a, INT64_MAX);
	a->whole_at = 0;
	return ledger_arrivals_since(a->ledger, clock_wall() - KEYS_NS, on_arrival, a);
}

void arrange_clear(struct arranging *a)
{
	forget(a, INT64_MAX);
	ch_link_free(&a->link);
}

/* ---- batches that are not */

struct found {
	struct arranging *a;
	struct arrival v[BATCHES_MAX];
	unsigned rows[BATCHES_MAX], seen[BATCHES_MAX];	/* frames of it, of either kind */
	unsigned n;
	bool more;
};

/* batch, day, frames, received */
static int on_batch(void *ctx, const char *line)
{
	struct found *f = ctx;
	struct arrival v = { 0 };
	unsigned day, rows;

	if (LINE_NUMBERS(line, U64(&v.batch), U32(&day), U32(&rows), I64(&v.received)) < 0 || day > UINT16_MAX)
		return -EBADMSG;
	if (ledger_has_batch(f->a->ledger, v.batch))
		return 0;
	if (f->n == BATCHES_MAX) {
		f->more = true;
		return 0;
	}
	v.day = (uint16_t)day;
	f->rows[f->n] = rows;
	f->v[f->n++] = v;
	return 0;
}

/* batch, framekey, state */
static int on_frame(void *ctx, const char *line)
{
	struct found *f = ctx;
	uint64_t batch, key;
	unsigned state, i;

	if (LINE_NUMBERS(line, U64(&batch), U64(&key), U32(&state)) < 0)
		return -EBADMSG;
	for (i = 0; i < f->n && f->v[i].batch != batch; i++)
		;
	if (i == f->n)
		return 0;
	f->seen[i]++;
	if (state != DECODED_RECORDS)
		return 0;
	for (unsigned n = 0; n < 8; n++)
		buf_addc(&f->v[i].keys, (uint8_t)(key >> 8 * n));
	return f->v[i].keys.failed ? -ENOMEM : 0;
}

static int by_arrival(const void *a, const void *b)
{
	const struct arrival *x = a, *y = b;

	return x->received != y->received ? (x->received < y->received ? -1 : 1) : x->batch < y->batch ? -1 : x->batch > y->batch;
}

static int ask_batches(struct found *f, int64_t since, char *why)
{
	_cleanup_buf_ struct buf sql = { 0 };

	buf_addf(&sql, "SELECT batch, toUInt16(day), count(), max(received) FROM " TABLE_ALL " WHERE kind = 1 AND eventtime = toDateTime(0) AND "
		       "day >= toDate(%" PRId64 ") AND received >= %" PRId64 " GROUP BY batch, day ORDER BY max(received) FORMAT TabSeparated",
		 since / DAY_NS, since);	/* a number of seconds would be a day of the server's time zone */
	return cluster_lines(f->a->c, &f->a->link, &sql, on_batch, f, why);
}

static int ask_frames(struct found *f, char *why)
{
	_cleanup_buf_ struct buf sql = { 0 };
	unsigned first = UINT16_MAX, last = 0;

	for (unsigned i = 0; i < f->n; i++) {
		first = f->v[i].day < first ? f->v[i].day : first;
		last = f->v[i].day > last ? f->v[i].day : last;
	}
	buf_addf(&sql, "SELECT batch, framekey, state FROM " TABLE_ALL " WHERE kind = 1 AND eventtime = toDateTime(0) AND day >= toDate(%u) AND "
		       "day <= toDate(%u) AND batch IN (",
		 first, last);
	for (unsigned i = 0; i < f->n; i++)
		buf_addf(&sql, "%s%" PRIu64, i ? "," : "", f->v[i].batch);
	buf_adds(&sql, ") ORDER BY batch, host, stream, chain, number, framekey FORMAT TabSeparated");
	return cluster_lines(f->a->c, &f->a->link, &sql, on_frame, f, why);
}

/* Those of which another replica was asked, that does not have all of it yet, wait. */
static void leave_out_parts(struct found *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->n; i++) {
		if (f->seen[i] != f->rows[i]) {
			buf_free(&f->v[i].keys);
			continue;
		}
		f->v[n++] = f->v[i];
	}
	f->n = n;
}

/* Takes out what is arranged already. */
static int leave_out_known(struct arranging *a, struct arrival *v)
{
	unsigned n = 0;
	int r = 0;

	for (unsigned i = 0; !r && i < v->keys.n / 8; i++) {
		uint64_t key = key_at(v, i);

		if (is_known(a, key))
			continue;
		memmove(v->keys.p + 8 * n++, v->keys.p + 8 * i, 8);
		r = know(a, key, v->received);
	}
	v->keys.n = 8 * n;
	v->frames = n;
	return r;
}

static int put_in_order(struct found *f, int64_t since)
{
	struct arranging *a = f->a;
	int r = 0;

	leave_out_parts(f);
	qsort(f->v, f->n, sizeof(f->v[0]), by_arrival);
	for (unsigned i = 0; !r && i < f->n; i++)
		r = leave_out_known(a, &f->v[i]);
	if (!r)
		r = ledger_arrive(a->ledger, f->v, f->n, since);
	for (unsigned i = 0; !r && i < f->n; i++)
		__atomic_add_fetch(&a->frames, f->v[i].frames, __ATOMIC_RELAXED);
	if (r < 0)		/* they are to be arranged still */
		arrange_begin(a);
	return r;
}

/* *ret_more: there may be others. */
static int some(struct arranging *a, int64_t since, bool *ret_more, char *why)
{
	_cleanup_free_ struct found *f = calloc(1, sizeof(*f));
	journal_pos end;
	int64_t begun;
	int r = f ? ledger_arrived(a->ledger, &end, &begun) : -ENOMEM;

	if (r < 0)
		return r;
	f->a = a;
	r = ask_batches(f, since, why);
	if (!r && f->n)
		r = ask_frames(f, why);
	if (!r && (f->n || !begun))
		r = put_in_order(f, since);
	*ret_more = f->more && f->n;	/* none could be taken: later */
	for (unsigned i = 0; i < f->n; i++)
		buf_free(&f->v[i].keys);
	return r;
}

static void trim(struct arranging *a, struct delivery *d)
{
	int64_t now = clock_wall();
	journal_pos needed;

	if (clock_boot() - a->trimmed_at < WHOLE_EVERY_NS)
		return;
	a->trimmed_at = clock_boot();
	forget(a, now - KEYS_NS);
	if (delivery_needs(d, &needed) == 0)
		ledger_arrivals_trim(a->ledger, needed, now - KEYS_NS, now - WHOLE_NS - SKEW_NS);
}

int arrange(struct arranging *a, struct delivery *d, char why[CH_WHY_MAX])
{
	int64_t now = clock_wall(), since = now - WINDOW_NS, begun;
	bool whole = !a->whole_at || clock_boot() - a->whole_at > WHOLE_EVERY_NS, more = true;
	journal_pos end;
	int r = ledger_arrived(a->ledger, &end, &begun);

	/* what was received long before the first trail is nobody's */
	if (!r && begun && whole)
		since = begun > now - WHOLE_NS ? begun : now - WHOLE_NS;
	while (!r && more && !__atomic_load_n(a->stop, __ATOMIC_RELAXED))
		r = some(a, since, &more, why);
	if (!r && whole)
		a->whole_at = clock_boot();
	if (!r)
		trim(a, d);
	return r;
}
