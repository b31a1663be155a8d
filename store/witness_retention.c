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

/* None is held back unsaid: what is to be removed waits. */
static int say(struct witness *w, enum witness_kind kind, const struct shape *shape, const struct own_value *v, size_t n)
{
	int r = witness_begin(w, kind, shape, NULL);

	if (r)
		return r > 0 ? -EAGAIN : r;
	own_fill(w->batch, shape, v, n);
	return witness_end(w);
}

#define REMOVAL_OF(m)                                                                                                     \
	own_text((m)->target), own_text((m)->object), own_text((m)->sha256), own_number((int64_t)(m)->files),             \
		own_count((m)->records), own_number((int64_t)(m)->bytes), own_if((m)->first, own_time((m)->first)),       \
		own_if((m)->last, own_time((m)->last)), own_text((m)->from), own_text((m)->to), own_text((m)->reason), own_number((m)->days)

int witness_segment_removed(struct witness *w, const struct witness_removal *m)
{
	return say(w, WITNESS_REMOVED, &segment_shape, OWN_VALUES(REMOVAL_OF(m)));
}

int witness_log_files_removed(struct witness *w, const struct witness_removal *m)
{
	return say(w, WITNESS_REMOVED, &files_shape, OWN_VALUES(REMOVAL_OF(m)));
}

int witness_journal_removed(struct witness *w, const struct witness_removal *m)
{
	return say(w, WITNESS_REMOVED, &journal_shape, OWN_VALUES(REMOVAL_OF(m), own_text(m->note)));
}

int witness_retention_changed(struct witness *w, const char *target, int former_days, int days, const char *by)
{
	return say(w, WITNESS_LOCKED, &changed_shape, OWN_VALUES(own_text(target), own_number(former_days), own_number(days), own_text(by)));
}

/* The end of a time: no second of it is left out. */
static struct own_value until(int64_t ns)
{
	return own_time((ns + (int64_t)NS_PER_SEC - 1) / (int64_t)NS_PER_SEC);
}

int witness_retention_locked(struct witness *w, const char *target, int days, int64_t ns, const char *by)
{
	return say(w, WITNESS_LOCKED, &locked_shape, OWN_VALUES(own_text(target), own_number(days), until(ns), own_text(by)));
}

/* Without a bound there is no time. */
static int hold(struct witness *w, const struct shape *shape, const struct retention_hold *h, const char *reason, const char *by)
{
	return say(w, WITNESS_HELD, shape,
		   OWN_VALUES(own_text(h->name), own_text(*h->target ? h->target : "everything"),
			      own_if(h->from != INT64_MIN, own_time(h->from / (int64_t)NS_PER_SEC)),
			      own_if(h->to != INT64_MAX, until(h->to)), own_text(reason), own_text(by)));
}

int witness_hold_placed(struct witness *w, const struct retention_hold *h)
{
	return hold(w, &placed_shape, h, h->reason, h->by);
}

int witness_hold_released(struct witness *w, const struct retention_hold *h, const char *reason, const char *by)
{
	return hold(w, &released_shape, h, reason, by);
}
