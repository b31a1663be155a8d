/* SPDX-License-Identifier: Apache-2.0 */
/* search.c - LookupEvents over the cluster: the rules are lookup.c's of the store, the search is SQL. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "cluster_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lines.h"
#include "proto/json.h"
#include "proto/selectors.h"
#include "store/lookup.h"
#include "store/token.h"
#include "tables.h"

/* First so far back, then eight times as far, and so on: who asks for the latest reads the latest only. */
#define WINDOW_NS (600 * (int64_t)NS_PER_SEC)
#define DEPTH 8
#define LOOKUP_MS 30000L

enum { C_TIME, C_KEY, C_RECORD, C_ID, C_NAME, C_READ_ONLY, C_ACCESS_KEY, C_SOURCE, C_USERS, C_RESOURCES, C_TYPES, C_JSON, C__MAX };

/* ---- conditions */

static void add_equal(struct buf *sql, const char *column, const struct buf *value)
{
	_cleanup_buf_ struct buf shown = { 0 };

	rows_shown(value->p, value->n, &shown);
	buf_addf(sql, " AND %s = ", column);
	ch_quote(sql, shown.p, shown.n);
}

static void add_has(struct buf *sql, const char *column, const struct buf *value)
{
	_cleanup_buf_ struct buf shown = { 0 };

	rows_shown(value->p, value->n, &shown);
	buf_addf(sql, " AND has(%s, ", column);
	ch_quote(sql, shown.p, shown.n);
	buf_addc(sql, ')');
}

static void add_attr(struct buf *sql, const struct attr_value *a)
{
	char id[37];

	switch (a->attr) {
	case ATTR_EVENT_ID:
		uuid_text(a->value.p, id);
		buf_addf(sql, " AND eventid = '%s'", id);
		break;
	case ATTR_EVENT_NAME:
		add_equal(sql, "eventname", &a->value);
		break;
	case ATTR_READ_ONLY:
		buf_addf(sql, " AND readonly = %d", a->value.n == 4);
		break;
	case ATTR_USERNAME:
		add_has(sql, "usernames", &a->value);
		break;
	case ATTR_RESOURCE_TYPE:
		add_has(sql, "resourcetypes", &a->value);
		break;
	case ATTR_RESOURCE_NAME:
		add_has(sql, "resourcenames", &a->value);
		break;
	case ATTR_EVENT_SOURCE:
		add_equal(sql, "eventsource", &a->value);
		break;
	default:
		add_equal(sql, "accesskey", &a->value);
	}
}

static void add_list(struct buf *sql, const char *column, char *const *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (i)
			buf_addc(sql, ',');
		else
			buf_addf(sql, " AND %s IN (", column);
		ch_quote(sql, v[i], strlen(v[i]));
	}
	if (n)
		buf_addc(sql, ')');
}

void cluster_scope(const struct caller *caller, struct buf *sql)
{
	const char *comma = "";

	if (!caller)
		return;
	add_list(sql, "account", caller->scope.accounts, caller->scope.naccounts);
	add_list(sql, "host", caller->scope.hosts, caller->scope.nhosts);
	if (!caller->scope.categories)
		return;
	buf_adds(sql, " AND eventcategory IN (");
	for (enum record_category k = CATEGORY_MANAGEMENT; k <= CATEGORY_INSIGHT; k++)
		if (caller->scope.categories & 1u << k) {
			buf_addf(sql, "%s'%s'", comma, select_category_name(k));
			comma = ",";
		}
	buf_adds(sql, ")");
}

/* What a DateTime can hold. */
static int64_t seconds(int64_t ns)
{
	int64_t s = ns / (int64_t)NS_PER_SEC;

	return s < 0 ? 0 : s > (int64_t)UINT32_MAX ? (int64_t)UINT32_MAX : s;
}

/* Records of [from, to), newest first. */
static void search(struct cluster *c, const struct lookup *l, const struct caller *caller, int64_t from, int64_t to, unsigned limit, struct buf *sql)
{
	buf_adds(sql, "SELECT time, framekey, record, eventid, eventname, readonly, accesskey, eventsource, usernames, resourcenames, "
		      "resourcetypes, eventjson FROM " TABLE_ALL " WHERE kind = 0");
	buf_addf(sql, " AND eventtime >= toDateTime(%" PRId64 ") AND eventtime <= toDateTime(%" PRId64 ") AND time >= %" PRId64 " AND time < %" PRId64,
		 seconds(from), seconds(to), from, to);
	if (c->st->management_only)
		buf_adds(sql, " AND management = 1");
	else
		buf_adds(sql, " AND eventcategory != 'Insight'");
	if (l->by_attr)
		add_attr(sql, &l->attr);
	cluster_scope(caller, sql);
	if (l->has_before)
		buf_addf(sql, " AND (time < %" PRId64 " OR (time = %" PRId64 " AND (framekey < %" PRIu64 " OR (framekey = %" PRIu64 " AND record < %u))))",
			 l->before.time, l->before.time, l->before.place.pos, l->before.place.pos, l->before.place.record);
	cluster_hide(c, sql);
	buf_addf(sql, " ORDER BY time DESC, framekey DESC, record DESC LIMIT %u FORMAT JSONCompact", limit);
}

/* ---- answers */

static const char *text_at(struct json_object *row, unsigned i)
{
	struct json_object *v = json_object_array_get_idx(row, i);

	return v ? json_object_get_string(v) : NULL;
}

static void add_shown(struct json *j, const char *key, struct json_object *v)
{
	if (json_object_is_type(v, json_type_string) && json_object_get_string_len(v))
		json_text_again(j, key, json_object_get_string(v), (size_t)json_object_get_string_len(v));
}

static void add_text(struct json *j, const char *key, struct json_object *row, unsigned i)
{
	add_shown(j, key, json_object_array_get_idx(row, i));
}

static void add_resources(struct json *j, struct json_object *row)
{
	struct json_object *names = json_object_array_get_idx(row, C_RESOURCES), *types = json_object_array_get_idx(row, C_TYPES);
	size_t n = json_object_is_type(names, json_type_array) && json_object_is_type(types, json_type_array) ? json_object_array_length(names) : 0;

	json_open(j, "Resources", '[');
	for (size_t i = 0; i < n && i < json_object_array_length(types); i++) {
		json_open(j, NULL, '{');
		add_shown(j, "ResourceType", json_object_array_get_idx(types, i));
		add_shown(j, "ResourceName", json_object_array_get_idx(names, i));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void add_event(struct json *j, struct json_object *row, int64_t time)
{
	struct json_object *users = json_object_array_get_idx(row, C_USERS), *record = json_object_array_get_idx(row, C_JSON);
	const char *read_only = text_at(row, C_READ_ONLY);

	json_open(j, NULL, '{');
	add_text(j, "EventId", row, C_ID);
	add_text(j, "EventName", row, C_NAME);
	json_string(j, "ReadOnly", read_only && *read_only == '1' ? "true" : "false");
	add_text(j, "AccessKeyId", row, C_ACCESS_KEY);
	json_int(j, "EventTime", time / (int64_t)NS_PER_SEC);
	add_text(j, "EventSource", row, C_SOURCE);
	if (json_object_is_type(users, json_type_array) && json_object_array_length(users))
		add_shown(j, "Username", json_object_array_get_idx(users, 0));
	add_resources(j, row);
	/* the record is text in JSON here, as the journal's engine has it */
	if (record)
		json_text(j, "CloudTrailEvent", json_object_get_string(record), (size_t)json_object_get_string_len(record));
	json_close(j, '}');
}

int cluster_take_rows(struct json_object *answer, struct json *j, unsigned max, unsigned *shown, struct index_key *ret_last)
{
	struct json_object *data;
	size_t n;

	if (!json_object_object_get_ex(answer, "data", &data) || !json_object_is_type(data, json_type_array))
		return -EBADMSG;
	n = json_object_array_length(data);
	for (size_t i = 0; i < n && *shown < max; i++) {
		struct json_object *row = json_object_array_get_idx(data, i);
		struct index_key k;

		if (!json_object_is_type(row, json_type_array) || json_object_array_length(row) != C__MAX ||
		    LINE_NUMBERS(text_at(row, C_TIME), I64(&k.time)) < 0 || LINE_NUMBERS(text_at(row, C_KEY), U64(&k.place.pos)) < 0 ||
		    LINE_NUMBERS(text_at(row, C_RECORD), U32(&k.place.record)) < 0)
			return -EBADMSG;
		add_event(j, row, k.time);
		*ret_last = k;
		++*shown;
	}
	return (int)n;
}

static int ask(struct cluster *c, struct ch_link *link, struct buf *sql, struct json_object **ret)
{
	const struct ch_statement st = { .sql = buf_text(sql), .timeout_ms = LOOKUP_MS, .fresh = TABLE_ROWS };
	char why[CH_WHY_MAX] = "out of memory";
	int r = sql->failed ? -ENOMEM : ch_ask(&c->ch, link, &st, why);

	if (!r)
		*ret = json_tokener_parse(buf_text(&link->answer));
	if (!r && !*ret)
		r = -EBADMSG;
	if (r < 0)
		log_limited(LOG_LEVEL_WARN, r, "clickhouse: %s", why);
	return r;
}

static int answer(struct cluster *c, const struct lookup *l, const struct caller *caller, struct json *j)
{
	int64_t now = clock_wall(), upper = l->has_before && l->before.time < l->to ? l->before.time + 1 : l->to;
	int64_t to = upper < now + WINDOW_NS ? upper : now + WINDOW_NS, depth = WINDOW_NS;
	struct ch_link link = { 0 };
	struct index_key last;
	unsigned shown = 0;
	char token[TOKEN_TEXT];
	bool more = false;
	int r = 0;

	/* what comes from the future is found by the first window */
	for (; !more && r >= 0 && upper > l->from; depth *= DEPTH) {
		int64_t from = to - depth > l->from && shown < l->max ? to - depth : l->from;
		_cleanup_buf_ struct buf sql = { 0 };
		struct json_object *rows = NULL;
		unsigned before = shown;

		search(c, l, caller, from, upper, l->max - shown + 1, &sql);
		r = ask(c, &link, &sql, &rows);
		if (!r)
			r = cluster_take_rows(rows, j, l->max, &shown, &last);
		json_object_put(rows);
		more = r > (int)(l->max - before);
		upper = to = from;
	}
	ch_link_free(&link);
	json_close(j, ']');
	if (more && r >= 0) {
		token_make(c->st->token_key, l->binding.p, l->binding.n, &last, token);
		json_string(j, "NextToken", token);
	}
	return r < 0 ? r : 0;
}

int cluster_lookup(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_(lookup_free) struct lookup l = { 0 };
	struct json j = { .out = &r->body };
	int res = lookup_parse(st, in, r, &l);

	if (res < 0)
		return res;
	json_open(&j, NULL, '{');
	json_open(&j, "Events", '[');
	if (l.insight || (l.by_attr && l.attr.impossible))
		json_close(&j, ']');
	else
		res = answer(cluster_of(st), &l, state->caller, &j);
	json_close(&j, '}');
	if (res < 0)
		return reply_fault(r, 503, "ServiceUnavailableException", "The store's cluster does not answer.");
	return r->body.failed ? reply_fault(r, 500, "InternalFailure", "out of memory") : 0;
}
