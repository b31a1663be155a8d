/* SPDX-License-Identifier: Apache-2.0 */
/* op_jobs.c - StartQuery, DescribeQuery, GetQueryResults, CancelQuery, ListQueries, ListEventDataStores over a cluster. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "jobs_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/json.h"
#include "store/input.h"
#include "store/lake/sandbox.h"
#include "store/token.h"

#define DAYS_SHOWN 7

static int broken(struct reply *r)
{
	return reply_fault(r, 503, "ServiceUnavailableException", "The store's cluster does not answer.");
}

static struct jobs *jobs_of(struct store *st)
{
	return cluster_of(st)->jobs;
}

/* ---- StartQuery */

static int start_fault(int res, const char *why, struct reply *r)
{
	if (res == -EAGAIN)
		return reply_error(r, "MaxConcurrentQueriesException", "%d queries are running already.", CH_QUERIES_MAX);
	if (res == -EINVAL)
		return reply_error(r, "InvalidQueryStatementException", "%s", why);
	log_limited(LOG_LEVEL_WARN, res, "a query cannot be started: %s", why);
	return broken(r);
}

int cluster_start_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	char id[37], why[DUCK_WHY_MAX] = "";
	const char *text;
	size_t n;
	int res = input_text(in, "QueryStatement", r, &text, &n);

	if (res < 0)
		return res;
	if (*jobs_of(st)->fault)
		return reply_fault(r, 503, "ServiceUnavailableException", "The store has no parser for SQL.");
	if (input_has(in, "QueryParameters") || input_has(in, "DeliveryS3Uri") || input_has(in, "QueryAlias"))
		return reply_error(r, "UnsupportedOperationException", "This engine takes a QueryStatement only.");
	if (!text || !n || n > SANDBOX_STATEMENT_MAX)
		return reply_error(r, "ValidationException", "QueryStatement must have 1 to %d characters.", SANDBOX_STATEMENT_MAX);
	res = job_start(jobs_of(st), text, n, id, why);
	if (res < 0)
		return start_fault(res, why, r);
	json_open(&j, NULL, '{');
	json_string(&j, "QueryId", id);
	json_close(&j, '}');
	return 0;
}

/* ---- one query */

static int find(struct store *st, struct json_object *in, struct reply *r, struct job_state *ret_s)
{
	uint8_t raw[16];
	const char *id;
	char text[37];
	size_t n;
	int res = input_text(in, "QueryId", r, &id, &n);

	if (res < 0)
		return res;
	if (!id || uuid_parse(id, raw) < 0)
		return reply_error(r, "ValidationException", "QueryId is not an id of a query.");
	uuid_text(raw, text);
	res = kept_find(cluster_of(st), text, ret_s);
	if (res == -ENOENT)
		return reply_error(r, "QueryIdNotFoundException", "The query does not exist.");
	return res < 0 ? broken(r) : 0;
}

int cluster_describe_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_(job_state_free) struct job_state s = { .rows = 0 };
	struct json j = { .out = &r->body };
	int res = find(st, in, r, &s);

	if (res < 0)
		return res;
	json_open(&j, NULL, '{');
	json_string(&j, "QueryId", s.id);
	json_text(&j, "QueryString", s.statement.p, s.statement.n);
	json_string(&j, "QueryStatus", s.status);
	json_open(&j, "QueryStatistics", '{');
	json_uint(&j, "EventsMatched", s.rows);
	json_uint(&j, "EventsScanned", s.scanned);
	json_uint(&j, "BytesScanned", s.bytes);
	json_int(&j, "ExecutionTimeInMillis", ((s.finished ? s.finished : clock_wall()) - s.created) / (int64_t)NS_PER_MS);
	json_time(&j, "CreationTime", s.created);
	json_close(&j, '}');
	if (s.error.n)
		json_text(&j, "ErrorMessage", s.error.p, s.error.n);
	json_close(&j, '}');
	return 0;
}

int cluster_cancel_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_(job_state_free) struct job_state s = { .rows = 0 };
	struct json j = { .out = &r->body };
	int res = find(st, in, r, &s);

	if (res < 0)
		return res;
	if (strcmp(s.status, "RUNNING") || job_cancel(jobs_of(st), s.id) < 0)
		return reply_error(r, "InactiveQueryException", "The query is not running at this store: its status is %s.", s.status);
	json_open(&j, NULL, '{');
	json_string(&j, "QueryId", s.id);
	json_string(&j, "QueryStatus", "CANCELLED");
	json_close(&j, '}');
	return 0;
}

/* ---- results */

static int page_start(struct store *st, struct json_object *in, const char *id, struct reply *r, uint64_t *ret_at, unsigned *ret_max)
{
	struct index_key at;
	const char *token;
	int64_t max;
	size_t n;
	bool has;
	int res = input_text(in, "NextToken", r, &token, &n);

	if (!res)
		res = input_int(in, "MaxQueryResults", r, &has, &max);
	if (res < 0)
		return res;
	if (has && (max < 1 || max > (int64_t)JOB_PAGE))
		return reply_error(r, "InvalidMaxResultsException", "MaxQueryResults must be between 1 and %u.", JOB_PAGE);
	*ret_max = has ? (unsigned)max : JOB_PAGE;
	*ret_at = 0;
	if (token && token_read(st->token_key, id, strlen(id), token, &at) < 0)
		return reply_error(r, "InvalidNextTokenException", "The NextToken is not valid, or was given for other parameters.");
	if (token)
		*ret_at = at.place.pos;
	return 0;
}

/* Rows from at on, of one page. */
static int add_rows(struct store *st, const struct job_state *s, uint64_t at, unsigned max, struct json *j, unsigned *ret_n)
{
	struct json_object *rows = NULL;
	char token[TOKEN_TEXT];
	int r = at < s->rows ? kept_rows(cluster_of(st), s->id, (unsigned)(at / JOB_PAGE), &rows) : 0;
	size_t there = !r && rows ? json_object_array_length(rows) : 0;

	json_open(j, "QueryResultRows", '[');
	for (size_t i = at % JOB_PAGE; i < there && *ret_n < max; i++, ++*ret_n) {
		if (j->comma)
			buf_addc(j->out, ',');
		buf_adds(j->out, json_object_to_json_string_ext(json_object_array_get_idx(rows, i), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		j->comma = true;
	}
	json_close(j, ']');
	json_object_put(rows);
	if (!r && at + *ret_n < s->rows) {
		const struct index_key next = { .place = { .pos = at + *ret_n } };

		token_make(st->token_key, s->id, strlen(s->id), &next, token);
		json_string(j, "NextToken", token);
	}
	return r;
}

int cluster_get_query_results(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_(job_state_free) struct job_state s = { .rows = 0 };
	struct json j = { .out = &r->body };
	unsigned max = 0, n = 0;
	uint64_t at = 0;
	bool done;
	int res = find(st, in, r, &s);

	if (!res)
		res = page_start(st, in, s.id, r, &at, &max);
	if (res < 0)
		return res;
	done = !strcmp(s.status, "FINISHED");
	json_open(&j, NULL, '{');
	json_string(&j, "QueryStatus", s.status);
	if (done && add_rows(st, &s, at, max, &j, &n) < 0)
		return broken(r);
	json_open(&j, "QueryStatistics", '{');
	json_uint(&j, "ResultsCount", n);
	json_uint(&j, "TotalResultsCount", done ? s.rows : 0);
	json_uint(&j, "BytesScanned", s.bytes);
	json_close(&j, '}');
	if (s.error.n)
		json_text(&j, "ErrorMessage", s.error.p, s.error.n);
	json_close(&j, '}');
	return 0;
}

/* ---- lists */

static void list_one(void *ctx, const struct job_state *s)
{
	struct json *j = ctx;

	json_open(j, NULL, '{');
	json_string(j, "QueryId", s->id);
	json_string(j, "QueryStatus", s->status);
	json_time(j, "CreationTime", s->created);
	json_close(j, '}');
}

int cluster_list_queries(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	const char *status;
	size_t n;
	int res = input_text(in, "QueryStatus", r, &status, &n);

	if (res < 0)
		return res;
	json_open(&j, NULL, '{');
	json_open(&j, "Queries", '[');
	if (kept_list(cluster_of(st), clock_wall() - DAYS_SHOWN * 86400 * (int64_t)NS_PER_SEC, INT64_MAX, status, JOB_PAGE, list_one, &j) < 0)
		return broken(r);
	json_close(&j, ']');
	json_close(&j, '}');
	return 0;
}

int cluster_list_stores(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	_cleanup_buf_ struct buf arn = { 0 };

	buf_addf(&arn, "arn:aws:cloudtrail:%s:%s:eventdatastore/%s", st->region, st->account, jobs_of(st)->store_id);
	json_open(&j, NULL, '{');
	json_open(&j, "EventDataStores", '[');
	json_open(&j, NULL, '{');
	json_string(&j, "EventDataStoreArn", buf_text(&arn));
	json_string(&j, "Name", "default");
	json_close(&j, '}');
	json_close(&j, ']');
	json_close(&j, '}');
	return 0;
}
