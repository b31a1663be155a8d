/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repeats.h - which frames the cluster has: asked for those that a batch is about, so that a store needs no memory of its own
 * to tell a repeat, and any store can go on with any host.
 *
 * Threads: one at a time per struct repeats.
 */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_REPEATS_H
#define HOSTTRAIL_STORE_CLICKHOUSE_REPEATS_H

#include "client.h"
#include "rows.h"
#include "store/keep.h"

struct repeats;

int repeats_new(struct repeats **ret_l);
void repeats_free(struct repeats **l);

/* Learns what the cluster has at the frames' numbers, and right before them. */
int repeats_load(struct repeats *l, struct ch *ch, struct ch_link *link, const struct ch_frame *frames, char why[CH_WHY_MAX]);
/* The frame's place, as far as what was learned tells; it is known from then on. *ret_alone: there is nothing right before
 * it, so that it may be a gap's end, or fill one: repeats_around() tells. */
int repeats_judge(struct repeats *l, const struct ch_frame *f, struct chain_judgement *ret_j, bool *ret_alone);
/* Turns j into what it is: CHAIN_GAP, CHAIN_FILL or CHAIN_NEXT. */
int repeats_around(struct ch *ch, struct ch_link *link, const struct ch_frame *f, struct chain_judgement *j, char why[CH_WHY_MAX]);
/* Answers questions for heads: the highest number of each chain. */
int repeats_heads(struct ch *ch, struct ch_link *link, struct keep_heads *asks, char why[CH_WHY_MAX]);
/* On how many servers of home's shard the frame is, as part of this batch. */
int repeats_copies(struct ch *ch, struct ch_link *link, const struct ch_server *home, const struct ch_frame *f, uint64_t batch, unsigned *ret_n,
		   char why[CH_WHY_MAX]);

/* Lines of host, stream, chain, number, hash between tabs. -EBADMSG. Exposed for tests. */
int repeats_read(struct repeats *l, const char *text, size_t n);

#endif
