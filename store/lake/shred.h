/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shred.h - records into the columns of a segment's file. One thread.
 *
 * Who acts, by which process, in which kind of call, is the same in many records. What such a stretch of members became is
 * remembered by its text, all of which is compared, and put down again without looking into it.
 */
#ifndef HOSTTRAIL_STORE_LAKE_SHRED_H
#define HOSTTRAIL_STORE_LAKE_SHRED_H

#include "parquet.h"
#include "scan.h"

struct shred;

/* p stays the caller's and must live longer. */
int shred_new(struct parquet *p, struct shred **ret_s);
void shred_free(struct shred **s);	/* NULL-safe */
/* The next row. 0, or what parquet.h says. */
int shred_row(struct shred *s, const struct scan_record *x);
/* What is left, and the file's end. */
int shred_end(struct shred *s, uint64_t *ret_rows);

#endif
