/* SPDX-License-Identifier: Apache-2.0 */
#include "db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "lib/log.h"

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS store (id TEXT PRIMARY KEY, name TEXT NOT NULL, status INTEGER NOT NULL, retention INTEGER NOT NULL,"
	" multi_region INTEGER NOT NULL, organization INTEGER NOT NULL, protected INTEGER NOT NULL, fixed INTEGER NOT NULL,"
	" builtin INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER NOT NULL,"
	" selectors TEXT NOT NULL, sealed INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS span (store TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, selectors TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS segment (id INTEGER PRIMARY KEY AUTOINCREMENT, store TEXT NOT NULL, path TEXT NOT NULL UNIQUE,"
	" day TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, nrows INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	" first_time INTEGER NOT NULL, last_time INTEGER NOT NULL, sha256 TEXT NOT NULL);"
	"CREATE INDEX IF NOT EXISTS segment_store ON segment (store, first);"
	"CREATE TABLE IF NOT EXISTS hole (store TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS query (id TEXT PRIMARY KEY, store TEXT NOT NULL, alias TEXT NOT NULL, status INTEGER NOT NULL,"
	" created INTEGER NOT NULL, finished INTEGER NOT NULL, scanned INTEGER NOT NULL, bytes INTEGER NOT NULL, nrows INTEGER NOT NULL,"
	" result_bytes INTEGER NOT NULL, statement TEXT NOT NULL, error TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS query_key (query TEXT PRIMARY KEY, key TEXT NOT NULL, created INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS saved (query TEXT PRIMARY KEY, uri TEXT NOT NULL, status TEXT NOT NULL);"
	"CREATE INDEX IF NOT EXISTS query_store ON query (store, created);";

static int fail(struct manifest *m)
{
	int code = sqlite3_errcode(m->db) & 0xff;

	log_limited(LOG_LEVEL_ERROR, 0, "the lake's manifest: %s", sqlite3_errmsg(m->db));
	return code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? -EBADMSG : -EIO;
}

int db_exec(struct manifest *m, const char *sql)
{
	return sqlite3_exec(m->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(m);
}

int manifest_open(const char *path, struct manifest **ret_m)
{
	struct manifest *m = calloc(1, sizeof(*m));
	int r = 0;

	if (!m)
		return -ENOMEM;
	pthread_mutex_init(&m->lock, NULL);
	if (sqlite3_open_v2(path, &m->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
		r = fail(m);
	if (!r)
		r = db_exec(m, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000");
	if (!r)
		r = db_exec(m, schema);
	if (r < 0)
		manifest_free(&m);
	else
		*ret_m = m;
	return r;
}

void manifest_free(struct manifest **pm)
{
	struct manifest *m = *pm;

	if (!m)
		return;
	sqlite3_close(m->db);
	pthread_mutex_destroy(&m->lock);
	free(m);
	*pm = NULL;
}

void db_begin_unsynced(struct manifest *m)
{
	db_exec(m, "PRAGMA synchronous=NORMAL");
}

void db_end_unsynced(struct manifest *m)
{
	db_exec(m, "PRAGMA synchronous=FULL");
}

static sqlite3_stmt *prepare(struct manifest *m, const char *sql, const char *format, va_list ap)
{
	sqlite3_stmt *s = NULL;
	int r = sqlite3_prepare_v2(m->db, sql, -1, &s, NULL);

	for (int i = 1; r == SQLITE_OK && *format; format++, i++) {
		if (*format == 'i')
			r = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
		else
			r = sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
	}
	if (r == SQLITE_OK)
		return s;
	fail(m);
	sqlite3_finalize(s);
	return NULL;
}

sqlite3_stmt *db_prepare(struct manifest *m, const char *sql, const char *format, ...)
{
	sqlite3_stmt *s;
	va_list ap;

	va_start(ap, format);
	s = prepare(m, sql, format, ap);
	va_end(ap);
	return s;
}

int db_step(struct manifest *m, sqlite3_stmt *s)
{
	int r = s ? sqlite3_step(s) : SQLITE_ERROR;

	if (r == SQLITE_ROW)
		return 1;
	return r == SQLITE_DONE ? 0 : s ? fail(m) : -EIO;
}

int db_run(struct manifest *m, const char *sql, const char *format, ...)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	va_list ap;
	int r;

	va_start(ap, format);
	s = prepare(m, sql, format, ap);
	va_end(ap);
	r = db_step(m, s);
	return r < 0 ? r : 0;
}

int db_end(struct manifest *m, int r)
{
	if (!r)
		r = db_exec(m, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(m->db))
		sqlite3_exec(m->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

void db_text(sqlite3_stmt *s, int column, char *ret, size_t n)
{
	const char *text = (const char *)sqlite3_column_text(s, column);

	snprintf(ret, n, "%s", text ? text : "");
}
