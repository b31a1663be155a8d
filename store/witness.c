/* SPDX-License-Identifier: Apache-2.0 */
/* witness.c - what the store's own records say. How they get into the journal: witness_stream.c. */
#include "witness.h"

#include <stdio.h>

#include "lib/clock.h"
#include "proto/ownrecord.h"
#include "witness_internal.h"

/* What a record is about comes first in all that are about a frame. */
#define SUBJECT                                                                                                \
	SERVICE("hostId", FIELD_STRING), SERVICE("stream", FIELD_STRING), SERVICE("chain", FIELD_STRING),      \
		SERVICE("number", FIELD_UINT)
#define SUBJECT_OF(s)                                                                                          \
	own_text((s)->origin->host_id), own_hex((s)->stream, 16), own_text((s)->stream ? chain_name((s)->chain) : NULL), \
		own_if((s)->stream, own_number((int64_t)(s)->number))
/* The last field of what may be said often: how many before it were not, for they were too many. */
#define SUPPRESSED SERVICE("suppressed", FIELD_UINT)
#define SUPPRESSED_SO_MANY ((struct own_value){ 0 })	/* say_counted() puts the number there */

static const struct shape_field started_fields[] = { SERVICE("storeVersion", FIELD_STRING), SERVICE("recovered", FIELD_STRING) };
static const struct shape_field stopped_fields[] = { SERVICE("reason", FIELD_STRING) };
static const struct shape_field broken_fields[] = {
	SUBJECT, SERVICE("why", FIELD_STRING), SERVICE("frameHash", FIELD_STRING), SERVICE("expectedHash", FIELD_STRING),
	SUPPRESSED,
};
static const struct shape_field mismatch_fields[] = {
	SUBJECT, SERVICE("why", FIELD_STRING), SERVICE("claimed", FIELD_STRING), SUPPRESSED,
};
static const struct shape_field lost_fields[] = {
	SUBJECT, SERVICE("lastNumber", FIELD_UINT), SERVICE("count", FIELD_UINT), SERVICE("cause", FIELD_STRING),
	SERVICE("detail", FIELD_STRING), SERVICE("firstSeen", FIELD_STRING), SUPPRESSED,
};
static const struct shape_field filled_fields[] = {
	SUBJECT, SERVICE("lastNumber", FIELD_UINT), SUPPRESSED,
};
static const struct shape_field skewed_fields[] = {
	SUBJECT, SERVICE("aheadSeconds", FIELD_UINT), SERVICE("behindSeconds", FIELD_UINT), SERVICE("seenBy", FIELD_STRING),
	SUPPRESSED,
};
static const struct shape_field damaged_fields[] = {
	SERVICE("position", FIELD_STRING), SERVICE("bytes", FIELD_UINT), SERVICE("why", FIELD_STRING),
	SERVICE("aside", FIELD_STRING), SUPPRESSED,
};

OWN_SHAPE(started_shape, "StoreStarted", started_fields);
OWN_SHAPE(stopped_shape, "StoreStopped", stopped_fields);
OWN_SHAPE(broken_shape, "ChainBroken", broken_fields);
OWN_SHAPE(mismatch_shape, "HostMismatch", mismatch_fields);
OWN_SHAPE(lost_shape, "RecordsLost", lost_fields);
OWN_SHAPE(filled_shape, "GapFilled", filled_fields);
OWN_SHAPE(skewed_shape, "ClockSkewed", skewed_fields);
OWN_SHAPE(damaged_shape, "JournalDamaged", damaged_fields);

static int say(struct witness *w, enum witness_kind kind, const struct shape *shape, const struct own_value *v, size_t n)
{
	int r = witness_begin(w, kind, shape, NULL);

	if (r)
		return r < 0 ? r : 0;
	own_fill(w->batch, shape, v, n);
	return witness_end(w);
}

static int say_counted(struct witness *w, enum witness_kind kind, const struct shape *shape, struct own_value *v, size_t n)
{
	uint64_t suppressed;
	int r = witness_begin(w, kind, shape, &suppressed);

	if (r)
		return r < 0 ? r : 0;
	v[n - 1] = own_count(suppressed);
	own_fill(w->batch, shape, v, n);
	return witness_end(w);
}

int witness_started(struct witness *w, const char *recovered)
{
	return say(w, WITNESS_STARTED, &started_shape, OWN_VALUES(own_text(HOSTTRAIL_VERSION), own_text(recovered)));
}

int witness_stopped(struct witness *w, const char *reason)
{
	return say(w, WITNESS_STOPPED, &stopped_shape, OWN_VALUES(own_text(reason)));
}

int witness_chain_broken(struct witness *w, const struct ingest_fault *f)
{
	const struct witness_subject s = { f->origin, f->header->stream, f->header->chain, f->header->number };

	return say_counted(w, WITNESS_BROKEN, &broken_shape,
			   OWN_VALUES(SUBJECT_OF(&s), own_text(f->why), own_hex(f->hash, 32), own_hex(f->expected, 32), SUPPRESSED_SO_MANY));
}

int witness_host_mismatch(struct witness *w, const struct witness_subject *s, const char *why, const char *claimed)
{
	return say_counted(w, WITNESS_MISMATCH, &mismatch_shape, OWN_VALUES(SUBJECT_OF(s), own_text(why), own_text(claimed), SUPPRESSED_SO_MANY));
}

int witness_records_lost(struct witness *w, const struct witness_subject *s, const struct witness_loss *l)
{
	return say_counted(w, WITNESS_LOST, &lost_shape,
			   OWN_VALUES(SUBJECT_OF(s), own_number((int64_t)l->last_number), own_if(l->counted, own_number((int64_t)l->records)),
				      own_text(l->cause), own_text(l->detail), own_time(l->first_seen / (int64_t)NS_PER_SEC), SUPPRESSED_SO_MANY));
}

int witness_gap_filled(struct witness *w, const struct witness_subject *s, uint64_t last_number)
{
	return say_counted(w, WITNESS_FILLED, &filled_shape, OWN_VALUES(SUBJECT_OF(s), own_number((int64_t)last_number), SUPPRESSED_SO_MANY));
}

int witness_clock_skewed(struct witness *w, const struct witness_subject *s, int64_t ahead_ns, const char *seen_by)
{
	const int64_t seconds = ahead_ns / (int64_t)NS_PER_SEC;

	return say_counted(w, WITNESS_SKEWED, &skewed_shape,
			   OWN_VALUES(SUBJECT_OF(s), own_if(seconds >= 0, own_number(seconds)), own_if(seconds < 0, own_number(-seconds)),
				      own_text(seen_by), SUPPRESSED_SO_MANY));
}

int witness_journal_damaged(struct witness *w, journal_pos pos, uint64_t n, const char *why, const char *aside)
{
	char where[32];

	snprintf(where, sizeof(where), "%u:%u", (unsigned)(pos >> 32), (unsigned)pos);
	return say_counted(w, WITNESS_DAMAGED, &damaged_shape,
			   OWN_VALUES(own_text(where), own_number((int64_t)n), own_text(why), own_text(aside), SUPPRESSED_SO_MANY));
}
