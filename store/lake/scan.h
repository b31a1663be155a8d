/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan.h - a stretch of the journal as a table of the engine: SELECT ... FROM hosttrail_scan(id).
 *
 * Rows are made when they are asked for, from frames decoded once and cached, and only the columns that are asked for:
 * so the tail that is not sealed yet costs no memory, and the sealer reads by the same way. Frames are shared out among
 * the engine's threads.
 *
 * Ownership: counted; the id is good while a reference is held. Threads: any.
 */
#ifndef HOSTTRAIL_STORE_LAKE_SCAN_H
#define HOSTTRAIL_STORE_LAKE_SCAN_H

#include "engine.h"
#include "proto/selectors.h"
#include "store/store.h"

/* What an event data store takes in: records from `from` on and before `to` that the selectors (NULL: all) select. */
struct scan_span {
	journal_pos from, to;
	struct selectors *selectors;
};

struct scan_row {
	int64_t time;			/* ns */
	uint32_t frame, record;
};

struct scan {
	struct store *st;
	uint64_t id;
	struct {
		journal_pos pos;
		uint32_t records;
	} *frames;
	size_t nframes, cap;
	struct scan_span *spans;
	unsigned nspans;
	struct scan_row *order;		/* after scan_sort(): all rows, by time */
	size_t nrows;
	uint64_t records;		/* in the frames, before selection */
	uint64_t bytes;			/* of the frames */
	int64_t first_received;		/* 0: no frames */
	unsigned refs;			/* atomic */
	struct scan *next;		/* in the list of all */
};

/* Takes the spans over, also on failure. */
int scan_new(struct store *st, struct scan_span *spans, unsigned nspans, struct scan **ret_s);
struct scan *scan_ref(struct scan *s);
void scan_unref(struct scan *s);		/* NULL-safe */
void scan_spans_free(struct scan_span *spans, unsigned n);

/* Adds the frames of [from, to) until there are `max` records, or one was received on another day (UTC; same_day);
 * *ret_next: behind the last one that was added or passed over. Only what is indexed; before the scan is used. */
int scan_fill(struct scan *s, journal_pos from, journal_pos to, uint64_t max, bool same_day, journal_pos *ret_next);

/* Picks out the rows and puts them in the order of their time: then the table gives them in this order, by one thread, and
 * nobody has to hold all of them to sort. */
int scan_sort(struct scan *s);

/* Makes hosttrail_scan() known to a database. */
int scan_register(duckdb_connection c, char why[DUCK_WHY_MAX]);

#endif
