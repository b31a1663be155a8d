/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer.h - batches become signed frames in the spool, and the rings' positions move behind them.
 *
 * The order that a crash at any instruction must find: frame appended, state written, identities
 * written, spool synced, position moved. Budgets: an over-full data or tls chain loses its oldest frames behind a tombstone;
 * an over-full control chain, or a full disk, turns new records into losses that are counted and said when there is space again.
 * Not thread-safe.
 */
#ifndef HOSTTRAIL_WRITER_H
#define HOSTTRAIL_WRITER_H

#include "idlog.h"
#include "pipeline.h"
#include "proto/spool.h"
#include "spoolstate.h"

#define WRITER_CONTROL_DELAY (20 * 1000000ull)	/* ns from a frame's first record to its end */
#define WRITER_DATA_DELAY (100 * 1000000ull)
#define WRITER_FILTERED_DELAY (1000 * 1000000ull)	/* of a frame that only says what was filtered */
#define WRITER_SYNC_DELAY (150 * 1000000ull)	/* from the first unsynced byte to the sync: 200 ms with what it takes */
#define WRITER_FRAME_BYTES (256u << 10)		/* compressed, aimed at */

struct writer;

struct writer_config {
	const char *spool_dir, *cursor;
	uint8_t stream[16];
	uint64_t made;			/* boot-time ns */
	struct spool_limits limits;
	const struct record_host *host;
	frame_sign_fn sign;
	void *sign_ctx;
};

/* Opens spool, state and cursor, and tells settle what is on disk. Next writer_start(). 0 or -errno. */
int writer_open(const struct writer_config *c, struct settle *settle, struct writer **ret_w);
void writer_free(struct writer **w);
/* ids may be NULL: identities are not kept (replay). */
int writer_start(struct writer *w, struct pipeline *p, struct rings *rings, struct idlog *ids);

/* Ends the chain's open frame, if there is anything in it. 0 also when the disk is full (counted); else -errno. */
int writer_close(struct writer *w, unsigned chain);
/* Ends frames of the control chain until no loss waits to be said: one has no room for many. 0 also when the disk is full: the log
 * tells what could not be said then. */
int writer_say_lost(struct writer *w);
/* Frames whose time is up, positions of idle classes, sync, trim. */
int writer_tick(struct writer *w, uint64_t now);
/* When writer_tick() has something to do, boot-time ns; UINT64_MAX: nothing waits. */
uint64_t writer_due(const struct writer *w);
int writer_sync(struct writer *w);
/* spool_check() of its spool. */
void writer_check(struct writer *w, spool_touched_fn touched, void *ctx);
/* Numbers of the chain's open frame, and of the first one that is not on disk for sure. */
uint64_t writer_next(const struct writer *w, unsigned chain);
uint64_t writer_synced(const struct writer *w, unsigned chain);
bool writer_first_frame(const struct writer *w);	/* the stream has no control frame yet */
/* A chain that did not go on where the spool ends, in words; NULL: it did. */
const char *writer_skipped(const struct writer *w, unsigned chain);
/* The host's stream before this one, 16 bytes, while this one is new; else NULL. */
const uint8_t *writer_previous(const struct writer *w);

/* What of that stream's numbers was settled, for settle_load(); empty where nothing tells. */
const struct buf *writer_previous_settled(const struct writer *w);

struct writer_stats {
	uint64_t frames, bytes, raw_bytes, failed_frames, tombstones, bad_segments, syncs;
	uint64_t spool_bytes[CHAIN__MAX];
};
void writer_stats(const struct writer *w, struct writer_stats *ret_s);

#endif
