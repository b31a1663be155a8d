/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trails.c - operations on trails over a cluster: delivery's own, over this store's copy of the ledger. Who changes something takes the
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
	log_limited(LOG_LEVEL_WARN, err, "clickhouse: trails: %s", why);
	return reply_fault(r, 503, "ServiceUnavailableException", "The store's cluster does not answer.");
}

static int answer(struct store *st, struct json_object *in, struct op_state *state, struct reply *r, op_fn fn,
		  int (*before)(struct lease *z, char why[CH_WHY_MAX]))
{
	char why[CH_WHY_MAX] = "";
	int res = before(cluster_of(st)->lease, why);

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
};

op_fn cluster_trail_op(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(operations); i++)
		if (!strcmp(operations[i].name, name))
			return operations[i].fn;
	return NULL;
}
