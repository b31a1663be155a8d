/* SPDX-License-Identifier: Apache-2.0 */
/* cluster_internal.h - what writing, looking after the cluster and operations share. */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_CLUSTER_INTERNAL_H
#define HOSTTRAIL_STORE_CLICKHOUSE_CLUSTER_INTERNAL_H

#include "cluster.h"
#include "repeats.h"
#include "rows.h"

#define PENDING_BYTES (64u << 20)	/* of frames that wait; beyond it senders are put off */
#define BATCH_BYTES (8u << 20)		/* of frames, */
#define BATCH_RECORDS 50000u		/* and records, of one insert */
#define TROUBLE_NS (5 * NS_PER_SEC)	/* so long it is tried again before senders are told to go elsewhere */
#define DOUBLES_MAX 1024
#define DEFINITIONS_AGE_NS (2 * NS_PER_SEC)

struct pending {
	struct ch_frame *frame;
	uint64_t ticket;
	struct pending *next;
};

/* A frame that two stores wrote at the same time: the rows of this batch do not count. */
struct double_frame {
	uint64_t batch, framekey;
};

struct cluster_stats {
	uint64_t frames, records, duplicates, inserts, failures, rows_bytes, doubles;
};

struct days;
struct removed_last;
struct definitions;
struct jobs;

struct cluster {
	struct store *st;
	struct cluster_config config;
	struct ch ch;
	struct keep keep;
	struct decoded_cache *cache;	/* holds nothing */
	pthread_t flusher, keeper;
	bool flusher_runs, keeper_runs;
	pthread_mutex_t lock;		/* everything below */
	pthread_cond_t work, done;
	struct pending *first, **end;
	struct keep_heads *asks;
	uint64_t first_ask;		/* ticket of the oldest of them */
	size_t bytes;			/* of frames that wait */
	uint64_t records;
	uint64_t appended, flushed;	/* tickets */
	bool stopping;
	uint64_t trouble;		/* since, boot-time ns; 0: none */
	char why[CH_WHY_MAX];
	struct cluster_stats stats;
	struct double_frame doubles[DOUBLES_MAX];
	unsigned ndoubles;
	struct jobs *jobs;
	struct lease *lease;		/* NULL: nothing is delivered */
	struct replay *replay;
	struct definitions *definitions;
	struct days *days;
	char store_id[UUID_TEXT];	/* of the built-in event data store: the same at every store */
};

/* ---- flush.c */
void *cluster_flush(void *arg);
/* ---- care.c: servers that come back, frames that are there twice */
void *cluster_care(void *arg);
/* " AND NOT (...)" for what does not count; adds nothing when there is nothing, as always but after a race. */
void cluster_hide(struct cluster *c, struct buf *sql);
/* Sleeps, or wakes when the store ends: true then. */
bool cluster_sleep(struct cluster *c, uint64_t ns);

/* " AND account IN (...)" and so on: what a caller may see; nothing where that is everything. search.c */
void cluster_scope(const struct caller *caller, struct buf *sql);

/* A statement to any server, its answer's lines of numbers. */
typedef int (*cluster_line_fn)(void *ctx, const char *line);
int cluster_lines(struct cluster *c, struct ch_link *l, struct buf *sql, cluster_line_fn fn, void *ctx, char *why);

/* ---- partitions.c: those of the table whose number is below go, as far as the server can */
void partitions_drop(struct ch *ch, struct ch_link *l, struct ch_server *s, const char *table, uint64_t before);

/* ---- definitions.c: event data stores, whose definitions are in the ledger */
int definitions_new(struct cluster *c, struct definitions **ret_d);
int definitions_start(struct definitions *d);		/* reads them from then on */
void definitions_end(struct definitions *d);		/* after the cluster's stopping is set; NULL-safe */
void definitions_free(struct definitions **d);		/* NULL-safe */
/* What takes in records that come now, not older than DEFINITIONS_AGE_NS if the cluster tells it; give it back. NULL and why: it is not known at all yet. */
struct membership *definitions_membership(struct definitions *d, char why[CH_WHY_MAX]);
void membership_put(struct membership *m);		/* NULL-safe */
extern const struct definitions_ops cluster_definitions;

/* ---- keeping.c: what is locked and held, and the clock of retention */
int keeping_open(struct cluster *c);
int keeping_refresh(struct cluster *c);			/* as this store's copy of the ledger has it */
void keeping_tick(struct cluster *c, uint64_t *saved);	/* every second or so; *saved: 0 at first */

/* ---- days.c: days that are past are removed, while this store leads */
int days_start(struct cluster *c);
void days_end(struct days **d);		/* after the cluster's stopping is set; NULL-safe */
/* Of the servers' answer; free *ret, also after an error. -EBADMSG. */
int days_take_heads(struct str rest, struct removed_last **ret, size_t *ret_n);
int op_list_days(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);	/* op_days.c */

/* ---- operations */
struct cluster *cluster_of(struct store *st);
op_fn cluster_ledger_op(const char *name);
int cluster_lookup(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int cluster_status(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
struct json;
struct json_object;
struct index_key;
/* The rows of LookupEvents' answer that are wanted; *ret_last: the last one's place. Gives how many there were, or -EBADMSG. search.c */
int cluster_take_rows(struct json_object *answer, struct json *j, unsigned max, unsigned *shown, struct index_key *ret_last);
/* Status's, likewise. answers.c */
void cluster_take_hosts(struct json_object *answer, struct json *j);
extern const struct frames_ops cluster_frames;	/* evidence.c */

#endif
