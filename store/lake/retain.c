/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retain.c - what is too old goes, by whole segments.
 *
 * A segment's age is that of its youngest record, by the later of when it happened and when it came. First a record says
 * that it is removed, then it leaves the manifest, then, when no query needs it any more, its file goes. A kill in between
 * has the record said again, or the file swept away by the next start. Rows of a segment that is not wholly past are hidden
 * from queries until it goes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lake_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "query.h"
#include "store/retention/remover.h"
#include "store/retention/retention.h"
#include "store/witness.h"

#define LISTED_MAX 64

int64_t retain_before(struct lake *l, const struct event_store *e)
{
	return retention_now(l->st->retention) - e->retention_days * RETENTION_DAY_NS;
}

static int64_t day_start(const char *day)
{
	int64_t ns;

	return clock_parse(day, &ns) == 0 ? ns : INT64_MAX / 2;
}

bool retain_day_is_past(struct lake *l, const struct event_store *e, const char *day)
{
	return day_start(day) + RETENTION_DAY_NS < retain_before(l, e);
}

static int64_t ns_of(int64_t seconds)
{
	return seconds > INT64_MAX / (int64_t)NS_PER_SEC - 1 ? INT64_MAX : seconds * (int64_t)NS_PER_SEC;
}

bool retain_straddles(const struct segment *s, int64_t before)
{
	return ns_of(s->first) < before && day_start(s->day) < before;
}

bool retain_has_hold(struct lake *l, const struct event_store *e)
{
	char target[RETENTION_TARGET_MAX];

	retention_store_target(e->id, target);
	return retention_held(l->st->retention, target, INT64_MIN, INT64_MAX);
}

/* All that happened or came in between. */
static bool is_held(struct lake *l, const struct event_store *e, int64_t first, int64_t last, int64_t day)
{
	char target[RETENTION_TARGET_MAX];

	retention_store_target(e->id, target);
	return retention_held(l->st->retention, target, first < day ? first : day, last > day + RETENTION_DAY_NS ? last : day + RETENTION_DAY_NS);
}

/* Nobody can have a record thrown away by a false time: the later one counts. */
static bool is_old(struct lake *l, const struct event_store *e, const struct segment *s)
{
	return retain_day_is_past(l, e, s->day) && ns_of(s->last) < retain_before(l, e) &&
	       !is_held(l, e, ns_of(s->first), ns_of(s->last) + (int64_t)NS_PER_SEC - 1, day_start(s->day));
}

bool retain_is_past(struct lake *l, const struct event_store *e, struct scan *scan)
{
	int64_t before = retain_before(l, e), day = scan->first_received - scan->first_received % RETENTION_DAY_NS;

	if (day + RETENTION_DAY_NS >= before || scan_sort(scan) < 0)
		return false;
	return !scan->nrows || (scan->order[scan->nrows - 1].time < before &&
				!is_held(l, e, scan->order[0].time, scan->order[scan->nrows - 1].time, day));
}

static int say(struct lake *l, const struct event_store *e, const struct segment *s, const char *reason)
{
	char target[RETENTION_TARGET_MAX], from[32], to[32];
	const struct witness_removal m = {
		.target = target, .object = s->path, .sha256 = s->sha256, .files = 1, .records = s->rows, .bytes = s->bytes,
		.first = s->first, .last = s->last, .from = from, .to = to, .reason = reason, .days = e->retention_days,
	};

	retention_store_target(e->id, target);
	snprintf(from, sizeof(from), "%u:%u", (unsigned)(s->from >> 32), (unsigned)s->from);
	snprintf(to, sizeof(to), "%u:%u", (unsigned)(s->to >> 32), (unsigned)s->to);
	return retention_say(l->st->retention, l->st->witness, witness_segment_removed, &m);
}

static int remove_segment(struct lake *l, const struct event_store *e, const struct segment *s, const char *reason)
{
	int r = say(l, e, s, reason);

	if (!r)
		r = manifest_retire(l->manifest, e->id, s);
	if (r < 0) {
		if (r != -EAGAIN)
			log_limited(LOG_LEVEL_WARN, r, "segments cannot be removed");
		return r;
	}
	log_info("segment %s is removed (%s)", s->path, reason);
	grave_add(l, s->path);
	return 0;
}

/* Those that are old, or with the store all. */
static int remove_segments(struct lake *l, const struct event_store *e, bool all)
{
	_cleanup_free_ struct segment *segments = NULL;
	journal_pos sealed;
	size_t n = 0;
	int r = manifest_segments(l->manifest, e->id, &segments, &n, &sealed);

	for (size_t i = 0; i < n && !r && !__atomic_load_n(&l->stopping, __ATOMIC_RELAXED); i++)
		if (all || is_old(l, e, &segments[i]))
			r = remove_segment(l, e, &segments[i], all ? "deleted" : "retention");
	return r ? r : __atomic_load_n(&l->stopping, __ATOMIC_RELAXED) ? -ECANCELED : 0;
}

static bool is_due(struct lake *l, const struct event_store *e)
{
	return e->status == STORE_PENDING_DELETION && retention_forgets(l->st->retention, e->id, e->deleted);
}

static int retain(struct lake *l, const struct event_store *e)
{
	bool due = is_due(l, e);
	int r = remove_segments(l, e, due);

	if (!r && due)
		r = manifest_store_remove(l->manifest, e->id);
	if (!r && due)
		log_info("event data store %s is deleted", e->id);
	return r;
}

struct found {
	struct event_store v[LISTED_MAX];
	size_t n;
};

static int take(void *ctx, const struct event_store *e, const char *selectors)
{
	struct found *f = ctx;

	if (f->n < ARRAY_SIZE(f->v))
		f->v[f->n++] = *e;
	return 0;
}

int retain_step(struct lake *l)
{
	_cleanup_free_ struct found *f = calloc(1, sizeof(*f));
	int r = f ? manifest_stores(l->manifest, take, f) : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < f->n; i++)
		r = retain(l, &f->v[i]);
	queries_expire(l);
	/* the journal may have waited for this */
	remover_wake(__atomic_load_n(&l->st->remover, __ATOMIC_ACQUIRE));
	return r;
}

void lake_retain_soon(struct lake *l)
{
	if (l)
		__atomic_store_n(&l->retain_soon, true, __ATOMIC_RELEASE);
}

bool lake_needs(struct lake *l, journal_pos at, int *ret_days)
{
	bool needs = true;

	return !l || lake_fault(l) || manifest_needs(l->manifest, at, &needs, ret_days) < 0 || needs;
}
