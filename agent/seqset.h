/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seqset.h - a set of sequence numbers: everything below `next`, and ranges above it.
 *
 * Numbers arrive almost in order, so that the set is nearly always one number. Ranges above
 * `next` are sorted, disjoint and not adjacent; the first one starts above `next`.
 * A zeroed struct is the empty set; seqset_free() releases it. Not thread-safe.
 */
#ifndef HOSTTRAIL_SEQSET_H
#define HOSTTRAIL_SEQSET_H

#include <stdbool.h>
#include <stdint.h>

struct seq_range {
	uint64_t first, last;		/* inclusive */
};

struct seqset {
	uint64_t next;			/* every number below is in the set */
	unsigned n, cap;
	struct seq_range *above;
};

void seqset_free(struct seqset *s);
/* Union with [first,last]. 0, -EINVAL (first > last, or last is the largest number), -ENOMEM (unchanged). */
int seqset_add(struct seqset *s, uint64_t first, uint64_t last);
bool seqset_has(const struct seqset *s, uint64_t seq);
/* How many numbers below limit are not in the set. */
uint64_t seqset_missing(const struct seqset *s, uint64_t limit);
/* First gap at or after `from` and below limit: true and the gap. */
bool seqset_gap(const struct seqset *s, uint64_t from, uint64_t limit, struct seq_range *ret_gap);

#endif
