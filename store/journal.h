/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.h - the store's append-only journal: frames as they were received.
 *
 *   <dir>/<segment, 10 digits>.jnl     append-only, JOURNAL_SEGMENT_BYTES each
 *   <dir>/aside/                       bytes that were damaged or refused; never deleted by us
 *   <dir>/removed/<segment>.txt        what journal_remove() was told of a segment that is gone
 *
 * Acknowledged means: journal_append(), then journal_sync() returned 0. One sync covers all
 * appends before it (group commit), by whichever thread.
 *
 * What is damaged: a torn last entry is cut at open; damage before that is skipped, its bytes
 * are copied to aside/ and reported, and the entries behind it stay readable. Each segment has
 * a random tag that every entry repeats, so that bytes inside a frame can never pass for an
 * entry when a reader looks for the next one behind a damage.
 *
 * On a full disk it opens all the same, to be read; appends say -ENOSPC until there is space.
 *
 * Errors: 0 or -errno. -ENOSPC and other failed appends leave the journal as it was. After a
 * failed sync nothing can be promised about what the disk holds: the journal refuses every
 * further append and sync with that error until it is opened anew (which recovers). What was not synced is cut off.
 * So it is (-ESTALE) when the segment that it writes to is no longer there under its name.
 * Threads: all functions may be called by any thread, except open and free.
 */
#ifndef HOSTTRAIL_STORE_JOURNAL_H
#define HOSTTRAIL_STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "proto/frame.h"

#define JOURNAL_SEGMENT_BYTES (64u << 20)	/* a segment closes at this size */
#define JOURNAL_ASIDE_BYTES (256ull << 20)	/* journal_aside() keeps at most this much */

/* Where an entry starts: segment in the upper 32 bits, offset in the lower; grows with every
 * append. 0 means "from the beginning". */
typedef uint64_t journal_pos;

/* To whom the sender's certificate is bound; texts are NUL-terminated. */
struct journal_origin {
	char host_id[64];
	char account[32];
	char region[64];
	uint8_t key[32];		/* Ed25519 public key that signs its frames */
};

enum {
	JOURNAL_FORK = 1,		/* another frame with this number was there before */
	JOURNAL_OWN = 2,		/* the store's own record */
};

struct journal_entry {
	journal_pos pos, next;		/* this entry, and where the one after it starts or will start */
	int64_t received;		/* wall clock, ns since the epoch */
	uint16_t flags;
	struct journal_origin origin;
	const uint8_t *frame;		/* the frame's bytes, valid until the callback returns or the buffer changes */
	size_t frame_len;
	const struct frame_header *header;	/* parsed; same life. NULL from journal_read(). */
};

struct journal;

/* Bytes [pos, pos + n) are not readable as entries. `aside` is the file that holds a copy, or NULL for a
 * torn tail that was cut. why: static text. Called while opening and while scanning, without locks held. */
typedef void (*journal_bad_fn)(void *ctx, journal_pos pos, uint64_t n, const char *why, const char *aside);

/* Opens (makes) the directory and recovers the last segment. segment_bytes 0: the default. */
int journal_open(const char *dir, uint32_t segment_bytes, journal_bad_fn bad, void *ctx, struct journal **ret_j);
void journal_free(struct journal **j);

/* Appends one frame (n at most FRAME_HEADER_MAX + FRAME_PAYLOAD_MAX). Not durable before journal_sync(). */
int journal_append(struct journal *j, const struct journal_origin *origin, int64_t received, uint16_t flags,
		   const void *frame, size_t n, journal_pos *ret_pos);
/* Makes every append that returned before this call durable, then wakes journal_wait(). */
int journal_sync(struct journal *j);

journal_pos journal_end(struct journal *j);	/* behind the last synced entry */
uint64_t journal_bytes(struct journal *j);	/* of all segments */
int journal_error(struct journal *j);		/* 0, or why appends are refused for good */
/* Until journal_end() > seen, journal_wake(), or the time is over; returns journal_end(). */
journal_pos journal_wait(struct journal *j, journal_pos seen, int timeout_ms);
void journal_wake(struct journal *j);

/* Calls fn for every synced entry from `from` on, in order. A value other than 0 from fn stops
 * the scan and is returned. With bodies == false, the frame's payload is not read, so that a scan for
 * headers is fast (frame is then valid for header_len bytes only, and its checksum is not compared).
 * *ret_next (may be NULL): where to go on later. Damage is reported to `bad` of journal_open(). */
typedef int (*journal_fn)(void *ctx, const struct journal_entry *e);
int journal_scan(struct journal *j, journal_pos from, bool bodies, journal_fn fn, void *ctx, journal_pos *ret_next);

/* One entry into buf (replaced); e's frame points into it. -ENOENT: no entry there, -EBADMSG: damaged. */
int journal_read(struct journal *j, journal_pos pos, struct buf *buf, struct journal_entry *ret_e);

/* ---- segments that are past; the one that is appended to never is. */
/* The oldest segment, its bytes and their SHA-256 (hex; NULL: not wanted). -ENOENT: there is none but the last. */
int journal_oldest(struct journal *j, uint32_t *ret_segment, uint64_t *ret_bytes, char ret_sha256[65]);
/* Removes the oldest one, which has this hash. text (one that the caller can read back) is on disk first: from then on the segment
 * is gone, and a start finishes what a kill cut short. Readers that have begun go on. */
int journal_remove(struct journal *j, uint32_t segment, const char *sha256, const char *text, size_t n);
/* What was said of each that is gone, behind `after`, in order. A value other than 0 from fn ends it and is returned. */
typedef int (*journal_removed_fn)(void *ctx, uint32_t segment, const char *text, size_t n);
int journal_removed(struct journal *j, uint32_t after, journal_removed_fn fn, void *ctx);

/* Keeps refused bytes under aside/ for people to look at: <time>-<what>-<host id>.frame; `what` is a short word.
 * -EDQUOT: aside/ is full, nothing was written. */
int journal_aside(struct journal *j, const char *what, const struct journal_origin *origin, int64_t received,
		  const void *p, size_t n);

#define _cleanup_journal_ __attribute__((cleanup(journal_free)))

#endif
