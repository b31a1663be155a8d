/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queries.h - what the operations on queries take and answer, whichever engine runs them (lake/op_query.c, clickhouse/op_jobs.c).
 *
 * What takes: 0, or -EINVAL and the reply is the error. What shows writes members into an object that is open. Threads: any.
 */
#ifndef HOSTTRAIL_STORE_QUERIES_H
#define HOSTTRAIL_STORE_QUERIES_H

#include "index.h"
#include "proto/json.h"
#include "proto/record.h"
#include "reply.h"

#define QUERIES_PAGE_MAX 1000u		/* rows, or queries of a list */
#define QUERIES_DAYS_SHOWN 7

struct json_object;
struct store;

enum query_status { QUERY_QUEUED, QUERY_RUNNING, QUERY_FINISHED, QUERY_FAILED, QUERY_CANCELLED, QUERY_TIMED_OUT, QUERY_STATUS__MAX };
const char *query_status_name(enum query_status s);	/* as CloudTrail has it; of a number that is none, "FAILED" */

/* The reply to a request without a member that it must have, named as CloudTrail names it. -EINVAL. */
int queries_lack(struct reply *r, const char *name);
/* QueryStatement, which must be there. */
int queries_take_statement(struct store *st, struct json_object *in, struct reply *r, const char **ret, size_t *ret_n);
/* QueryId; NULL where there is none. */
int queries_take_id(struct json_object *in, struct reply *r, const char **ret_id);
/* NextToken, good with this binding (token.h), and the member that says how many at most; *ret_at all 0: from the beginning. */
int queries_take_page(struct store *st, struct json_object *in, const char *max_key, const void *binding, size_t n, struct reply *r,
		      unsigned *ret_max, struct index_key *ret_at);

struct query_shown {
	const char *id, *status;
	struct str statement, error;	/* error: empty where it has none */
	uint64_t rows, scanned, bytes;
	int64_t created, finished;	/* wall clock, ns; 0: not yet */
};
void queries_show(struct json *j, const struct query_shown *q);
/* Of a page of results: how many rows it has, and how many there are. */
void queries_show_counts(struct json *j, unsigned n, uint64_t total, uint64_t bytes, struct str error);
/* ListQueries' StartTime and EndTime; without StartTime as far back as queries are shown. */
int queries_take_times(struct json_object *in, struct reply *r, int64_t *ret_from, int64_t *ret_to);
/* ListQueries' QueryStatus, one that there is; NULL: it is not given. */
int queries_take_status(struct json_object *in, struct reply *r, const char **ret);
/* An element of a list. */
void queries_show_listed(struct json *j, const char *id, const char *status, int64_t created);
/* A whole answer: the query, and, unless it is NULL, its status. */
void queries_answer(struct reply *r, const char *id, const char *status);

#endif
