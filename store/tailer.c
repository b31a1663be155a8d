/* SPDX-License-Identifier: Apache-2.0 */
#include "tailer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chainseen.h"
#include "clocks.h"
#include "faults.h"
#include "follow.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "witness.h"

#define ROUND_MS 500
#define HOLD_BYTES (512ull << 20)	/* journal that may wait for the index before acknowledgements do */

struct host {
	struct host_stats stats;
	uint8_t stream[16];		/* the last one seen, to count changes */
	UT_hash_handle hh;
};

struct tailer {
	struct store *st;
	struct faults *faults;
	struct chainseen *chains;
	struct clocks *clocks;
	char *said_path;
	void (*progress)(void *ctx);
	void *progress_ctx;
	pthread_t thread;
	bool runs;
	bool stop;			/* atomic */
	int64_t last_received;		/* atomic */
	/* the thread's own */
	struct index_place from, to;	/* the stretch at work */
	journal_pos said;		/* up to here everything was said already */
	journal_pos start_end;		/* the journal's end at the start */
	bool worked;
	int64_t tested;			/* the frame's self-test: the latest call's time, 0: none */
	/* under lock */
	pthread_mutex_t lock;
	struct host *hosts;
	struct tailer_counts counts;
	struct index_place done;
	journal_pos seen;		/* the journal was gone through up to here, damage included */
	journal_pos wanted;		/* somebody waits until it is there; UINT64_MAX: nobody */
};

/* ---- what was said, across restarts */

static void load_said(struct tailer *t)
{
	_cleanup_buf_ struct buf b = { 0 };
	unsigned long long v;

	if (fsx_read(t->said_path, 64, &b) == 0 && sscanf(buf_text(&b), "%llu", &v) == 1)
		t->said = v;
}

static void save_said(struct tailer *t, journal_pos pos)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)pos), r;

	t->said = pos;
	r = fsx_replace(t->said_path, text, (size_t)n, 0640);
	if (r < 0)
		log_limited(LOG_LEVEL_WARN, r, "cannot write %s", t->said_path);
}

/* ---- one host */

static struct host *find_host(struct tailer *t, const char *id)
{
	struct host *h;

	HASH_FIND_STR(t->hosts, id, h);
	if (h)
		return h;
	if (HASH_COUNT(t->hosts) >= TAILER_HOSTS_MAX) {
		h = t->hosts;
		HASH_DEL(t->hosts, h);
		free(h);
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	snprintf(h->stats.host_id, sizeof(h->stats.host_id), "%s", id);
	HASH_ADD_STR(t->hosts, stats.host_id, h);
	return h;
}

/* A call of the agent's self-test has come all the way: how long it took. What was there before the start says nothing. */
static void note_test(struct tailer *t, const struct journal_entry *e, struct host *h)
{
	int64_t now = clock_wall(), latency = now > t->tested ? now - t->tested : 0;

	if (!t->tested || e->pos < t->start_end)
		return;
	t->counts.tests++;
	t->counts.test_latency = latency;
	if (latency > t->counts.test_latency_max)
		t->counts.test_latency_max = latency;
	if (h) {
		h->stats.last_test = now;
		h->stats.test_latency = latency;
	}
}

/* Counts the frame to its host. */
static void note_host(struct tailer *t, const struct journal_entry *e, const struct decoded *d, int64_t newest)
{
	struct host *h;

	pthread_mutex_lock(&t->lock);
	t->counts.frames++;
	t->counts.records += d->records;
	t->counts.mismatched += d->state == DECODED_MISMATCH;
	t->counts.malformed += d->state == DECODED_MALFORMED;
	t->counts.tombstones += d->state == DECODED_TOMBSTONE;
	h = find_host(t, e->origin.host_id);
	if (h) {
		h->stats.frames++;
		h->stats.records += d->records;
		h->stats.bytes += e->frame_len;
		h->stats.mismatched += d->state == DECODED_MISMATCH;
		h->stats.malformed += d->state == DECODED_MALFORMED;
		h->stats.last_received = e->received;
		if (newest > h->stats.last_event)
			h->stats.last_event = newest;
		if (memcmp(h->stream, e->header->stream, 16)) {
			memcpy(h->stream, e->header->stream, 16);
			h->stats.streams++;
		}
	}
	note_test(t, e, h);
	pthread_mutex_unlock(&t->lock);
}

/* ---- one frame */

/* from: records before it are in the index already. */
static int index_record(struct tailer *t, struct decoded *d, const struct index_place *place, uint32_t from, int64_t *newest)
{
	struct record_summary s;
	int r, there = 0;

	r = reader_summary(d->reader, place->record, &s);
	if (r < 0)
		return 0;	/* reader_open() accepted it: cannot be, and is not worth stopping for */
	if ((d->flags & JOURNAL_FORK) && place->record >= from) {
		there = follow_is_indexed(t->st, d, place->record);
		if (there < 0)
			return there;
		r = reader_summary(d->reader, place->record, &s);
	}
	if (s.time > *newest)
		*newest = s.time;
	if (s.self_test)
		t->tested = s.time;
	if (place->record < from)
		return 0;
	if (there) {
		pthread_mutex_lock(&t->lock);
		t->counts.duplicates++;
		pthread_mutex_unlock(&t->lock);
		return 0;
	}
	return r < 0 ? 0 : index_add(t->st->index, place, &s);
}

static int index_records(struct tailer *t, struct decoded *d, int64_t *newest)
{
	struct index_place place = { d->pos, 0 };
	uint32_t from = place.pos == t->from.pos ? t->from.record : 0;
	unsigned n = d->records;
	int r = 0;

	if (place.pos == t->to.pos && t->to.record < n)
		n = t->to.record;
	decoded_lock(d);
	for (; place.record < n && !r; place.record++)
		r = index_record(t, d, &place, from, newest);
	decoded_unlock(d);
	return r;
}

static void say_tombstone(struct tailer *t, const struct decoded *d, const struct witness_subject *s)
{
	const struct witness_loss l = {
		.first_number = d->tombstone.first, .last_number = d->tombstone.last, .counted = true,
		.records = d->tombstone.records, .cause = "tombstone", .detail = d->tombstone.cause, .first_seen = d->received,
	};
	struct witness_subject about = *s;

	if (!faults_explain(t->faults, s, l.first_number, l.last_number))
		return;
	about.number = l.first_number;
	if (t->st->witness)
		witness_records_lost(t->st->witness, &about, &l);
}

/* Everything that only this frame shows, once; `said` keeps it from being said again after a restart. */
static void say(struct tailer *t, const struct journal_entry *e, struct decoded *d, int64_t newest)
{
	const struct witness_subject s = { &e->origin, e->header->stream, e->header->chain, e->header->number };
	struct witness *w = t->st->witness;
	const int64_t ahead = newest - e->received;
	uint64_t first, last, records;
	char claimed[256] = "";
	bool gap = false;

	if (!(e->flags & (JOURNAL_FORK | JOURNAL_OWN)))
		gap = chainseen_frame(t->chains, e->origin.host_id, e->header, &first, &last, &records);
	if ((t->said && e->pos <= t->said) || !w)
		return;
	if (gap)
		faults_count_gap(t->faults, &s, first, last, records);
	if (d->state == DECODED_MISMATCH) {
		const struct record_host *h = d->reader ? reader_host(d->reader) : NULL;

		if (h)
			snprintf(claimed, sizeof(claimed), "%.80s %.40s %.64s", h->host_id, h->account, h->region);
		witness_host_mismatch(w, &s, d->why, claimed);
	} else if (d->state == DECODED_MALFORMED) {
		witness_host_mismatch(w, &s, d->why, NULL);
	} else if (d->state == DECODED_TOMBSTONE) {
		say_tombstone(t, d, &s);
	} else if (newest && clocks_records(t->clocks, &e->origin, ahead)) {
		witness_clock_skewed(w, &s, ahead, "records");
	} else {
		return;
	}
	save_said(t, e->pos);
}

/* What senders' clocks showed. */
static void say_clocks(struct tailer *t)
{
	struct journal_origin origin;
	int64_t ahead;

	while (clocks_next(t->clocks, &origin, &ahead)) {
		const struct witness_subject s = { .origin = &origin };

		if (t->st->witness)
			witness_clock_skewed(t->st->witness, &s, ahead, "request");
	}
}

static void tell(struct tailer *t)
{
	if (t->progress)
		t->progress(t->progress_ctx);
}

/* Everything before `done` (a frame's end) or `seen` is indexed; true: somebody waited for that. Neither goes back. */
static bool note_done(struct tailer *t, journal_pos done, journal_pos seen)
{
	bool waited;

	pthread_mutex_lock(&t->lock);
	if (done > t->done.pos)
		t->done = (struct index_place){ done, 0 };
	if (seen > t->seen)
		t->seen = seen;
	waited = t->wanted <= t->done.pos || t->wanted <= t->seen;
	if (waited)
		t->wanted = UINT64_MAX;
	pthread_mutex_unlock(&t->lock);
	return waited;
}

static int on_entry(void *ctx, const struct journal_entry *e)
{
	struct tailer *t = ctx;
	struct index_place next = { e->next, 0 };
	int64_t newest = 0;
	struct decoded *d;
	int r;

	if (__atomic_load_n(&t->stop, __ATOMIC_RELAXED))
		return -ECANCELED;
	if (e->pos > t->to.pos || (e->pos == t->to.pos && !t->to.record))
		return 1;
	t->tested = 0;
	r = decoded_make(t->st->decoded, e, &d);
	if (r < 0)
		return r;
	faults_work(t->faults, clock_wall());
	if (d->state == DECODED_RECORDS)
		r = index_records(t, d, &newest);
	if (!r) {
		note_host(t, e, d, newest);
		say(t, e, d, newest);
		index_progress(t->st->index, &next);
		__atomic_store_n(&t->last_received, e->received, __ATOMIC_RELAXED);
		if (note_done(t, next.pos, 0))
			tell(t);
		t->worked = true;
	}
	decoded_release(t->st->decoded, d);
	return r;
}

/* ---- the thread */

static void end_round(struct tailer *t, journal_pos next)
{
	faults_work(t->faults, clock_wall());
	say_clocks(t);
	if (next >= t->start_end && !t->counts.caught_up) {
		pthread_mutex_lock(&t->lock);
		t->counts.caught_up = true;
		pthread_mutex_unlock(&t->lock);
	}
	t->worked = false;
	tell(t);
}

/* One stretch of the journal; *next: where the journal was read up to. */
static int run_round(struct tailer *t, journal_pos *next)
{
	journal_pos end = journal_end(t->st->journal);
	int r = index_todo(t->st->index, &t->from, &t->to);

	if (r < 0)
		return r;
	r = journal_scan(t->st->journal, t->from.pos, true, on_entry, t, next);
	if (r < 0)
		return r;
	if (t->to.pos != UINT64_MAX) {
		*next = 0;	/* another stretch may be waiting */
		return index_flush(t->st->index);
	}
	note_done(t, 0, end);
	return 0;
}

static void *run(void *arg)
{
	struct tailer *t = arg;
	journal_pos next = 0, before;
	int r;

	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED)) {
		before = next;
		r = run_round(t, &next);
		if (!r && next && next == before && next < journal_end(t->st->journal)) {
			log_limited(LOG_LEVEL_ERROR, -ENOENT, "what was written to the journal last cannot be read");
			journal_wait(t->st->journal, UINT64_MAX, ROUND_MS);
		}
		if (r < 0 && r != -ECANCELED) {
			log_limited(LOG_LEVEL_ERROR, r, "the journal cannot be indexed, trying again");
			journal_wait(t->st->journal, UINT64_MAX, ROUND_MS);
		}
		end_round(t, next);
		if (next)
			journal_wait(t->st->journal, next, ROUND_MS);
	}
	return NULL;
}

int tailer_new(struct store *st, const char *dir, void (*progress)(void *ctx), void *ctx, struct tailer **ret_t)
{
	struct tailer *t = calloc(1, sizeof(*t));
	struct index_stats stats;
	int r = -ENOMEM;

	if (!t)
		return -ENOMEM;
	index_stats(st->index, &stats);
	t->done = stats.done;
	t->st = st;
	t->progress = progress;
	t->progress_ctx = ctx;
	t->start_end = journal_end(st->journal);
	t->wanted = UINT64_MAX;
	pthread_mutex_init(&t->lock, NULL);
	if (asprintf(&t->said_path, "%s/said", dir) < 0)
		t->said_path = NULL;
	else
		r = faults_open(dir, st->witness, FAULTS_GAP_SECONDS, &t->faults);
	if (!r)
		r = chainseen_new(&t->chains);
	if (!r)
		r = clocks_new(&t->clocks);
	if (r < 0) {
		tailer_free(&t);
		return r;
	}
	load_said(t);
	*ret_t = t;
	return 0;
}

int tailer_start(struct tailer *t)
{
	int r;

	__atomic_store_n(&t->runs, true, __ATOMIC_RELEASE);
	r = -pthread_create(&t->thread, NULL, run, t);
	if (r < 0)
		__atomic_store_n(&t->runs, false, __ATOMIC_RELEASE);
	return r;
}

void tailer_stop(struct tailer *t)
{
	if (!t || !t->runs)
		return;
	__atomic_store_n(&t->stop, true, __ATOMIC_RELAXED);
	index_stop(t->st->index);
	journal_wake(t->st->journal);
	pthread_join(t->thread, NULL);
	__atomic_store_n(&t->runs, false, __ATOMIC_RELEASE);
}

void tailer_free(struct tailer **pt)
{
	struct tailer *t = *pt;
	struct host *h, *next;

	if (!t)
		return;
	tailer_stop(t);
	faults_free(&t->faults);
	chainseen_free(&t->chains);
	clocks_free(&t->clocks);
	HASH_ITER(hh, t->hosts, h, next) {
		HASH_DEL(t->hosts, h);
		free(h);
	}
	pthread_mutex_destroy(&t->lock);
	free(t->said_path);
	free(t);
	*pt = NULL;
}

/* ---- for others */

int64_t tailer_last_received(const struct tailer *t)
{
	return t ? __atomic_load_n(&t->last_received, __ATOMIC_RELAXED) : 0;
}

struct index_place tailer_done(struct tailer *t)
{
	struct index_place done;

	pthread_mutex_lock(&t->lock);
	done = t->done;
	pthread_mutex_unlock(&t->lock);
	return done;
}

bool tailer_has(struct tailer *t, journal_pos upto)
{
	bool has;

	pthread_mutex_lock(&t->lock);
	has = upto <= t->done.pos || upto <= t->seen;
	if (!has && upto < t->wanted)
		t->wanted = upto;
	pthread_mutex_unlock(&t->lock);
	return has;
}

void tailer_counts(struct tailer *t, struct tailer_counts *ret_c)
{
	pthread_mutex_lock(&t->lock);
	*ret_c = t->counts;
	pthread_mutex_unlock(&t->lock);
	ret_c->gaps_pending = faults_pending(t->faults);
	ret_c->skewed = clocks_begun(t->clocks);
}

void tailer_hosts(struct tailer *t, void (*fn)(void *ctx, const struct host_stats *h), void *ctx)
{
	struct host *h, *next;

	pthread_mutex_lock(&t->lock);
	HASH_ITER(hh, t->hosts, h, next) {
		h->stats.clock_known = clocks_ahead(t->clocks, h->stats.host_id, &h->stats.clock_ahead);
		fn(ctx, &h->stats);
	}
	pthread_mutex_unlock(&t->lock);
}

void tailer_fault(struct tailer *t, enum fault_kind kind, const struct ingest_fault *f)
{
	faults_push(t->faults, kind, f);
	if (__atomic_load_n(&t->runs, __ATOMIC_ACQUIRE))
		journal_wake(t->st->journal);
	else
		faults_work(t->faults, clock_wall());
}

void tailer_clock(struct tailer *t, const struct journal_origin *origin, int64_t ahead_ns)
{
	if (clocks_request(t->clocks, origin, ahead_ns, clock_boot()))
		journal_wake(t->st->journal);
}

journal_pos tailer_faults_upto(const struct tailer *t)
{
	return faults_upto(t->faults);
}

bool tailer_hold(struct tailer *t)
{
	journal_pos done = tailer_done(t).pos, end = journal_end(t->st->journal);
	uint64_t segments = (end >> 32) - (done >> 32);

	return done && segments * JOURNAL_SEGMENT_BYTES + (uint32_t)end > HOLD_BYTES + (uint32_t)done;
}
