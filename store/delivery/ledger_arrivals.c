/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_arrivals.c - the order that frames without one are given: batches, one behind the other, and the frames in each. */
#include <errno.h>

#include "ledger_internal.h"

const char ledger_arrivals_schema[] =
	"CREATE TABLE IF NOT EXISTS arrivals (id INTEGER PRIMARY KEY, pos INT NOT NULL, frames INT NOT NULL, batch INT NOT NULL, day INT NOT NULL,"
	" received INT NOT NULL, keys BLOB);"
	"CREATE INDEX IF NOT EXISTS arrival_places ON arrivals (pos) WHERE frames > 0;"
	"CREATE INDEX IF NOT EXISTS arrival_batches ON arrivals (batch);"
	"CREATE TABLE IF NOT EXISTS arrived (id INTEGER PRIMARY KEY, end INT NOT NULL, since INT NOT NULL);";

#define COLUMNS "id, pos, frames, batch, day, received, keys"

/* The next one after `id`. */
static int one_arrival(struct query *q, int64_t *id, struct arrival *a)
{
	if (query_row(q)) {
		*id = read_int(q);
		a->pos = (journal_pos)read_int(q);
		a->frames = (unsigned)read_int(q);
		a->batch = (uint64_t)read_int(q);
		a->day = (uint16_t)read_int(q);
		a->received = read_int(q);
		buf_reset(&a->keys);
		read_blob(q, &a->keys);
	}
	return query_end_one(q);
}

static int each(struct ledger *l, const char *sql, int64_t from, ledger_arrival_fn fn, void *ctx)
{
	struct arrival a = { 0 };
	int64_t id = 0;
	int r = 0;

	while (!r) {
		struct query q;

		query_begin(&q, l, sql);
		bind_int(&q, from);
		bind_int(&q, id);
		r = one_arrival(&q, &id, &a);
		if (!r)
			r = fn(ctx, &a);
	}
	buf_free(&a.keys);
	return r < 0 && r != -ENOENT ? r : 0;
}

/* Positions grow with the ids. */
int ledger_arrivals(struct ledger *l, journal_pos from, ledger_arrival_fn fn, void *ctx)
{
	return each(l, "SELECT " COLUMNS " FROM arrivals WHERE frames > 0 AND pos >= coalesce((SELECT max(pos) FROM arrivals WHERE frames > 0 AND pos <= ?1), 0)"
		       " AND pos + frames > ?1 AND id > ?2 ORDER BY pos LIMIT 1", (int64_t)from, fn, ctx);
}

int ledger_arrivals_since(struct ledger *l, int64_t received, ledger_arrival_fn fn, void *ctx)
{
	return each(l, "SELECT " COLUMNS " FROM arrivals WHERE received >= ? AND id > ? ORDER BY id LIMIT 1", received, fn, ctx);
}

/* Within a transaction or not. */
static int read_end(struct query *q, journal_pos *ret_end, int64_t *ret_since)
{
	*ret_end = 1;		/* 0 is no place */
	*ret_since = 0;
	if (query_row(q)) {
		*ret_end = (journal_pos)read_int(q);
		*ret_since = read_int(q);
	}
	return q->r;
}

#define END "SELECT end, since FROM arrived WHERE id = 1"

int ledger_arrived(struct ledger *l, journal_pos *ret_end, int64_t *ret_since)
{
	struct query q;

	query_begin(&q, l, END);
	read_end(&q, ret_end, ret_since);
	return query_end(&q);
}

static int add(struct ledger *l, const struct arrival *a)
{
	struct query q;

	query_next(&q, l, "INSERT INTO arrivals (pos, frames, batch, day, received, keys) VALUES (?, ?, ?, ?, ?, ?)");
	bind_int(&q, (int64_t)a->pos);
	bind_int(&q, a->frames);
	bind_int(&q, (int64_t)a->batch);
	bind_int(&q, a->day);
	bind_int(&q, a->received);
	bind_blob(&q, a->keys.p ? (const void *)a->keys.p : "", a->keys.n);
	return query_close(&q);
}

int ledger_arrive(struct ledger *l, struct arrival *v, unsigned n, int64_t since)
{
	journal_pos end;
	int64_t before;
	struct query q;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	query_next(&q, l, END);
	read_end(&q, &end, &before);
	r = query_close(&q);
	for (unsigned i = 0; i < n && !r; i++) {
		v[i].pos = end;
		end += v[i].frames;
		r = add(l, &v[i]);
	}
	if (!r) {
		query_next(&q, l, "INSERT OR REPLACE INTO arrived (id, end, since) VALUES (1, ?, ?)");
		bind_int(&q, (int64_t)end);
		bind_int(&q, before ? before : since);
		r = query_close(&q);
	}
	return ledger_commit(l, r);
}

bool ledger_has_batch(struct ledger *l, uint64_t batch)
{
	struct query q;
	bool there;

	query_begin(&q, l, "SELECT 1 FROM arrivals WHERE batch = ? LIMIT 1");
	bind_int(&q, (int64_t)batch);
	there = query_row(&q);
	return query_end(&q) < 0 || there;
}

int ledger_arrivals_oldest(struct ledger *l, journal_pos *ret_pos)
{
	struct query q;

	query_begin(&q, l, "SELECT coalesce((SELECT max(pos + frames) FROM arrivals WHERE frames > 0 AND keys IS NULL), (SELECT min(pos) FROM arrivals),"
			   " (SELECT end FROM arrived WHERE id = 1), 1)");
	*ret_pos = query_row(&q) ? (journal_pos)read_int(&q) : 1;
	return query_end(&q);
}

int ledger_arrivals_trim(struct ledger *l, journal_pos needed, int64_t keys_before, int64_t before)
{
	static const char *const statements[] = {
		/* in the order of arrival: a batch that is late stays as long as those around it */
		"UPDATE arrivals SET keys = NULL WHERE pos + frames <= ?1 AND received < ?2 AND keys IS NOT NULL AND ?3 IS NOT NULL"
		" AND pos < coalesce((SELECT min(pos) FROM arrivals WHERE received >= ?2), 0x7fffffffffffffff)",
		"DELETE FROM arrivals WHERE pos + frames <= ?1 AND received < ?3 AND ?2 IS NOT NULL",
	};
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < 2 && !r; i++) {
		struct query q;

		query_next(&q, l, statements[i]);
		bind_int(&q, needed > INT64_MAX ? INT64_MAX : (int64_t)needed);
		bind_int(&q, keys_before);
		bind_int(&q, before);
		r = query_close(&q);
	}
	return ledger_commit(l, r);
}
