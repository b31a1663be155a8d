/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thrift.h - Thrift's compact protocol, as far as Parquet's headers and footer need it: written front to back into a buf.
 *
 * Members of a struct must be written in the order of their numbers. Errors: those of the buf, once at the end.
 */
#ifndef HOSTTRAIL_STORE_LAKE_THRIFT_H
#define HOSTTRAIL_STORE_LAKE_THRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define THRIFT_DEPTH_MAX 12

enum thrift_type { THRIFT_I32 = 5, THRIFT_I64 = 6, THRIFT_BINARY = 8, THRIFT_LIST = 9, THRIFT_STRUCT = 12 };

struct thrift {
	struct buf *out;
	unsigned depth;
	int last[THRIFT_DEPTH_MAX];	/* the number of the member before, of each open struct */
};

void thrift_number(struct buf *out, uint64_t v);		/* a bare varint */
void thrift_i32(struct thrift *t, int id, int32_t v);
void thrift_i64(struct thrift *t, int id, int64_t v);
void thrift_bool(struct thrift *t, int id, bool v);
void thrift_bytes(struct thrift *t, int id, const void *p, size_t n);
/* id 0: an element of a list. The outermost struct needs no open, but a close. */
void thrift_open(struct thrift *t, int id);
void thrift_close(struct thrift *t);
void thrift_list(struct thrift *t, int id, enum thrift_type of, size_t n);
/* Elements that are no structs. */
void thrift_i32_element(struct thrift *t, int32_t v);
void thrift_bytes_element(struct thrift *t, const void *p, size_t n);

#endif
