/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trails.c - operations on trails, event data stores, locks and holds over a cluster: the store's own, over its copy of the ledger. Who changes something takes the
 * lease first, so that the change is made by the one store that may make it, and any store can be asked.
 */
#include <errno.h>
#include <string.h>

#include "lease.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "store/delivery/op_trails.h"
#include "tables.h"

static int refused(struct reply *r, int err, const char *why)
{
	log_limited(LOG_LEVEL_WARN, err, "clickhouse: trails and event data stores: %s", why);
	return reply_fault(r, 503, "ServiceUnavailableException", "The store's cluster does not answer.");
}

static int answer(struct store *st, struct json_object *in, struct op_state *state, struct reply *r, op_fn fn,
		  int (*before)(struct lease *z, char why[CH_WHY_MAX]))
{
	char why[CH_WHY_MAX] = "";
	int res = before(cluster_of(st)->lease, why);

	if (!res)
		res = keeping_refresh(cluster_of(st));
	return res < 0 ? refused(r, res, why) : fn(st, in, state, r);
}

#define OPERATION(name, before)                                                                                       \
	static int cluster_##name(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)  \
	{                                                                                                             \
		return answer(st, in, state, r, op_##name, before);                                                   \
	}

OPERATION(describe_trails, lease_refresh)
OPERATION(get_trail, lease_refresh)
OPERATION(get_trail_status, lease_refresh)
OPERATION(list_trails, lease_refresh)
OPERATION(get_event_selectors, lease_refresh)
OPERATION(list_tags, lease_refresh)
OPERATION(get_insight_selectors, lease_refresh)
OPERATION(list_public_keys, lease_refresh)
OPERATION(list_digests, lease_refresh)
OPERATION(create_trail, lease_take)
OPERATION(update_trail, lease_take)
OPERATION(delete_trail, lease_take)
OPERATION(start_logging, lease_take)
OPERATION(stop_logging, lease_take)
OPERATION(put_event_selectors, lease_take)
OPERATION(add_tags, lease_take)
OPERATION(remove_tags, lease_take)
OPERATION(get_event_data_store, lease_refresh)
OPERATION(list_event_data_stores, lease_refresh)
OPERATION(create_event_data_store, lease_take)
OPERATION(update_event_data_store, lease_take)
OPERATION(delete_event_data_store, lease_take)
OPERATION(restore_event_data_store, lease_take)
OPERATION(start_event_data_store_ingestion, lease_take)
OPERATION(stop_event_data_store_ingestion, lease_take)
OPERATION(get_retention, lease_refresh)
OPERATION(list_days, lease_refresh)
OPERATION(list_holds, lease_refresh)
OPERATION(lock_retention, lease_take)
OPERATION(place_hold, lease_take)
OPERATION(release_hold, lease_take)

static const struct {
	const char *name;
	op_fn fn;
} operations[] = {
	{ "DescribeTrails", cluster_describe_trails },
	{ "GetTrail", cluster_get_trail },
	{ "GetTrailStatus", cluster_get_trail_status },
	{ "ListTrails", cluster_list_trails },
	{ "GetEventSelectors", cluster_get_event_selectors },
	{ "ListTags", cluster_list_tags },
	{ "GetInsightSelectors", cluster_get_insight_selectors },
	{ "ListPublicKeys", cluster_list_public_keys },
	{ "ListDigests", cluster_list_digests },
	{ "CreateTrail", cluster_create_trail },
	{ "UpdateTrail", cluster_update_trail },
	{ "DeleteTrail", cluster_delete_trail },
	{ "StartLogging", cluster_start_logging },
	{ "StopLogging", cluster_stop_logging },
	{ "PutEventSelectors", cluster_put_event_selectors },
	{ "AddTags", cluster_add_tags },
	{ "RemoveTags", cluster_remove_tags },
	{ "GetEventDataStore", cluster_get_event_data_store },
	{ "ListEventDataStores", cluster_list_event_data_stores },
	{ "CreateEventDataStore", cluster_create_event_data_store },
	{ "UpdateEventDataStore", cluster_update_event_data_store },
	{ "DeleteEventDataStore", cluster_delete_event_data_store },
	{ "RestoreEventDataStore", cluster_restore_event_data_store },
	{ "StartEventDataStoreIngestion", cluster_start_event_data_store_ingestion },
	{ "StopEventDataStoreIngestion", cluster_stop_event_data_store_ingestion },
	{ "GetRetention", cluster_get_retention },
	{ "ListRemoved", cluster_list_days },
	{ "ListHolds", cluster_list_holds },
	{ "LockRetention", cluster_lock_retention },
	{ "PlaceHold", cluster_place_hold },
	{ "ReleaseHold", cluster_release_hold },
};

op_fn cluster_ledger_op(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(operations); i++)
		if (!strcmp(operations[i].name, name))
			return operations[i].fn;
	return NULL;
}
