/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool.h - the on-disk queue between agent and forwarder.
 *
 *   <dir>/<stream hex>/<control|data|tls>/<first number, 20 digits>.seg
 *
 * Segments are append-only, frames back to back (frame.h). One writer (the
 * agent's worker) and one reader (the forwarder), different users, no locks
 * between them: the reader sees whole frames only, as frame_intact says. Only
 * the writer deletes, by what the reader's cursor file says is acknowledged.
 * A torn last frame is cut when the writer opens. A corrupt frame sets its
 * segment aside as <first number>.bad, never deleted; the good frames before and after
 * it are kept, in segments of their own, and the missing numbers are reported.
 *
 * Directories are 0750, files 0640; both belong to the group of the directory they are made in
 * if that has the set-group-ID bit. Everything below <dir>/<stream> is opened relative to descriptors.
 * After spool_open() the writer uses: openat, fstat, fchmod, pread, write, ftruncate, fdatasync,
 * fsync, unlinkat, close.
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
/* Called for every run of frames that recovery could not read: numbers first..last of the chain are
 * missing (last < first: how many is not known, the run was the chain's end). path names the copy
 * that was set aside, relative to the spool's directory; why is static text. */
typedef void (*spool_bad_fn)(void *ctx, unsigned chain, const char *path, const char *why, uint64_t first, uint64_t last);

/* Opens (makes) <dir>/<stream>. Recovers. 0 or -errno. */
int spool_open(const char *dir, const uint8_t stream[16], const struct spool_limits *limits,
	       spool_found_fn found, spool_bad_fn bad, void *ctx, struct spool **ret_s);
void spool_free(struct spool **s);
/* Chain head: number and previous hash that the next frame must carry. */
void spool_head(const struct spool *s, unsigned chain, uint64_t *ret_number, uint8_t ret_previous[32]);
/* The chain goes on at this number, in a segment of its own, when frames up to it were acknowledged that are not here any
 * more. previous: hash of the frame before, NULL if not known (the hash as it was stays, and the store says that the chain
 * is broken). A number that is not above the head's changes nothing. 0 or -errno. */
int spool_skip(struct spool *s, unsigned chain, uint64_t number, const uint8_t previous[32]);
/* Appends one built frame (its header's number must be the head's). -ENOSPC: nothing of it is
 * left on disk; the chain head is as before. */
int spool_append(struct spool *s, const struct frame_header *h, const void *frame, size_t n, const uint8_t hash[32]);
/* Makes what was appended durable (fdatasync of dirty segments). After a failure what is on disk is not
 * known any more: this chain answers the error to everything until the spool is opened anew. */
int spool_sync(struct spool *s);
bool spool_dirty(const struct spool *s);
/* Somebody deleted a directory or a segment that is written to: what is appended from now on nobody will find. */
bool spool_gone(const struct spool *s);
uint64_t spool_bytes(const struct spool *s, unsigned chain);
/* Are the segments as this writer left them? Tells each that is not, once: another size, gone, or touched since the last
 * check although nothing was appended to it. path: below the spool's directory; what: in words. */
typedef void (*spool_touched_fn)(void *ctx, const char *path, const char *what);
void spool_check(struct spool *s, spool_touched_fn touched, void *ctx);
/* Deletes whole segments that are acknowledged up to (not with) next, never the open one. */
int spool_trim(struct spool *s, unsigned chain, uint64_t next);
/* Over budget: plans to take away the oldest whole segment of the chain, never the one written to. The
 * caller appends the tombstone that settles what goes FIRST, then calls spool_drop(), which
 * syncs the tombstone before it deletes; and so on until this answers 0.
 * 0: nothing to drop, 1: planned, or -errno. A tombstone in the segment is inherited: its ranges, its
 * first number, and the records of its header, which must be the number of records that it stands for. */
struct spool_drop_plan {
	uint64_t first_number, last_number, records;
	uint64_t first_time, last_time;
	uint16_t nranges;
	struct frame_range ranges[FRAME_RANGES_MAX];	/* fits one header: segments are closed before it would not */
	uint64_t segment;				/* for spool_drop() */
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

/* Bytes of whole segments and of the rest of this one that lie behind the last frame given. */
uint64_t spool_reader_behind(struct spool_reader *r);
/* Streams that have a directory in the spool, at most max; how many, or -errno. In the order of their names. */
int spool_streams(const char *dir, uint8_t (*ret_streams)[16], unsigned max);

/* ---- cursor */
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
