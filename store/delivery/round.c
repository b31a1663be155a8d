/* SPDX-License-Identifier: Apache-2.0 */
/* round.c - one round of a trail's thread: files that are decided on go to the bucket, then the next ones are decided on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deliver_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "store/digest/digester.h"

#define RETRY_MIN_MS 250
#define RETRY_MAX_MS 60000
#define DELETED_TRIES 5			/* of a trail that is deleted and cannot deliver its last files */

/* ---- decided files on their way */

static int put(struct worker *w, const char *bucket, const struct object *o, char *why)
{
	const struct bucket *b = buckets_find(w->d->buckets, bucket);

	if (b)
		return bucket_put(b, o, why);
	snprintf(why, BUCKET_WHY_MAX, "NoSuchBucket");
	return -ENOENT;
}

static void count(uint64_t *to, uint64_t n)
{
	__atomic_add_fetch(to, n, __ATOMIC_RELAXED);
}

static void failed(struct worker *w, const char *what, const char *why)
{
	uint64_t ms = RETRY_MIN_MS << (w->failures < 8 ? w->failures : 8);

	__atomic_store_n(&w->failures, w->failures + 1, __ATOMIC_RELAXED);
	count(&w->d->counts.failures, 1);
	w->retry_at = clock_boot() + (ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS) * NS_PER_MS;
	log_limited(LOG_LEVEL_WARN, 0, "trail %s cannot deliver its %s to %s: %s", w->trail.name, what, w->trail.bucket, why);
}

static int deliver_logs(struct worker *w)
{
	_cleanup_free_ struct log_row *row = calloc(1, sizeof(*row));
	char why[BUCKET_WHY_MAX];
	int r = row ? 0 : -ENOMEM;

	while (!r && !delivery_stopping(w->d) && !(r = ledger_log_next(w->d->ledger, w->id, row))) {
		const struct object o = { .key = row->key, .type = "application/json", .encoding = "gzip", .p = row->body.p, .n = row->body.n,
					  .kms_key = *w->trail.kms_key ? w->trail.kms_key : NULL, .again = !w->fresh };

		r = put(w, row->bucket, &o, why);
		if (r < 0) {
			w->fresh = false;
			if (r != -ECANCELED) {
				failed(w, "log files", why);
				ledger_trail_delivery(w->d->ledger, w->id, clock_wall(), why);
			}
			break;
		}
		__atomic_store_n(&w->failures, 0, __ATOMIC_RELAXED);
		count(&w->d->counts.files, 1);
		count(&w->d->counts.records, row->records);
		r = ledger_log_delivered(w->d->ledger, row, clock_wall(), w->trail.validation, w->trail.prefix);
	}
	if (row)
		buf_free(&row->body);
	return r == -ENOENT ? 0 : r;
}

static int deliver_digests(struct worker *w)
{
	_cleanup_free_ struct digest_row *row = calloc(1, sizeof(*row));
	char why[BUCKET_WHY_MAX];
	int r = row ? 0 : -ENOMEM;

	while (!r && !delivery_stopping(w->d) && !(r = ledger_digest_next(w->d->ledger, w->id, row))) {
		const struct object o = { .key = row->key, .type = "application/json", .encoding = "gzip", .p = row->body.p, .n = row->body.n,
					  .meta = { { "signature", row->signature }, { "signature-algorithm", DIGEST_ALGORITHM } }, .nmeta = 2,
					  .kms_key = *w->trail.kms_key ? w->trail.kms_key : NULL, .again = true };

		r = put(w, row->bucket, &o, why);
		if (r < 0) {
			if (r != -ECANCELED) {
				failed(w, "digests", why);
				ledger_trail_digest(w->d->ledger, w->id, clock_wall(), why);
			}
			break;
		}
		__atomic_store_n(&w->failures, 0, __ATOMIC_RELAXED);
		count(&w->d->counts.digests, 1);
		r = ledger_digest_delivered(w->d->ledger, row->id, clock_wall());
	}
	if (row)
		buf_free(&row->body);
	return r == -ENOENT ? 0 : r;
}

/* ---- deciding */

static void name_log(const struct worker *w, const struct part *p, struct log_row *row)
{
	const struct layout l = { w->trail.prefix, p->account, p->region, row->planned / (int64_t)NS_PER_SEC };
	char seed[512];
	int n = snprintf(seed, sizeof(seed), "%s %s %s %lld %lld %llu:%u", w->trail.name, p->account, p->region, (long long)w->trail.id,
			 (long long)w->span.id, (unsigned long long)w->cursor.pos, w->cursor.record);

	layout_log_key(&l, seed, (unsigned)n, row->key);
}

static int fill_row(const struct worker *w, struct part *p, struct log_row *row)
{
	struct logfile_end end;
	int r = logfile_finish(p->file, &end);

	if (r < 0)
		return r;
	*row = (struct log_row){ .trail = w->id, .span = w->span.id, .oldest = end.oldest, .newest = end.newest, .records = end.records,
				 .planned = clock_wall(), .body = end.gz };
	memcpy(row->account, p->account, sizeof(row->account));
	memcpy(row->region, p->region, sizeof(row->region));
	memcpy(row->bucket, w->trail.bucket, sizeof(row->bucket));
	hex_text(end.sha256, 32, row->hash);
	name_log(w, p, row);
	return 0;
}

/* The batch becomes files that will be delivered, whatever happens. */
static int decide(struct worker *w)
{
	unsigned n = w->batch.n, done = 0;
	struct log_row *rows = calloc(n, sizeof(*rows));
	int r = rows ? 0 : -ENOMEM;

	for (; !r && done < n; done++)
		r = fill_row(w, &w->batch.parts[done], &rows[done]);
	if (!r)
		r = ledger_logs_plan(w->d->ledger, w->span.id, &w->cursor, rows, n);
	for (unsigned i = 0; rows && i < n; i++)
		buf_free(&rows[i].body);
	free(rows);
	batch_clear(&w->batch);
	w->fresh = !r;
	if (r < 0)
		w->span.id = 0;	/* gathered again, from where the ledger says */
	return r;
}

/* After gather(), which has taken all that was indexed then. */
static bool is_due(struct worker *w)
{
	const struct batch *b = &w->batch;

	if (!b->n)
		return false;
	if (b->full || (w->span.stop && w->cursor.pos >= w->span.stop))
		return true;
	return clock_wall() - b->first >= w->d->config.interval_ms * (int64_t)NS_PER_MS;
}

/* Where nothing is selected, the place is noted now and then, so that a new start need not look again. */
static int note_place(struct worker *w)
{
	uint64_t now = clock_boot();

	if (w->batch.n || now - w->saved_at < 60 * NS_PER_SEC || w->cursor.pos == w->span.place.pos)
		return 0;
	w->saved_at = now;
	w->span.place = w->cursor;
	return ledger_span_at(w->d->ledger, w->span.id, &w->cursor);
}

static int take_span(struct worker *w)
{
	struct span s;
	int r = ledger_span(w->d->ledger, w->id, &s);

	if (r == -ENOENT) {
		batch_clear(&w->batch);
		w->span.id = 0;
		return 0;
	}
	if (r < 0)
		return r;
	if (s.id != w->span.id) {
		batch_clear(&w->batch);
		w->cursor = s.place;
		w->span = s;
	}
	w->span.stop = s.stop;
	w->span.ended = s.ended;
	return 0;
}

/* By what is gathered from the cursor on is remembered, so that it can be told later what is missing. */
static int note_stretch(struct worker *w)
{
	const struct stretch_row s = { .trail = w->id, .span = w->span.id, .from = w->cursor, .multi_region = w->trail.multi_region,
				       .validation = w->trail.validation };
	int r;

	if (w->noted && w->noted_span == s.span && w->noted_multi == s.multi_region && w->noted_validation == s.validation)
		return 0;
	r = ledger_stretch(w->d->ledger, &s, buf_text(&w->selectors_text));
	if (r < 0)
		return r;
	w->noted = true;
	w->noted_span = s.span;
	w->noted_multi = s.multi_region;
	w->noted_validation = s.validation;
	return 0;
}

/* Stopped, and all of it decided on: the last digests, then it is over. */
static int end_span(struct worker *w)
{
	int r = 0;

	if (!w->span.stop || w->cursor.pos < w->span.stop || w->batch.n)
		return 0;
	r = digester_end(w->d, &w->trail, &w->span);
	if (r == -EAGAIN)
		return 0;
	if (!r)
		r = deliver_digests(w);
	if (r < 0 || delivery_stopping(w->d))
		return r;
	r = ledger_span_done(w->d->ledger, &w->span);
	w->span.id = 0;
	return r;
}

static int work(struct worker *w)
{
	int r;

	do {
		r = deliver_logs(w);
		if (!r)
			r = take_span(w);
		if (r < 0 || !w->span.id)
			return r;
		r = note_stretch(w);
		if (!r)
			r = gather(w);
		if (!r && is_due(w))
			r = decide(w);
		else if (!r)
			break;
	} while (!r && !delivery_stopping(w->d));
	return r < 0 ? r : note_place(w);
}

static int digests(struct worker *w)
{
	int r = w->span.id ? digester_due(w->d, &w->trail, &w->span) : 0;

	return r < 0 ? r : deliver_digests(w);
}

/* A deleted trail does not try for ever. */
static void give_up(struct worker *w)
{
	log_warnx("trail %s is deleted and cannot deliver its last files: they are given up", w->trail.name);
	if (ledger_span(w->d->ledger, w->id, &w->span) == 0)
		ledger_span_done(w->d->ledger, &w->span);
}

bool delivery_round(struct worker *w)
{
	int r = ledger_trail_get(w->d->ledger, w->id, &w->trail), q;

	if (r == -ENOENT)
		return false;
	if (clock_boot() < w->retry_at)
		return true;
	if (!r)
		r = gather_selectors(w);
	if (!r)
		r = work(w);
	/* digests go on when log files do not: that there were none is what they say */
	q = r == -ECANCELED ? 0 : digests(w);
	if (!r)
		r = q;
	if (!r && w->span.id)
		r = end_span(w);
	if (r < 0 && r != -ECANCELED) {
		log_limited(LOG_LEVEL_WARN, r, "trail %s is held up", w->trail.name);
		if (clock_boot() >= w->retry_at)
			failed(w, "log files", strerror(-r));
		if (w->trail.deleted && w->failures > DELETED_TRIES)
			give_up(w);
	}
	return true;
}
