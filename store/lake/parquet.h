/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parquet.h - a segment's file, written front to back: the columns of schema.h, a row at a time.
 *
 * The rows of a group are in memory, most texts once (column.h), the records' JSON compressed; a group ends after
 * GROUP_ROWS rows or GROUP_BYTES. Nothing is synced. The file is whole only after parquet_end().
 *
 * Errors: -ENOMEM, and those of write(); then only parquet_free() may follow. One thread.
 */
#ifndef HOSTTRAIL_STORE_LAKE_PARQUET_H
#define HOSTTRAIL_STORE_LAKE_PARQUET_H

#include "column.h"
#include "schema.h"

struct parquet;

/* fd stays the caller's. */
int parquet_new(int fd, struct parquet **ret_p);
void parquet_free(struct parquet **p);		/* NULL-safe */

/* The columns without members, in the order in which they stand in the schema's tree; a map has two, its keys and values. */
struct column *parquet_columns(struct parquet *p);

/* Every column has got its part of a row, or will have got it before the group ends. 1: the group is to end now. */
int parquet_row(struct parquet *p);
int parquet_group_end(struct parquet *p);
/* Whether there is time to make what follows smaller; at first there is none. At any row. */
void parquet_thorough(struct parquet *p, bool thorough);
/* After parquet_group_end(). */
int parquet_end(struct parquet *p, uint64_t *ret_rows);

#endif
