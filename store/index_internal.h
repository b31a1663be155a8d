/* SPDX-License-Identifier: Apache-2.0 */
/* index_internal.h - what the index's writer and its queries share. */
#ifndef HOSTTRAIL_STORE_INDEX_INTERNAL_H
#define HOSTTRAIL_STORE_INDEX_INTERNAL_H

#include <pthread.h>

#include "block.h"
#include "hashdir.h"
#include "index.h"
#include "siphash.h"
#include "tailmem.h"

/* What a query works on: unchanging, counted, replaced whole. */
struct snapshot {
	unsigned refs;			/* atomic */
	struct tailmem *tails[2];	/* the one being filled; the one being sealed or NULL */
	size_t nblocks, ndirs;
	struct hashdir **dirs;		/* behind the blocks; no two have a block in common */
	struct block *blocks[];
};

/* What is to be otherwise in the next snapshot. */
struct index_change {
	const struct block *block_out;	/* and the directories that have it */
	struct block *block_in;
	const struct hashdir *dir_out;
	struct hashdir *dir_in;		/* instead of those that have a block of it */
};

/* A stretch [from, to) that no good block stands for. */
struct stretch {
	struct index_place from, to;
};

struct index {
	char *dir;
	int dirfd;
	uint32_t tail_records;
	struct siphash_key key;
	uint64_t check;
	void (*say)(void *ctx, const char *path, const char *why);
	void *say_ctx;

	pthread_mutex_t lock;		/* everything below */
	pthread_cond_t changed;
	struct snapshot *snap;
	struct tailmem *tail, *sealing;	/* tail: the writer's; snap holds its own reference */
	struct stretch *missing;
	size_t nmissing;
	bool in_missing;		/* the writer works on missing[0] */
	struct index_place done, resume;	/* resume: where to go on after a missing stretch */
	struct index_place next;	/* right behind what was added last; the writer's, who goes on there after a failure, and adds nothing twice */
	uint64_t records, block_bytes;	/* in blocks */
	int seal_error, gather_error;
	bool stopping;			/* set atomically: builds ask without the lock */
	bool gathering;			/* blocks wait to be entered into a directory */
	bool sealer_runs, gatherer_runs;
	pthread_t sealer, gatherer;
};

struct snapshot *snapshot_get(struct index *ix, bool partial);	/* NULL: a stretch is missing, and partial is false */
void snapshot_unref(struct snapshot *s);
/* Makes what the index holds now visible: its tails, and the blocks and directories there were, changed. Directories that leave are
 * deleted. change: or NULL. Locked. */
int index_publish(struct index *ix, const struct index_change *change);
/* After the blocks are there: the first tail and the threads. */
int index_start(struct index *ix);
void index_wait(struct index *ix, int seconds);		/* or until it stops. Locked */

/* index_gather.c: which blocks are entered into which directory. */
int index_take_dirs(struct index *ix);			/* those that are on disk */
void *index_gather(void *ix);				/* the thread */
/* Takes a damaged block out: its stretch will be indexed again, its file is renamed. */
void index_drop_block(struct index *ix, struct block *b, const char *why);
void index_drop_dir(struct index *ix, struct hashdir *d, const char *why);	/* likewise; it is made anew from its blocks */

static inline int place_compare(const struct index_place *a, const struct index_place *b)
{
	if (a->pos != b->pos)
		return a->pos < b->pos ? -1 : 1;
	return a->record < b->record ? -1 : a->record > b->record;
}

#endif
