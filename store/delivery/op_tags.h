/* SPDX-License-Identifier: Apache-2.0 */
/* op_tags.h - tags of trails, for CreateTrail and for the operations of their own. 0, or -EINVAL and the reply is the error. */
#ifndef HOSTTRAIL_STORE_OP_TAGS_H
#define HOSTTRAIL_STORE_OP_TAGS_H

#include "op_trails.h"

/* TagsList, checked; NULL: there is none. */
int tags_check(struct json_object *in, struct reply *r, struct json_object **ret_list);
int tags_add(struct store *st, int64_t trail, struct json_object *list, struct reply *r);

#endif
