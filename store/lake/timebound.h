/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timebound.h - which event times a statement can want at most, from its parsed form: so that segments of other times need
 * not even be opened.
 *
 * Only what is certain: the statement mentions one table, once, and beside it in WHERE stand (joined by AND) comparisons of eventtime
 * with a constant, as text, TIMESTAMP, DATE or from_iso8601_timestamp(). Anything else bounds nothing.
 */
#ifndef HOSTTRAIL_STORE_LAKE_TIMEBOUND_H
#define HOSTTRAIL_STORE_LAKE_TIMEBOUND_H

#include <stdint.h>

struct json_object;

struct time_bound {
	int64_t from, to;		/* seconds, both may be wanted; INT64_MIN, INT64_MAX: no bound */
};

/* tree: what json_serialize_sql() gives, of a statement with `references` mentions of tables. */
struct time_bound time_bound_of(struct json_object *tree, unsigned references);

#endif
