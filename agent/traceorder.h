/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traceorder.h - puts the records of finished batches into the order of their times.
 *
 * A batch holds class after class, and the trail's own records where they were made; a pass over the rings may end in
 * several batches; and one ring is read up to a moment a little later than another. So records are kept until a pass
 * that began after them has ended: then nothing earlier can come, and what a task did comes out in the order in which
 * it did it.
 *
 * Ownership: the batch's bytes are copied, the batch may be used again at once. Memory: what one pass reads, at most
 * the sizes of the rings. Threads: one.
 */
#ifndef HOSTTRAIL_TRACEORDER_H
#define HOSTTRAIL_TRACEORDER_H

#include "proto/record.h"
#include "proto/recordread.h"

struct traceorder;

typedef void (*traceorder_fn)(void *ctx, struct reader *r, unsigned i);

int traceorder_new(struct traceorder **ret_o);	/* 0 or -ENOMEM */
void traceorder_free(struct traceorder **o);
/* Finishes the batch and keeps its records. 0, -ENOMEM, or the batch's own error. */
int traceorder_take(struct traceorder *o, struct batch *b, const uint8_t stream[16]);
/* Calls fn with every record whose boot-time ns are at most until. The reader is borrowed for the call. */
void traceorder_give(struct traceorder *o, uint64_t until, traceorder_fn fn, void *ctx);

#endif
