/* SPDX-License-Identifier: Apache-2.0 */
/* op_retention.h - what the operations on locks and holds share. 0, or -EINVAL and the error in the reply. */
#ifndef HOSTTRAIL_STORE_OP_RETENTION_H
#define HOSTTRAIL_STORE_OP_RETENTION_H

#include "retention.h"
#include "store/ops.h"

/* An event data store's ARN or id, or bucket:NAME; *ret_days: what it keeps now. */
int retention_target(struct store *st, const char *text, struct reply *r, char ret[RETENTION_TARGET_MAX], int *ret_days);
/* A time in seconds. */
int retention_time(struct json_object *in, const char *key, struct reply *r, bool *ret_there, int64_t *ret_ns);

#endif
