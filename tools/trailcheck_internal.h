/* SPDX-License-Identifier: Apache-2.0 */
/* trailcheck_internal.h - what lies in buckets (trailcheck_list.c), one digest (trailcheck_digest.c), all of them (trailcheck.c). */
#ifndef HOSTTRAIL_TOOLS_TRAILCHECK_INTERNAL_H
#define HOSTTRAIL_TOOLS_TRAILCHECK_INTERNAL_H

#include <uthash.h>

#include "trailcheck.h"

/* An object that lies in a bucket, or is named: "bucket/key". */
struct named {
	char *name;
	bool listed, known, read;
	UT_hash_handle hh;
};

struct check {
	struct trailcheck *t;
	struct json_object *keys;	/* PublicKeyList */
	struct json_object *digests;	/* all rows of ListDigests, oldest first */
	struct json_object *open;	/* log files that no digest names yet */
	struct json_object *loose, *trails;
	struct named *names;
	char *why;
};

void check_fault(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* It is known, and is read now. 1: for the first time, 0: not, -ENOMEM. */
int check_unread(struct check *c, const char *bucket, const char *key);
/* Takes in what lies in the buckets of these trails. 0, or -errno and why. */
int check_list(struct check *c, struct json_object *trails);
int check_name(struct check *c, const char *bucket, const char *key, bool listed);	/* 0 or -ENOMEM */
/* A log file of a trail, and its hash as `by` (a digest, the ledger) has it. 0, or -errno and why. */
int check_log(struct check *c, int64_t trail, const char *bucket, const char *key, const char *hash_value, const char *by);
/* row: what ListDigests says of it; previous: of the one before in its chain, or NULL. 0, or -errno and why. */
int check_digest(struct check *c, struct json_object *row, struct json_object *previous);
/* The same of what was fetched, and the signature that came with it. */
int check_digest_text(struct check *c, struct json_object *row, struct json_object *previous, struct buf *text, const char *signature);

#endif
