/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sketch.h - what event selectors ask of a record, before it is one.
 *
 * A record is written into sketch_batch() as into any batch. Nothing is kept of it but its shape, error and resources: what is
 * not selected then leaves no trace in a frame. The view is made as recordselect.h makes it of a record that was read back.
 *
 * Not thread-safe.
 */
#ifndef HOSTTRAIL_SKETCH_H
#define HOSTTRAIL_SKETCH_H

#include "recordselect.h"

struct sketch;

/* Fields that only the identity tells. */
#define SKETCH_OF_IDENTITY                                                                                                    \
	(1u << SELECT_USER_ARN | 1u << SELECT_EXECUTABLE | 1u << SELECT_USER | 1u << SELECT_CONTAINER | 1u << SELECT_CGROUP |     \
	 1u << SELECT_EUID | 1u << SELECT_LOGINUID)

int sketch_new(struct sketch **ret_s);
void sketch_free(struct sketch **s);
struct batch *sketch_batch(struct sketch *s);
/* The latest record's view; id NULL: nothing is known of who made it. Valid until the next record. 0 or -ENOMEM. */
int sketch_view(struct sketch *s, const struct record_host *host, const struct record_identity *id, uint32_t uses,
		struct select_view *ret_v);

#endif
