/* SPDX-License-Identifier: Apache-2.0 */
/* lake_internal.h - what sealing, queries and operations share. */
#ifndef HOSTTRAIL_STORE_LAKE_LAKE_INTERNAL_H
#define HOSTTRAIL_STORE_LAKE_LAKE_INTERNAL_H

#include <pthread.h>

#include "lake.h"
#include "manifest.h"

#define SEAL_AT_ONCE 4u		/* segments that are written at the same time, at most */

struct query;

/* A segment that holds records which the journal does not have any more: it is not merged. */
struct keepsake {
	char store[UUID_TEXT];
	journal_pos from;
	struct keepsake *next;
};

/* A segment's file that no query which begins now can ask for. */
struct grave {
	char path[160];
	uint64_t generation;
	struct grave *next;
};

struct lake {
	struct store *st;
	struct lake_config config;
	char *dir, *data_dir;			/* <data_dir>/lake */
	char fault[DUCK_WHY_MAX];
	struct manifest *manifest;
	char default_id[UUID_TEXT];

	bool checked;				/* all segments are there; atomic */
	bool retain_soon;			/* what may be removed has changed; atomic */
	pthread_t sealer, watcher;
	bool sealer_runs, watcher_runs;
	unsigned at_once;			/* segments, as there are CPUs */
	pthread_mutex_t lock;			/* everything below */
	pthread_cond_t changed;
	bool stopping;				/* written under it, read by some without: atomic */
	struct query *queries;			/* that have not ended */
	unsigned nqueries;
	struct worker *idle;			/* processes that no query has now, young ones first */
	unsigned nidle;
	unsigned unstarted;			/* processes that could not be, so far */
	uint64_t results;			/* bytes that queries' results take, about */
	unsigned waiting[2];			/* queries, for a process; [1]: of keys that see some records only */
	pthread_cond_t wanted;			/* one of them is; the watcher's */
	uint64_t generation;			/* grows with every merge */
	struct grave *graves;			/* the sealer's */
	struct keepsake *keepsakes;		/* likewise */
	/* how far behind */
	bool caught_up;
	uint64_t seen_base, sealed_since;	/* records */
	int64_t oldest;				/* received, ns; 0: nothing is unsealed */
	bool not_disk;				/* sealing fails for another reason than the disk: nobody waits for it */
	struct lake_stats stats;
};

/* ---- segments.c: files */
/* The scan's rows, sorted, as a file below the lake; fills all of s but from, to, day, id. rows 0: there is none. */
int segment_write(struct lake *l, struct scan *scan, const char *store, struct segment *s, char why[DUCK_WHY_MAX]);
void segment_drop(struct lake *l, const struct segment *s);	/* a file that did not come to be in the manifest */
/* Files that the manifest does not know are what a crash left. */
void segment_sweep(struct lake *l);
/* 0, -ENOENT, -EBADMSG: another size, or (whole) another hash. */
int segment_check(struct lake *l, const struct segment *s, bool whole);

/* ---- sealer.c */
void *sealer_run(void *arg);
/* The stretch [s->from, s->to) of the journal, received on one day, as one segment instead of those that stand for parts of
 * it. rows (0: any): how many there must be. 0 or -errno, logged; -EAGAIN, not logged: the index is not there yet. -EBADMSG:
 * other rows came. */
int seal_stretch(struct lake *l, const struct event_store *e, struct segment *s, uint64_t rows);
/* How many rows sealing it again would give. */
int seal_count(struct lake *l, const struct event_store *e, const struct segment *s, uint64_t *ret_rows);
/* A whole segment waits: those that are written now had better be written quickly. */
bool seal_is_behind(struct lake *l);
bool seal_can_again(struct lake *l, const struct segment *s);	/* the index has been through its stretch */
/* ---- merge.c: one step of housekeeping for this store; 1: something was done. */
int merge_step(struct lake *l, const struct event_store *e);
void graves_dig(struct lake *l);		/* unlinks what no query needs any more */
int grave_add(struct lake *l, const char *path);
/* ---- retain.c: segments older than the store keeps them, and stores whose deletion is due, go; each is said before. 0 or -errno */
int retain_step(struct lake *l);
/* What came and happened before this time (ns) is past. */
int64_t retain_before(struct lake *l, const struct event_store *e);
bool retain_day_is_past(struct lake *l, const struct event_store *e, const char *day);
/* Nothing of the scan is within what the store keeps, or held: it need not be sealed (again). Sorts it. */
bool retain_is_past(struct lake *l, const struct event_store *e, struct scan *scan);
/* Whether rows of this segment may be past; some of a store's are held: then nothing of it is hidden. */
bool retain_straddles(const struct segment *s, int64_t before);
bool retain_has_hold(struct lake *l, const struct event_store *e);

/* ---- query.c */
void *query_watch(void *arg);
bool queries_end(struct lake *l);		/* waits for all; false: some go on all the same */

#endif
