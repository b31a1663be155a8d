/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow.h - for whoever derives something from the journal behind the tailer (lake, log files, alarms): frames,
 * decoded, in the order of the journal, each follower from a position of its own.
 *
 * A follower keeps its position with what it makes, and goes on there after a restart; nothing is pushed, so that a slow
 * follower holds nobody up. Frames come from the cache of decoded ones, where the tailer has just put them. Frames of
 * which nothing counts (tombstones, refused ones) are passed over.
 *
 * Threads: any; a frame's reader under decoded_lock().
 */
#ifndef HOSTTRAIL_STORE_FOLLOW_H
#define HOSTTRAIL_STORE_FOLLOW_H

#include "store.h"

/* header is there; its payload is not (ask d). The frame is not locked. Negative: the call ends with it; 1: it ends before
 * this frame. */
typedef int (*follow_fn)(void *ctx, const struct journal_entry *e, struct decoded *d);

/* Frames from `from` on that are indexed and lie before `to` (UINT64_MAX: no end). *ret_next: where to go on. */
int follow_frames(struct store *st, journal_pos from, journal_pos to, follow_fn fn, void *ctx, journal_pos *ret_next);
/* What there is to follow from the oldest on, and where it ends now: before that, all is indexed. -EAGAIN: nobody can say. */
int follow_range(struct store *st, journal_pos *ret_oldest, journal_pos *ret_end);
journal_pos follow_end(struct store *st);	/* behind the last frame that can be followed, or will be */
/* 1: a fork's record that is, with the very same content, in a frame before this one: it counts there, and not here. 0, or
 * nobody can say: -EAGAIN, a stretch of the index is being made anew; -ENOMEM, -EMFILE ..., the other frame could not be read now. The caller holds decoded_lock(d); texts borrowed
 * from its reader end. */
int follow_is_repeat(struct store *st, struct decoded *d, unsigned i);
/* Whether this record of a forked branch is indexed from any other frame, as far as there is an index. Likewise, but for -EAGAIN. */
int follow_is_indexed(struct store *st, struct decoded *d, unsigned i);

#endif
