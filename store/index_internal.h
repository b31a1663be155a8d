/* SPDX-License-Identifier: Apache-2.0 */
/* index_internal.h - what the index's writer and its queries share. */
#ifndef HOSTTRAIL_STORE_INDEX_INTERNAL_H
#define HOSTTRAIL_STORE_INDEX_INTERNAL_H

#include <pthread.h>

#include "block.h"
#include "index.h"
#include "siphash.h"
#include "tailmem.h"

/* What a query works on: unchanging, counted, replaced whole. */
struct snapshot {
	unsigned refs;			/* atomic */
	struct tailmem *tails[2];	/* the one being filled; the one being sealed or NULL */
	size_t nblocks;
	struct block *blocks[];
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
	uint64_t records, block_bytes;	/* in blocks */
	int seal_error;
	bool stopping, sealer_runs;
	pthread_t sealer;
};

struct snapshot *snapshot_get(struct index *ix);
void snapshot_unref(struct snapshot *s);
/* Makes what the index holds now visible: its tails, the blocks there were but `without`, and `added`. Locked. */
int index_publish(struct index *ix, const struct block *without, struct block *added);
/* After the blocks are there: the first tail and the sealing thread. */
int index_start(struct index *ix);
/* Takes a damaged block out: its stretch will be indexed again, its file is renamed. */
void index_drop_block(struct index *ix, struct block *b, const char *why);

static inline int place_compare(const struct index_place *a, const struct index_place *b)
{
	if (a->pos != b->pos)
		return a->pos < b->pos ? -1 : 1;
	return a->record < b->record ? -1 : a->record > b->record;
}

#endif
