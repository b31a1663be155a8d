/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealer.c - the thread that makes segments of the journal.
 *
 * A step for each event data store: the stretch behind what it has sealed, up to so many records and within one day, goes
 * into a file; then one row of the manifest says so and moves the store's position, in one transaction. A crash before that
 * leaves a file that the next start removes; nothing is in two segments or in none. Where several whole stretches wait, each of the
 * machine's CPUs writes one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lake_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "store/tailer.h"

#define ROUND_MS 200
#define RETRY_SECONDS 2
#define HOLD_RECORDS 2000000ull
#define HOLD_NS (30 * (int64_t)NS_PER_SEC)

static void day_text(int64_t ns, char ret[11])
{
	char iso[21];

	clock_iso(ns / (int64_t)NS_PER_SEC, iso);
	memcpy(ret, iso, 10);
	ret[10] = '\0';
}

/* A stretch of the journal on its way into a segment. */
struct sealing {
	struct lake *l;
	const struct event_store *e;
	struct scan *scan;
	struct segment s;
	bool full;			/* more waits behind it */
	bool hole;			/* nothing of it is to be kept */
	pthread_t thread;
	bool apart;			/* on that thread */
	int r;
};

static void count_seal(const struct sealing *x)
{
	struct lake *l = x->l;

	pthread_mutex_lock(&l->lock);
	l->stats.seals++;
	l->stats.segments += x->s.rows > 0;
	l->stats.segment_bytes += x->s.bytes;
	l->stats.segment_rows += x->s.rows;
	if (!strcmp(x->e->id, l->default_id))
		l->sealed_since += x->scan->records;
	l->not_disk = false;
	pthread_mutex_unlock(&l->lock);
}

/* The disk's troubles hold senders up; others must not. */
static int seal_failed(struct lake *l, int r, const char *why)
{
	if (__atomic_load_n(&l->stopping, __ATOMIC_RELAXED))
		return -ECANCELED;
	if (r == -EAGAIN)
		return r;
	pthread_mutex_lock(&l->lock);
	l->stats.seal_failures++;
	l->not_disk = r == -ENOMEM || r == -EBADMSG || r == -E2BIG;
	pthread_mutex_unlock(&l->lock);
	log_limited(LOG_LEVEL_ERROR, 0, "a segment of the lake cannot be sealed, trying again: %s", *why ? why : strerror(-r));
	return r;
}

static int write_scan(struct lake *l, const struct event_store *e, struct scan *scan, struct segment *s)
{
	char why[DUCK_WHY_MAX] = "";
	int r;

	day_text(scan->first_received, s->day);
	r = segment_write(l, scan, e->id, s, why);
	return r < 0 ? seal_failed(l, r, why) : 0;
}

static int open_scan(struct lake *l, const struct event_store *e, journal_pos from, journal_pos to, uint64_t max, journal_pos *next,
		     struct scan **ret_s)
{
	struct scan_span *spans;
	unsigned nspans;
	int r = manifest_spans(l->manifest, e->id, &spans, &nspans);

	if (!r)
		r = scan_new(l->st, spans, nspans, ret_s);
	if (!r) {
		r = scan_fill(*ret_s, from, to, max, true, next);
		if (r < 0) {
			scan_free(*ret_s);
			*ret_s = NULL;
		}
	}
	return r;
}

/* How far behind the built-in store is, for lake_hold(). */
static void note_lag(struct lake *l, const struct scan *scan, bool more)
{
	struct tailer_counts counts;

	tailer_counts(l->st->tailer, &counts);
	pthread_mutex_lock(&l->lock);
	l->oldest = scan->first_received;
	if (!more && counts.caught_up) {
		l->caught_up = true;
		l->seen_base = counts.records - scan->records;
		l->sealed_since = 0;
	}
	pthread_mutex_unlock(&l->lock);
}

static int open_sealing(struct lake *l, const struct event_store *e, journal_pos from, struct sealing *x)
{
	journal_pos done = tailer_done(l->st->tailer).pos;
	int r;

	*x = (struct sealing){ .l = l, .e = e, .s.from = from };
	r = open_scan(l, e, from, UINT64_MAX, l->config.seal_records, &x->s.to, &x->scan);
	if (!r)
		x->full = x->scan->nframes && (x->s.to < done || x->scan->records >= l->config.seal_records);
	return r;
}

static void *seal_one(void *arg)
{
	struct sealing *x = arg;

	x->hole = retain_is_past(x->l, x->e, x->scan);
	x->r = x->hole ? 0 : write_scan(x->l, x->e, x->scan, &x->s);
	return NULL;
}

static int enter(const struct sealing *x)
{
	struct manifest *m = x->l->manifest;
	int r = x->hole ? manifest_hole(m, x->e->id, x->s.from, x->s.to) : 0;

	if (!r)
		r = manifest_seal(m, x->e->id, &x->s);
	if (r < 0) {
		segment_drop(x->l, &x->s);
		return seal_failed(x->l, r, "the manifest does not take it");
	}
	count_seal(x);
	return 0;
}

/* Their files are written beside one another, and become part of the lake one after the other: none without those before it. */
static int seal_all(struct sealing *v, unsigned n)
{
	int r = 0;

	for (unsigned i = 1; i < n; i++)
		v[i].apart = pthread_create(&v[i].thread, NULL, seal_one, &v[i]) == 0;
	for (unsigned i = 0; i < n; i++) {
		struct sealing *x = &v[i];

		if (x->apart)
			pthread_join(x->thread, NULL);
		else if (!r)
			seal_one(x);
		if (!r)
			r = x->r ? x->r : enter(x);
		else if (x->apart && !x->r)
			segment_drop(x->l, &x->s);
	}
	return r;
}

/* What came later than it is now came before the clock was set back: how long it has waited nobody knows. */
static bool has_waited(const struct lake *l, const struct scan *scan)
{
	int64_t age = clock_wall() - scan->first_received;

	return scan->nframes && (age < 0 || age >= l->config.seal_ns);
}

/* 1: sealed, 0: it is not time yet. */
static int seal_store(struct lake *l, const struct event_store *e)
{
	struct sealing v[SEAL_AT_ONCE] = { 0 };
	unsigned n = 1;
	int r = open_sealing(l, e, e->sealed, &v[0]);

	if (r < 0)
		return r;
	if (!strcmp(e->id, l->default_id))
		note_lag(l, v[0].scan, v[0].s.to < tailer_done(l->st->tailer).pos);
	while (n < l->at_once && v[n - 1].full) {
		if (open_sealing(l, e, v[n - 1].s.to, &v[n]) < 0)
			break;
		if (!v[n].full) {
			scan_free(v[n].scan);
			break;
		}
		n++;
	}
	if (v[0].full || has_waited(l, v[0].scan)) {
		r = seal_all(v, n);
		r = r ? r : 1;
	}
	for (unsigned i = 0; i < n; i++)
		scan_free(v[i].scan);
	return r;
}

/* ---- segments that are gone or are not what they were */

struct checking {
	size_t store;
	journal_pos upto;		/* what stands for the journal before it was looked at */
	uint64_t again;			/* boot-time ns */
};

/* After a kill the index goes through the end of the journal again, and a scan ends where it is. */
bool seal_can_again(struct lake *l, const struct segment *s)
{
	return tailer_done(l->st->tailer).pos >= s->to;
}

int seal_stretch(struct lake *l, const struct event_store *e, struct segment *s, uint64_t rows)
{
	struct scan *scan = NULL;
	journal_pos next;
	int r = seal_can_again(l, s) ? open_scan(l, e, s->from, s->to, UINT64_MAX, &next, &scan) : -EAGAIN;

	if (!r && scan->nframes)
		r = write_scan(l, e, scan, s);
	if (!r && rows && s->rows != rows) {
		log_errx("sealing %zu frames again gave %llu records, not %llu", scan->nframes, (unsigned long long)s->rows,
			 (unsigned long long)rows);
		r = -EBADMSG;
	}
	if (!r)
		r = manifest_merge(l->manifest, e->id, s);
	if (r < 0)
		segment_drop(l, s);
	scan_free(scan);
	return r;
}

int seal_count(struct lake *l, const struct event_store *e, const struct segment *s, uint64_t *ret_rows)
{
	struct scan *scan = NULL;
	journal_pos next;
	int r = seal_can_again(l, s) ? open_scan(l, e, s->from, s->to, UINT64_MAX, &next, &scan) : -EAGAIN;

	if (!r)
		r = scan_sort(scan);
	if (!r)
		*ret_rows = scan->nrows;
	scan_free(scan);
	return r;
}

static int seal_again(struct lake *l, const struct event_store *e, const struct segment *bad)
{
	struct segment s = { .from = bad->from, .to = bad->to };
	char from[4096], to[4200];
	int r;

	if (!seal_can_again(l, bad))
		return -EAGAIN;
	snprintf(from, sizeof(from), "%s/%s", l->dir, bad->path);
	snprintf(to, sizeof(to), "%s.damaged", from);
	log_warnx("segment %s is gone or not what was sealed; it is made anew from the journal", from);
	/* a copy for people; the file itself is replaced in one step, so that queries find it at any time */
	if (link(from, to) < 0 && errno != ENOENT)
		log_warn(-errno, "cannot keep %s", to);
	r = seal_stretch(l, e, &s, 0);
	if (!r && s.rows != bad->rows)
		log_errx("segment %s held %llu records, and holds %llu now: the journal does not have the others any more", from,
			 (unsigned long long)bad->rows, (unsigned long long)s.rows);
	return r;
}

static int check_segment(struct lake *l, const struct event_store *e, const struct segment *s, bool whole)
{
	int c = segment_check(l, s, whole);

	return c == -ENOENT || c == -EBADMSG ? seal_again(l, e, s) : 0;
}

/* At the start, before anybody may ask: is all there? */
static int check_store(struct lake *l, const struct event_store *e)
{
	_cleanup_free_ struct segment *segments = NULL;
	journal_pos sealed;
	size_t n;
	int r = manifest_segments(l->manifest, e->id, &segments, &n, &sealed);

	for (size_t i = 0; !r && i < n && !__atomic_load_n(&l->stopping, __ATOMIC_RELAXED); i++)
		r = check_segment(l, e, &segments[i], false);
	return r;
}

/* One hash a round, and all of them again every day. */
static int check_next(struct lake *l, const struct event_store *stores, size_t nstores, struct checking *c)
{
	for (; c->store < nstores; c->store++, c->upto = 0) {
		_cleanup_free_ struct segment *segments = NULL;
		journal_pos sealed;
		size_t n, i;
		int r = manifest_segments(l->manifest, stores[c->store].id, &segments, &n, &sealed);

		if (r < 0)
			return r;
		for (i = 0; i < n && segments[i].to <= c->upto; i++)
			;
		if (i == n)
			continue;
		c->upto = segments[i].to;
		return check_segment(l, &stores[c->store], &segments[i], true);
	}
	if (clock_boot() > c->again)
		*c = (struct checking){ .again = clock_boot() + 86400 * NS_PER_SEC };
	return 0;
}

/* ---- the thread */

struct stores {
	struct event_store *v;
	size_t n;
};

static int add_store(void *ctx, const struct event_store *e, const char *selectors)
{
	struct stores *s = ctx;
	struct event_store *more = realloc(s->v, (s->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	more[s->n++] = *e;
	s->v = more;
	return 0;
}

static bool wait_ms(struct lake *l, unsigned ms)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&l->lock);
	if (!l->stopping)
		pthread_cond_timedwait(&l->changed, &l->lock, &until);
	stop = l->stopping;
	pthread_mutex_unlock(&l->lock);
	return !stop;
}

/* 1: there may be more to do at once. */
static int one_round(struct lake *l, struct checking *c)
{
	struct stores stores = { 0 };
	int r = manifest_stores(l->manifest, add_store, &stores), busy = 0;

	for (size_t i = 0; !l->checked && r >= 0 && i < stores.n; i++)
		r = check_store(l, &stores.v[i]);
	if (r >= 0)
		__atomic_store_n(&l->checked, true, __ATOMIC_RELEASE);
	for (size_t i = 0; r >= 0 && i < stores.n; i++) {
		r = seal_store(l, &stores.v[i]);
		busy |= r > 0;
	}
	for (size_t i = 0; r >= 0 && !busy && i < stores.n; i++) {
		r = merge_step(l, &stores.v[i]);
		busy |= r > 0;
	}
	if (r >= 0 && !busy)
		r = check_next(l, stores.v, stores.n, c);
	free(stores.v);
	return r < 0 ? r : busy;
}

void *sealer_run(void *arg)
{
	struct lake *l = arg;
	struct checking c = { .again = clock_boot() + 86400 * NS_PER_SEC };
	uint64_t kept = 0;
	int r;

	do {
		r = one_round(l, &c);
		graves_dig(l);
		if (clock_boot() - kept > 60 * NS_PER_SEC || __atomic_exchange_n(&l->retain_soon, false, __ATOMIC_ACQ_REL)) {
			retain_step(l);
			kept = clock_boot();
		}
		if (r == -EAGAIN)	/* the index is not there yet */
			r = 0;
		if (r < 0 && r != -ECANCELED)
			log_limited(LOG_LEVEL_ERROR, r, "the lake could not be sealed");
	} while (wait_ms(l, r < 0 ? RETRY_SECONDS * 1000 : r ? 1 : ROUND_MS));
	return NULL;
}

/* ---- for others */

static uint64_t unsealed(struct lake *l)
{
	struct tailer_counts counts;

	tailer_counts(l->st->tailer, &counts);
	return counts.records > l->seen_base + l->sealed_since ? counts.records - l->seen_base - l->sealed_since : 0;
}

bool seal_is_behind(struct lake *l)
{
	bool behind;

	pthread_mutex_lock(&l->lock);
	behind = !l->caught_up || unsealed(l) >= l->config.seal_records;
	pthread_mutex_unlock(&l->lock);
	return behind;
}

bool lake_hold(struct lake *l)
{
	bool hold;

	if (!l || lake_fault(l))
		return false;
	pthread_mutex_lock(&l->lock);
	hold = l->caught_up && !l->not_disk &&
	       ((l->oldest && clock_wall() - l->oldest > HOLD_NS + l->config.seal_ns) || unsealed(l) > HOLD_RECORDS);
	pthread_mutex_unlock(&l->lock);
	return hold;
}

void lake_stats(struct lake *l, struct lake_stats *ret_s)
{
	pthread_mutex_lock(&l->lock);
	*ret_s = l->stats;
	ret_s->unsealed = l->caught_up ? unsealed(l) : 0;
	ret_s->unsealed_age = l->oldest ? clock_wall() - l->oldest : 0;
	ret_s->running = l->nqueries;
	pthread_mutex_unlock(&l->lock);
}
