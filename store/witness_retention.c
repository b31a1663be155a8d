/* SPDX-License-Identifier: Apache-2.0 */
/* witness_retention.c - what was removed, locked and held, as records of the store's own. */
#include <errno.h>

#include "lib/clock.h"
#include "retention/retention.h"
#include "witness_internal.h"

#define REMOVAL                                                                                                           \
	SERVICE("target", FIELD_STRING), SERVICE("object", FIELD_STRING), SERVICE("sha256", FIELD_STRING),                \
		SERVICE("files", FIELD_UINT), SERVICE("records", FIELD_UINT), SERVICE("bytes", FIELD_UINT),               \
		SERVICE("firstTime", FIELD_STRING), SERVICE("lastTime", FIELD_STRING), SERVICE("from", FIELD_STRING),     \
		SERVICE("to", FIELD_STRING), SERVICE("reason", FIELD_STRING), SERVICE("retentionDays", FIELD_UINT)
#define HOLD                                                                                                              \
	SERVICE("name", FIELD_STRING), SERVICE("target", FIELD_STRING), SERVICE("startTime", FIELD_STRING),               \
		SERVICE("endTime", FIELD_STRING), SERVICE("reason", FIELD_STRING), SERVICE("by", FIELD_STRING)

static const struct shape_field segment_fields[] = { REMOVAL };
static const struct shape_field files_fields[] = { REMOVAL };
static const struct shape_field journal_fields[] = { REMOVAL, SERVICE("noteSha256", FIELD_STRING) };
static const struct shape_field changed_fields[] = {
	SERVICE("target", FIELD_STRING), SERVICE("formerDays", FIELD_UINT), SERVICE("retentionDays", FIELD_UINT), SERVICE("by", FIELD_STRING),
};
static const struct shape_field locked_fields[] = {
	SERVICE("target", FIELD_STRING), SERVICE("minimumDays", FIELD_UINT), SERVICE("until", FIELD_STRING), SERVICE("by", FIELD_STRING),
};
static const struct shape_field placed_fields[] = { HOLD };
static const struct shape_field released_fields[] = { HOLD };

OWN_SHAPE(segment_shape, "SegmentRemoved", segment_fields);
OWN_SHAPE(files_shape, "LogFilesRemoved", files_fields);
OWN_SHAPE(journal_shape, "JournalRemoved", journal_fields);
OWN_SHAPE(changed_shape, "RetentionChanged", changed_fields);
OWN_SHAPE(locked_shape, "RetentionLocked", locked_fields);
OWN_SHAPE(placed_shape, "HoldPlaced", placed_fields);
OWN_SHAPE(released_shape, "HoldReleased", released_fields);

static void put(struct witness *w, unsigned field, const char *text)
{
	own_put(w->batch, field, text);
}

static void put_time(struct witness *w, unsigned field, int64_t seconds)
{
	char text[21];

	clock_iso(seconds, text);
	put(w, field, text);
}

/* None is held back unsaid: 1 of witness_begin() is "not now". */
static int begin(struct witness *w, enum witness_kind kind, const struct shape *shape)
{
	int r = witness_begin(w, kind, shape, NULL);

	return r > 0 ? -EAGAIN : r;
}

static int removed(struct witness *w, const struct shape *shape, const struct witness_removal *m)
{
	int r = begin(w, WITNESS_REMOVED, shape);

	if (r < 0)
		return r;
	put(w, 0, m->target);
	put(w, 1, m->object);
	put(w, 2, m->sha256);
	batch_int(w->batch, 3, (int64_t)m->files);
	if (m->records)
		batch_int(w->batch, 4, (int64_t)m->records);
	batch_int(w->batch, 5, (int64_t)m->bytes);
	if (m->first)
		put_time(w, 6, m->first);
	if (m->last)
		put_time(w, 7, m->last);
	put(w, 8, m->from);
	put(w, 9, m->to);
	put(w, 10, m->reason);
	batch_int(w->batch, 11, m->days);
	if (m->note)
		put(w, 12, m->note);
	return witness_end(w);
}

int witness_segment_removed(struct witness *w, const struct witness_removal *m)
{
	return removed(w, &segment_shape, m);
}

int witness_log_files_removed(struct witness *w, const struct witness_removal *m)
{
	return removed(w, &files_shape, m);
}

int witness_journal_removed(struct witness *w, const struct witness_removal *m)
{
	return removed(w, &journal_shape, m);
}

int witness_retention_changed(struct witness *w, const char *target, int former_days, int days, const char *by)
{
	int r = begin(w, WITNESS_LOCKED, &changed_shape);

	if (r < 0)
		return r;
	put(w, 0, target);
	batch_int(w->batch, 1, former_days);
	batch_int(w->batch, 2, days);
	put(w, 3, by);
	return witness_end(w);
}

int witness_retention_locked(struct witness *w, const char *target, int days, int64_t until, const char *by)
{
	int r = begin(w, WITNESS_LOCKED, &locked_shape);

	if (r < 0)
		return r;
	put(w, 0, target);
	batch_int(w->batch, 1, days);
	put_time(w, 2, (until + (int64_t)NS_PER_SEC - 1) / (int64_t)NS_PER_SEC);
	put(w, 3, by);
	return witness_end(w);
}

/* Without a bound there is no time. */
static int hold(struct witness *w, const struct shape *shape, const struct retention_hold *h, const char *reason, const char *by)
{
	int r = begin(w, WITNESS_HELD, shape);

	if (r < 0)
		return r;
	put(w, 0, h->name);
	put(w, 1, *h->target ? h->target : "everything");
	if (h->from != INT64_MIN)
		put_time(w, 2, h->from / (int64_t)NS_PER_SEC);
	if (h->to != INT64_MAX)
		put_time(w, 3, (h->to + (int64_t)NS_PER_SEC - 1) / (int64_t)NS_PER_SEC);
	put(w, 4, reason);
	put(w, 5, by);
	return witness_end(w);
}

int witness_hold_placed(struct witness *w, const struct retention_hold *h)
{
	return hold(w, &placed_shape, h, h->reason, h->by);
}

int witness_hold_released(struct witness *w, const struct retention_hold *h, const char *reason, const char *by)
{
	return hold(w, &released_shape, h, reason, by);
}
