/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tailmem.h - the index's tail: records in the order of arrival, in arrays of a fixed size.
 *
 * Nothing is sorted: a lookup scans one column (a few hundred microseconds), and the arrays are sorted once, when
 * the tail is sealed into a block. One writer, any readers, no lock: a row is seen once `rows` covers it.
 */
#ifndef HOSTTRAIL_STORE_TAILMEM_H
#define HOSTTRAIL_STORE_TAILMEM_H

#include "index.h"

struct tail_pairs {
	uint64_t *hash;
	uint32_t *row;
	uint32_t n, cap;		/* n: atomic */
};

struct tailmem {
	unsigned refs;			/* atomic */
	uint32_t cap, rows;		/* rows: atomic */
	int64_t *time;
	journal_pos *pos;
	uint32_t *record;
	uint8_t *category;
	struct tail_pairs attrs[ATTR__MAX];
	struct index_place from, to;	/* the stretch it stands for; the writer's */
	void *memory;
	size_t memory_len;
};

int tailmem_new(uint32_t cap, struct tailmem **ret_t);
struct tailmem *tailmem_ref(struct tailmem *t);
void tailmem_unref(struct tailmem *t);		/* NULL-safe */
bool tailmem_is_full(const struct tailmem *t);	/* another record might not fit */
void tailmem_add(struct tailmem *t, const struct index *ix, const struct index_place *place, const struct record_summary *s);
/* The greatest keys below `before` (and in the query's range) that match, newest first, at most max. */
unsigned tailmem_find(const struct tailmem *t, const struct index_query *q, const struct index_key *before,
		      struct index_key *ret, unsigned max);

#endif
