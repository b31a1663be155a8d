/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intern.h - byte strings to small indices, kept in the very form in which a
 * batch sends them: a repeated protobuf field, tag and length before each.
 *
 * Ownership: an intern copies what it is given. Memory is kept over
 * intern_reset(), so that a steady batch allocates nothing per entry.
 * Errors: -ENOMEM, -E2BIG (entry or table over its limit).
 * Threads: one intern belongs to one thread.
 */
#ifndef HOSTTRAIL_INTERN_H
#define HOSTTRAIL_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define INTERN_CHUNK (256 * 1024)	/* and the longest entry with its tag and length */

struct intern_entry;
struct intern_slab;
struct intern_chunk;

struct intern {
	uint8_t field;			/* of RecordBatch, below 16 */
	uint32_t count, max;
	size_t bytes;			/* encoded */
	struct intern_entry *head;	/* uthash */
	struct intern_slab *slabs, *slab;
	struct intern_chunk *chunks, *chunk;
	uint64_t seed;
};

int intern_init(struct intern *t, unsigned field, uint32_t max);
void intern_free(struct intern *t);
void intern_reset(struct intern *t);
/* Index of these bytes, added when new; or -errno. */
int64_t intern_add(struct intern *t, const void *p, size_t n);
/* The same; *ret_p: where the bytes lie until intern_reset(). */
int64_t intern_put(struct intern *t, const void *p, size_t n, const void **ret_p);
/* Appends the encoded table. */
int intern_write(const struct intern *t, struct buf *out);

#endif
