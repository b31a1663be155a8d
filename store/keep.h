/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep.h - where frames are kept before they are acknowledged, as ingest and the witness see it: a journal and its chains
 * (keep_journal()), or a cluster (clickhouse/cluster.h).
 *
 * Per frame: judge; unless it says DUPLICATE, append; then commit. What was appended is kept for good when a sync that
 * began after it has returned 0. A keeper that cannot know yet whether a frame is a repeat says NEXT, and settles it itself.
 *
 * Threads: judge, append and commit of a host's frames by one; the rest by any.
 */
#ifndef HOSTTRAIL_STORE_KEEP_H
#define HOSTTRAIL_STORE_KEEP_H

#include "chains.h"
#include "journal.h"

/* A question for the heads of a stream. It and its answer belong to who asks, until the sync that brings the answer. */
struct keep_heads {
	char host_id[64], account[32];
	uint8_t stream[16];
	struct chain_head known[CHAIN__MAX];
	struct keep_heads *next;
};

struct keep_ops {
	/* 0, or why nothing can be kept, for good or for now: what waits is refused, what comes too. *ret_why: for people */
	int (*error)(void *ctx, const char **ret_why);
	/* 0, or why heads cannot be told yet. */
	int (*ready)(void *ctx);
	int (*judge)(void *ctx, const struct journal_origin *origin, const struct frame_header *h, const uint8_t hash[32],
		     struct chain_judgement *ret_j);
	int (*append)(void *ctx, const struct journal_origin *origin, int64_t received, uint16_t flags, const void *frame, size_t n,
		      journal_pos *ret_pos);
	void (*commit)(void *ctx, const struct chain_judgement *j);
	int (*sync)(void *ctx);			/* everything that was appended; returns when it is, or never will be */
	int (*sync_own)(void *ctx);		/* after the store's own record; may leave it to the next sync */
	/* 0: answered; 1: the next sync answers. */
	int (*heads)(void *ctx, struct keep_heads *q);
	/* Refused bytes, for people. -EDQUOT: no room. */
	int (*aside)(void *ctx, const char *what, const struct journal_origin *origin, const void *p, size_t n);
	void (*count)(void *ctx, uint64_t *ret_chains, uint64_t *ret_branches);
};

struct keep {
	const struct keep_ops *ops;
	void *ctx;
	/* keep_journal()'s */
	struct journal *journal;
	struct chains *chains;
};

/* Borrows both. chains NULL: nobody judges (tests of the witness). */
void keep_journal(struct keep *k, struct journal *j, struct chains *c);

#endif
