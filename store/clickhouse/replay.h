/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.h - the cluster's frames in the order that arrange.c gave them, as follow.h's followers want them. Threads: any; new and
 * free by one.
 */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_REPLAY_H
#define HOSTTRAIL_STORE_CLICKHOUSE_REPLAY_H

#include "cluster_internal.h"
#include "store/follow.h"

struct replay;

int replay_new(struct cluster *c, struct replay **ret_r);
void replay_free(struct replay **r);		/* NULL-safe */
/* -EAGAIN: a frame that is arranged cannot be seen now. */
int replay_follow(struct store *st, journal_pos from, journal_pos to, follow_fn fn, void *ctx, journal_pos *ret_next);
journal_pos replay_end(struct store *st);
/* As follow_range(), for whom the ledger is asked anew: this store may not be the one that arranges. Where nobody has ever arranged,
 * because there are no trails, this store begins to. */
int replay_range(struct store *st, journal_pos *ret_oldest, journal_pos *ret_end);

/* A frame's row, as frames_select's columns have it in RowBinary; texts within the answer. */
struct frame_row {
	uint64_t key, batch;
	bool strange;			/* its host's names or key are none: nobody of us wrote that */
	struct journal_entry entry;
};
extern const char frames_select[];
/* *p moves behind it. false: it is no row. */
bool frames_next(struct str *p, struct frame_row *ret);

#endif
