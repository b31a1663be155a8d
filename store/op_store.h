/* SPDX-License-Identifier: Apache-2.0 */
/* op_store.h - what operations on event data stores share with those that name one. */
#ifndef HOSTTRAIL_STORE_OP_STORE_H
#define HOSTTRAIL_STORE_OP_STORE_H

#include "definitions.h"
#include "reply.h"

struct json_object;

/* The event data store that EventDataStore names by ARN or id. 0; -EINVAL: the reply is the error. Once definitions_ops.ready() was. */
int store_named(struct store *st, struct json_object *in, struct reply *r, struct event_store *ret_e, struct buf *ret_selectors);

#endif
