/* SPDX-License-Identifier: Apache-2.0 */
/* writer_internal.h - what writer.c and writer_open.c share. */
#ifndef HOSTTRAIL_WRITER_INTERNAL_H
#define HOSTTRAIL_WRITER_INTERNAL_H

#include "writer.h"

#define BAD_SEGMENTS_MAX 64

struct bad_segment {
	unsigned chain;
	uint64_t first, last;		/* frames; last < first: to the chain's end */
	char *path;
};

struct writer {
	struct writer_config config;
	struct spool *spool;
	struct spoolstate *state;
	struct cursor *cursor;
	struct settle *settle;
	struct pipeline *pipeline;
	struct rings *rings;
	struct idlog *ids;
	struct spoolstate_head head, previous;
	uint8_t previous_hash[32];	/* last control frame of the previous stream */
	struct buf previous_settled;
	bool has_previous;
	struct buf frame;
	struct frame_header h;		/* large: not for the stack */
	struct rings_mark mark[HT_CLASS__MAX];	/* read and in appended frames, or of no interest */
	bool marked[HT_CLASS__MAX];
	uint64_t synced[CHAIN__MAX];	/* frames below are synced */
	bool blocked;			/* the control chain has no space: its losses wait */
	uint64_t blocked_until, dirty_since, trim_next, old_next, old_acknowledged;
	struct writer_stats stats;
	struct bad_segment bad[BAD_SEGMENTS_MAX];
	unsigned nbad;
	int found_error;
	char skipped[CHAIN__MAX][96];	/* why a chain's numbers were passed over at the start; "" */
};

/* Numbers that the cursor names as acknowledged are never given to new frames. In words into why, if there were any. */
int writer_follow_cursor(struct writer *w, unsigned chain, char *why, size_t max);

void trim_old_streams(struct writer *w);	/* oldstreams.c */

#endif
