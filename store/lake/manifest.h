/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.h - what the lake is made of, in SQLite (<dir>/lake.db): event data stores, which stretches of the journal each
 * takes in, sealed segments, queries. A change is synced when the call returns.
 *
 * Threads: any; one lock. Errors: 0, -ENOENT (no such row), -EIO (SQLite; logged with its text), -EBADMSG (the file is
 * damaged), -ENOMEM.
 */
#ifndef HOSTTRAIL_STORE_LAKE_MANIFEST_H
#define HOSTTRAIL_STORE_LAKE_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "scan.h"
#include "store/definitions.h"
#include "store/queries.h"

struct manifest;

struct segment {
	int64_t id;
	char path[160];			/* below the lake's directory */
	journal_pos from, to;
	uint64_t rows, bytes;
	int64_t first, last;		/* event time, seconds */
	char sha256[65];
	char day[11];			/* received, UTC */
};

int manifest_open(const char *path, struct manifest **ret_m);
void manifest_free(struct manifest **m);

/* ---- event data stores; selectors as JSON text, "" takes everything */
int manifest_store_add(struct manifest *m, const struct event_store *e, const char *selectors, journal_pos from);
int manifest_store_get(struct manifest *m, const char *id, struct event_store *ret_e, struct buf *ret_selectors);
int manifest_store_find(struct manifest *m, const char *name, struct event_store *ret_e);
/* In the order in which they were made. A negative answer of fn ends it. */
int manifest_stores(struct manifest *m, definition_fn fn, void *ctx);
/* Name, retention, flags, status, times; and selectors (NULL: those that it has), by which it takes in what comes from `at` on, if it is ENABLED. At once. */
int manifest_store_change(struct manifest *m, const struct event_store *e, const char *selectors, journal_pos at);
int manifest_store_remove(struct manifest *m, const char *id);
/* Its spans; free with scan_spans_free(). */
int manifest_spans(struct manifest *m, const char *id, struct scan_span **ret, unsigned *ret_n);

/* ---- segments */
/* The store's next one; rows 0: there was nothing in the stretch, no file. */
int manifest_seal(struct manifest *m, const char *store, const struct segment *s);
/* One of the same rows instead of those whose stretches lie within [s->from, s->to). */
int manifest_merge(struct manifest *m, const char *store, const struct segment *s);
/* Live ones in the order of the journal, and up to where they reach, as of one moment. */
int manifest_segments(struct manifest *m, const char *store, struct segment **ret, size_t *ret_n, journal_pos *ret_sealed);
/* Gives up all of a store's: it is to be sealed again. */
int manifest_reset(struct manifest *m, const char *store);
/* One that is past goes; where others lie before it, it leaves a hole, over which nothing may be merged. */
int manifest_retire(struct manifest *m, const char *store, const struct segment *s);
int manifest_hole(struct manifest *m, const char *store, journal_pos from, journal_pos to);
/* Where holes begin, in order; free *ret. */
int manifest_holes(struct manifest *m, const char *store, journal_pos **ret, size_t *ret_n);
bool manifest_has_path(struct manifest *m, const char *path);
/* Does an event data store need the journal before `at`: it is not sealed up to there, or has segments of it? *ret_days: the longest
 * that one keeps. */
int manifest_needs(struct manifest *m, journal_pos at, bool *ret_needs, int *ret_days);

/* ---- queries */
struct query_row {
	char id[UUID_TEXT], store[UUID_TEXT], alias[257];
	enum query_status status;
	int64_t created, finished;	/* ns */
	uint64_t scanned, bytes, rows, result_bytes;
};
/* Whose a query is: the key that started it. This, and a query that has not ended, is not waited for to be on disk: a power cut ends the query
 * anyway, and may make it unknown. */
int manifest_query_own(struct manifest *m, const char *query, const char *key, int64_t created);
bool manifest_query_is_of(struct manifest *m, const char *query, const char *key);
/* Nothing where what is there is further on: a query is queued, runs, has ended. */
int manifest_query_put(struct manifest *m, const struct query_row *q, const char *statement, const char *error);
/* By id, or (id NULL) the newest with this alias. */
int manifest_query_get(struct manifest *m, const char *id, const char *alias, struct query_row *ret_q, struct buf *ret_statement,
		       struct buf *ret_error);
/* Where a query's result is to be saved, and how that went (DeliveryStatus). get: -ENOENT if nowhere. */
int manifest_saved_put(struct manifest *m, const char *query, const char *uri, const char *status);
int manifest_saved_get(struct manifest *m, const char *query, struct buf *ret_uri, char ret_status[32]);
/* Newest first, of one store, key NULL: of all keys; before: (created, id) of the last one shown, created 0: from the newest. status -1: any. */
int manifest_queries(struct manifest *m, const char *store, const char *key, int64_t from, int64_t to, int status, const struct query_row *before,
		     struct query_row *ret, unsigned max, unsigned *ret_n);
/* What ran when the store ended has failed. */
int manifest_queries_broken(struct manifest *m, const char *why);
/* Forgets queries older than that; calls fn with each one's id. */
int manifest_queries_expire(struct manifest *m, int64_t before, void (*fn)(void *ctx, const char *id), void *ctx);
/* Bytes that results and statements of all queries take. */
int manifest_queries_size(struct manifest *m, uint64_t *ret_bytes);
/* Forgets queries that have ended until they take no more than that: of the key that has most its oldest first, so that nobody's go for what another one
 * keeps asking. fn as above. */
int manifest_queries_trim(struct manifest *m, uint64_t bytes, void (*fn)(void *ctx, const char *id), void *ctx);

#endif
