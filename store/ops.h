/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops.h - the operations of the API (docs/api.md): JSON in, JSON out.
 *
 * An operation reads its input, answers into the reply, and returns 0, -EINVAL (the reply is the error), or
 * OP_WAIT: it has nothing yet, and is to be called again with the same input when there is something new, or when
 * *wait_until (boot-time ns) is over. Threads: any; operations share nothing but the store.
 */
#ifndef HOSTTRAIL_STORE_OPS_H
#define HOSTTRAIL_STORE_OPS_H

#include "caller.h"
#include "reply.h"
#include "store.h"

#define OP_WAIT 1

struct json_object;
struct json;

/* One request while it is answered, perhaps in several calls. */
struct op_state {
	const struct caller *caller;	/* NULL: nobody asks from outside (tests) */
	uint64_t wait_until;		/* 0: the operation was not called yet */
	struct index_place place;	/* Tail: how far it has looked; op_whole(): behind what had been acknowledged when it was asked */
	bool begun;
	void *held;			/* by an operation that waits; let_go() where nobody waits for its answer any more */
	void (*let_go)(void *held);
};

typedef int (*op_fn)(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);

struct op {
	const char *name;
	op_fn fn;
	enum caller_role role;		/* that it takes */
	bool own;			/* hosttrail's, not CloudTrail's */
	bool read_only;			/* as its record says */
	bool scoped;			/* shows a key with a scope only what that may see, or nothing of records at all */
};

/* From the text of X-Amz-Target; NULL: there is none. */
const struct op *op_find(const char *target);
/* Whether a request may be signed for any region, as validate-logs does for each. NULL: no. */
bool op_is_everywhere(const struct op *op);
/* The n-th of all, for tests and documentation; NULL behind the last. */
const struct op *op_at(unsigned n);
/* 0, or -EINVAL and the error: the caller's role or scope does not allow it. */
int op_allowed(const struct op *op, const struct caller *caller, struct reply *r);

/* Whether the index has everything that was acknowledged when the operation was first called: 0; OP_WAIT; -EAGAIN: it is too far behind. */
int op_whole(struct store *st, struct op_state *state);

int op_lookup_events(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_describe_trails(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_get_trail(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_get_trail_status(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_list_trails(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_tail(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_verify(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_prove(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_status(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);

/* lake/ */
int op_create_event_data_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_get_event_data_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_list_event_data_stores(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_update_event_data_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_delete_event_data_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_restore_event_data_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_start_event_data_store_ingestion(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_stop_event_data_store_ingestion(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_start_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_describe_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_get_query_results(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_list_queries(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_cancel_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);

/* retention/ */
int op_list_removed(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_get_retention(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_lock_retention(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_place_hold(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_release_hold(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);
int op_list_holds(struct store *st, struct json_object *in, struct op_state *state, struct reply *r);

/* One record as a member of Events, between the braces; the caller holds decoded_lock(). */
int event_json(struct decoded *d, unsigned i, const struct record_summary *s, bool received, struct json *j);

#endif
