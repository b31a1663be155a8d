/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.h - LookupEvents' input, and its rules, for whatever engine then searches. Threads: any. */
#ifndef HOSTTRAIL_STORE_LOOKUP_H
#define HOSTTRAIL_STORE_LOOKUP_H

#include "attrs.h"
#include "store.h"

struct lookup {
	struct attr_value attr;
	bool by_attr, insight, has_before;
	int64_t from, to;		/* ns, from <= t < to */
	unsigned max;
	struct index_key before;	/* where the page before ended */
	struct buf binding;		/* of the token */
};

/* 0, or the error in r. */
int lookup_parse(struct store *st, struct json_object *in, struct reply *r, struct lookup *ret_l);
void lookup_free(struct lookup *l);

#endif
