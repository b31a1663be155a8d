/* SPDX-License-Identifier: Apache-2.0 */
/* op_lake.h - what the lake's operations share. Answers of 0 and more are good; below, the reply is the error. */
#ifndef HOSTTRAIL_STORE_LAKE_OP_LAKE_H
#define HOSTTRAIL_STORE_LAKE_OP_LAKE_H

#include "lake_internal.h"
#include "store/index.h"
#include "store/reply.h"

struct json_object;

struct lake *lake_of(struct store *st, struct reply *r);	/* NULL: there is none, the reply says why */
int lake_broken(struct reply *r);				/* the store's own fault */
/* MaxResults and NextToken; *ret_at all 0: from the beginning. */
int lake_page(struct store *st, struct json_object *in, const void *binding, size_t n, struct reply *r, unsigned *ret_max,
	      struct index_key *ret_at);

#endif
