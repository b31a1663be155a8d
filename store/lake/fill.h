/* SPDX-License-Identifier: Apache-2.0 */
/* fill.h - one record's slots into one row of the engine's vectors. One thread at a time per struct fill. */
#ifndef HOSTTRAIL_STORE_LAKE_FILL_H
#define HOSTTRAIL_STORE_LAKE_FILL_H

#include "walk.h"

/* What the columns need that is not in the record's JSON. */
struct fill_row {
	struct piece json;
	struct piece slots[SCHEMA_SLOTS_MAX];
	int64_t received;		/* ns */
	int64_t position, number;
};

struct fill {
	struct fill_row row;
	struct buf scratch;
};

void fill_free(struct fill *f);
/* Column c of the table into row i of v. 0 or -ENOMEM. */
int fill_column(struct fill *f, unsigned c, duckdb_vector v, uint64_t i);
bool fill_needs_json(unsigned c);

/* Texts as values; false: it is none. "2026-01-01T00:00:00Z" becomes microseconds since the epoch. */
bool fill_time(struct piece s, int64_t *ret_us);
bool fill_integer(struct piece s, int64_t *ret);
bool fill_boolean(struct piece s, int64_t *ret);

#endif
