/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.c - event data stores and their spans. */
#include "manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define STORE_COLUMNS                                                                                                            \
	"id, name, status, retention, multi_region, organization, protected, fixed, builtin, created, updated, deleted, sealed, " \
	"selectors"

static const char *read_store(sqlite3_stmt *s, struct event_store *e)
{
	memset(e, 0, sizeof(*e));
	db_text(s, 0, e->id, sizeof(e->id));
	db_text(s, 1, e->name, sizeof(e->name));
	e->status = (enum store_status)sqlite3_column_int(s, 2);
	e->retention_days = sqlite3_column_int(s, 3);
	e->multi_region = sqlite3_column_int(s, 4);
	e->organization = sqlite3_column_int(s, 5);
	e->protected = sqlite3_column_int(s, 6);
	e->fixed_billing = sqlite3_column_int(s, 7);
	e->builtin = sqlite3_column_int(s, 8);
	e->created = sqlite3_column_int64(s, 9);
	e->updated = sqlite3_column_int64(s, 10);
	e->deleted = sqlite3_column_int64(s, 11);
	e->sealed = (journal_pos)sqlite3_column_int64(s, 12);
	return (const char *)sqlite3_column_text(s, 13);
}

static int add_span(struct manifest *m, const char *id, journal_pos from, const char *selectors)
{
	return db_run(m, "INSERT INTO span (store, first, last, selectors) VALUES (?, ?, ?, ?)", "tiit", id, (int64_t)from, INT64_MAX,
		      selectors);
}

int manifest_store_add(struct manifest *m, const struct event_store *e, const char *selectors, journal_pos from)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = db_exec(m, "BEGIN IMMEDIATE");
	if (!r)
		r = db_run(m, "INSERT INTO store (" STORE_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "ttiiiiiiiiiiit",
			   e->id, e->name, (int64_t)e->status, (int64_t)e->retention_days, (int64_t)e->multi_region,
			   (int64_t)e->organization, (int64_t)e->protected, (int64_t)e->fixed_billing, (int64_t)e->builtin,
			   e->created, e->updated, e->deleted, (int64_t)from, selectors);
	if (!r && e->status == STORE_ENABLED)
		r = add_span(m, e->id, from, selectors);
	r = db_end(m, r);
	pthread_mutex_unlock(&m->lock);
	return r;
}

static int get_store(struct manifest *m, const char *sql, const char *key, struct event_store *ret_e, struct buf *ret_selectors)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	const char *selectors;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m, sql, "t", key);
	r = db_step(m, s);
	if (r > 0) {
		selectors = read_store(s, ret_e);
		if (ret_selectors)
			buf_adds(ret_selectors, selectors);
	}
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	return r > 0 ? 0 : r < 0 ? r : -ENOENT;
}

int manifest_store_get(struct manifest *m, const char *id, struct event_store *ret_e, struct buf *ret_selectors)
{
	return get_store(m, "SELECT " STORE_COLUMNS " FROM store WHERE id = ?", id, ret_e, ret_selectors);
}

int manifest_store_find(struct manifest *m, const char *name, struct event_store *ret_e)
{
	return get_store(m, "SELECT " STORE_COLUMNS " FROM store WHERE name = ?", name, ret_e, NULL);
}

int manifest_stores(struct manifest *m, definition_fn fn, void *ctx)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	struct event_store e;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m, "SELECT " STORE_COLUMNS " FROM store ORDER BY created, id", "");
	while ((r = db_step(m, s)) > 0) {
		const char *selectors = read_store(s, &e);

		r = fn(ctx, &e, selectors);
		if (r < 0)
			break;
	}
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	return r;
}

static int set_store(struct manifest *m, const struct event_store *e)
{
	return db_run(m,
		      "UPDATE store SET name = ?, status = ?, retention = ?, multi_region = ?, organization = ?, protected = ?, fixed = ?, "
		      "updated = ?, deleted = ? WHERE id = ?",
		      "tiiiiiiiit", e->name, (int64_t)e->status, (int64_t)e->retention_days, (int64_t)e->multi_region,
		      (int64_t)e->organization, (int64_t)e->protected, (int64_t)e->fixed_billing, e->updated, e->deleted, e->id);
}

int manifest_store_change(struct manifest *m, const struct event_store *e, const char *selectors, journal_pos at)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = db_exec(m, "BEGIN IMMEDIATE");
	if (!r)
		r = set_store(m, e);
	if (!r && (selectors || e->status != STORE_ENABLED))
		r = db_run(m, "UPDATE span SET last = ? WHERE store = ? AND last = ?", "iti", (int64_t)at, e->id, INT64_MAX);
	if (!r && selectors)
		r = db_run(m, "UPDATE store SET selectors = ? WHERE id = ?", "tt", selectors, e->id);
	if (!r && selectors && e->status == STORE_ENABLED)
		r = add_span(m, e->id, at, selectors);
	r = db_end(m, r);
	pthread_mutex_unlock(&m->lock);
	return r;
}

int manifest_store_remove(struct manifest *m, const char *id)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = db_exec(m, "BEGIN IMMEDIATE");
	if (!r)
		r = db_run(m, "DELETE FROM segment WHERE store = ?", "t", id);
	if (!r)
		r = db_run(m, "DELETE FROM hole WHERE store = ?", "t", id);
	if (!r)
		r = db_run(m, "DELETE FROM span WHERE store = ?", "t", id);
	if (!r)
		r = db_run(m, "DELETE FROM store WHERE id = ?", "t", id);
	r = db_end(m, r);
	pthread_mutex_unlock(&m->lock);
	return r;
}

/* ---- spans */

static int read_span(sqlite3_stmt *s, struct scan_span **spans, unsigned *n)
{
	const char *text = (const char *)sqlite3_column_text(s, 2);
	struct scan_span x = { (journal_pos)sqlite3_column_int64(s, 0), (journal_pos)sqlite3_column_int64(s, 1), NULL };
	char why[SELECTORS_WHY_MAX];
	struct scan_span *more;
	int r = 0;

	if (text && *text)
		r = selectors_parse(text, strlen(text), &x.selectors, why);
	if (r < 0)
		return r;
	more = realloc(*spans, (*n + 1) * sizeof(*more));
	if (!more) {
		selectors_free(&x.selectors);
		return -ENOMEM;
	}
	more[(*n)++] = x;
	*spans = more;
	return 0;
}

int manifest_spans(struct manifest *m, const char *id, struct scan_span **ret, unsigned *ret_n)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	struct scan_span *spans = NULL;
	unsigned n = 0;
	int r;

	pthread_mutex_lock(&m->lock);
	s = db_prepare(m, "SELECT first, last, selectors FROM span WHERE store = ? ORDER BY first", "t", id);
	while ((r = db_step(m, s)) > 0) {
		r = read_span(s, &spans, &n);
		if (r < 0)
			break;
	}
	sqlite3_finalize(TAKE_PTR(s));
	pthread_mutex_unlock(&m->lock);
	if (r < 0) {
		scan_spans_free(spans, n);
		return r;
	}
	*ret = spans;
	*ret_n = n;
	return 0;
}
