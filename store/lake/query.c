/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "proto/recordread.h"
#include "ready.h"
#include "sandbox.h"
#include "save.h"
#include "schema.h"
#include "store/caller.h"
#include "store/tailer.h"
#include "values.h"

#define RESULT_BYTES_MAX (1ull << 30)
#define WRITE_BYTES (256u << 10)
#define INDEX_WAIT_NS (60 * NS_PER_SEC)
#define WATCH_MS 50
#define UNION " UNION ALL "
#define MADE_SECONDS 10
#define KEEP_NS (7 * 86400 * (int64_t)NS_PER_SEC)

struct table {
	struct scan *scan;
	journal_pos from;		/* behind the segments */
};

struct query {
	struct lake *lake;
	const struct caller *caller;	/* belongs to the store's keys; NULL: nobody in particular */
	struct query_row row;
	char *statement;		/* as it was given */
	char **params;
	unsigned nparams;
	char *save_uri;			/* NULL: the result is not saved */
	struct save_place save;
	struct ready *ready;
	duckdb_connection c;		/* the same, for whoever interrupts it */
	duckdb_prepared_statement prepared;
	struct table tables[SANDBOX_TABLES_MAX];
	unsigned ntables;
	struct time_bound times;	/* of the events that the statement can want */
	journal_pos upto;
	uint64_t generation;		/* of merges, when it took its segments */
	uint64_t deadline;		/* boot-time ns */
	bool cancelled, late;		/* lock of the lake, down to adopted */
	bool made;			/* checked and bound, or refused: fault, why */
	bool adopted;			/* whoever asked has its id before that */
	enum query_fault fault;
	char why[DUCK_WHY_MAX];
	unsigned refs;			/* the thread's, and of whoever waits for it to be made */
	char error[DUCK_WHY_MAX];
	pthread_t thread;
	struct query *next;
};

const char *query_status_name(enum query_status s)
{
	static const char *const names[] = { "QUEUED", "RUNNING", "FINISHED", "FAILED", "CANCELLED", "TIMED_OUT" };

	return (unsigned)s < ARRAY_SIZE(names) ? names[s] : "FAILED";
}

static void query_free(struct query *q)
{
	if (!q)
		return;
	if (q->prepared)
		duck.destroy_prepare(&q->prepared);
	for (unsigned i = 0; i < q->ntables; i++)
		scan_unref(q->tables[i].scan);
	ready_give(q->lake, q->ready, q->row.status == QUERY_FINISHED);
	for (unsigned i = 0; i < q->nparams; i++)
		free(q->params[i]);
	free(q->params);
	free(q->save_uri);
	free(q->statement);
	free(q);
}

/* Its place among those that run is given up last: after that the lake may be gone. */
static void query_unref(struct query *q)
{
	struct lake *l = q->lake;
	bool last;

	pthread_mutex_lock(&l->lock);
	last = --q->refs == 0;
	for (struct query **p = &l->queries; last && *p; p = &(*p)->next)
		if (*p == q) {
			*p = q->next;
			break;
		}
	pthread_mutex_unlock(&l->lock);
	if (!last)
		return;
	query_free(q);
	pthread_mutex_lock(&l->lock);
	l->nqueries--;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

static void result_path(struct lake *l, const char *id, char ret[4096])
{
	snprintf(ret, 4096, "%s/results/%s", l->dir, id);
}

/* ---- starting one */

/* How much there is of everybody's is not for who may see some. */
static void count_scanned(struct query *q, uint64_t records, uint64_t bytes)
{
	if (caller_is_scoped(q->caller))
		return;
	q->row.scanned += records;
	q->row.bytes += bytes;
}

/* Those of the segments whose rows may be past, or the others, as a part of the view; without those whose times nobody asks for. */
static void add_segments(struct query *q, const struct segment *segments, size_t n, int64_t before, bool straddling, struct buf *sql)
{
	const struct time_bound *times = &q->times;
	size_t added = 0;
	char iso[21];

	for (size_t i = 0; i < n; i++) {
		if (retain_straddles(&segments[i], before) != straddling || segments[i].last < times->from || segments[i].first > times->to)
			continue;
		if (!added) {
			buf_adds(sql, "SELECT ");
			schema_list(sql);
			buf_adds(sql, " FROM read_parquet([");
		}
		buf_addf(sql, "%s'%s/%s'", added++ ? ", " : "", q->lake->dir, segments[i].path);
		count_scanned(q, segments[i].rows, segments[i].bytes);
	}
	if (!added)
		return;
	buf_adds(sql, "], hive_partitioning = false)");
	clock_iso(before / (int64_t)NS_PER_SEC, iso);
	if (straddling)
		buf_addf(sql, " WHERE eventtime >= TIMESTAMP '%.10s %.8s' OR receivedtime >= TIMESTAMP '%.10s %.8s'", iso, iso + 11, iso, iso + 11);
	buf_adds(sql, UNION);
}

/* The view that the statement's table name finds. */
static int show_view(struct query *q, struct ready_view *v, const struct event_store *e, struct scan *scan, char why[DUCK_WHY_MAX])
{
	int64_t before = retain_has_hold(q->lake, e) ? 0 : retain_before(q->lake, e);
	_cleanup_free_ struct segment *segments = NULL;
	_cleanup_buf_ struct buf sql = { 0 };
	bool scoped = caller_is_scoped(q->caller);
	size_t n, start;
	int r = manifest_segments(q->lake->manifest, e->id, &segments, &n, &q->tables[q->ntables - 1].from);

	if (r < 0)
		return r;
	scan->keep_from = before > 0 ? before : 0;
	buf_adds(&sql, scoped ? "SELECT * FROM (" : "");
	start = sql.n;
	add_segments(q, segments, n, scan->keep_from, false, &sql);
	add_segments(q, segments, n, scan->keep_from, true, &sql);
	if (sql.n > start && q->tables[q->ntables - 1].from >= q->upto) {
		sql.n -= strlen(UNION);		/* all is sealed: the engine plans better over files alone */
	} else {
		buf_adds(&sql, "SELECT ");
		schema_list(&sql);
		buf_addf(&sql, " FROM hosttrail_scan(%llu)", (unsigned long long)scan->id);
	}
	if (scoped) {
		buf_adds(&sql, ") WHERE ");
		caller_sql(q->caller, &sql);
	}
	return sql.failed ? -ENOMEM : ready_show(q->ready, v, buf_text(&sql), why);
}

static enum query_fault add_table(struct query *q, const char *name, char why[DUCK_WHY_MAX])
{
	const char *id = strcasecmp(name, "events") ? name : q->lake->default_id;
	struct ready_view *v = ready_view(q->ready, name);
	struct event_store e;
	struct scan_span *spans;
	unsigned nspans;
	int r = manifest_store_get(q->lake->manifest, id, &e, NULL);

	if (r == -ENOENT) {
		snprintf(why, DUCK_WHY_MAX, "The event data store %s does not exist.", id);
		return QUERY_NO_STORE;
	}
	if (!r && e.status == STORE_PENDING_DELETION) {
		snprintf(why, DUCK_WHY_MAX, "The event data store %s is pending deletion.", id);
		return QUERY_INACTIVE_STORE;
	}
	if (!r)
		r = manifest_spans(q->lake->manifest, id, &spans, &nspans);
	if (!r)
		r = scan_new(q->lake->st, spans, nspans, v->scan, &q->tables[q->ntables].scan);
	if (!r) {
		q->ntables++;
		if (q->ntables == 1)
			memcpy(q->row.store, e.id, sizeof(q->row.store));
		r = show_view(q, v, &e, q->tables[q->ntables - 1].scan, why);
	}
	if (r < 0)
		log_warnx("a query cannot be prepared: %s", *why ? why : strerror(-r));
	return r < 0 ? QUERY_BROKEN : QUERY_OK;
}

static enum query_fault prepare(struct query *q, const char *sql, char why[DUCK_WHY_MAX])
{
	idx_t wanted;

	if (duck.prepare(q->c, sql, &q->prepared) != DuckDBSuccess) {
		sandbox_message(duck.prepare_error(q->prepared), why);
		return QUERY_BAD_STATEMENT;
	}
	if (duck.prepared_statement_type(q->prepared) != DUCKDB_STATEMENT_TYPE_SELECT) {
		snprintf(why, DUCK_WHY_MAX, "one SELECT statement is allowed");
		return QUERY_BAD_STATEMENT;
	}
	wanted = duck.nparams(q->prepared);
	if (wanted != q->nparams) {
		snprintf(why, DUCK_WHY_MAX, "the statement has %u parameters, %u were given", (unsigned)wanted, q->nparams);
		return QUERY_BAD_STATEMENT;
	}
	for (unsigned i = 0; i < q->nparams; i++)
		if (duck.bind_varchar(q->prepared, i + 1, q->params[i]) != DuckDBSuccess) {
			snprintf(why, DUCK_WHY_MAX, "parameter %u cannot be bound", i + 1);
			return QUERY_BAD_STATEMENT;
		}
	return QUERY_OK;
}

static bool connect_query(struct query *q)
{
	if (caller_is_scoped(q->caller) && !q->lake->scoped_db)
		return false;
	if (ready_take(q->lake, caller_is_scoped(q->caller) ? q->lake->scoped_db : q->lake->query_db, &q->ready) < 0)
		return false;
	pthread_mutex_lock(&q->lake->lock);
	q->c = q->ready->c;
	pthread_mutex_unlock(&q->lake->lock);
	return true;
}

static enum query_fault make_query(struct query *q, char why[DUCK_WHY_MAX])
{
	_cleanup_buf_ struct buf sql = { 0 };
	struct sandbox_tables tables;
	enum query_fault f = QUERY_OK;
	int r;

	if (!connect_query(q))
		return QUERY_BROKEN;
	r = sandbox_rewrite(q->statement, strlen(q->statement), &sql, why);
	if (!r)
		r = sandbox_check(q->c, buf_text(&sql), sql.n, &tables, why);
	if (r < 0)
		return r == -EINVAL || r == -EIO ? QUERY_BAD_STATEMENT : QUERY_BROKEN;
	if (!tables.n) {
		snprintf(why, DUCK_WHY_MAX, "the statement names no event data store");
		return QUERY_BAD_STATEMENT;
	}
	q->times = tables.times;
	for (unsigned i = 0; i < tables.n && !f; i++)
		f = add_table(q, tables.v[i], why);
	return f ? f : prepare(q, buf_text(&sql), why);
}

/* ---- running one */

static bool ended(struct query *q)
{
	bool end;

	pthread_mutex_lock(&q->lake->lock);
	end = q->cancelled || q->late || q->lake->stopping;
	pthread_mutex_unlock(&q->lake->lock);
	return end;
}

/* What was acknowledged at the start is to be seen: the tailer must have been there. */
static int wait_for_index(struct query *q)
{
	uint64_t until = clock_boot() + INDEX_WAIT_NS;
	const struct timespec pause = { .tv_nsec = 2000000 };

	while (!tailer_has(q->lake->st->tailer, q->upto)) {
		if (ended(q))
			return -ECANCELED;
		if (clock_boot() > until) {
			snprintf(q->error, sizeof(q->error), "The store is too far behind with what it has taken in.");
			return -ETIME;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int fill_tables(struct query *q)
{
	journal_pos next;
	int r = 0;

	for (unsigned i = 0; i < q->ntables && !r; i++) {
		r = scan_fill(q->tables[i].scan, q->tables[i].from, q->upto, UINT64_MAX, false, &next);
		count_scanned(q, q->tables[i].scan->records, q->tables[i].scan->bytes);
	}
	return r;
}

struct rows {
	struct query *q;
	FILE *file;
	struct buf out, value;
	idx_t ncolumns;
	duckdb_logical_type *types;
	const char **names;
};

static int write_out(struct rows *w)
{
	if (w->out.failed)
		return -ENOMEM;
	if (w->out.n && fwrite(w->out.p, 1, w->out.n, w->file) != w->out.n)
		return -errno;
	w->q->row.result_bytes += w->out.n;
	buf_reset(&w->out);
	if (w->q->row.result_bytes > RESULT_BYTES_MAX || w->q->row.rows > w->q->lake->config.query_rows) {
		snprintf(w->q->error, sizeof(w->q->error), "The result is larger than %llu rows or %llu bytes: use LIMIT.",
			 (unsigned long long)w->q->lake->config.query_rows, RESULT_BYTES_MAX);
		return -E2BIG;
	}
	return 0;
}

static int write_row(struct rows *w, duckdb_data_chunk chunk, idx_t i)
{
	struct json j = { .out = &w->out };
	bool null;
	int r = 0;

	json_open(&j, NULL, '[');
	for (idx_t c = 0; c < w->ncolumns && !r; c++) {
		buf_reset(&w->value);
		r = value_text(duck.data_chunk_get_vector(chunk, c), w->types[c], i, &w->value, &null);
		json_open(&j, NULL, '{');
		if (null)
			json_null(&j, w->names[c]);
		else
			json_text_again(&j, w->names[c], w->value.p, w->value.n);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	buf_addc(&w->out, '\n');
	w->q->row.rows++;
	if (r == -ENOTSUP)
		snprintf(w->q->error, sizeof(w->q->error), "A column has a type that cannot be shown: cast it.");
	return r ? r : w->out.n > WRITE_BYTES ? write_out(w) : 0;
}

static int write_chunks(struct rows *w, duckdb_result result)
{
	duckdb_data_chunk chunk;
	const char *error;
	int r = 0;

	while (!r && (chunk = duck.fetch_chunk(result))) {
		idx_t n = duck.data_chunk_get_size(chunk);

		for (idx_t i = 0; i < n && !r; i++)
			r = write_row(w, chunk, i);
		duck.destroy_data_chunk(&chunk);
		if (!r && (!n || ended(w->q)))
			break;
	}
	error = duck.result_error(&result);
	if (!r && error && *error) {
		sandbox_message(error, w->q->error);
		r = -EIO;
	}
	return r ? r : write_out(w);
}

static int write_result(struct query *q, duckdb_result result)
{
	struct rows w = { .q = q, .ncolumns = duck.column_count(&result) };
	char path[4096];
	int r = 0;

	result_path(q->lake, q->row.id, path);
	w.types = calloc(w.ncolumns, sizeof(*w.types));
	w.names = calloc(w.ncolumns, sizeof(*w.names));
	w.file = fopen(path, "we");
	if (!w.types || !w.names || !w.file)
		r = w.file ? -ENOMEM : -errno;
	for (idx_t c = 0; c < w.ncolumns && !r; c++) {
		w.types[c] = duck.column_logical_type(&result, c);
		w.names[c] = duck.column_name(&result, c);
	}
	if (!r)
		r = write_chunks(&w, result);
	if (w.file && fclose(w.file) && !r)
		r = -errno;
	for (idx_t c = 0; w.types && c < w.ncolumns; c++)
		if (w.types[c])
			duck.destroy_logical_type(&w.types[c]);
	free(w.types);
	free(w.names);
	buf_free(&w.out);
	buf_free(&w.value);
	return r;
}

static int execute(struct query *q)
{
	duckdb_pending_result pending = NULL;
	duckdb_result result;
	int r = 0;

	if (duck.pending_prepared_streaming(q->prepared, &pending) != DuckDBSuccess) {
		sandbox_message(duck.pending_error(pending), q->error);
		r = -EIO;
	} else {
		if (duck.execute_pending(pending, &result) != DuckDBSuccess) {
			sandbox_message(duck.result_error(&result), q->error);
			r = -EIO;
		} else {
			r = write_result(q, result);
		}
		duck.destroy_result(&result);
	}
	duck.destroy_pending(&pending);
	return r;
}

static enum query_status outcome(struct query *q, int r)
{
	enum query_status s = r < 0 ? QUERY_FAILED : QUERY_FINISHED;

	pthread_mutex_lock(&q->lake->lock);
	if (q->cancelled)
		s = QUERY_CANCELLED;
	else if (q->late)
		s = QUERY_TIMED_OUT;
	else if (q->lake->stopping)
		s = QUERY_FAILED;
	pthread_mutex_unlock(&q->lake->lock);
	if (s == QUERY_FAILED && !*q->error)
		snprintf(q->error, sizeof(q->error), "The store could not run the query.");
	return s;
}

static void end_query(struct query *q, int r)
{
	char path[4096];

	q->row.finished = clock_wall();
	q->row.status = outcome(q, r);
	if (q->row.status == QUERY_TIMED_OUT)
		snprintf(q->error, sizeof(q->error), "The query ran longer than %lld seconds.",
			 (long long)(q->lake->config.query_ns / (int64_t)NS_PER_SEC));
	if (q->row.status != QUERY_FINISHED && q->row.status != QUERY_TIMED_OUT) {
		result_path(q->lake, q->row.id, path);
		unlink(path);
	}
	manifest_query_put(q->lake->manifest, &q->row, q->statement, q->error);
}

/* Checks and binds it, and tells whoever waits; false: it is refused. */
static bool made(struct query *q)
{
	char why[DUCK_WHY_MAX] = "";
	enum query_fault f = make_query(q, why);
	bool adopted;

	if (!f)
		q->row.status = QUERY_RUNNING;

	if (!f && manifest_query_put(q->lake->manifest, &q->row, q->statement, "") < 0)
		f = QUERY_BROKEN;
	if (!f && q->save_uri && manifest_saved_put(q->lake->manifest, q->row.id, q->save_uri, "PENDING") < 0)
		f = QUERY_BROKEN;
	pthread_mutex_lock(&q->lake->lock);
	q->made = true;
	q->fault = f;
	memcpy(q->why, why, sizeof(q->why));
	adopted = q->adopted;
	pthread_cond_broadcast(&q->lake->changed);
	pthread_mutex_unlock(&q->lake->lock);
	if (f && adopted) {
		snprintf(q->error, sizeof(q->error), "%s", why);
		end_query(q, -EINVAL);
	}
	return !f;
}

static void save(struct query *q)
{
	const char *status = "CANCELLED";

	if (q->row.status == QUERY_FINISHED)
		status = save_results(q->lake, &q->row, &q->save);
	else if (q->row.status != QUERY_CANCELLED)
		status = "FAILED";
	manifest_saved_put(q->lake->manifest, q->row.id, q->save_uri, status);
}

static void *run(void *arg)
{
	struct query *q = arg;
	int r;

	if (made(q)) {
		r = wait_for_index(q);
		if (!r)
			r = fill_tables(q);
		if (!r)
			r = execute(q);
		end_query(q, r);
		if (q->save_uri)
			save(q);
	}
	query_unref(q);
	return NULL;
}

static int launch(struct query *q)
{
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = -pthread_create(&q->thread, &attr, run, q);
	pthread_attr_destroy(&attr);
	if (r < 0)
		log_warn(r, "a query's thread cannot be started");
	return r;
}

/* Takes a place among those that run; before its segments are listed, so that none of them is removed. */
static enum query_fault enter(struct lake *l, struct query *q)
{
	enum query_fault f = QUERY_OK;
	unsigned mine = 0;

	pthread_mutex_lock(&l->lock);
	for (const struct query *o = l->queries; o; o = o->next)
		mine += o->caller == q->caller;
	if (l->nqueries >= LAKE_QUERIES_MAX || l->stopping)
		f = QUERY_TOO_MANY;
	else if (q->caller && q->caller->queries && mine >= q->caller->queries)
		f = QUERY_TOO_MANY_OF_KEY;
	if (!f) {
		q->generation = l->generation;
		q->deadline = clock_boot() + (uint64_t)l->config.query_ns;
		q->next = l->queries;
		l->queries = q;
		l->nqueries++;
	}
	pthread_mutex_unlock(&l->lock);
	return f;
}

static struct query *new_query(struct lake *l, const struct query_request *request)
{
	struct query *q = calloc(1, sizeof(*q));
	uint8_t id[16];
	bool ok;

	if (!q)
		return NULL;
	q->lake = l;
	q->caller = request->caller;
	q->refs = 2;
	ok = uuid_random(id) == 0;
	uuid_text(id, q->row.id);
	q->row.created = clock_wall();
	q->upto = journal_end(l->st->journal);
	snprintf(q->row.alias, sizeof(q->row.alias), "%s", request->alias ? request->alias : "");
	q->statement = strndup(request->statement, request->statement_len);
	q->params = calloc(request->nparams + 1, sizeof(*q->params));
	ok &= q->statement && q->params;
	if (request->save_uri) {
		q->save = *request->save;
		q->save_uri = strdup(request->save_uri);
		ok &= q->save_uri != NULL;
	}
	for (; ok && q->nparams < request->nparams; q->nparams += ok) {
		q->params[q->nparams] = strdup(request->params[q->nparams]);
		ok = q->params[q->nparams] != NULL;
	}
	if (!ok) {
		query_free(q);
		return NULL;
	}
	return q;
}

/* The answer of the query's thread; a statement that takes long to be bound goes on without us. */
static enum query_fault wait_made(struct query *q, char why[DUCK_WHY_MAX])
{
	struct lake *l = q->lake;
	struct timespec until;
	enum query_fault f;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += MADE_SECONDS;
	pthread_mutex_lock(&l->lock);
	while (!q->made && pthread_cond_timedwait(&l->changed, &l->lock, &until) != ETIMEDOUT)
		;
	q->adopted = !q->made;
	f = q->adopted ? QUERY_OK : q->fault;
	memcpy(why, q->why, sizeof(q->why));
	pthread_mutex_unlock(&l->lock);
	return f;
}

enum query_fault query_start(struct lake *l, const struct query_request *request, char ret_id[UUID_TEXT], char why[DUCK_WHY_MAX])
{
	struct query *q;
	enum query_fault f;

	*why = '\0';
	if (memchr(request->statement, '\0', request->statement_len)) {
		snprintf(why, DUCK_WHY_MAX, "the statement holds a NUL byte");
		return QUERY_BAD_STATEMENT;
	}
	q = new_query(l, request);
	if (!q)
		return QUERY_BROKEN;
	f = enter(l, q);
	if (f) {
		query_free(q);
		return f;
	}
	if (q->caller && manifest_query_own(l->manifest, q->row.id, q->caller->id, q->row.created) < 0) {
		q->refs = 1;
		query_unref(q);
		return QUERY_BROKEN;
	}
	if (launch(q) < 0) {
		q->refs = 1;
		query_unref(q);
		return QUERY_BROKEN;
	}
	f = wait_made(q, why);
	/* one that is still being bound has no row yet */
	if (q->adopted && manifest_query_put(l->manifest, &q->row, q->statement, "") < 0)
		f = QUERY_BROKEN;
	memcpy(ret_id, q->row.id, UUID_TEXT);
	query_unref(q);
	return f;
}

/* ---- watching */

uint64_t query_oldest(struct lake *l)
{
	uint64_t oldest;

	pthread_mutex_lock(&l->lock);
	oldest = l->generation;
	for (struct query *q = l->queries; q; q = q->next)
		if (q->generation < oldest)
			oldest = q->generation;
	pthread_mutex_unlock(&l->lock);
	return oldest;
}

int query_cancel(struct lake *l, const char *id)
{
	struct query *q;

	pthread_mutex_lock(&l->lock);
	for (q = l->queries; q && strcmp(q->row.id, id); q = q->next)
		;
	if (q) {
		q->cancelled = true;
		if (q->c)
			duck.interrupt(q->c);
	}
	pthread_mutex_unlock(&l->lock);
	return q ? 0 : -ENOENT;
}

/* Again and again: an interruption that comes before the engine has begun is lost. */
static void interrupt_late(struct lake *l)
{
	uint64_t now = clock_boot();

	for (struct query *q = l->queries; q; q = q->next) {
		q->late |= !q->cancelled && now > q->deadline;
		if ((q->late || q->cancelled || l->stopping) && q->c)
			duck.interrupt(q->c);
	}
}

void *query_watch(void *arg)
{
	struct lake *l = arg;
	const struct timespec pause = { .tv_nsec = WATCH_MS * 1000000 };
	bool end;

	do {
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&l->lock);
		interrupt_late(l);
		end = l->stopping && !l->nqueries;
		pthread_mutex_unlock(&l->lock);
	} while (!end);
	return NULL;
}

void queries_end(struct lake *l)
{
	pthread_mutex_lock(&l->lock);
	while (l->nqueries)
		pthread_cond_wait(&l->changed, &l->lock);
	pthread_mutex_unlock(&l->lock);
}

/* ---- results */

static void expired(void *ctx, const char *id)
{
	char path[4096];

	result_path(ctx, id, path);
	unlink(path);
}

void queries_expire(struct lake *l)
{
	manifest_queries_expire(l->manifest, clock_wall() - KEEP_NS, expired, l);
}

int query_results(struct lake *l, const char *id, uint64_t at, unsigned max, struct buf *out, uint64_t *ret_at, unsigned *ret_n)
{
	_cleanup_free_ char *line = NULL;
	char path[4096];
	size_t cap = 0, start = out->n;
	ssize_t n = 0;
	FILE *f;

	result_path(l, id, path);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	*ret_n = 0;
	*ret_at = at;
	if (fseeko(f, (off_t)at, SEEK_SET) < 0)
		n = -1;
	while (n >= 0 && *ret_n < max && out->n - start < (1u << 20) && (n = getline(&line, &cap, f)) > 0) {
		if (*ret_n)
			buf_addc(out, ',');
		buf_add(out, line, (size_t)n - (line[n - 1] == '\n'));
		*ret_at += (uint64_t)n;
		++*ret_n;
	}
	fclose(f);
	return out->failed ? -ENOMEM : 0;
}
