/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index.h - from an attribute's value and a time to records in the journal.
 *
 * New records go into a tail in memory, of a fixed size. A full tail is sealed: a thread of the index sorts it by
 * event time and writes it as an immutable block (block.h), which is then mapped, not loaded. The index is
 * derived: each block says which stretch of the journal it stands for, and a stretch without a good block is to be
 * indexed again (index_todo()). Another thread enters the blocks into hash directories (hashdir.h), each of which says which of up
 * to 256 blocks may hold a value.
 *
 * Values are held as keyed 64-bit hashes. A hit is a candidate: the caller compares the record's real value.
 *
 * Threads: index_todo, add, progress, flush are for one thread (the tailer); queries for any. A query sees the index
 * as it was when its cursor was opened, and what was added to the tail since then or not.
 * Bounds: two tails of INDEX_TAIL_RECORDS in memory (about 150 bytes a record).
 * Errors: 0 or -errno.
 */
#ifndef HOSTTRAIL_STORE_INDEX_H
#define HOSTTRAIL_STORE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "journal.h"
#include "proto/recordread.h"

#define INDEX_TAIL_RECORDS 131072u

enum attr {
	ATTR_EVENT_ID,		/* value: the 16 bytes */
	ATTR_EVENT_NAME,
	ATTR_READ_ONLY,		/* "true" or "false" */
	ATTR_USERNAME,
	ATTR_RESOURCE_TYPE,
	ATTR_RESOURCE_NAME,
	ATTR_EVENT_SOURCE,
	ATTR_ACCESS_KEY,
	ATTR__MAX
};

/* A place in the journal down to the record; the n-th record of the frame at pos. */
struct index_place {
	journal_pos pos;
	uint32_t record;
};

/* The order of answers: time, then place. */
struct index_key {
	int64_t time;		/* wall clock, ns */
	struct index_place place;
};

struct index_query {
	int64_t from, to;	/* from <= time < to */
	bool management_only;
	bool partial;		/* answer even while a stretch is missing */
	bool by_attr;
	enum attr attr;
	uint64_t hash;		/* index_hash() of the value */
	bool has_before;
	struct index_key before;	/* only what comes before this in time's order */
};

struct index_stats {
	uint64_t records;	/* in blocks and tails */
	uint64_t blocks, block_bytes;
	uint64_t directories, directory_bytes;
	uint64_t loose_blocks;	/* that are in no directory: each is asked for a rare value */
	uint64_t tail_records;
	struct index_place done;
	int seal_error;		/* why the last block could not be written, 0 */
	int gather_error;	/* why the last hash directory could not be written, 0 */
	bool rebuilding;	/* a stretch is missing: answers would not be whole */
	bool gathering;		/* blocks wait to be entered into a directory: answers are whole, rare values take longer */
};

struct index;
struct index_cursor;

/* tail_records 0: INDEX_TAIL_RECORDS. end: the journal's; blocks beyond it are stale and deleted.
 * say(ctx, path, why): a block that could not be used (static text); its stretch will be indexed again. */
int index_open(const char *dir, journal_pos end, uint32_t tail_records,
	       void (*say)(void *ctx, const char *path, const char *why), void *ctx, struct index **ret_ix);
/* Waits for a running seal; what is in the tail is indexed again after the next start. */
void index_free(struct index **ix);

/* The next stretch to index, or what is left of the one at work, where something failed meanwhile: from *ret_from, which may be in the
 * middle of a frame; up to *ret_to, or without end when it is {UINT64_MAX, 0}. Who goes on there adds nothing twice. A stretch with an
 * end is over when index_flush() returned 0. -ECANCELED, -ENOMEM. */
int index_todo(struct index *ix, struct index_place *ret_from, struct index_place *ret_to);
/* Adds one record; places must ascend within a stretch. Waits while two tails are full. -ECANCELED: index_stop() was called. */
int index_add(struct index *ix, const struct index_place *place, const struct record_summary *s);
/* Everything before `next` is in. */
void index_progress(struct index *ix, const struct index_place *next);
/* Seals the tail now and waits for it; ends the stretch that index_todo() gave. */
int index_flush(struct index *ix);
void index_stop(struct index *ix);		/* any thread: makes waiting calls return */
void index_stats(struct index *ix, struct index_stats *ret_s);

uint64_t index_hash(const struct index *ix, const void *p, size_t n);
/* -EAGAIN: a stretch is being indexed again, an answer would not be whole. */
int index_cursor_open(struct index *ix, const struct index_query *q, struct index_cursor **ret_c);
/* Newest first: 1 and the key, 0 at the end; -EAGAIN: a block turned out to be damaged, and is being made anew. */
int index_cursor_next(struct index_cursor *c, struct index_key *ret_k);
unsigned index_cursor_opened(const struct index_cursor *c);	/* blocks that were looked into so far */
void index_cursor_free(struct index_cursor **c);

int index_key_compare(const struct index_key *a, const struct index_key *b);
#define _cleanup_index_cursor_ __attribute__((cleanup(index_cursor_free)))

#endif
