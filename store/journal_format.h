/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_format.h - how segments and entries lie on disk; private to journal*.c.
 *
 * segment header (32 bytes)             entry header (72 bytes and the texts)
 *   0  4 magic "HTJS"                     0  4 magic "HTJ1"
 *   4  2 version, 1                       4  8 the segment's tag
 *   6  2 0                               12  2 header length, with the texts
 *   8  4 segment number                  14  2 flags
 *  12  4 0                               16  4 frame length
 *  16  8 tag, random                     20  8 received, wall clock ns
 *  24  4 CRC32C over the above           28 32 public key
 *  28  4 0                               60  1 host id length, 61 account's, 62 region's, 63 0
 *                                        64  4 CRC32C of the frame
 *                                        68  4 CRC32C over bytes 0-67 and the texts
 *                                        72    host id, account, region; then the frame
 */
#ifndef HOSTTRAIL_STORE_JOURNAL_FORMAT_H
#define HOSTTRAIL_STORE_JOURNAL_FORMAT_H

#include <pthread.h>

#include "journal.h"

#define SEGMENT_HEADER 32u
#define ENTRY_FIXED 72u
#define ENTRY_HEADER_MAX (ENTRY_FIXED + 3u * 255u)
#define ENTRY_FRAME_MAX (FRAME_HEADER_MAX + FRAME_PAYLOAD_MAX)
#define SEGMENT_NAME 15			/* "0000000001.jnl" and NUL */

struct journal {
	char *dir;
	int dirfd, asidefd;
	uint32_t segment_bytes;
	journal_bad_fn bad;
	void *bad_ctx;

	pthread_mutex_t lock;		/* everything below */
	pthread_cond_t changed;
	uint32_t segment;		/* the one that is appended to */
	int fd;
	uint8_t tag[8];
	uint64_t tail;			/* its length */
	journal_pos synced;
	bool syncing;
	unsigned wakes;
	int error;
	uint64_t bytes, aside_bytes;
	uint64_t tried;			/* fd -1: recovery waits for space; boot-time ns of the last attempt */
};

/* One segment mapped for reading. */
struct segment_map {
	const uint8_t *p;
	size_t n;
	uint32_t number;
	uint8_t tag[8];
};

enum entry_state { ENTRY_OK, ENTRY_SHORT, ENTRY_BAD_HEADER, ENTRY_BAD_FRAME };

static inline journal_pos make_pos(uint32_t segment, uint64_t offset)
{
	return (journal_pos)segment << 32 | offset;
}

static inline uint32_t pos_segment(journal_pos pos)
{
	return (uint32_t)(pos >> 32);
}

static inline uint32_t pos_offset(journal_pos pos)
{
	return (uint32_t)pos;
}

void journal_segment_name(uint32_t number, char ret[SEGMENT_NAME]);
/* Maps the first `limit` bytes (0: all). -ENOENT, -EBADMSG (neither header nor first entry tell the tag). */
int segment_map_open(struct journal *j, uint32_t number, uint64_t limit, struct segment_map *ret_m);
void segment_map_close(struct segment_map *m);
/* The entry at `offset`; fills all of *ret_e but header. *ret_total: header and frame, when ENTRY_OK or ENTRY_BAD_FRAME. */
enum entry_state segment_entry(const struct segment_map *m, uint64_t offset, bool bodies, struct journal_entry *ret_e,
			       size_t *ret_total);
/* The next offset from `offset` on at which an entry's header is whole; m->n when there is none. */
uint64_t segment_resync(const struct segment_map *m, uint64_t offset);
/* Copies damaged bytes to aside/ (once). 0 and the file's path, or -errno. */
int journal_keep(struct journal *j, uint32_t segment, uint64_t offset, const void *p, size_t n, char ret_path[4096]);

/* Numbers of the segments that exist, ascending; free *ret. */
int journal_segments(struct journal *j, uint32_t **ret, size_t *ret_n);
/* Removes segments that a kill left though they are gone; *ret_last: the last one that is, 0: none. */
int journal_finish_removal(struct journal *j, uint32_t *ret_last);
/* Recovers or makes the segment to append to. */
int journal_recover(struct journal *j);
/* Makes segment `number` and switches to it; the caller holds the lock (or is opening). */
int journal_roll(struct journal *j, uint32_t number);

#endif
