/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.c - users' SQL: read by the lake's parser, translated, run. */
#include "jobs.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "proto/recordread.h"
#include "store/lake/sandbox.h"
#include "tables.h"

/* No condition of a statement is asked before those that say which rows are meant. */
#define UNMOVED "&optimize_move_to_prewhere=0&enable_optimize_predicate_expression=0"

/* The server's error codes, by its names for them. */
enum {
	ILLEGAL_TYPE_OF_ARGUMENT = 43,
	TYPE_MISMATCH = 53,
	CANNOT_CONVERT_TYPE = 70,
	TIMEOUT_EXCEEDED = 159,
	NOT_AN_AGGREGATE = 215,
	MEMORY_LIMIT_EXCEEDED = 241,
	NO_COMMON_TYPE = 386,
	QUERY_WAS_CANCELLED = 394,
	TOO_MANY_ROWS_OR_BYTES = 396,
};

/* ---- life */

static void open_parser(struct jobs *j)
{
	const char *settings[] = { "threads", "1", "memory_limit", "128MB", "temp_directory", "", "autoinstall_known_extensions", "false",
				   "autoload_known_extensions", "false", "enable_external_access", "false", NULL };

	if (duck_load(j->c->config.duckdb, j->fault) < 0 || duck_open(settings, &j->db, j->fault) < 0) {
		log_warnx("no SQL: its parser, libduckdb.so, cannot be loaded (%s); everything else works without", j->fault);
		return;
	}
	if (duck.connect(j->db, &j->conn) != DuckDBSuccess)
		snprintf(j->fault, sizeof(j->fault), "out of memory");
}

int jobs_open(struct cluster *c, struct jobs **ret_j)
{
	struct jobs *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->c = c;
	pthread_mutex_init(&j->lock, NULL);
	pthread_mutex_init(&j->parser, NULL);
	pthread_cond_init(&j->ended, NULL);
	open_parser(j);
	*ret_j = j;
	return 0;
}

void jobs_close(struct jobs **pj)
{
	struct jobs *j = *pj;

	if (!j)
		return;
	pthread_mutex_lock(&j->lock);
	while (j->n)
		pthread_cond_wait(&j->ended, &j->lock);
	pthread_mutex_unlock(&j->lock);
	duck_disconnect(&j->conn);
	duck_close(&j->db);
	pthread_mutex_destroy(&j->lock);
	pthread_mutex_destroy(&j->parser);
	pthread_cond_destroy(&j->ended);
	free(j);
	*pj = NULL;
}

static void job_free(struct job *job)
{
	job_state_free(&job->state);
	translated_free(&job->query);
	free(job);
}

/* ---- rows */

static void add_cell(struct json *j, const struct translated *t, unsigned i, struct json_object *v)
{
	const char *text = json_object_get_string(v);

	json_open(j, NULL, '{');
	if (!v)
		json_null(j, t->columns[i].name);
	else if (t->columns[i].truth)
		json_string(j, t->columns[i].name, *text == '1' ? "true" : "false");
	else if (json_object_is_type(v, json_type_string))
		json_text_again(j, t->columns[i].name, text, (size_t)json_object_get_string_len(v));
	else
		json_string(j, t->columns[i].name, text);
	json_close(j, '}');
}

static void add_row(struct json *j, const struct translated *t, struct json_object *row)
{
	unsigned n = json_object_is_type(row, json_type_array) ? (unsigned)json_object_array_length(row) : 0;

	json_open(j, NULL, '[');
	for (unsigned i = 0; i < n && i < t->ncolumns; i++)
		add_cell(j, t, i, json_object_array_get_idx(row, i));
	json_close(j, ']');
}

static int keep_rows(struct job *job, struct ch_link *l, struct json_object *data, char *why)
{
	size_t n = json_object_array_length(data);
	int r = 0;

	for (size_t at = 0; !r && at < n; at += JOB_PAGE) {
		_cleanup_buf_ struct buf page = { 0 };
		struct json j = { .out = &page };

		for (size_t i = at; i < n && i < at + JOB_PAGE; i++)
			add_row(&j, &job->query, json_object_array_get_idx(data, i));
		r = page.failed ? -ENOMEM : kept_page(job->jobs->c, l, job->state.id, job->state.created, (unsigned)(at / JOB_PAGE), &page, why);
	}
	job->state.rows = n;
	return r;
}

static uint64_t statistic(struct json_object *answer, const char *key)
{
	struct json_object *s, *v;

	return json_object_object_get_ex(answer, "statistics", &s) && json_object_object_get_ex(s, key, &v) ? (uint64_t)json_object_get_int64(v) : 0;
}

static int keep_answer(struct job *job, struct ch_link *l, char *why)
{
	struct json_object *answer = json_tokener_parse(buf_text(&l->answer)), *data;
	int r = -EBADMSG;

	if (json_object_is_type(answer, json_type_object) && json_object_object_get_ex(answer, "data", &data) &&
	    json_object_is_type(data, json_type_array)) {
		job->state.scanned = job->scoped ? 0 : statistic(answer, "rows_read");
		job->state.bytes = job->scoped ? 0 : statistic(answer, "bytes_read");
		r = keep_rows(job, l, data, why);
	}
	json_object_put(answer);
	return r;
}

/* ---- running */

static int ask(struct job *job, struct ch_link *l, char *why)
{
	const struct cluster_config *c = &job->jobs->c->config;
	const bool apart = c->clickhouse.query_user && *c->clickhouse.query_user;
	char settings[640];
	const struct ch_statement st = { .sql = buf_text(&job->query.sql), .settings = settings, .query_user = true, .fresh = TABLE_ROWS, .max = JOB_ANSWER_MAX,
					 .timeout_ms = (long)(c->query_ns / (int64_t)NS_PER_MS) + 10000 };

	/* a buffer for each of all columns is little only if it is small; readonly=1 last: nothing can be set behind it. A user of its own is read-only by the server's settings */
	snprintf(settings, sizeof(settings),
		 "&query_id=%s&max_execution_time=%" PRId64 "&max_memory_usage=%" PRIu64 "&max_result_rows=%" PRIu64 "&result_overflow_mode=throw&max_read_buffer_size=131072%s%s", job->state.id,
		 c->query_ns / (int64_t)NS_PER_SEC + 1, c->memory, c->query_rows, job->apart ? UNMOVED : "", apart ? "" : "&readonly=1");
	return ch_ask(&job->jobs->c->ch, l, &st, why);
}

/* The server's words are for the log: they speak of tables and settings that are ours. */
static const char *fault_text(struct ch_link *l, int r)
{
	switch (l->code) {
	case TIMEOUT_EXCEEDED:
		return "The query took longer than queries may.";
	case QUERY_WAS_CANCELLED:
		return "The query was cancelled.";
	case TOO_MANY_ROWS_OR_BYTES:
		return "The query gives more rows than queries may.";
	case MEMORY_LIMIT_EXCEEDED:
		return "The query needs more memory than queries may have.";
	case ILLEGAL_TYPE_OF_ARGUMENT:
	case TYPE_MISMATCH:
	case CANNOT_CONVERT_TYPE:
	case NO_COMMON_TYPE:
		return "The statement compares or computes with values of types that do not go together.";
	case NOT_AN_AGGREGATE:
		return "A column is neither in GROUP BY nor in an aggregate function.";
	default:
		return r == -EREMOTEIO ? "The cluster could not run the statement." : "The store could not run the statement.";
	}
}

static void finish(struct job *job, struct ch_link *l, int r, const char *why)
{
	enum query_status status = QUERY_FINISHED;
	bool cancelled;

	pthread_mutex_lock(&job->jobs->lock);
	cancelled = job->cancelled;
	pthread_mutex_unlock(&job->jobs->lock);
	if (r < 0) {
		status = cancelled ? QUERY_CANCELLED : l->code == TIMEOUT_EXCEEDED ? QUERY_TIMED_OUT : QUERY_FAILED;
		log_limited(LOG_LEVEL_INFO, r, "query %s: %s", job->state.id, why);
		buf_adds(&job->state.error, cancelled ? "" : fault_text(l, r));
	}
	snprintf(job->state.status, sizeof(job->state.status), "%s", query_status_name(status));
	job->state.finished = clock_wall();
}

/* And is freed. */
static void leave(struct job *job)
{
	struct jobs *j = job->jobs;

	pthread_mutex_lock(&j->lock);
	for (struct job **p = &j->running; *p; p = &(*p)->next)
		if (*p == job) {
			*p = job->next;
			break;
		}
	job_free(job);
	j->n--;
	pthread_cond_broadcast(&j->ended);
	pthread_mutex_unlock(&j->lock);
}

static void *run(void *arg)
{
	struct job *job = arg;
	struct jobs *j = job->jobs;
	struct ch_link l = { 0 };
	char why[CH_WHY_MAX] = "";
	int r = ask(job, &l, why);

	if (!r)
		r = keep_answer(job, &l, why);
	finish(job, &l, r, why);
	if (kept_state(j->c, &l, &job->state, why) < 0)
		log_limited(LOG_LEVEL_WARN, -EIO, "query %s is done, and that cannot be kept: %s", job->state.id, why);
	ch_link_free(&l);
	leave(job);
	return NULL;
}

/* ---- reading the statement */

static int parse(struct jobs *j, const char *text, size_t n, struct sandbox_tables *ret_named, struct json_object **ret, char why[DUCK_WHY_MAX])
{
	_cleanup_buf_ struct buf sql = { 0 }, tree = { 0 };
	int r = sandbox_rewrite(text, n, &sql, why);

	if (r < 0)
		return r;
	pthread_mutex_lock(&j->parser);
	r = sandbox_check(j->conn, buf_text(&sql), sql.n, ret_named, NULL, why);
	if (!r)
		r = duck_tree(j->conn, buf_text(&sql), sql.n, &tree, why);
	pthread_mutex_unlock(&j->parser);
	if (r < 0)
		return r;
	*ret = json_tokener_parse(buf_text(&tree));
	if (*ret)
		return 0;
	snprintf(why, DUCK_WHY_MAX, "the statement is nested too deeply");
	return -EINVAL;
}

static int read_statement(struct job *job, const struct caller *caller, const char *text, size_t n, char why[DUCK_WHY_MAX])
{
	struct cluster *c = job->jobs->c;
	_cleanup_(sources_free) struct sources sources = { .n = 0 };
	struct translated *t = &job->query;
	struct json_object *tree = NULL;
	struct sandbox_tables named;
	int r = parse(job->jobs, text, n, &named, &tree, why);

	_Static_assert((int)TRANSLATE_WHY_MAX <= (int)DUCK_WHY_MAX, "what is said fits");
	if (r < 0)
		return r;
	r = sources_find(c, caller, &named, &sources, why);
	if (!r)
		r = translate(tree, sources.v, sources.n, c->ch.modern, t, why);
	json_object_put(tree);
	if (sources.n)
		memcpy(job->state.store, sources.v[0].id, sizeof(job->state.store));
	job->apart = sources.apart;
	buf_adds(&t->sql, " FORMAT JSONCompact");
	return r ? r : t->sql.failed ? -ENOMEM : 0;
}

/* Its place among those that run, before anything is kept of it. -EAGAIN, -EBUSY: there is none. */
static int enter(struct job *job, const struct caller *caller)
{
	struct jobs *j = job->jobs;
	unsigned n = 0;
	int r;

	pthread_mutex_lock(&j->lock);
	for (const struct job *other = j->running; caller && other; other = other->next)
		n += !strcmp(other->state.key, caller->id);
	r = j->n >= CH_QUERIES_MAX ? -EAGAIN : caller && caller->queries && n >= caller->queries ? -EBUSY : 0;
	if (!r) {
		job->next = j->running;
		j->running = job;
		j->n++;
	}
	pthread_mutex_unlock(&j->lock);
	return r;
}

static int launch(struct job *job)
{
	pthread_attr_t detached;
	sigset_t all, old;
	pthread_t thread;
	int r;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&thread, &detached, run, job);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&detached);
	return r;
}

static void describe(struct job *job, const struct caller *caller, const uint8_t id[16], const char *text, size_t n)
{
	job->scoped = caller_is_scoped(caller);
	snprintf(job->state.key, sizeof(job->state.key), "%s", caller ? caller->id : "");
	uuid_text(id, job->state.id);
	snprintf(job->state.status, sizeof(job->state.status), "%s", query_status_name(QUERY_RUNNING));
	job->state.created = clock_wall();
	buf_add(&job->state.statement, text, n);
}

int job_start(struct jobs *j, const struct caller *caller, const char *text, size_t n, char ret_id[37], char why[DUCK_WHY_MAX])
{
	struct job *job = calloc(1, sizeof(*job));
	struct ch_link l = { 0 };
	uint8_t id[16];
	int r = -ENOMEM;

	if (job) {
		job->jobs = j;
		r = read_statement(job, caller, text, n, why);
	}
	if (!r)
		r = uuid_random(id);
	if (!r) {
		describe(job, caller, id, text, n);
		r = enter(job, caller);
	}
	if (r < 0) {
		if (job)
			job_free(job);
		return r;
	}
	memcpy(ret_id, job->state.id, sizeof(job->state.id));
	r = kept_state(j->c, &l, &job->state, why);
	ch_link_free(&l);
	if (!r)
		r = launch(job);
	if (r < 0)
		leave(job);
	return r == -EINVAL || r == -ENOENT || r == -ESTALE ? -EIO : r;
}

int job_cancel(struct jobs *j, const char *id)
{
	char sql[128], why[CH_WHY_MAX];
	const struct ch_statement st = { .sql = sql, .timeout_ms = 10000 };
	struct ch_link l = { 0 };
	bool here = false;

	pthread_mutex_lock(&j->lock);
	for (struct job *job = j->running; job; job = job->next)
		if (!strcmp(job->state.id, id))
			here = job->cancelled = true;
	pthread_mutex_unlock(&j->lock);
	if (!here)
		return -ENOENT;
	snprintf(sql, sizeof(sql), "KILL QUERY WHERE query_id = '%s' ASYNC", id);
	for (unsigned i = 0; i < j->c->ch.nservers; i++)
		if (__atomic_load_n(&j->c->ch.servers[i].ready, __ATOMIC_ACQUIRE))
			ch_send(&j->c->ch, &l, &j->c->ch.servers[i], &st, why);
	ch_link_free(&l);
	return 0;
}
