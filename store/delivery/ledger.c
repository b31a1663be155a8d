/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.c - the database: its tables, and statements as short as can be. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ledger_internal.h"
#include "lib/clock.h"
#include "lib/log.h"

#define VERSION 2
#define STRING(x) #x
#define NUMBER(x) STRING(x)

static const char schema[] =
	"CREATE TABLE trails (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, bucket TEXT NOT NULL, prefix TEXT NOT NULL, kms TEXT NOT NULL,"
	" multi INT, global INT, validate INT, selectors TEXT, deleted INT DEFAULT 0, logging INT DEFAULT 0, started INT DEFAULT 0,"
	" group_arn TEXT DEFAULT '', role_arn TEXT DEFAULT '', feed_pos INT DEFAULT 0, feed_record INT DEFAULT 0, feed_stop INT DEFAULT 0,"
	" fed INT DEFAULT 0, feed_error TEXT DEFAULT '', stopped INT DEFAULT 0, delivered INT DEFAULT 0, attempted INT DEFAULT 0, digested INT DEFAULT 0, delivery_error TEXT DEFAULT '',"
	" digest_error TEXT DEFAULT '');"
	"CREATE UNIQUE INDEX trail_names ON trails (name) WHERE deleted = 0;"
	"CREATE TABLE spans (id INTEGER PRIMARY KEY AUTOINCREMENT, trail INT NOT NULL, pos INT NOT NULL, record INT NOT NULL,"
	" stop INT DEFAULT 0, begun INT, ended INT DEFAULT 0);"
	"CREATE TABLE logs (id INTEGER PRIMARY KEY AUTOINCREMENT, trail INT, span INT, account TEXT, region TEXT, bucket TEXT, key TEXT,"
	" hash TEXT, oldest INT, newest INT, records INT, planned INT, delivered INT DEFAULT 0, digest INT DEFAULT 0, body BLOB);"
	"CREATE INDEX log_state ON logs (trail, delivered);"
	"CREATE INDEX log_digest ON logs (digest);"
	"CREATE TABLE tags (trail INT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (trail, key));"
	"CREATE TABLE hooks (name TEXT PRIMARY KEY, pos INT NOT NULL, record INT NOT NULL);"
	"CREATE TABLE loose (bucket TEXT, prefix TEXT, PRIMARY KEY (bucket, prefix));"
	"CREATE TABLE chains (id INTEGER PRIMARY KEY AUTOINCREMENT, span INT, trail INT, account TEXT, region TEXT, until INT, last INT DEFAULT 0,"
	" UNIQUE (span, account, region));"
	"CREATE TABLE digests (id INTEGER PRIMARY KEY AUTOINCREMENT, chain INT, trail INT, account TEXT, region TEXT, bucket TEXT, key TEXT,"
	" hash TEXT, fingerprint TEXT, signature TEXT, begin INT, end INT, delivered INT DEFAULT 0, body BLOB, removed INT DEFAULT 0);"
	"CREATE INDEX digest_state ON digests (trail, delivered);"
	"CREATE INDEX digest_ends ON digests (account, region, end);"
	"CREATE TABLE keys (fingerprint TEXT PRIMARY KEY, der BLOB, begin INT, end INT);"
	"PRAGMA user_version = " NUMBER(VERSION) ";";

/* What a ledger of version i + 1 lacks. */
static const char *const upgrades[] = {
	"ALTER TABLE digests ADD COLUMN removed INT DEFAULT 0; PRAGMA user_version = 2;",
};

int ledger_error(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return -EACCES;
	default:
		return -EIO;
	}
}

int ledger_execute(struct ledger *l, const char *sql)
{
	return ledger_error(sqlite3_exec(l->db, sql, NULL, NULL, NULL));
}

int ledger_tables(struct ledger *l)
{
	sqlite3_stmt *q = NULL;
	int version = 0, r = ledger_error(sqlite3_prepare_v2(l->db, "PRAGMA user_version", -1, &q, NULL));

	if (!r && sqlite3_step(q) == SQLITE_ROW)
		version = sqlite3_column_int(q, 0);
	sqlite3_finalize(q);
	if (!r)
		r = ledger_execute(l, ledger_stretches_schema);
	if (r < 0 || version == VERSION)
		return r;
	if (version > VERSION)
		return -EPROTONOSUPPORT;	/* of a younger store */
	r = ledger_execute(l, "BEGIN IMMEDIATE");
	if (!r && !version)
		r = ledger_execute(l, schema);
	for (; version && version < VERSION && !r; version++)
		r = ledger_execute(l, upgrades[version - 1]);
	if (!r)
		return ledger_execute(l, "COMMIT");
	ledger_execute(l, "ROLLBACK");
	return r;
}

static int check_whole(struct ledger *l)
{
	char text[64] = "ok";
	struct query q;
	int r;

	query_begin(&q, l, "PRAGMA quick_check(1)");
	if (query_row(&q))
		read_text(&q, text, sizeof(text));
	r = query_end(&q);
	return r < 0 || !strcmp(text, "ok") ? r : -EBADMSG;
}

int ledger_open_at(const char *path, struct ledger **ret_l)
{
	struct ledger *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	r = ledger_error(sqlite3_open_v2(path, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
	if (!r && strcmp(path, ":memory:") && chmod(path, 0600) < 0)
		r = -errno;
	if (!r)
		r = check_whole(l);
	if (!r)
		r = ledger_execute(l, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
	if (!r)
		r = ledger_tables(l);
	if (r < 0)
		ledger_free(&l);
	else
		*ret_l = l;
	return r;
}

/* For people to look at; its journal goes with it, or it would be taken for the new one's. */
static int set_aside(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	int64_t now = clock_wall() / (int64_t)NS_PER_SEC;
	char from[4200], to[4200];

	for (unsigned i = 0; i < 3; i++) {
		snprintf(from, sizeof(from), "%s%s", path, ends[i]);
		snprintf(to, sizeof(to), "%s.damaged-%lld%s", path, (long long)now, ends[i]);
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	log_errx("%s is damaged and set aside: trails have to be made again", path);
	return 0;
}

int ledger_open(const char *dir, struct ledger **ret_l)
{
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/trails.db", dir);
	r = ledger_open_at(path, ret_l);
	if (r != -EBADMSG)
		return r;
	r = set_aside(path);
	return r < 0 ? r : ledger_open_at(path, ret_l);
}

void ledger_free(struct ledger **pl)
{
	if (!*pl)
		return;
	sqlite3_close((*pl)->db);
	buf_free(&(*pl)->blank);
	pthread_mutex_destroy(&(*pl)->lock);
	free(*pl);
	*pl = NULL;
}

/* ---- statements */

void query_next(struct query *q, struct ledger *l, const char *sql)
{
	*q = (struct query){ .l = l };
	q->r = ledger_error(sqlite3_prepare_v2(l->db, sql, -1, &q->s, NULL));
	if (q->r < 0)
		log_limited(LOG_LEVEL_ERROR, 0, "trails.db: %s", sqlite3_errmsg(l->db));
}

/* Locked. What is shipped is the changes of a transaction. */
static int begin(struct ledger *l)
{
	int r = ledger_execute(l, "BEGIN IMMEDIATE");

	if (r < 0 || !l->ship)
		return r;
	r = ledger_error(sqlite3session_create(l->db, "main", &l->changes));
	if (!r)
		r = ledger_error(sqlite3session_attach(l->changes, NULL));
	if (r < 0) {
		if (l->changes)
			sqlite3session_delete(l->changes);
		l->changes = NULL;
		ledger_execute(l, "ROLLBACK");
	}
	return r;
}

static int ship(struct ledger *l)
{
	void *p = NULL;
	int n = 0, r = ledger_error(sqlite3session_patchset(l->changes, &n, &p));

	if (!r && n)
		r = l->ship(l->ship_ctx, p, (size_t)n);
	sqlite3_free(p);
	return r;
}

static int end(struct ledger *l, int r)
{
	if (!r && l->changes)
		r = ship(l);
	if (l->changes)
		sqlite3session_delete(l->changes);
	l->changes = NULL;
	if (!r)
		r = ledger_execute(l, "COMMIT");
	if (r < 0)
		ledger_execute(l, "ROLLBACK");
	return r;
}

void query_begin(struct query *q, struct ledger *l, const char *sql)
{
	pthread_mutex_lock(&l->lock);
	query_next(q, l, sql);
	if (!l->ship || q->r < 0 || sqlite3_stmt_readonly(q->s))
		return;
	q->r = begin(l);
	q->whole = !q->r;
}

void bind_int(struct query *q, int64_t v)
{
	if (!q->r)
		q->r = ledger_error(sqlite3_bind_int64(q->s, ++q->bind, v));
}

void bind_text(struct query *q, const char *v)
{
	if (!q->r)
		q->r = ledger_error(v ? sqlite3_bind_text(q->s, ++q->bind, v, -1, SQLITE_TRANSIENT) : sqlite3_bind_null(q->s, ++q->bind));
}

void bind_blob(struct query *q, const void *p, size_t n)
{
	if (!q->r)
		q->r = ledger_error(sqlite3_bind_blob64(q->s, ++q->bind, p, n, SQLITE_STATIC));
}

bool query_row(struct query *q)
{
	int code;

	if (q->r < 0)
		return false;
	q->column = 0;
	code = sqlite3_step(q->s);
	q->r = ledger_error(code);
	q->found |= code == SQLITE_ROW;
	return code == SQLITE_ROW;
}

int64_t read_int(struct query *q)
{
	return sqlite3_column_int64(q->s, q->column++);
}

void read_text(struct query *q, char *ret, size_t size)
{
	const unsigned char *text = sqlite3_column_text(q->s, q->column++);

	snprintf(ret, size, "%s", text ? (const char *)text : "");
}

void read_blob(struct query *q, struct buf *ret)
{
	const void *p = sqlite3_column_blob(q->s, q->column);
	int n = sqlite3_column_bytes(q->s, q->column++);

	if (p && n && buf_add(ret, p, (size_t)n) < 0)
		q->r = -ENOMEM;
}

int query_close(struct query *q)
{
	while (query_row(q))
		;
	sqlite3_finalize(q->s);
	q->s = NULL;
	return q->r;
}

int query_end(struct query *q)
{
	int r = query_close(q);

	if (q->whole)
		r = end(q->l, r);
	pthread_mutex_unlock(&q->l->lock);
	return r;
}

int query_end_one(struct query *q)
{
	int r = query_end(q);

	return r < 0 || q->found ? r : -ENOENT;
}

int ledger_begin(struct ledger *l)
{
	int r;

	pthread_mutex_lock(&l->lock);
	r = begin(l);
	if (r < 0)
		pthread_mutex_unlock(&l->lock);
	return r;
}

int ledger_commit(struct ledger *l, int r)
{
	r = end(l, r);
	pthread_mutex_unlock(&l->lock);
	return r;
}
