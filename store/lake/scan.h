/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan.h - a stretch of the journal as rows of an event data store.
 *
 * Rows are made when they are asked for, from frames decoded once and cached: so the tail that is not sealed yet costs no memory. A query's
 * process asks for them by the frame: scan_serve(). The sealer reads the same rows in the order of their time: scan_sort(), scan_each().
 *
 * Ownership: who made it. Threads: one at a time.
 */
#ifndef HOSTTRAIL_STORE_LAKE_SCAN_H
#define HOSTTRAIL_STORE_LAKE_SCAN_H

#include "engine.h"
#include "proto/selectors.h"
#include "store/store.h"
#include "walk.h"

/* What an event data store takes in: records from `from` on and before `to` that the selectors (NULL: all) select. */
struct scan_span {
	journal_pos from, to;
	struct selectors *selectors;
};

struct scan_row {
	int64_t time;			/* ns */
	uint32_t frame, record;
};

struct scan_frame {
	journal_pos pos;
	uint32_t records;
};

struct scan {
	struct store *st;
	struct scan_frame *frames;
	size_t nframes, cap;
	struct scan_span *spans;
	unsigned nspans;
	struct scan_row *order;		/* after scan_sort(): all rows, by time */
	size_t nrows;
	uint64_t records;		/* in the frames, before selection */
	uint64_t bytes;			/* of the frames */
	int64_t first_received;		/* 0: no frames */
	int64_t keep_from;		/* ns; what came and happened before is left out. 0: nothing is */
};

/* Takes the spans over, also on failure. */
int scan_new(struct store *st, struct scan_span *spans, unsigned nspans, struct scan **ret_s);
void scan_free(struct scan *s);		/* NULL-safe */
void scan_spans_free(struct scan_span *spans, unsigned n);

/* Adds the frames of [from, to) until there are `max` records, or one was received on another day (UTC; same_day);
 * *ret_next: behind the last one that was added or passed over. Only what is indexed; before the scan is used. */
int scan_fill(struct scan *s, journal_pos from, journal_pos to, uint64_t max, bool same_day, journal_pos *ret_next);

/* Picks out the rows and puts them in the order of their time; once: again does nothing. */
int scan_sort(struct scan *s);

/* A record as the lake takes it in. The text is good until the callback returns. */
struct scan_record {
	struct piece json;
	struct walk_part parts[PART__MAX + 1];
	int64_t received;		/* ns */
	int64_t position, number;
};
/* The text and its parts, as the reader gave them. */
void scan_show(struct scan_record *x, const struct buf *json, const struct record_parts *parts);
/* All rows after scan_sort(), in this order, without the engine. Anything but 0 from fn ends it and is given. -EBADMSG: a
 * frame that could be read a moment ago cannot any more. */
int scan_each(struct scan *s, int (*fn)(void *ctx, const struct scan_record *x), void *ctx);

/* The rows of its frame of this number as the body of a WIRE_FRAME (wire.h), with the error if they cannot all be told; text: with their records.
 * 0 or -ENOMEM. */
int scan_serve(struct scan *s, uint64_t frame, bool text, struct buf *out);
/* What a query says of an error of reading the journal. */
const char *scan_why(int r);

#endif
