/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.h - a frame and its records as rows, in ClickHouse's RowBinary.
 *
 * Threads: any, each with its own rowmaker.
 */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_ROWS_H
#define HOSTTRAIL_STORE_CLICKHOUSE_ROWS_H

#include "proto/selectors.h"
#include "store/chains.h"
#include "store/decoded.h"
#include "store/definitions.h"

struct rowmaker {
	struct buf json, scratch, members;
};

/* Event data stores that take in what comes now, by their selectors. The built-in one has everything, and needs nothing in the rows. */
struct membership {
	struct {
		uint64_t key;			/* store_key() */
		struct selectors *selectors;
	} v[STORES_MAX];
	unsigned n, refs;			/* refs: atomic */
};

/* What stands for an event data store in the rows' column: of its id the first eight bytes. */
uint64_t store_key(const char *id);

/* A frame that waits for the cluster. */
struct ch_frame {
	struct ch_frame *next;
	struct journal_origin origin;
	int64_t received;
	uint16_t flags;
	bool drop;			/* it is there already */
	struct chain_judgement judged;
	uint8_t stream[16], chain, hash[32], previous[32];
	uint64_t number;
	unsigned records;		/* that it declares */
	size_t n;
	uint8_t bytes[];
};

/* The frame's first eight bytes of hash: with its record's number it names a row. */
uint64_t frame_key(const uint8_t hash[32]);
/* d is the frame, decoded. Adds one row for it, and one for each record that counts, which says in which event data stores it is. day: since the epoch. */
int rows_add(struct rowmaker *m, const struct ch_frame *f, struct decoded *d, const struct membership *in, uint64_t batch, uint16_t day, struct buf *out);
/* RowBinary's numbers and texts. take: false: there is not as much. */
void rows_put_number(struct buf *out, uint64_t v, unsigned bytes);
void rows_put_text(struct buf *out, const void *p, size_t n);
bool rows_take(struct str *s, void *ret, size_t n);
bool rows_take_text(struct str *s, struct str *ret);
void rows_shown(const void *p, size_t n, struct buf *out);
void rowmaker_free(struct rowmaker *m);

#endif
