/* SPDX-License-Identifier: Apache-2.0 */
/* trailcheck_internal.h - one digest (trailcheck_digest.c), all of them (trailcheck.c). */
#ifndef HOSTTRAIL_TOOLS_TRAILCHECK_INTERNAL_H
#define HOSTTRAIL_TOOLS_TRAILCHECK_INTERNAL_H

#include <uthash.h>

#include "trailcheck.h"

/* An object that lies in a bucket, or is named: "bucket/key". */
struct named {
	char *name;
	bool listed, known;
	UT_hash_handle hh;
};

struct check {
	struct trailcheck *t;
	struct json_object *keys;	/* PublicKeyList */
	struct json_object *digests;	/* all rows of ListDigests, oldest first */
	struct named *names;
	char *why;
};

void check_fault(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int check_name(struct check *c, const char *bucket, const char *key, bool listed);	/* 0 or -ENOMEM */
/* row: what ListDigests says of it; previous: of the one before in its chain, or NULL. 0, or -errno and why. */
int check_digest(struct check *c, struct json_object *row, struct json_object *previous);

#endif
