/* SPDX-License-Identifier: Apache-2.0 */
/* ops.c - X-Amz-Target to operation. */
#include "ops.h"

#include <errno.h>
#include <string.h>

#include "delivery/op_trails.h"
#include "engine.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "tailer.h"

#define WHOLE_WAIT_NS (5 * NS_PER_SEC)

/* Both spellings are in use: botocore's, and the younger SDKs'. */
static const char *const aws_prefixes[] = { "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101", "CloudTrail_20131101" };
static const char own_prefix[] = "Hosttrail_20261122";

static const struct op table[] = {
	{ "LookupEvents", op_lookup_events, ROLE_READER, false, true, true },
	{ "DescribeTrails", op_describe_trails, ROLE_READER, false, true, true },
	{ "GetTrail", op_get_trail, ROLE_READER, false, true, true },
	{ "GetTrailStatus", op_get_trail_status, ROLE_READER, false, true, true },
	{ "ListTrails", op_list_trails, ROLE_READER, false, true, true },
	{ "CreateTrail", op_create_trail, ROLE_OPERATOR, false, false, false },
	{ "UpdateTrail", op_update_trail, ROLE_OPERATOR, false, false, false },
	{ "DeleteTrail", op_delete_trail, ROLE_ADMINISTRATOR, false, false, false },
	{ "StartLogging", op_start_logging, ROLE_OPERATOR, false, false, false },
	{ "StopLogging", op_stop_logging, ROLE_OPERATOR, false, false, false },
	{ "PutEventSelectors", op_put_event_selectors, ROLE_OPERATOR, false, false, false },
	{ "GetEventSelectors", op_get_event_selectors, ROLE_READER, false, true, true },
	{ "AddTags", op_add_tags, ROLE_OPERATOR, false, false, false },
	{ "RemoveTags", op_remove_tags, ROLE_OPERATOR, false, false, false },
	{ "ListTags", op_list_tags, ROLE_READER, false, true, true },
	{ "GetInsightSelectors", op_get_insight_selectors, ROLE_READER, false, true, true },
	{ "ListPublicKeys", op_list_public_keys, ROLE_READER, false, true, true },
	{ "CreateEventDataStore", op_create_event_data_store, ROLE_OPERATOR, false, false, false },
	{ "GetEventDataStore", op_get_event_data_store, ROLE_READER, false, true, true },
	{ "ListEventDataStores", op_list_event_data_stores, ROLE_READER, false, true, true },
	{ "UpdateEventDataStore", op_update_event_data_store, ROLE_ADMINISTRATOR, false, false, false },
	{ "DeleteEventDataStore", op_delete_event_data_store, ROLE_ADMINISTRATOR, false, false, false },
	{ "RestoreEventDataStore", op_restore_event_data_store, ROLE_ADMINISTRATOR, false, false, false },
	{ "StartEventDataStoreIngestion", op_start_event_data_store_ingestion, ROLE_OPERATOR, false, false, false },
	{ "StopEventDataStoreIngestion", op_stop_event_data_store_ingestion, ROLE_OPERATOR, false, false, false },
	{ "StartQuery", op_start_query, ROLE_ANALYST, false, false, true },
	{ "DescribeQuery", op_describe_query, ROLE_ANALYST, false, true, true },
	{ "GetQueryResults", op_get_query_results, ROLE_ANALYST, false, true, true },
	{ "ListQueries", op_list_queries, ROLE_ANALYST, false, true, true },
	{ "CancelQuery", op_cancel_query, ROLE_ANALYST, false, false, true },
	{ "Tail", op_tail, ROLE_READER, true, true, true },
	{ "Verify", op_verify, ROLE_READER, true, true, false },
	{ "Prove", op_prove, ROLE_READER, true, true, false },
	{ "Status", op_status, ROLE_READER, true, true, false },
	{ "ListDigests", op_list_digests, ROLE_READER, true, true, false },
	{ "ListRemoved", op_list_removed, ROLE_READER, true, true, false },
	{ "GetRetention", op_get_retention, ROLE_READER, true, true, true },
	{ "LockRetention", op_lock_retention, ROLE_ADMINISTRATOR, true, false, false },
	{ "PlaceHold", op_place_hold, ROLE_OPERATOR, true, false, false },
	{ "ReleaseHold", op_release_hold, ROLE_ADMINISTRATOR, true, false, false },
	{ "ListHolds", op_list_holds, ROLE_READER, true, true, true },
};

static bool is_prefix(const char *target, size_t n, const char *prefix)
{
	return strlen(prefix) == n && !memcmp(target, prefix, n);
}

const struct op *op_find(const char *target)
{
	const char *dot = strrchr(target, '.');
	size_t n = dot ? (size_t)(dot - target) : 0;
	bool own, aws = false;

	if (!dot)
		return NULL;
	own = is_prefix(target, n, own_prefix);
	for (unsigned i = 0; i < ARRAY_SIZE(aws_prefixes); i++)
		aws |= is_prefix(target, n, aws_prefixes[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (!strcmp(dot + 1, table[i].name) && (table[i].own ? own : aws))
			return &table[i];
	return NULL;
}

/* About trails, whose files may be of many regions. */
bool op_is_everywhere(const struct op *op)
{
	static const op_fn fns[] = { op_describe_trails, op_get_trail, op_get_trail_status, op_list_trails, op_get_event_selectors,
				     op_list_tags, op_list_public_keys };

	for (unsigned i = 0; op && i < ARRAY_SIZE(fns); i++)
		if (op->fn == fns[i])
			return true;
	return false;
}

const struct op *op_at(unsigned n)
{
	return n < ARRAY_SIZE(table) ? &table[n] : NULL;
}

int op_allowed(const struct op *op, const struct caller *caller, struct reply *r)
{
	if (!caller)
		return 0;
	if (caller->role < op->role)
		return reply_error(r, "AccessDeniedException", "Key %s is not authorized to perform %s:%s: its role is %s, and it takes %s.", caller->id,
				   op->own ? "hosttrail" : "cloudtrail", op->name, caller_role_name(caller->role), caller_role_name(op->role));
	if (!op->scoped && caller_is_scoped(caller))
		return reply_error(r, "AccessDeniedException", "Key %s is not authorized to perform %s:%s: it may see some records only.", caller->id,
				   op->own ? "hosttrail" : "cloudtrail", op->name);
	return 0;
}

int op_whole(struct store *st, struct op_state *state)
{
	if (!st->tailer)
		return 0;
	if (!state->begun) {
		state->begun = true;
		state->place.pos = journal_end(st->journal);
		if (!state->wait_until)
			state->wait_until = clock_boot() + WHOLE_WAIT_NS;
	}
	if (tailer_has(st->tailer, state->place.pos))
		return 0;
	return clock_boot() < state->wait_until ? OP_WAIT : -EAGAIN;
}

static int op_missing(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	return reply_error(r, "UnsupportedOperationException", "The store's engine does not have this operation.");
}

const struct definitions_ops *definitions_of(const struct store *st)
{
	return st->engine ? st->engine->definitions : &lake_definitions;
}

op_fn engine_op(const struct store *st, const struct op *op)
{
	op_fn fn = st->engine ? st->engine->op(op->name) : op->fn;

	return fn ? fn : op_missing;
}
