/* SPDX-License-Identifier: Apache-2.0 */
/* op_query.c - StartQuery, DescribeQuery, GetQueryResults, ListQueries, CancelQuery. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "op_lake.h"
#include "proto/json.h"
#include "query.h"
#include "sandbox.h"
#include "save.h"
#include "store/input.h"
#include "store/op_store.h"
#include "store/ops.h"
#include "store/queries.h"
#include "store/token.h"

#define PARAMS_MAX 10
#define PARAM_BYTES_MAX 1024
#define ALIAS_MAX 256
#define MADE_AT_ONCE_MS 200u			/* most are bound within a tenth of it */
#define MADE_NS (10 * NS_PER_SEC)

int lake_page(struct store *st, struct json_object *in, const void *binding, size_t n, struct reply *r, unsigned *ret_max,
	      struct index_key *ret_at)
{
	return queries_take_page(st, in, "MaxResults", binding, n, r, ret_max, ret_at);
}

/* ---- StartQuery */

static int take_params(struct json_object *in, struct reply *r, const char *params[PARAMS_MAX], unsigned *ret_n)
{
	struct json_object *list;
	int res = input_array(in, "QueryParameters", r, &list);

	*ret_n = input_count(list);
	if (res < 0)
		return res;
	if (list && (*ret_n < 1 || *ret_n > PARAMS_MAX))
		return reply_error(r, "InvalidParameterException", "QueryParameters takes 1 to %d values.", PARAMS_MAX);
	for (unsigned i = 0; i < *ret_n && !res; i++) {
		res = input_element_text(list, i, "QueryParameters", r, &params[i]);
		if (!res && (!*params[i] || strlen(params[i]) > PARAM_BYTES_MAX))
			res = reply_error(r, "InvalidParameterException", "A query parameter has 1 to %d characters.", PARAM_BYTES_MAX);
	}
	return res;
}

static int take_place(struct store *st, struct json_object *in, struct reply *r, struct query_request *q, struct save_place *place)
{
	size_t n;
	int res = input_text(in, "DeliveryS3Uri", r, &q->save_uri, &n);

	if (res < 0 || !q->save_uri)
		return res;
	res = n > 1024 || strlen(q->save_uri) != n ? -EINVAL : save_place_of(st->lake, q->save_uri, place);
	q->save = place;
	if (res == -ENOENT)
		return reply_error(r, "S3BucketDoesNotExistException", "The store's settings name no bucket %s.", place->bucket);
	return res < 0 ? reply_error(r, "InvalidS3PrefixException", "DeliveryS3Uri must be s3://<bucket>[/<prefix>].") : 0;
}

static int take_statement(struct store *st, struct json_object *in, struct reply *r, struct query_request *q)
{
	size_t n;
	int res = input_text(in, "QueryAlias", r, &q->alias, &n);

	if (!res && q->alias && (!*q->alias || n > ALIAS_MAX))
		return reply_error(r, "InvalidParameterException", "QueryAlias has 1 to %d characters.", ALIAS_MAX);
	if (res < 0)
		return res;
	if (q->alias && !input_has(in, "QueryStatement"))
		return reply_error(r, "UnsupportedOperationException", "QueryAlias needs a dashboard; give a QueryStatement.");
	return queries_take_statement(st, in, r, &q->statement, &q->statement_len);
}

static int start_error(enum query_fault f, const struct caller *caller, const char *why, struct reply *r)
{
	switch (f) {
	case QUERY_BAD_STATEMENT:
		return reply_error(r, "InvalidQueryStatementException", "%s", why);
	case QUERY_NO_STORE:
		return reply_error(r, "EventDataStoreNotFoundException", "%s", why);
	case QUERY_INACTIVE_STORE:
		return reply_error(r, "InactiveEventDataStoreException", "%s", why);
	case QUERY_TOO_MANY:
		return reply_error(r, "MaxConcurrentQueriesException", "%d queries are running already.", LAKE_QUERIES_MAX);
	case QUERY_TOO_MANY_OF_KEY:
		return reply_error(r, "MaxConcurrentQueriesException", "%u queries of this key are running already.", caller->queries);
	default:
		return lake_broken(r);
	}
}

static int begin_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	const char *params[PARAMS_MAX];
	struct query_request q = { .params = params, .caller = state->caller };
	char why[DUCK_WHY_MAX];
	struct save_place place;
	struct query *begun;
	enum query_fault f;

	if (!lake_of(st, r) || take_statement(st, in, r, &q) < 0 || take_place(st, in, r, &q, &place) < 0 || take_params(in, r, params, &q.nparams) < 0)
		return -EINVAL;
	if (q.save_uri && caller_is_scoped(state->caller))
		return reply_error(r, "AccessDeniedException", "Key %s may see some records only, and write no results to buckets.", state->caller->id);
	if (!__atomic_load_n(&st->lake->checked, __ATOMIC_ACQUIRE))
		return reply_fault(r, 503, "ServiceUnavailableException", "The lake's segments are being looked through.");
	f = query_start(st->lake, &q, &begun, why);
	if (f)
		return start_error(f, state->caller, why, r);
	state->held = begun;
	state->let_go = query_let_go;
	if (!state->wait_until)
		state->wait_until = clock_boot() + MADE_NS;
	return 0;
}

/* A statement that takes long to be bound keeps none of the API's threads meanwhile. */
int op_start_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	bool first = !state->held;
	char id[UUID_TEXT], why[DUCK_WHY_MAX];
	enum query_fault f;

	if (first && begin_query(st, in, state, r) < 0)
		return -EINVAL;
	if (!query_answer(state->held, first ? MADE_AT_ONCE_MS : 0, clock_boot() >= state->wait_until, &f, id, why))
		return OP_WAIT;
	state->held = NULL;
	if (f)
		return start_error(f, state->caller, why, r);
	queries_answer(r, id, NULL);
	return 0;
}

/* ---- one query */

/* A key that sees some records only finds its own queries only. */
static int named_query(struct store *st, const struct caller *caller, struct json_object *in, bool by_alias, struct reply *r,
		       struct query_row *ret_q, struct buf *statement, struct buf *error)
{
	const char *id, *alias = NULL;
	size_t n;
	int res;

	if (!lake_of(st, r))
		return -EINVAL;
	res = queries_take_id(in, r, &id);
	if (!res && by_alias)
		res = input_text(in, "QueryAlias", r, &alias, &n);
	if (res < 0)
		return res;
	if (!id && !alias)
		return by_alias ? reply_error(r, "InvalidParameterException", "QueryId or QueryAlias is needed.") : queries_lack(r, "queryId");
	res = manifest_query_get(st->lake->manifest, id, alias, ret_q, statement, error);
	if (!res && caller_is_scoped(caller) && !manifest_query_is_of(st->lake->manifest, ret_q->id, caller->id))
		res = -ENOENT;
	if (res == -ENOENT)
		return reply_error(r, "QueryIdNotFoundException", "The query does not exist or is older than %d days.", QUERIES_DAYS_SHOWN);
	return res < 0 ? lake_broken(r) : 0;
}

int op_describe_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_buf_ struct buf statement = { 0 }, error = { 0 }, uri = { 0 };
	char status[32];
	struct json j = { .out = &r->body };
	struct query_row q;

	if (named_query(st, state->caller, in, true, r, &q, &statement, &error) < 0)
		return -EINVAL;
	json_open(&j, NULL, '{');
	queries_show(&j, &(struct query_shown){ q.id, query_status_name(q.status), { (char *)statement.p, statement.n }, { (char *)error.p, error.n },
						q.rows, q.scanned, q.bytes, q.created, q.finished });
	if (manifest_saved_get(st->lake->manifest, q.id, &uri, status) == 0) {
		json_text(&j, "DeliveryS3Uri", uri.p, uri.n);
		json_string(&j, "DeliveryStatus", status);
	}
	json_close(&j, '}');
	return r->body.failed ? lake_broken(r) : 0;
}

int op_cancel_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct query_row q;

	if (named_query(st, state->caller, in, false, r, &q, NULL, NULL) < 0)
		return -EINVAL;
	if (q.status > QUERY_RUNNING || query_cancel(st->lake, q.id) < 0)
		return reply_error(r, "InactiveQueryException", "The query is not running: its status is %s.", query_status_name(q.status));
	queries_answer(r, q.id, "CANCELLED");
	return 0;
}

/* ---- results */

static int result_rows(struct store *st, const struct query_row *q, const struct index_key *at, unsigned max, struct json *j,
		       unsigned *ret_n)
{
	struct index_key next = *at;
	uint64_t offset = at->place.pos;
	char token[TOKEN_TEXT];
	int res;

	json_open(j, "QueryResultRows", '[');
	*ret_n = 0;
	res = q->result_bytes ? query_results(st->lake, q->id, offset, max, j->out, &offset, ret_n) : 0;
	j->comma = *ret_n > 0;
	json_close(j, ']');
	if (res < 0)
		return res;
	next.place.pos = offset;
	if (offset < q->result_bytes) {
		token_make(st->token_key, q->id, strlen(q->id), &next, token);
		json_string(j, "NextToken", token);
	}
	return 0;
}

int op_get_query_results(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_buf_ struct buf error = { 0 };
	struct json j = { .out = &r->body };
	struct index_key at;
	struct query_row q;
	unsigned max, n = 0;
	bool shown;

	if (named_query(st, state->caller, in, false, r, &q, NULL, &error) < 0 ||
	    queries_take_page(st, in, "MaxQueryResults", q.id, strlen(q.id), r, &max, &at) < 0)
		return -EINVAL;
	shown = q.status == QUERY_FINISHED || q.status == QUERY_TIMED_OUT;
	json_open(&j, NULL, '{');
	json_string(&j, "QueryStatus", query_status_name(q.status));
	if (shown && result_rows(st, &q, &at, max, &j, &n) < 0)
		return lake_broken(r);
	queries_show_counts(&j, n, shown ? q.rows : 0, q.bytes, (struct str){ (char *)error.p, error.n });
	json_close(&j, '}');
	return r->body.failed ? lake_broken(r) : 0;
}

/* ---- the list */

static int take_status(struct json_object *in, struct reply *r, int *ret)
{
	const char *text;
	int res = queries_take_status(in, r, &text);

	*ret = -1;
	for (int s = 0; !res && text && s < QUERY_STATUS__MAX; s++)
		if (!strcmp(text, query_status_name((enum query_status)s)))
			*ret = s;
	return res;
}

static int list_page(struct store *st, const char *id, const char *key, const int64_t times[2], int status, unsigned max, const struct query_row *before,
		     struct json *j, const struct buf *binding)
{
	_cleanup_free_ struct query_row *rows = calloc(max + 1, sizeof(*rows));
	struct index_key next = { 0 };
	char token[TOKEN_TEXT];
	unsigned n;

	if (!rows || manifest_queries(st->lake->manifest, id, key, times[0], times[1], status, before, rows, max + 1, &n) < 0)
		return -EIO;
	json_open(j, "Queries", '[');
	for (unsigned i = 0; i < n && i < max; i++)
		queries_show_listed(j, rows[i].id, query_status_name(rows[i].status), rows[i].created);
	json_close(j, ']');
	if (n > max) {
		next.time = rows[max - 1].created;
		token_make(st->token_key, binding->p, binding->n, &next, token);
		json_string(j, "NextToken", token);
	}
	return 0;
}

int op_list_queries(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_buf_ struct buf binding = { 0 };
	struct json j = { .out = &r->body };
	struct query_row before = { .id = "" };
	struct event_store e;
	struct index_key at;
	int64_t times[2] = { 0, 0 };
	unsigned max;
	int status;

	if (!lake_of(st, r) || store_named(st, in, r, &e, NULL) < 0 || take_status(in, r, &status) < 0 ||
	    queries_take_times(in, r, &times[0], &times[1]) < 0)
		return -EINVAL;
	buf_addf(&binding, "ListQueries %s %d %" PRId64 " %" PRId64, e.id, status, input_has(in, "StartTime") ? times[0] : -1, times[1]);
	if (binding.failed)
		return lake_broken(r);
	if (lake_page(st, in, binding.p, binding.n, r, &max, &at) < 0)
		return -EINVAL;
	before.created = at.time;
	json_open(&j, NULL, '{');
	if (list_page(st, e.id, caller_is_scoped(state->caller) ? state->caller->id : NULL, times, status, max, &before, &j, &binding) < 0)
		return lake_broken(r);
	json_close(&j, '}');
	return r->body.failed ? lake_broken(r) : 0;
}
