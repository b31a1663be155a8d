/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lake.h - immutable columnar segments over the journal, and SQL over them. README.md in this folder tells how.
 *
 * The engine is in the processes that run queries (worker.h), and nowhere else. Without it (no library) everything else of the store works;
 * lake_fault() says what is wrong, and every operation of the lake answers with it.
 *
 * Threads: open, start, stop, free by one, which lives as long as the lake; the rest by any. A thread of its own seals (more beside it, while much waits), one
 * watches over queries, and each query that runs has one.
 */
#ifndef HOSTTRAIL_STORE_LAKE_LAKE_H
#define HOSTTRAIL_STORE_LAKE_LAKE_H

#include "store/store.h"

#define LAKE_QUERIES_MAX 10	/* at once, as CloudTrail */

struct lake;

struct lake_config {
	const char *dir;		/* the store's data directory */
	const char *library;		/* libduckdb.so; NULL or "": found beside the program */
	const char *program;		/* the store's own, which runs queries in processes: it knows WORK_MODE (work.h) */
	uint64_t seal_records;		/* a segment is sealed at so many records, */
	int64_t seal_ns;		/* or when the oldest unsealed one has waited so long */
	uint64_t memory;		/* of the engine, for all queries together */
	int64_t query_ns;		/* a query may run so long */
	uint64_t query_rows;		/* and give so many rows */
	uint64_t results;		/* bytes that all queries' results may take */
	int64_t idle_ns;		/* a query's process that has answered waits so long for the next */
	bool scopes;			/* there are keys that may see some records only */
	bool rebuild;			/* all segments are made anew from the journal */
};

struct lake_stats {
	uint64_t segments, segment_bytes, segment_rows;	/* sealed since the start */
	uint64_t seals, seal_failures, merges;
	uint64_t unsealed;		/* records, of the default store */
	int64_t unsealed_age;		/* ns, of the oldest */
	unsigned running;		/* queries */
};

/* 0 also when there is no engine; -errno when the manifest cannot be opened. */
int lake_open(struct store *st, const struct lake_config *c, struct lake **ret_l);
int lake_start(struct lake *l);
/* Ends its threads and processes. False: a query's result is still on its way to a bucket, and what that uses stays; the process can only end. NULL-safe. */
bool lake_free(struct lake **l);

const char *lake_fault(const struct lake *l);	/* NULL: it works */
/* Sealing is too far behind: acknowledgements are to be withheld. NULL-safe. */
bool lake_hold(struct lake *l);
/* Is the journal before `at` needed, and for how many days at least is it kept? True also where that cannot be told. NULL-safe. */
bool lake_needs(struct lake *l, journal_pos at, int *ret_days);
/* What an event data store keeps, or what is held, has changed: removal is looked at now, not within the minute. NULL-safe. */
void lake_retain_soon(struct lake *l);
void lake_stats(struct lake *l, struct lake_stats *ret_s);

#endif
