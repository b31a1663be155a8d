/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outlet.h - one chain of one stream on its way out: where its reading stands, what of it is in flight, and up to
 * where it is acknowledged.
 *
 * Frames leave in order; what is in flight is a queue of requests, and only its front moves `acked`. When the
 * link goes down the outlet is rewound to `acked` and reads those frames again: nothing that was read is kept in memory.
 * Threads: one. Errors 0/-errno.
 */
#ifndef HOSTTRAIL_FORWARDER_OUTLET_H
#define HOSTTRAIL_FORWARDER_OUTLET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "proto/shipmsg.h"
#include "proto/spool.h"

#define REQUEST_FRAMES 64
#define REQUEST_BYTES (1u << 20)	/* a request closes at this size; one frame may be larger */

struct outlet;

/* One call to the store. */
struct request {
	struct outlet *outlet;		/* NULL: a question for heads */
	uint8_t stream[16];
	uint64_t numbers[REQUEST_FRAMES];
	unsigned frames, settled;	/* settled: of the front, once the answer is here */
	size_t bytes;
	bool answered;
	struct request *next;
};

struct outlet {
	uint8_t stream[16];
	unsigned chain;
	char name[48];			/* "<stream>/<chain>" */
	int watch;			/* of follow.c; -1: none */
	bool seen;			/* by the present scan */
	bool gone;			/* its folder is no more; goes when nothing is in flight */
	bool placed;			/* acked is known: from the cursor, or the store was asked */
	bool more;			/* there may be something to read */
	uint64_t acked;			/* all before this number is acknowledged */
	uint64_t unread;		/* number after the last frame that went into a request */
	uint64_t corrupt;		/* places that were skipped */
	struct spool_reader *reader;
	const uint8_t *held;		/* read, not in a request yet; the reader's memory */
	size_t held_len;
	uint64_t held_number;
	struct request *first, **last;	/* in flight */
	struct outlet *prev, *next;
};

/* Compares by urgency: control before data before tls, then by stream. */
int outlet_compare(const struct outlet *a, const struct outlet *b);
int outlet_new(const uint8_t stream[16], unsigned chain, struct outlet **ret_o);
void outlet_free(struct outlet *o);	/* requests in flight too */

/* Sets where to begin. head (may be NULL): what the store says it has; frames are left out only if ours is the same. */
void outlet_place(struct outlet *o, const char *spool_dir, const struct ship_head *head);
/* true: a frame is at hand (held). Skips what is corrupt. */
bool outlet_peek(struct outlet *o, const char *spool_dir);
/* Moves frames into body until the request is full; the first must be held. Queues q when it has any: 0, else -errno. */
int outlet_fill(struct outlet *o, const char *spool_dir, struct request *q, struct buf *body);
/* Takes answered requests off the front. true: acked moved. */
bool outlet_settle(struct outlet *o);
/* Forgets what is in flight and reads again from acked. */
void outlet_rewind(struct outlet *o);
/* Frames that are not acknowledged, at least; 0 only if there is none. */
uint64_t outlet_lag(struct outlet *o, const char *spool_dir);

#endif
