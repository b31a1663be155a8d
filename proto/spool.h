/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool.h - the on-disk queue between agent and forwarder.
 *
 *   <dir>/<stream hex>/<control|data|tls>/<first number, 20 digits>.seg
 *
 * Segments are append-only, frames back to back (frame.h). One writer (the
 * agent's worker) and one reader (the forwarder), different users, no locks
 * between them: the reader sees whole frames only, as frame_check says. Only
 * the writer deletes, by what the reader's cursor file says is acknowledged.
 * A torn last frame is cut when the writer opens; a corrupt frame in the
 * middle sets the segment aside as <name>.bad and is reported.
 *
 * Cursor: <cursor dir>/cursor, written in place (two slots, CRC, so that a torn write keeps the older
 * one and steady-state acknowledging opens and renames nothing): for each
 * (stream, chain): next number not acknowledged yet.
 * Threads: each object belongs to one thread.
 */
#ifndef HOSTTRAIL_SPOOL_H
#define HOSTTRAIL_SPOOL_H

#include <stdbool.h>
#include "frame.h"

#define SPOOL_SEGMENT_BYTES (8u << 20)	/* a segment closes at this size */

/* ---- writer ---- */
struct spool;

struct spool_limits {
	uint64_t bytes[CHAIN__MAX];	/* budget per chain */
	uint32_t segment_bytes;		/* 0: SPOOL_SEGMENT_BYTES */
};

/* Called for every frame found on disk at open, oldest first (headers only), so that the
 * agent can skip sequences that are settled already. */
typedef void (*spool_found_fn)(void *ctx, const struct frame_header *h);
/* Called for a frame or segment that was set aside: numbers [first,last] of the chain may be
 * missing; why is static text. */
typedef void (*spool_bad_fn)(void *ctx, unsigned chain, const char *path, const char *why);

/* Opens (makes) <dir>/<stream>. Recovers. 0 or -errno. */
int spool_open(const char *dir, const uint8_t stream[16], const struct spool_limits *limits,
	       spool_found_fn found, spool_bad_fn bad, void *ctx, struct spool **ret_s);
void spool_free(struct spool **s);
/* Chain head: number and previous hash that the next frame must carry. */
void spool_head(const struct spool *s, unsigned chain, uint64_t *ret_number, uint8_t ret_previous[32]);
/* Appends one built frame (its header's number must be the head's). -ENOSPC: nothing of it is
 * left on disk; the chain head is as before. */
int spool_append(struct spool *s, const struct frame_header *h, const void *frame, size_t n, const uint8_t hash[32]);
/* Makes what was appended durable (fdatasync of dirty segments). */
int spool_sync(struct spool *s);
bool spool_dirty(const struct spool *s);
uint64_t spool_bytes(const struct spool *s, unsigned chain);
/* Deletes whole segments that are acknowledged up to (not with) next, never the open one. */
int spool_trim(struct spool *s, unsigned chain, uint64_t next);
/* Over budget: closes and takes away the oldest whole segments of the chain until it fits;
 * *ret_* say which frames and records went (ranges appended to ranges, at most
 * FRAME_RANGES_MAX); the caller appends the tombstone that settles them FIRST: this only
 * plans; spool_drop() then deletes. 0: nothing to drop, 1: planned, or -errno. */
struct spool_drop_plan {
	uint64_t first_number, last_number, records;
	uint64_t first_time, last_time;
	uint16_t nranges;
	struct frame_range ranges[FRAME_RANGES_MAX];
	char path[4096];
};
int spool_plan_drop(struct spool *s, unsigned chain, struct spool_drop_plan *ret_plan);
int spool_drop(struct spool *s, unsigned chain, const struct spool_drop_plan *plan);

/* ---- reader ---- */
struct spool_reader;

/* Follows one chain of one stream from number `next` on. 0 or -errno. */
int spool_reader_open(const char *dir, const uint8_t stream[16], unsigned chain, uint64_t next, struct spool_reader **ret_r);
void spool_reader_free(struct spool_reader **r);
/* Next whole frame: 1 (*ret_p valid until the next call), 0 nothing yet, -EBADMSG (corrupt:
 * skipped past, *ret_why says; call again), -errno. */
int spool_reader_next(struct spool_reader *r, const uint8_t **ret_p, size_t *ret_n, struct frame_header *ret_h, const char **ret_why);

struct cursor;
struct cursor_entry {
	uint8_t stream[16];
	uint8_t chain;
	uint64_t next;
};
#define CURSOR_ENTRIES_MAX 256
int cursor_open(const char *path, bool write, struct cursor **ret_c);	/* a missing file is empty */
void cursor_free(struct cursor **c);
int cursor_reload(struct cursor *c);					/* reader side: agent */
bool cursor_get(const struct cursor *c, const uint8_t stream[16], unsigned chain, uint64_t *ret_next);
int cursor_set(struct cursor *c, const uint8_t stream[16], unsigned chain, uint64_t next);	/* in memory */
int cursor_forget(struct cursor *c, const uint8_t stream[16]);
int cursor_sync(struct cursor *c);					/* durable */

#endif
