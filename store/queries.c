/* SPDX-License-Identifier: Apache-2.0 */
#include "queries.h"

#include <string.h>

#include "input.h"
#include "lake/sandbox.h"
#include "lib/clock.h"
#include "proto/recordread.h"
#include "store.h"
#include "token.h"

int queries_lack(struct reply *r, const char *name)
{
	return reply_error(r, "ValidationException",
			   "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", name);
}

/* No other account's are here. */
static int take_owner(struct store *st, struct json_object *in, struct reply *r)
{
	const char *owner;
	size_t n;
	int res = input_text(in, "EventDataStoreOwnerAccountId", r, &owner, &n);

	if (res < 0 || !owner || !strcmp(owner, st->account))
		return res;
	return reply_error(r, "EventDataStoreNotFoundException", "There is no event data store of account %.64s.", owner);
}

int queries_take_statement(struct store *st, struct json_object *in, struct reply *r, const char **ret, size_t *ret_n)
{
	int res = input_text(in, "QueryStatement", r, ret, ret_n);

	if (!res)
		res = take_owner(st, in, r);
	if (res < 0)
		return res;
	if (!*ret)
		return queries_lack(r, "queryStatement");
	if (!*ret_n || *ret_n > SANDBOX_STATEMENT_MAX)
		return reply_error(r, "ValidationException", "QueryStatement must have 1 to %d characters.", SANDBOX_STATEMENT_MAX);
	return 0;
}

int queries_take_id(struct json_object *in, struct reply *r, const char **ret_id)
{
	uint8_t raw[16];
	size_t n;
	int res = input_text(in, "QueryId", r, ret_id, &n);

	if (!res && *ret_id && (strlen(*ret_id) != n || uuid_parse(*ret_id, raw) < 0))
		res = reply_error(r, "ValidationException", "QueryId is not an id of a query.");
	return res;
}

int queries_take_page(struct store *st, struct json_object *in, const char *max_key, const void *binding, size_t n, struct reply *r,
		      unsigned *ret_max, struct index_key *ret_at)
{
	const char *token;
	int64_t max;
	size_t len;
	bool has;
	int res = input_int(in, max_key, r, &has, &max);

	memset(ret_at, 0, sizeof(*ret_at));
	if (!res && has && (max < 1 || max > (int64_t)QUERIES_PAGE_MAX))
		res = reply_error(r, "InvalidMaxResultsException", "%s must be between 1 and %u.", max_key, QUERIES_PAGE_MAX);
	if (!res)
		res = input_text(in, "NextToken", r, &token, &len);
	if (!res && token && (strlen(token) != len || token_read(st->token_key, binding, n, token, ret_at) < 0))
		res = reply_error(r, "InvalidNextTokenException", "The NextToken is not valid, or was given for other parameters.");
	if (!res)
		*ret_max = has ? (unsigned)max : QUERIES_PAGE_MAX;
	return res;
}

static void show_error(struct json *j, struct str error)
{
	if (error.n)
		json_text(j, "ErrorMessage", error.p, error.n);
}

void queries_show(struct json *j, const struct query_shown *q)
{
	int64_t until = q->finished ? q->finished : clock_wall();

	json_string(j, "QueryId", q->id);
	json_text(j, "QueryString", q->statement.p, q->statement.n);
	json_string(j, "QueryStatus", q->status);
	json_open(j, "QueryStatistics", '{');
	json_uint(j, "EventsMatched", q->rows);
	json_uint(j, "EventsScanned", q->scanned);
	json_uint(j, "BytesScanned", q->bytes);
	json_int(j, "ExecutionTimeInMillis", (until - q->created) / (int64_t)NS_PER_MS);
	json_time(j, "CreationTime", q->created);
	json_close(j, '}');
	show_error(j, q->error);
}

void queries_show_counts(struct json *j, unsigned n, uint64_t total, uint64_t bytes, struct str error)
{
	json_open(j, "QueryStatistics", '{');
	json_uint(j, "ResultsCount", n);
	json_uint(j, "TotalResultsCount", total);
	json_uint(j, "BytesScanned", bytes);
	json_close(j, '}');
	show_error(j, error);
}

int queries_take_times(struct json_object *in, struct reply *r, int64_t *ret_from, int64_t *ret_to)
{
	double start, end;
	bool has_start, has_end;
	int res = input_number(in, "StartTime", r, &has_start, &start);

	if (!res)
		res = input_number(in, "EndTime", r, &has_end, &end);
	if (res < 0)
		return res;
	if ((has_start && (start < 0 || start > 9e9)) || (has_end && (end < 0 || end > 9e9)) || (has_start && has_end && start > end))
		return reply_error(r, "InvalidDateRangeException", "StartTime must not be after EndTime.");
	*ret_from = has_start ? (int64_t)(start * 1e9) : clock_wall() - QUERIES_DAYS_SHOWN * 86400 * (int64_t)NS_PER_SEC;
	*ret_to = has_end ? (int64_t)(end * 1e9) : INT64_MAX;
	return 0;
}

const char *query_status_name(enum query_status s)
{
	static const char *const names[QUERY_STATUS__MAX] = { "QUEUED", "RUNNING", "FINISHED", "FAILED", "CANCELLED", "TIMED_OUT" };

	return (unsigned)s < QUERY_STATUS__MAX ? names[s] : "FAILED";
}

int queries_take_status(struct json_object *in, struct reply *r, const char **ret)
{
	size_t n;
	int res = input_text(in, "QueryStatus", r, ret, &n);

	if (res < 0 || !*ret)
		return res;
	for (int s = 0; s < QUERY_STATUS__MAX; s++)
		if (!strcmp(*ret, query_status_name((enum query_status)s)))
			return 0;
	return reply_error(r, "InvalidQueryStatusException", "%.64s is no status of a query.", *ret);
}

void queries_show_listed(struct json *j, const char *id, const char *status, int64_t created)
{
	json_open(j, NULL, '{');
	json_string(j, "QueryId", id);
	json_string(j, "QueryStatus", status);
	json_time(j, "CreationTime", created);
	json_close(j, '}');
}

void queries_answer(struct reply *r, const char *id, const char *status)
{
	struct json j = { .out = &r->body };

	json_open(&j, NULL, '{');
	json_string(&j, "QueryId", id);
	if (status)
		json_string(&j, "QueryStatus", status);
	json_close(&j, '}');
}
