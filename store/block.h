/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block.h - an immutable, mapped piece of the index: the records of one stretch of the journal, by event time.
 *
 * File (little-endian; sections begin at multiples of 8):
 *   header, 1024 bytes:
 *     0 4 magic "HTX1"   4 4 version, 1   8 4 rows   12 4 frames
 *    16 8 least time    24 8 greatest time (wall clock ns)
 *    32 8 from: journal position   40 8 to: position   48 4 from: record   52 4 to: record
 *    56 8 hash of the 5 bytes "check": tells another hash key
 *    64   sections: {offset u64, length u32, CRC32C u32} each
 *  1020 4 CRC32C over the bytes before it
 *   sections 0-4, one value a row (row order: time, then place):
 *     0 time i64   1 frame u32 (index into section 4)   2 record in its frame u32   3 category u8
 *     4 frames: journal positions u64
 *   then, for each attribute, three: hashes u64 in rising order; starts u32 (one more than hashes) into
 *     the third, the rows: for each hash its rows in falling order, the first as varint, the others as varint
 *     of the difference to the one before, so that the newest are read first.
 *
 * A sorted column of keyed hashes is its own filter: where a value would stand is known to within a page, so a block
 * without it costs one or two page touches.
 * A section is compared with its checksum when it is first used. What it holds is bounds-checked all the same.
 * Threads: a block may be read by many; refs are atomic.
 */
#ifndef HOSTTRAIL_STORE_BLOCK_H
#define HOSTTRAIL_STORE_BLOCK_H

#include "index.h"
#include "lib/buf.h"
#include "tailmem.h"

enum { SECTION_TIME, SECTION_FRAME, SECTION_RECORD, SECTION_KIND, SECTION_FRAMES, SECTION_ATTRS };
#define BLOCK_SECTIONS (SECTION_ATTRS + 3 * ATTR__MAX)
#define BLOCK_HEADER 1024u
#define BLOCK_NAME 48

struct block_section {
	const uint8_t *p;
	uint32_t n, crc;
	uint8_t state;			/* atomic: 0 not compared yet, 1 good, 2 bad */
};

struct block {
	unsigned refs;			/* atomic */
	uint32_t rows, frames;
	uint32_t crc;			/* of the header, and so of all that it has checksums of: tells it from another of the same place */
	int64_t min_time, max_time;
	struct index_place from, to;
	const uint8_t *map;
	size_t map_len;
	char name[BLOCK_NAME];
	struct block_section sections[BLOCK_SECTIONS];
};

/* Sorts a full tail into the bytes of a block, appended to out (empty). */
int block_build(const struct tailmem *t, const struct index *ix, struct buf *out);
void block_name(const struct index_place *from, char ret[BLOCK_NAME]);
/* check: index_hash() of "check". -EBADMSG and *ret_why (static text) for a bad header. */
int block_open(int dirfd, const char *name, uint64_t check, struct block **ret_b, const char **ret_why);
/* It was written just now: its checksums are of these bytes. */
void block_trust(struct block *b);
struct block *block_ref(struct block *b);
void block_unref(struct block *b);	/* NULL-safe */

/* Takes the block's pages out of our memory again (the page cache may keep them): what a lookup touches is not held. */
void block_forget(struct block *b);

/* Compares all of it with its checksums, or what tells whether it has a value, before a lookup has to. false: damaged. */
bool block_check(struct block *b);
bool block_check_hashes(struct block *b);

/* A walk by this query may follow: the page where its value would stand is asked for, without waiting. */
void block_expect(const struct block *b, const struct index_query *q);

/* Walks the matching rows of one block, newest first. */
struct block_walk {
	struct block *block;		/* borrowed */
	const struct index_query *q;
	uint32_t low, high;		/* rows: low <= row < high */
	const uint8_t *at, *end;	/* of the posting list; NULL: all rows */
	uint64_t row;			/* last one decoded */
	bool started, given;
	struct index_key last;		/* the one given last */
};
/* 1: *ret_k is the next, 0: no more, -EBADMSG: a section is damaged. q must outlive the walk. */
int block_walk_start(struct block *b, const struct index_query *q, struct block_walk *ret_w);
int block_walk_next(struct block_walk *w, struct index_key *ret_k);

#endif
