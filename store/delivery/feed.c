/* SPDX-License-Identifier: Apache-2.0 */
/* feed.c - a trail's records to its log group, as they come: gathered like those of files, sent within a round. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deliver_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "loggroup.h"

#define RETRY_MIN_MS 250
#define RETRY_MAX_MS 60000

/* One PutLogEvents: of one stream. */
struct events {
	char account[32], region[64];
	struct buf text;
	struct { int64_t ms; size_t at, n; } v[LOGGROUP_EVENTS_MAX];
	unsigned n;
	size_t bytes;			/* as CloudWatch Logs counts them */
	int64_t oldest, newest;		/* ms */
};

void feed_clear(struct worker *w)
{
	if (w->events)
		buf_free(&w->events->text);
	free(w->events);
	w->events = NULL;
}

static void begin_batch(struct worker *w)
{
	struct events *e = w->events;

	e->n = 0;
	e->bytes = 0;
	buf_reset(&e->text);
	w->batch.full = false;
}

static bool fits(const struct events *e, const struct decoded *d, int64_t ms, size_t n)
{
	int64_t oldest = ms < e->oldest ? ms : e->oldest, newest = ms > e->newest ? ms : e->newest;

	return !e->n || (e->n < LOGGROUP_EVENTS_MAX && e->bytes + n + LOGGROUP_OVERHEAD <= LOGGROUP_BYTES_MAX &&
			 newest - oldest < LOGGROUP_SPAN_MS && !strcmp(e->account, d->origin.account) && !strcmp(e->region, d->origin.region));
}

/* Events that are older, or newer, than CloudWatch Logs takes it leaves out, and says that all went well: they get the nearest time that it takes. The record
 * has its own. */
static int64_t taken_at(int64_t ms)
{
	int64_t now = clock_wall() / (int64_t)NS_PER_MS;

	ms = ms < now - LOGGROUP_OLDEST_MS ? now - LOGGROUP_OLDEST_MS : ms;
	return ms > now + LOGGROUP_NEWEST_MS ? now + LOGGROUP_NEWEST_MS : ms;
}

int feed_take(struct worker *w, struct decoded *d, int64_t time)
{
	int64_t ms = taken_at(time / (int64_t)NS_PER_MS);
	struct events *e = w->events;
	size_t n = w->json.n;
	int r;

	if (n + LOGGROUP_OVERHEAD > LOGGROUP_EVENT_MAX)
		return 0;
	if (!fits(e, d, ms, n))
		return -E2BIG;
	r = buf_add(&e->text, w->json.p, n);
	if (r < 0)
		return r;
	if (!e->n) {
		memcpy(e->account, d->origin.account, sizeof(e->account));
		memcpy(e->region, d->origin.region, sizeof(e->region));
		e->oldest = e->newest = ms;
	}
	e->oldest = ms < e->oldest ? ms : e->oldest;
	e->newest = ms > e->newest ? ms : e->newest;
	e->v[e->n].ms = ms;
	e->v[e->n].at = e->text.n - n;
	e->v[e->n++].n = n;
	e->bytes += n + LOGGROUP_OVERHEAD;
	return 0;
}

static int send_batch(struct worker *w, const struct bucket *group, char *why)
{
	struct events *e = w->events;
	struct log_event *v = calloc(e->n, sizeof(*v));
	char stream[160];
	int r;

	if (!v)
		return snprintf(why, BUCKET_WHY_MAX, "out of memory"), -ENOMEM;
	for (unsigned i = 0; i < e->n; i++)
		v[i] = (struct log_event){ e->v[i].ms, e->text.p + e->v[i].at, e->v[i].n };
	snprintf(stream, sizeof(stream), "%s_CloudTrail_%s", e->account, e->region);
	r = loggroup_put(group, stream, v, e->n, why);
	free(v);
	return r;
}

static void failed(struct worker *w, const char *why)
{
	uint64_t ms = RETRY_MIN_MS << (w->failures < 8 ? w->failures : 8);

	__atomic_store_n(&w->failures, w->failures + 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&w->d->counts.failures, 1, __ATOMIC_RELAXED);
	w->retry_at = clock_boot() + (ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS) * NS_PER_MS;
	log_limited(LOG_LEVEL_WARN, 0, "trail %s cannot deliver to %s: %s", w->trail.name, w->trail.group_arn, why);
	ledger_trail_fed(w->d->ledger, w->id, clock_wall(), why);
}

/* Gathers and sends one batch, from where the ledger says. 1: there may be more. */
static int one_batch(struct worker *w, const struct bucket *group)
{
	char why[BUCKET_WHY_MAX] = "";
	struct feed f;
	int r = ledger_feed(w->d->ledger, w->id, &f);
	bool more;

	if (r < 0)
		return r;
	begin_batch(w);
	w->cursor = f.place;
	w->span.stop = f.stop;
	r = gather(w);
	if (r < 0)
		return r;
	more = w->batch.full;
	r = w->events->n ? send_batch(w, group, why) : 0;
	if (r < 0) {
		if (r != -ECANCELED)
			failed(w, why);
		return -ECANCELED;
	}
	if (w->events->n || w->cursor.pos > f.place.pos)
		r = ledger_feed_at(w->d->ledger, w->id, &w->cursor);
	if (!r && w->events->n) {
		__atomic_store_n(&w->failures, 0, __ATOMIC_RELAXED);
		r = ledger_trail_fed(w->d->ledger, w->id, clock_wall(), NULL);
	}
	return r < 0 ? r : more;
}

bool feed_round(struct worker *w)
{
	const struct bucket *group;
	struct feed f;
	int r = ledger_trail_get(w->d->ledger, w->id, &w->trail);

	if (r == -ENOENT)
		return false;
	if (!r)
		r = ledger_feed(w->d->ledger, w->id, &f);
	if (r < 0 || clock_boot() < w->retry_at)
		return true;
	if (!w->events && !(w->events = calloc(1, sizeof(*w->events))))
		return true;
	group = delivery_group(w->d, w->trail.group_arn);
	if (!group) {
		failed(w, "ResourceNotFoundException");
		return true;
	}
	r = gather_selectors(w);
	while (!r && (r = one_batch(w, group)) > 0 && !delivery_stopping(w->d))
		r = 0;
	if (r < 0 && r != -ECANCELED && r != -ENOENT)
		log_limited(LOG_LEVEL_WARN, r, "trail %s is held up", w->trail.name);
	return true;
}
