/* SPDX-License-Identifier: Apache-2.0 */
/* deliver_internal.h - a trail's thread: gathering records (gather.c), files and digests on their way (round.c). */
#ifndef HOSTTRAIL_STORE_DELIVER_INTERNAL_H
#define HOSTTRAIL_STORE_DELIVER_INTERNAL_H

#include <pthread.h>

#include "deliver.h"
#include "logfile.h"
#include "proto/selectors.h"

#define PARTS_MAX 64		/* accounts and regions in one go */

/* Records of one account and region. */
struct part {
	char account[32], region[64];
	struct logfile *file;
};

/* What a trail's next files will hold. */
struct batch {
	struct part parts[PARTS_MAX];
	unsigned n;
	uint64_t bytes;			/* uncompressed */
	int64_t first;			/* arrival of the first record, wall clock ns */
	bool full;
};

struct worker {
	struct delivery *d;
	int64_t id;			/* of the trail; TO_HOOK: which of the settings */
	pthread_t thread;
	enum worker_kind { TO_BUCKET, TO_GROUP, TO_HOOK } kind;
	/* Takes the record whose JSON is in `json`; sets batch.full where it is the last one. -E2BIG: it does not fit any more. */
	int (*take)(struct worker *w, struct decoded *d, int64_t time);
	bool ended;			/* atomic: the trail is gone */
	bool woken;			/* the delivery's lock */
	struct worker *next;
	/* the thread's own */
	struct trail trail;
	struct span span;		/* id 0: none */
	struct index_place cursor;	/* in the batch, or not selected, up to here */
	struct batch batch;
	struct events *events;		/* feed.c's */
	struct posts *posts;		/* hook.c's */
	struct selectors *selectors;
	struct buf selectors_text, json, text;
	bool noted, noted_multi, noted_validation;	/* what the ledger was told that holds from the cursor on, in */
	int64_t noted_span;
	struct index_place behind;	/* the record that is taken */
	bool fresh;			/* the bucket has not seen the files that are decided on */
	unsigned failures;		/* atomic; in a row */
	uint64_t retry_at, saved_at;	/* boot-time ns */
};

struct delivery {
	struct store *st;
	struct delivery_config config;
	char *dir;
	struct buckets *buckets, *groups, *hooks;
	struct ledger *ledger;
	pthread_mutex_t lock;
	pthread_cond_t news;		/* of CLOCK_MONOTONIC */
	struct worker *workers;
	struct delivery_counts counts;	/* atomic each */
	bool running;
	bool stop;			/* atomic */
};

bool delivery_stopping(const struct delivery *d);

bool delivery_round(struct worker *w);	/* false: the trail is gone */

bool feed_round(struct worker *w);		/* likewise */
void feed_clear(struct worker *w);
int feed_take(struct worker *w, struct decoded *d, int64_t time);

bool hook_round(struct worker *w);
void hook_clear(struct worker *w);
int hook_take(struct worker *w, struct decoded *d, int64_t time);

int gather_into_file(struct worker *w, struct decoded *d, int64_t time);
void batch_clear(struct batch *b);
/* Goes on in the span until the batch is full, the span's end, or what is indexed. 0 or -errno. */
int gather(struct worker *w);
/* The trail's selectors, when they changed. */
int gather_selectors(struct worker *w);

#endif
