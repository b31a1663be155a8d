/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - what answers the API when it is not the journal, the index and the lake beside it: store.engine. NULL there:
 * these do. Threads: any.
 */
#ifndef HOSTTRAIL_STORE_ENGINE_H
#define HOSTTRAIL_STORE_ENGINE_H

#include "definitions.h"
#include "follow.h"
#include "frames.h"

struct engine_ops {
	/* What answers an operation of ops.c's table; NULL: this engine does not have it. */
	op_fn (*op)(const char *name);
	/* NULL: it takes frames and answers. */
	const char *(*why_not)(struct store *st);
	void (*metrics)(struct store *st, struct buf *out);
	/* As follow.h's, for deliveries and Tail. */
	int (*follow)(struct store *st, journal_pos from, journal_pos to, follow_fn fn, void *ctx, journal_pos *ret_next);
	int (*range)(struct store *st, journal_pos *ret_oldest, journal_pos *ret_end);
	journal_pos (*end)(struct store *st);
	const struct frames_ops *frames;
	const struct definitions_ops *definitions;
};

/* What answers op here. */
op_fn engine_op(const struct store *st, const struct op *op);

#endif
