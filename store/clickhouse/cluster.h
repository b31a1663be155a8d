/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster.h - `engine: clickhouse`: frames and records live in a cluster, and the store in front of it keeps nothing.
 * README.md in this folder tells how.
 *
 * Threads: open, start, stop, free by one; the keep by ingest and the witness; operations by any. A thread of its own writes,
 * one looks after the cluster, one runs each query.
 */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_CLUSTER_H
#define HOSTTRAIL_STORE_CLICKHOUSE_CLUSTER_H

#include "client.h"
#include "store/engine.h"
#include "store/keep.h"
#include "store/store.h"

struct cluster;
struct delivery;

struct cluster_config {
	struct ch_config clickhouse;
	int64_t linger_ns;		/* between two inserts, unless there is much */
	int64_t query_ns;
	uint64_t query_rows;
	uint64_t memory;		/* of a query */
	const char *duckdb;		/* its parser reads users' SQL */
};

/* -EINVAL: the settings are wrong; a cluster that does not answer yet is no error. */
int cluster_open(struct store *st, const struct cluster_config *c, struct cluster **ret_c, char why[CH_WHY_MAX]);
int cluster_start(struct cluster *c);
/* The ledger of trails is kept in the cluster: config->ship of the store's delivery. ctx: the cluster. */
int cluster_ship(void *ctx, const void *p, size_t n);
/* Delivers from then on whenever it is this store's turn. interval_ms: deliveries'; always: also without trails. */
int cluster_deliver(struct cluster *c, struct delivery *d, int64_t interval_ms, bool always);
/* No more of it; NULL-safe. Before cluster_stop(). */
void cluster_deliver_end(struct cluster *c);
/* Nothing more is written after it; NULL-safe. */
void cluster_stop(struct cluster *c);
void cluster_free(struct cluster **c);

struct keep *cluster_keep(struct cluster *c);
extern const struct engine_ops cluster_engine;

#endif
