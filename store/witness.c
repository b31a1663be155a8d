/* SPDX-License-Identifier: Apache-2.0 */
/* witness.c - what the store's own records say. How they get into the journal: witness_stream.c. */
#include "witness.h"

#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "proto/keys.h"
#include "proto/ownrecord.h"
#include "witness_internal.h"

/* What a record is about comes first in all that are about a frame. */
#define SUBJECT                                                                                                \
	SERVICE("hostId", FIELD_STRING), SERVICE("stream", FIELD_STRING), SERVICE("chain", FIELD_STRING),      \
		SERVICE("number", FIELD_UINT)
enum { SUBJECT_HOST, SUBJECT_STREAM, SUBJECT_CHAIN, SUBJECT_NUMBER, SUBJECT__MAX };

static const struct shape_field started_fields[] = { SERVICE("storeVersion", FIELD_STRING), SERVICE("recovered", FIELD_STRING) };
static const struct shape_field stopped_fields[] = { SERVICE("reason", FIELD_STRING) };
static const struct shape_field broken_fields[] = {
	SUBJECT, SERVICE("why", FIELD_STRING), SERVICE("frameHash", FIELD_STRING), SERVICE("expectedHash", FIELD_STRING),
	SERVICE("suppressed", FIELD_UINT),
};
static const struct shape_field mismatch_fields[] = {
	SUBJECT, SERVICE("why", FIELD_STRING), SERVICE("claimed", FIELD_STRING), SERVICE("suppressed", FIELD_UINT),
};
static const struct shape_field lost_fields[] = {
	SUBJECT, SERVICE("lastNumber", FIELD_UINT), SERVICE("count", FIELD_UINT), SERVICE("cause", FIELD_STRING),
	SERVICE("detail", FIELD_STRING), SERVICE("firstSeen", FIELD_STRING), SERVICE("suppressed", FIELD_UINT),
};
static const struct shape_field filled_fields[] = {
	SUBJECT, SERVICE("lastNumber", FIELD_UINT), SERVICE("suppressed", FIELD_UINT),
};
static const struct shape_field skewed_fields[] = {
	SUBJECT, SERVICE("aheadSeconds", FIELD_UINT), SERVICE("behindSeconds", FIELD_UINT), SERVICE("seenBy", FIELD_STRING),
	SERVICE("suppressed", FIELD_UINT),
};
static const struct shape_field damaged_fields[] = {
	SERVICE("position", FIELD_STRING), SERVICE("bytes", FIELD_UINT), SERVICE("why", FIELD_STRING),
	SERVICE("aside", FIELD_STRING), SERVICE("suppressed", FIELD_UINT),
};

OWN_SHAPE(started_shape, "StoreStarted", started_fields);
OWN_SHAPE(stopped_shape, "StoreStopped", stopped_fields);
OWN_SHAPE(broken_shape, "ChainBroken", broken_fields);
OWN_SHAPE(mismatch_shape, "HostMismatch", mismatch_fields);
OWN_SHAPE(lost_shape, "RecordsLost", lost_fields);
OWN_SHAPE(filled_shape, "GapFilled", filled_fields);
OWN_SHAPE(skewed_shape, "ClockSkewed", skewed_fields);
OWN_SHAPE(damaged_shape, "JournalDamaged", damaged_fields);

static void put(struct witness *w, unsigned field, const char *text)
{
	own_put(w->batch, field, text);
}

static void put_hex(struct witness *w, unsigned field, const uint8_t *p, size_t n)
{
	char text[65];

	if (!p)
		return;
	hex_text(p, n, text);
	put(w, field, text);
}

static void put_suppressed(struct witness *w, unsigned field, uint64_t n)
{
	if (n)
		batch_int(w->batch, field, (int64_t)n);
}

static void put_subject(struct witness *w, const struct witness_subject *s)
{
	put(w, SUBJECT_HOST, s->origin->host_id);
	if (!s->stream)
		return;
	put_hex(w, SUBJECT_STREAM, s->stream, 16);
	put(w, SUBJECT_CHAIN, chain_name(s->chain));
	batch_int(w->batch, SUBJECT_NUMBER, (int64_t)s->number);
}

int witness_started(struct witness *w, const char *recovered)
{
	int r = witness_begin(w, WITNESS_STARTED, &started_shape, NULL);

	if (r)
		return r < 0 ? r : 0;
	put(w, 0, HOSTTRAIL_VERSION);
	put(w, 1, recovered);
	return witness_end(w);
}

int witness_stopped(struct witness *w, const char *reason)
{
	int r = witness_begin(w, WITNESS_STOPPED, &stopped_shape, NULL);

	if (r)
		return r < 0 ? r : 0;
	put(w, 0, reason);
	return witness_end(w);
}

int witness_chain_broken(struct witness *w, const struct ingest_fault *f)
{
	const struct witness_subject s = { f->origin, f->header->stream, f->header->chain, f->header->number };
	uint64_t suppressed;
	int r = witness_begin(w, WITNESS_BROKEN, &broken_shape, &suppressed);

	if (r)
		return r < 0 ? r : 0;
	put_subject(w, &s);
	put(w, SUBJECT__MAX, f->why);
	put_hex(w, SUBJECT__MAX + 1, f->hash, 32);
	put_hex(w, SUBJECT__MAX + 2, f->expected, 32);
	put_suppressed(w, SUBJECT__MAX + 3, suppressed);
	return witness_end(w);
}

int witness_host_mismatch(struct witness *w, const struct witness_subject *s, const char *why, const char *claimed)
{
	uint64_t suppressed;
	int r = witness_begin(w, WITNESS_MISMATCH, &mismatch_shape, &suppressed);

	if (r)
		return r < 0 ? r : 0;
	put_subject(w, s);
	put(w, SUBJECT__MAX, why);
	put(w, SUBJECT__MAX + 1, claimed);
	put_suppressed(w, SUBJECT__MAX + 2, suppressed);
	return witness_end(w);
}

int witness_records_lost(struct witness *w, const struct witness_subject *s, const struct witness_loss *l)
{
	char seen[21];
	uint64_t suppressed;
	int r = witness_begin(w, WITNESS_LOST, &lost_shape, &suppressed);

	if (r)
		return r < 0 ? r : 0;
	put_subject(w, s);
	batch_int(w->batch, SUBJECT__MAX, (int64_t)l->last_number);
	if (l->counted)
		batch_int(w->batch, SUBJECT__MAX + 1, (int64_t)l->records);
	put(w, SUBJECT__MAX + 2, l->cause);
	put(w, SUBJECT__MAX + 3, l->detail);
	clock_iso(l->first_seen / (int64_t)NS_PER_SEC, seen);
	put(w, SUBJECT__MAX + 4, seen);
	put_suppressed(w, SUBJECT__MAX + 5, suppressed);
	return witness_end(w);
}

int witness_gap_filled(struct witness *w, const struct witness_subject *s, uint64_t last_number)
{
	uint64_t suppressed;
	int r = witness_begin(w, WITNESS_FILLED, &filled_shape, &suppressed);

	if (r)
		return r < 0 ? r : 0;
	put_subject(w, s);
	batch_int(w->batch, SUBJECT__MAX, (int64_t)last_number);
	put_suppressed(w, SUBJECT__MAX + 1, suppressed);
	return witness_end(w);
}

int witness_clock_skewed(struct witness *w, const struct witness_subject *s, int64_t ahead_ns, const char *seen_by)
{
	const int64_t seconds = ahead_ns / (int64_t)NS_PER_SEC;
	uint64_t suppressed;
	int r = witness_begin(w, WITNESS_SKEWED, &skewed_shape, &suppressed);

	if (r)
		return r < 0 ? r : 0;
	put_subject(w, s);
	if (seconds < 0)
		batch_int(w->batch, SUBJECT__MAX + 1, -seconds);
	else
		batch_int(w->batch, SUBJECT__MAX, seconds);
	put(w, SUBJECT__MAX + 2, seen_by);
	put_suppressed(w, SUBJECT__MAX + 3, suppressed);
	return witness_end(w);
}

int witness_journal_damaged(struct witness *w, journal_pos pos, uint64_t n, const char *why, const char *aside)
{
	char where[32];
	uint64_t suppressed;
	int r = witness_begin(w, WITNESS_DAMAGED, &damaged_shape, &suppressed);

	if (r)
		return r < 0 ? r : 0;
	snprintf(where, sizeof(where), "%u:%u", (unsigned)(pos >> 32), (unsigned)pos);
	put(w, 0, where);
	batch_int(w->batch, 1, (int64_t)n);
	put(w, 2, why);
	put(w, 3, aside);
	put_suppressed(w, 4, suppressed);
	return witness_end(w);
}
