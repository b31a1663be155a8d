/* SPDX-License-Identifier: Apache-2.0 */
/* op_jobs.c - StartQuery, DescribeQuery, GetQueryResults, CancelQuery, ListQueries over a cluster. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "jobs_internal.h"
#include "lease.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/json.h"
#include "store/input.h"
#include "store/op_store.h"
#include "store/queries.h"
#include "store/token.h"

static int broken(struct reply *r)
{
	return reply_fault(r, 503, "ServiceUnavailableException", "The store's cluster does not answer.");
}

static struct jobs *jobs_of(struct store *st)
{
	return cluster_of(st)->jobs;
}

static struct str text_of(const struct buf *b)
{
	return (struct str){ (const char *)b->p, b->n };
}

/* ---- StartQuery */

static int start_fault(int res, const struct caller *caller, const char *why, struct reply *r)
{
	if (res == -EBUSY)
		return reply_error(r, "MaxConcurrentQueriesException", "%u queries of this key are running already.", caller->queries);
	if (res == -EAGAIN)
		return reply_error(r, "MaxConcurrentQueriesException", "%d queries are running already.", CH_QUERIES_MAX);
	if (res == -EINVAL)
		return reply_error(r, "InvalidQueryStatementException", "%s", why);
	if (res == -ENOENT)
		return reply_error(r, "EventDataStoreNotFoundException", "%s", why);
	if (res == -ESTALE)
		return reply_error(r, "InactiveEventDataStoreException", "%s", why);
	log_limited(LOG_LEVEL_WARN, res, "a query cannot be started: %s", why);
	return broken(r);
}

int cluster_start_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	char id[37], why[DUCK_WHY_MAX] = "";
	const char *text;
	size_t n;
	int res = queries_take_statement(st, in, r, &text, &n);

	if (res < 0)
		return res;
	if (*jobs_of(st)->fault)
		return reply_fault(r, 503, "ServiceUnavailableException", "The store has no parser for SQL.");
	if (input_has(in, "QueryParameters") || input_has(in, "DeliveryS3Uri") || input_has(in, "QueryAlias"))
		return reply_error(r, "UnsupportedOperationException", "This engine takes a QueryStatement only.");
	res = job_start(jobs_of(st), state->caller, text, n, id, why);
	if (res < 0)
		return start_fault(res, state->caller, why, r);
	queries_answer(r, id, NULL);
	return 0;
}

/* ---- one query */

/* A key that sees some records only finds its own queries only. */
static bool is_hidden(const struct job_state *s, const struct caller *caller)
{
	return caller_is_scoped(caller) && strcmp(s->key, caller->id);
}

static int find(struct store *st, struct json_object *in, const struct caller *caller, struct reply *r, struct job_state *ret_s)
{
	uint8_t raw[16];
	const char *id;
	char text[37];
	int res = queries_take_id(in, r, &id);

	if (res < 0)
		return res;
	if (!id)
		return queries_lack(r, "queryId");
	uuid_parse(id, raw);
	uuid_text(raw, text);	/* as it is kept: in small letters */
	res = kept_find(cluster_of(st), text, ret_s);
	if (res == -ENOENT || (!res && is_hidden(ret_s, caller)))
		return reply_error(r, "QueryIdNotFoundException", "The query does not exist.");
	return res < 0 ? broken(r) : 0;
}

int cluster_describe_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_(job_state_free) struct job_state s = { .rows = 0 };
	struct json j = { .out = &r->body };
	int res = find(st, in, state->caller, r, &s);

	if (res < 0)
		return res;
	json_open(&j, NULL, '{');
	queries_show(&j, &(struct query_shown){ s.id, s.status, text_of(&s.statement), text_of(&s.error), s.rows, s.scanned, s.bytes, s.created, s.finished });
	json_close(&j, '}');
	return 0;
}

int cluster_cancel_query(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_(job_state_free) struct job_state s = { .rows = 0 };
	int res = find(st, in, state->caller, r, &s);

	if (res < 0)
		return res;
	if (strcmp(s.status, query_status_name(QUERY_RUNNING)) || job_cancel(jobs_of(st), s.id) < 0)
		return reply_error(r, "InactiveQueryException", "The query is not running at this store: its status is %s.", s.status);
	queries_answer(r, s.id, query_status_name(QUERY_CANCELLED));
	return 0;
}

/* ---- results */

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
	struct index_key at;
	unsigned max = 0, n = 0;
	bool done;
	int res = find(st, in, state->caller, r, &s);

	if (!res)
		res = queries_take_page(st, in, "MaxQueryResults", s.id, strlen(s.id), r, &max, &at);
	if (res < 0)
		return res;
	done = !strcmp(s.status, query_status_name(QUERY_FINISHED));
	json_open(&j, NULL, '{');
	json_string(&j, "QueryStatus", s.status);
	if (done && add_rows(st, &s, at.place.pos, max, &j, &n) < 0)
		return broken(r);
	queries_show_counts(&j, n, done ? s.rows : 0, s.bytes, text_of(&s.error));
	json_close(&j, '}');
	return 0;
}

/* ---- lists */

struct listing {
	struct json j;
	const struct caller *caller;
	const char *store, *builtin;
	unsigned n, max;
	int64_t last;		/* when the last one that is shown was created */
	bool more;
};

static void list_one(void *ctx, const struct job_state *s)
{
	struct listing *listing = ctx;

	if (is_hidden(s, listing->caller) || strcmp(*s->store ? s->store : listing->builtin, listing->store))
		return;
	listing->more = listing->n == listing->max;
	if (listing->more)
		return;
	listing->n++;
	listing->last = s->created;
	queries_show_listed(&listing->j, s->id, s->status, s->created);
}

/* By ARN or id; "events" is the built-in one, which needs no looking up. */
static int take_store(struct store *st, struct json_object *in, struct reply *r, struct event_store *ret_e)
{
	struct cluster *c = cluster_of(st);
	char why[CH_WHY_MAX] = "";
	const char *name;
	size_t n;
	int res = input_text(in, "EventDataStore", r, &name, &n);

	if (res < 0)
		return res;
	if (name && !strcmp(name, "events")) {
		memcpy(ret_e->id, c->store_id, sizeof(ret_e->id));
		return 0;
	}
	res = lease_refresh(c->lease, why);
	if (res < 0) {
		log_limited(LOG_LEVEL_WARN, res, "clickhouse: event data stores: %s", why);
		return broken(r);
	}
	return store_named(st, in, r, ret_e, NULL);
}

int cluster_list_queries(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct listing l = { .j = { .out = &r->body }, .caller = state->caller };
	_cleanup_buf_ struct buf binding = { 0 };
	struct index_key at = { 0 };
	char token[TOKEN_TEXT];
	const char *status = NULL;
	int64_t from = 0, to = 0;
	struct event_store e;
	int res = take_store(st, in, r, &e);

	if (!res)
		res = queries_take_status(in, r, &status);
	if (!res)
		res = queries_take_times(in, r, &from, &to);
	l.store = !res ? e.id : "";
	l.builtin = cluster_of(st)->store_id;
	buf_addf(&binding, "ListQueries %s %s %" PRId64 " %" PRId64, l.store, status ? status : "", input_has(in, "StartTime") ? from : -1, to);
	if (!res && binding.failed)
		return broken(r);
	if (!res)
		res = queries_take_page(st, in, "MaxResults", binding.p, binding.n, r, &l.max, &at);
	if (res < 0)
		return res;
	if (at.time && at.time - 1 < to)
		to = at.time - 1;
	json_open(&l.j, NULL, '{');
	json_open(&l.j, "Queries", '[');
	if (kept_list(cluster_of(st), from, to, status, list_one, &l) < 0)
		return broken(r);
	json_close(&l.j, ']');
	if (l.more) {
		at = (struct index_key){ .time = l.last };
		token_make(st->token_key, binding.p, binding.n, &at, token);
		json_string(&l.j, "NextToken", token);
	}
	json_close(&l.j, '}');
	return 0;
}
