/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames.h - frames as evidence, wherever they are kept: the journal (frames_journal.c), or a cluster's rows (clickhouse/evidence.c).
 * Bytes are handed on as they are, with what was bound to the sender's certificate; that they are not what they were is said.
 *
 * Threads: any. Errors: 0 or -errno; -EAGAIN: not now. OP_WAIT, as ops.h has it, where op_state is given.
 */
#ifndef HOSTTRAIL_STORE_FRAMES_H
#define HOSTTRAIL_STORE_FRAMES_H

#include "ops.h"

#define FRAMES_POSITION 64

/* One frame; valid during the call. */
struct frames_item {
	char position[FRAMES_POSITION];		/* where it lies, for people */
	const char *damaged;			/* what is wrong, and nothing else is there; NULL: it is as it was taken */
	uint64_t length;			/* of what is damaged */
	const struct journal_entry *entry;
	const struct frame_header *header;
};
/* 1: no more after this one. */
typedef int (*frames_fn)(void *ctx, const struct frames_item *f);

struct frames_scan {
	struct index_key at;	/* where to go on; zeros: from the beginning. Only who gave it can read it */
	bool more;		/* something may lie behind it */
	unsigned max;		/* frames at once; there may be fewer */
	frames_fn fn;
	void *ctx;
};

/* The frame that holds a record. */
struct frames_found {
	struct buf bytes;			/* the frame lies in it */
	struct journal_entry entry;
	struct frame_header header;
	char position[FRAMES_POSITION];
	unsigned record;
	unsigned others;			/* other frames that have a record of this id */
};

struct frames_ops {
	/* All that were received from..to (seconds since the epoch), with their payload. */
	int (*all)(struct store *st, struct op_state *state, double from, double to, struct frames_scan *s);
	/* 1: found, 0: there is none. */
	int (*find)(struct store *st, const uint8_t id[16], struct frames_found *ret_f);
	/* Those of the same chain, from the one before it on, without itself; their headers only. */
	int (*chain)(struct store *st, const struct frames_found *f, struct frames_scan *s);
};

extern const struct frames_ops frames_journal;
/* The ones of this store. */
const struct frames_ops *frames_of(const struct store *st);
void frames_found_free(struct frames_found *f);

#endif
