/* SPDX-License-Identifier: Apache-2.0 */
/* op_trails.h - what the operations on trails share: the trail that a request names, and CloudTrail's errors. */
#ifndef HOSTTRAIL_STORE_OP_TRAILS_H
#define HOSTTRAIL_STORE_OP_TRAILS_H

#include "ledger.h"
#include "proto/json.h"
#include "store/ops.h"

/* The built-in trail: all that arrives, always on, delivered nowhere. */
#define TRAIL_DEFAULT "default"

/* The trail that the member tells, by name or ARN; id 0: the built-in one. 0, or -EINVAL and the reply is the error. */
int trail_named(struct store *st, struct json_object *in, const char *member, struct reply *r, struct trail *ret_t);
/* As above, but not the built-in one; nor where the store has no ledger (tests). */
int trail_of_ours(struct store *st, struct json_object *in, const char *member, struct reply *r, struct trail *ret_t);
/* A name or ARN to a name. 0 or -EINVAL and the reply. */
int trail_name_of(const struct store *st, const char *text, struct reply *r, const char **ret_name);
void trail_members(const struct store *st, const struct trail *t, bool whole, struct json *j);
int trail_ended(struct reply *r);	/* the answer is whole, or out of memory */
int trail_failed(struct reply *r, int err);

int op_create_trail(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_update_trail(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_delete_trail(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_start_logging(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_stop_logging(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_put_event_selectors(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_get_event_selectors(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_add_tags(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_remove_tags(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_list_tags(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_get_insight_selectors(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_list_public_keys(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_list_digests(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);

#endif
