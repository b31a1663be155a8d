/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chains.h - what the store has of each chain of each stream of each certificate's host: which numbers,
 * with which hashes, so that a repeat is known as one, and a fork, a gap and a break are said.
 *
 * A chain is a main branch and, when its sender's numbers were used twice, further branches: clones that
 * continue from one snapshot each keep their own, and every frame of each is kept.
 * For every branch the hashes of all its frames lie in a file <dir>/<host>-<stream>-<chain>-<branch>, 32 bytes a
 * number; memory holds only the heads. The files are derived from the journal and made anew by chains_load();
 * they are never synced.
 *
 * Use, per frame: chains_judge(); unless it says DUPLICATE, append to the journal; then chains_commit(), or
 * nothing when the append failed. Judge reserves the hash's place on disk, so that commit does not fail for lack
 * of space.
 *
 * Bounds: CHAIN_NUMBER_MAX, CHAINS_PER_HOST_MAX, BRANCHES_MAX.
 * Threads: all functions may be called by any thread; judge and commit of one frame must not interleave with
 * another frame's of the same chain (ingest has one thread).
 */
#ifndef HOSTTRAIL_STORE_CHAINS_H
#define HOSTTRAIL_STORE_CHAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "journal.h"
#include "proto/frame.h"

#define CHAIN_NUMBER_MAX (1ull << 36)	/* 1,000 frames a second for two years; keeps files far from any limit */
#define CHAINS_PER_HOST_MAX 65536
#define BRANCHES_MAX 256		/* of one chain */

struct chains;

enum chain_verdict {
	CHAIN_NEXT,		/* continues a branch */
	CHAIN_DUPLICATE,	/* this very frame is there */
	CHAIN_GAP,		/* ahead of the branch: first_missing .. number - 1 are not there (yet) */
	CHAIN_FILL,		/* comes late, into a gap */
	CHAIN_FORK,		/* another frame has this number; this one begins a branch */
	CHAIN_BROKEN,		/* its number is the next, but its previous hash is not ours */
	CHAIN_VERDICT__MAX
};

struct chain_judgement {
	enum chain_verdict verdict;
	uint64_t first_missing;		/* CHAIN_GAP */
	bool broken;			/* CHAIN_FILL: the frame before it is there, and its hash is another */
	uint8_t hash[32];		/* of the frame */
	uint8_t expected[32];		/* CHAIN_FORK: our frame's hash; broken: our previous frame's */
	/* for chains_commit() */
	void *chain;
	unsigned branch;
	uint64_t number;
};

/* Makes dir anew (its files are derived). */
int chains_open(const char *dir, struct chains **ret_c);
void chains_free(struct chains **c);
/* Frames before `next` of this chain were there and are removed; the last one's hash. Before chains_load(). */
int chains_base(struct chains *c, const char *host_id, const uint8_t stream[16], unsigned chain, uint64_t next, const uint8_t last[32]);
/* Takes in every entry of the journal, and keeps it. When that fails (a full disk), the same error is what
 * chains_judge() and chains_ready() say, until one of them, asked again later, could take in the rest.
 * seen (may be NULL) is told how each frame was judged. */
typedef void (*chains_seen_fn)(void *ctx, const struct journal_entry *e, const struct chain_judgement *j);
int chains_load(struct chains *c, struct journal *j, chains_seen_fn seen, void *ctx);
/* 0, or why not everything of the journal is taken in. By the thread that judges. */
int chains_ready(struct chains *c);

/* -EDOM: number out of bounds, -ENFILE: more chains or branches than a host may have; else -errno from the disk. */
int chains_judge(struct chains *c, const char *host_id, const struct frame_header *h, const uint8_t hash[32],
		 struct chain_judgement *ret_j);
/* The head moves even if the hash cannot be written (-errno); then a later repeat of this frame is taken as new. */
int chains_commit(struct chains *c, const struct chain_judgement *j);

/* Next number and last hash of the main branch of each chain of a stream; false where there is none. */
struct chain_head {
	bool known;
	uint64_t next;
	uint8_t last[32];
};
void chains_heads(struct chains *c, const char *host_id, const uint8_t stream[16], struct chain_head ret_heads[CHAIN__MAX]);

/* How many chains and branches there are (metrics). */
void chains_count(struct chains *c, uint64_t *ret_chains, uint64_t *ret_branches);

#define _cleanup_chains_ __attribute__((cleanup(chains_free)))

#endif
