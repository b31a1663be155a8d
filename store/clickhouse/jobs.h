/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs.h - StartQuery and what belongs to it. A query runs in a thread of the store that took it; what becomes of it, and its
 * rows, are kept in the cluster, so that any store tells them.
 *
 * Threads: open and close by one; operations by any. At most CH_QUERIES_MAX run at once in a store.
 */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_JOBS_H
#define HOSTTRAIL_STORE_CLICKHOUSE_JOBS_H

#include "cluster_internal.h"

#define CH_QUERIES_MAX 10

/* Loads the parser; without it StartQuery says why it cannot. */
int jobs_open(struct cluster *c, struct jobs **ret_j);
void jobs_close(struct jobs **j);		/* ends those that run. NULL-safe */

int cluster_start_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int cluster_describe_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int cluster_get_query_results(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int cluster_cancel_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int cluster_list_queries(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);

#endif
