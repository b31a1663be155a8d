/* SPDX-License-Identifier: Apache-2.0 */
/* ops.c - X-Amz-Target to operation. */
#include "ops.h"

#include <string.h>

#include "delivery/op_trails.h"
#include "lib/cleanup.h"

/* Both spellings are in use: botocore's, and the younger SDKs'. */
static const char *const aws_prefixes[] = { "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101", "CloudTrail_20131101" };
static const char own_prefix[] = "Hosttrail_20261122";

static const struct {
	const char *name;
	op_fn fn;
	bool own;
} table[] = {
	{ "LookupEvents", op_lookup_events, false },
	{ "DescribeTrails", op_describe_trails, false },
	{ "GetTrail", op_get_trail, false },
	{ "GetTrailStatus", op_get_trail_status, false },
	{ "ListTrails", op_list_trails, false },
	{ "CreateTrail", op_create_trail, false },
	{ "UpdateTrail", op_update_trail, false },
	{ "DeleteTrail", op_delete_trail, false },
	{ "StartLogging", op_start_logging, false },
	{ "StopLogging", op_stop_logging, false },
	{ "PutEventSelectors", op_put_event_selectors, false },
	{ "GetEventSelectors", op_get_event_selectors, false },
	{ "ListPublicKeys", op_list_public_keys, false },
	{ "CreateEventDataStore", op_create_event_data_store, false },
	{ "GetEventDataStore", op_get_event_data_store, false },
	{ "ListEventDataStores", op_list_event_data_stores, false },
	{ "UpdateEventDataStore", op_update_event_data_store, false },
	{ "DeleteEventDataStore", op_delete_event_data_store, false },
	{ "RestoreEventDataStore", op_restore_event_data_store, false },
	{ "StartEventDataStoreIngestion", op_start_event_data_store_ingestion, false },
	{ "StopEventDataStoreIngestion", op_stop_event_data_store_ingestion, false },
	{ "StartQuery", op_start_query, false },
	{ "DescribeQuery", op_describe_query, false },
	{ "GetQueryResults", op_get_query_results, false },
	{ "ListQueries", op_list_queries, false },
	{ "CancelQuery", op_cancel_query, false },
	{ "Tail", op_tail, true },
	{ "Verify", op_verify, true },
	{ "Status", op_status, true },
	{ "ListDigests", op_list_digests, true },
};

static bool is_prefix(const char *target, size_t n, const char *prefix)
{
	return strlen(prefix) == n && !memcmp(target, prefix, n);
}

op_fn op_find(const char *target, const char **ret_name)
{
	const char *dot = strrchr(target, '.');
	size_t n = dot ? (size_t)(dot - target) : 0;
	bool own, aws = false;

	if (!dot)
		return NULL;
	own = is_prefix(target, n, own_prefix);
	for (unsigned i = 0; i < ARRAY_SIZE(aws_prefixes); i++)
		aws |= is_prefix(target, n, aws_prefixes[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(dot + 1, table[i].name) || (table[i].own ? !own : !aws))
			continue;
		if (ret_name)
			*ret_name = table[i].name;
		return table[i].fn;
	}
	return NULL;
}
