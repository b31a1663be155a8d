/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query.h - queries: checked and bound when they are started, run by a thread each, results kept in a file.
 *
 * A query sees what was acknowledged when it was started: the segments of that moment, and behind them the journal up to
 * its end at that moment. Results: <lake>/results/<id>, a JSON text per row, as GetQueryResults shows it.
 *
 * Threads: any.
 */
#ifndef HOSTTRAIL_STORE_LAKE_QUERY_H
#define HOSTTRAIL_STORE_LAKE_QUERY_H

#include "lake_internal.h"

struct save_place;

enum query_fault {
	QUERY_OK,
	QUERY_BAD_STATEMENT,
	QUERY_NO_STORE,		/* no such event data store */
	QUERY_INACTIVE_STORE,	/* its deletion is pending */
	QUERY_TOO_MANY,
	QUERY_TOO_MANY_OF_KEY,
	QUERY_BROKEN,		/* the store's own fault */
};

struct query_request {
	const char *statement;
	size_t statement_len;
	const struct caller *caller;	/* what it may see is all that there is; NULL: everything */
	const char *alias;		/* NULL: none */
	const char *save_uri;		/* where the result is saved; NULL: nowhere */
	const struct save_place *save;	/* the same, read */
	const char *const *params;
	unsigned nparams;
};

struct query;

/* *ret_q is being checked and bound, by a thread of its own: query_answer() or query_let_go() must follow. Anything but QUERY_OK: why says so to whoever asked. */
enum query_fault query_start(struct lake *l, const struct query_request *request, struct query **ret_q, char why[DUCK_WHY_MAX]);
/* Waits so long for whether it runs (*ret_f, ret_id; why as above), and lets it go; false: that is not known yet, it is not let go.
 * last: it is not waited for any longer, whether it can be bound is what it ends with. */
bool query_answer(struct query *q, unsigned ms, bool last, enum query_fault *ret_f, char ret_id[UUID_TEXT], char why[DUCK_WHY_MAX]);
void query_let_go(void *q);	/* nobody waits for the answer */
/* 0, or -ENOENT: it is not running. */
int query_cancel(struct lake *l, const char *id);
/* Generation of merges before which no query that runs now began. */
uint64_t query_oldest(struct lake *l);
/* How long a query may be asked for: 7 days. */
void queries_expire(struct lake *l);
/* Of results that together are more than may be, some go. After q has ended. */
void queries_trim(struct lake *l, const struct query_row *q);

/* Rows from byte `at` of the result on, at most max, as elements of an array, into out; *ret_at: where to go on. */
int query_results(struct lake *l, const char *id, uint64_t at, unsigned max, struct buf *out, uint64_t *ret_at, unsigned *ret_n);

#endif
