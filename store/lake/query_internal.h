/* SPDX-License-Identifier: Apache-2.0 */
/* query_internal.h - between a query's life (query.c), what it is made of (query_make.c) and its result's file (query_result.c). */
#ifndef HOSTTRAIL_STORE_LAKE_QUERY_INTERNAL_H
#define HOSTTRAIL_STORE_LAKE_QUERY_INTERNAL_H

#include "query.h"
#include "sandbox.h"
#include "save.h"
#include "store/caller.h"
#include "worker.h"

struct table {
	struct scan *scan;
	journal_pos from;		/* behind the segments */
};

struct query {
	struct lake *lake;
	const struct caller *caller;	/* belongs to the store's keys; NULL: nobody in particular */
	struct query_row row, queued;	/* queued: as it was when it was started */
	char *statement;		/* as it was given */
	char **params;
	unsigned nparams;
	char *save_uri;			/* NULL: the result is not saved */
	struct save_place save;
	struct worker *worker;		/* changed under the lock of the lake: it is ended from outside */
	bool owes;			/* it has not answered yet */
	struct table tables[SANDBOX_TABLES_MAX];
	unsigned ntables;
	struct time_bound times;	/* of the events that the statement can want */
	journal_pos upto;
	uint64_t generation;		/* of merges, when it took its segments */
	uint64_t deadline;		/* boot-time ns */
	bool cancelled, late;		/* lock of the lake, down to adopted */
	bool outgrown;			/* ended for its memory */
	bool made;			/* checked and bound, or refused: fault, why */
	bool adopted;			/* whoever asked has its id before that, or is gone */
	enum query_fault fault;
	char why[DUCK_WHY_MAX];
	unsigned refs;			/* the thread's, and of whoever waits for it to be made */
	char error[DUCK_WHY_MAX];
	pthread_t thread;
	struct query *next;
};

bool query_ended(struct query *q);	/* it is to end: cancelled, late, or the lake stops */
bool query_is_to_end(const struct query *q);	/* the same, under the lock of the lake */
/* To its process, and back; -EPIPE: that is gone. */
int query_send(struct query *q, enum wire_type type, const struct buf *body);
int query_receive(struct query *q, enum wire_type *ret_type, struct buf *body);

/* ---- query_make.c */

/* Has its statement checked, finds its tables, has it bound; why: for whoever asked. */
enum query_fault query_make(struct query *q, char why[DUCK_WHY_MAX]);
/* So much of its tables was looked at. */
void query_scanned(struct query *q, uint64_t records, uint64_t bytes);

/* ---- query_result.c */

/* Runs what is bound. Counts into the row as it writes; -E2BIG: too many rows or bytes. On an error q->error may say it. */
int query_run(struct query *q);
void query_drop_result(struct lake *l, const char *id);

#endif
