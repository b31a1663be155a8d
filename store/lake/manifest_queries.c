/* SPDX-License-Identifier: Apache-2.0 */
/* manifest_queries.c - what was asked, and how it went. */
#include <errno.h>
#include <string.h>

#include "db.h"
#include "lib/cleanup.h"

#define SIZE "(result_bytes + length(statement) + 1024)"
#define QUERY_COLUMNS "id, store, alias, status, created, finished, scanned, bytes, nrows, result_bytes"

int manifest_query_own(struct manifest *m, const char *query, const char *key, int64_t created)
{
	int r;

	pthread_mutex_lock(&m->lock);
	db_begin_unsynced(m);
	r = db_run(m, "INSERT OR REPLACE INTO query_key (query, key, created) VALUES (?, ?, ?)", "tti", query, key, created);
	db_end_unsynced(m);
	pthread_mutex_unlock(&m->lock);
	return r;
}

bool manifest_query_is_of(struct manifest *m, const char *query, const char *key)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m, "SELECT 1 FROM query_key WHERE query = ? AND key = ?", "tt", query, key);
	r = db_step(m, s);
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	return r > 0;
}

int manifest_query_put(struct manifest *m, const struct query_row *q, const char *statement, const char *error)
{
	bool ends = q->status > QUERY_RUNNING;
	int r;

	pthread_mutex_lock(&m->lock);
	if (!ends)
		db_begin_unsynced(m);
	r = db_run(m,
		   "INSERT INTO query (" QUERY_COLUMNS ", statement, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) "
		   "DO UPDATE SET store = excluded.store, status = excluded.status, finished = excluded.finished, scanned = excluded.scanned, "
		   "bytes = excluded.bytes, nrows = excluded.nrows, result_bytes = excluded.result_bytes, error = excluded.error "
		   "WHERE excluded.status >= query.status",
		   "tttiiiiiiitt", q->id, q->store, q->alias, (int64_t)q->status, q->created, q->finished, (int64_t)q->scanned,
		   (int64_t)q->bytes, (int64_t)q->rows, (int64_t)q->result_bytes, statement ? statement : "", error ? error : "");
	if (!ends)
		db_end_unsynced(m);
	pthread_mutex_unlock(&m->lock);
	return r;
}

int manifest_saved_put(struct manifest *m, const char *query, const char *uri, const char *status)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = db_run(m, "INSERT INTO saved (query, uri, status) VALUES (?, ?, ?) ON CONFLICT (query) DO UPDATE SET status = excluded.status",
		   "ttt", query, uri, status);
	pthread_mutex_unlock(&m->lock);
	return r;
}

int manifest_saved_get(struct manifest *m, const char *query, struct buf *ret_uri, char ret_status[32])
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m, "SELECT uri, status FROM saved WHERE query = ?", "t", query);
	r = db_step(m, s);
	if (r > 0) {
		buf_adds(ret_uri, (const char *)sqlite3_column_text(s, 0));
		db_text(s, 1, ret_status, 32);
	}
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	return r > 0 ? 0 : r < 0 ? r : -ENOENT;
}

static void read_query(sqlite3_stmt *s, struct query_row *q)
{
	memset(q, 0, sizeof(*q));
	db_text(s, 0, q->id, sizeof(q->id));
	db_text(s, 1, q->store, sizeof(q->store));
	db_text(s, 2, q->alias, sizeof(q->alias));
	q->status = (enum query_status)sqlite3_column_int(s, 3);
	q->created = sqlite3_column_int64(s, 4);
	q->finished = sqlite3_column_int64(s, 5);
	q->scanned = (uint64_t)sqlite3_column_int64(s, 6);
	q->bytes = (uint64_t)sqlite3_column_int64(s, 7);
	q->rows = (uint64_t)sqlite3_column_int64(s, 8);
	q->result_bytes = (uint64_t)sqlite3_column_int64(s, 9);
}

int manifest_query_get(struct manifest *m, const char *id, const char *alias, struct query_row *ret_q, struct buf *ret_statement,
		       struct buf *ret_error)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m,
		       id ? "SELECT " QUERY_COLUMNS ", statement, error FROM query WHERE id = ?" :
			    "SELECT " QUERY_COLUMNS ", statement, error FROM query WHERE alias = ? ORDER BY created DESC LIMIT 1",
		       "t", id ? id : alias);
	r = db_step(m, s);
	if (r > 0) {
		read_query(s, ret_q);
		if (ret_statement)
			buf_adds(ret_statement, (const char *)sqlite3_column_text(s, 10));
		if (ret_error)
			buf_adds(ret_error, (const char *)sqlite3_column_text(s, 11));
	}
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	return r > 0 ? 0 : r < 0 ? r : -ENOENT;
}

int manifest_queries(struct manifest *m, const char *store, const char *key, int64_t from, int64_t to, int status, const struct query_row *before,
		     struct query_row *ret, unsigned max, unsigned *ret_n)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	unsigned n = 0;
	int r = 0;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m,
		       "SELECT " QUERY_COLUMNS " FROM query WHERE store = ? AND created >= ? AND created <= ? AND (? < 0 OR status = ?) "
		       "AND (? = 0 OR created < ? OR (created = ? AND id < ?)) "
		       "AND (? = '' OR id IN (SELECT query FROM query_key WHERE key = ?)) ORDER BY created DESC, id DESC LIMIT ?",
		       "tiiiiiiittti", store, from, to, (int64_t)status, (int64_t)status, before->created, before->created, before->created,
		       before->id, key ? key : "", key ? key : "", (int64_t)max);
	while (n < max && (r = db_step(m, s)) > 0)
		read_query(s, &ret[n++]);
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	*ret_n = n;
	return r < 0 ? r : 0;
}

int manifest_queries_broken(struct manifest *m, const char *why)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = db_run(m, "UPDATE query SET status = ?, error = ? WHERE status IN (?, ?)", "itii", (int64_t)QUERY_FAILED, why,
		   (int64_t)QUERY_QUEUED, (int64_t)QUERY_RUNNING);
	if (!r)
		r = db_run(m, "UPDATE saved SET status = 'FAILED' WHERE status = 'PENDING'", "");
	pthread_mutex_unlock(&m->lock);
	return r;
}

int manifest_queries_expire(struct manifest *m, int64_t before, void (*fn)(void *ctx, const char *id), void *ctx)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m, "SELECT id FROM query WHERE created < ?", "i", before);
	while ((r = db_step(m, s)) > 0)
		fn(ctx, (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(TAKE_PTR(s));
	if (!r)
		r = db_run(m, "DELETE FROM saved WHERE query IN (SELECT id FROM query WHERE created < ?)", "i", before);
	if (!r)
		r = db_run(m, "DELETE FROM query_key WHERE created < ?", "i", before);
	if (!r)
		r = db_run(m, "DELETE FROM query WHERE created < ?", "i", before);
	pthread_mutex_unlock(&m->lock);
	return r;
}

int manifest_queries_size(struct manifest *m, uint64_t *ret_bytes)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m, "SELECT coalesce(sum(" SIZE "), 0) FROM query", "");
	r = db_step(m, s);
	if (r > 0)
		*ret_bytes = (uint64_t)sqlite3_column_int64(s, 0);
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	return r > 0 ? 0 : r < 0 ? r : -EIO;
}

/* Locked. What goes is, of each key, that behind its newest so many bytes; so many that enough goes. */
static int choose(struct manifest *m, uint64_t bytes)
{
	return db_run(m,
		      "CREATE TEMP TABLE gone AS SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY upto, id) AS kept FROM "
		      "(SELECT id, " SIZE " AS size, sum(" SIZE ") OVER (PARTITION BY coalesce(key, '') ORDER BY query.created DESC, id DESC) AS upto "
		      "FROM query LEFT JOIN query_key ON query_key.query = id WHERE status > ?)) WHERE kept > ?",
		      "ii", (int64_t)QUERY_RUNNING, (int64_t)bytes);
}

int manifest_queries_trim(struct manifest *m, uint64_t bytes, void (*fn)(void *ctx, const char *id), void *ctx)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	pthread_mutex_lock(&m->lock);
	r = choose(m, bytes);
	if (!r) {
		s = db_prepare(m, "SELECT id FROM gone", "");
		while ((r = db_step(m, s)) > 0)
			fn(ctx, (const char *)sqlite3_column_text(s, 0));
		sqlite3_finalize(TAKE_PTR(s));
	}
	if (!r)
		r = db_run(m, "DELETE FROM saved WHERE query IN gone", "");
	if (!r)
		r = db_run(m, "DELETE FROM query_key WHERE query IN gone", "");
	if (!r)
		r = db_run(m, "DELETE FROM query WHERE id IN gone", "");
	db_exec(m, "DROP TABLE IF EXISTS gone");
	pthread_mutex_unlock(&m->lock);
	return r;
}
