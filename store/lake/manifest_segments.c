/* SPDX-License-Identifier: Apache-2.0 */
/* manifest_segments.c - sealed segments, each with the stretch of the journal that it stands for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "lib/cleanup.h"

static int add(struct manifest *m, const char *store, const struct segment *s)
{
	if (!s->rows)
		return 0;
	return db_run(m,
		      "INSERT INTO segment (store, path, day, first, last, nrows, bytes, first_time, last_time, sha256) "
		      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		      "tttiiiiiit", store, s->path, s->day, (int64_t)s->from, (int64_t)s->to, (int64_t)s->rows, (int64_t)s->bytes, s->first,
		      s->last, s->sha256);
}

int manifest_seal(struct manifest *m, const char *store, const struct segment *s)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = db_exec(m, "BEGIN IMMEDIATE");
	if (!r)
		r = add(m, store, s);
	if (!r)
		r = db_run(m, "UPDATE store SET sealed = ? WHERE id = ?", "it", (int64_t)s->to, store);
	r = db_end(m, r);
	pthread_mutex_unlock(&m->lock);
	return r;
}

int manifest_merge(struct manifest *m, const char *store, const struct segment *s)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = db_exec(m, "BEGIN IMMEDIATE");
	if (!r)
		r = db_run(m, "DELETE FROM segment WHERE store = ? AND first >= ? AND last <= ?", "tii", store, (int64_t)s->from,
			   (int64_t)s->to);
	if (!r)
		r = add(m, store, s);
	r = db_end(m, r);
	pthread_mutex_unlock(&m->lock);
	return r;
}

static void read_segment(sqlite3_stmt *s, struct segment *x)
{
	memset(x, 0, sizeof(*x));
	x->id = sqlite3_column_int64(s, 0);
	db_text(s, 1, x->path, sizeof(x->path));
	db_text(s, 2, x->day, sizeof(x->day));
	x->from = (journal_pos)sqlite3_column_int64(s, 3);
	x->to = (journal_pos)sqlite3_column_int64(s, 4);
	x->rows = (uint64_t)sqlite3_column_int64(s, 5);
	x->bytes = (uint64_t)sqlite3_column_int64(s, 6);
	x->first = sqlite3_column_int64(s, 7);
	x->last = sqlite3_column_int64(s, 8);
	db_text(s, 9, x->sha256, sizeof(x->sha256));
}

static int list(struct manifest *m, const char *store, struct segment **list, size_t *n)
{
	_cleanup_stmt_ sqlite3_stmt *s =
		db_prepare(m,
			   "SELECT id, path, day, first, last, nrows, bytes, first_time, last_time, sha256 FROM segment WHERE store = ? "
			   "ORDER BY first, id",
			   "t", store);
	size_t cap = 0;
	int r;

	while ((r = db_step(m, s)) > 0) {
		if (*n == cap) {
			struct segment *more = realloc(*list, (cap = cap ? cap * 2 : 64) * sizeof(*more));

			if (!more)
				return -ENOMEM;
			*list = more;
		}
		read_segment(s, &(*list)[(*n)++]);
	}
	return r;
}

int manifest_segments(struct manifest *m, const char *store, struct segment **ret, size_t *ret_n, journal_pos *ret_sealed)
{
	_cleanup_free_ struct segment *segments = NULL;
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	size_t n = 0;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m, "SELECT sealed FROM store WHERE id = ?", "t", store);
	r = db_step(m, s);
	if (r > 0) {
		*ret_sealed = (journal_pos)sqlite3_column_int64(s, 0);
		r = list(m, store, &segments, &n);
	} else if (!r) {
		r = -ENOENT;
	}
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(segments);
	*ret_n = n;
	return 0;
}

/* Locked. */
static int add_hole(struct manifest *m, const char *store, journal_pos from, journal_pos to)
{
	return db_run(m, "INSERT INTO hole (store, first, last) VALUES (?, ?, ?)", "tii", store, (int64_t)from, (int64_t)to);
}

int manifest_hole(struct manifest *m, const char *store, journal_pos from, journal_pos to)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = add_hole(m, store, from, to);
	pthread_mutex_unlock(&m->lock);
	return r;
}

int manifest_retire(struct manifest *m, const char *store, const struct segment *s)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = db_exec(m, "BEGIN IMMEDIATE");
	if (!r)
		r = db_run(m, "DELETE FROM segment WHERE store = ? AND id = ?", "ti", store, s->id);
	if (!r)
		r = add_hole(m, store, s->from, s->to);
	/* before all others it is none */
	if (!r)
		r = db_run(m,
			   "DELETE FROM hole WHERE store = ?1 AND last <= coalesce((SELECT min(first) FROM segment WHERE store = ?1), 9223372036854775807)",
			   "t", store);
	r = db_end(m, r);
	pthread_mutex_unlock(&m->lock);
	return r;
}

int manifest_holes(struct manifest *m, const char *store, journal_pos **ret, size_t *ret_n)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	journal_pos *v = NULL, *more;
	size_t n = 0;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m, "SELECT first FROM hole WHERE store = ? ORDER BY first", "t", store);
	while ((r = db_step(m, s)) > 0) {
		more = realloc(v, (n + 1) * sizeof(*v));
		if (!more) {
			r = -ENOMEM;
			break;
		}
		v = more;
		v[n++] = (journal_pos)sqlite3_column_int64(s, 0);
	}
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	if (r < 0) {
		free(v);
		return r;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}

int manifest_reset(struct manifest *m, const char *store)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = db_exec(m, "BEGIN IMMEDIATE");
	if (!r)
		r = db_run(m, "DELETE FROM segment WHERE store = ?", "t", store);
	if (!r)
		r = db_run(m, "DELETE FROM hole WHERE store = ?", "t", store);
	if (!r)
		r = db_run(m, "UPDATE store SET sealed = coalesce((SELECT min(first) FROM span WHERE store = id), sealed) WHERE id = ?", "t",
			   store);
	r = db_end(m, r);
	pthread_mutex_unlock(&m->lock);
	return r;
}

bool manifest_has_path(struct manifest *m, const char *path)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m, "SELECT 1 FROM segment WHERE path = ?", "t", path);
	r = db_step(m, s);
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	return r != 0;	/* an error is no reason to take it for an orphan */
}

int manifest_needs(struct manifest *m, journal_pos at, bool *ret_needs, int *ret_days)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m,
		       "SELECT coalesce(max(retention), 0), coalesce(min(sealed), 0), EXISTS (SELECT 1 FROM segment WHERE first < ?) FROM store", "i",
		       (int64_t)at);
	r = db_step(m, s);
	if (r > 0) {
		*ret_days = sqlite3_column_int(s, 0);
		*ret_needs = (journal_pos)sqlite3_column_int64(s, 1) < at || sqlite3_column_int(s, 2);
	}
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	return r > 0 ? 0 : r < 0 ? r : -ENOENT;
}
