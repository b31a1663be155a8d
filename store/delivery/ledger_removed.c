/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_removed.c - days of a shared ledger's cluster that were removed for their age: how much they held, and of each chain that goes on behind them the
 * last frame, so that what is left still proves to follow.
 */
#include <errno.h>

#include "ledger_internal.h"

const char ledger_removed_schema[] =
	"CREATE TABLE IF NOT EXISTS removed_days (day INTEGER PRIMARY KEY, frames INT, records INT, bytes INT, first INT, last INT, oldest INT, newest INT,"
	" done INT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS removed_heads (host TEXT NOT NULL, stream TEXT NOT NULL, chain INT NOT NULL, number INT, hash TEXT,"
	" PRIMARY KEY (host, stream, chain));";

static int put_day(struct ledger *l, const struct removed_day *d)
{
	struct query q;

	query_next(&q, l, "INSERT INTO removed_days (day, frames, records, bytes, first, last, oldest, newest, done) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)");
	bind_int(&q, d->day);
	bind_int(&q, (int64_t)d->frames);
	bind_int(&q, (int64_t)d->records);
	bind_int(&q, (int64_t)d->bytes);
	bind_int(&q, d->first);
	bind_int(&q, d->last);
	bind_int(&q, d->oldest);
	bind_int(&q, d->newest);
	return query_close(&q);
}

/* Of a chain that ends with this day nothing needs to be proven any more. */
static int put_head(struct ledger *l, const struct removed_last *h)
{
	static const char keep[] = "INSERT INTO removed_heads (host, stream, chain, number, hash) VALUES (?, ?, ?, ?, ?) ON CONFLICT (host, stream, chain)"
				   " DO UPDATE SET number = excluded.number, hash = excluded.hash WHERE excluded.number > number";
	struct query q;

	query_next(&q, l, h->goes_on ? keep : "DELETE FROM removed_heads WHERE host = ? AND stream = ? AND chain = ?");
	bind_text(&q, h->host);
	bind_text(&q, h->stream);
	bind_int(&q, h->chain);
	if (h->goes_on) {
		bind_int(&q, (int64_t)h->number);
		bind_text(&q, h->hash);
	}
	return query_close(&q);
}

int ledger_day_remove(struct ledger *l, const struct removed_day *d, const struct removed_last *heads, size_t n)
{
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	r = put_day(l, d);
	for (size_t i = 0; !r && i < n; i++)
		r = put_head(l, &heads[i]);
	return ledger_commit(l, r);
}

int ledger_day_done(struct ledger *l, unsigned day)
{
	struct query q;

	query_begin(&q, l, "UPDATE removed_days SET done = 1 WHERE day = ?");
	bind_int(&q, day);
	return query_end(&q);
}

int ledger_days_removed(struct ledger *l, int64_t after, removed_day_fn fn, void *ctx)
{
	struct removed_day d;
	struct query q;
	int r = 0, end;

	query_begin(&q, l, "SELECT day, frames, records, bytes, first, last, oldest, newest, done FROM removed_days WHERE day > ? ORDER BY day");
	bind_int(&q, after);
	while (!r && query_row(&q)) {
		d.day = (unsigned)read_int(&q);
		d.frames = (uint64_t)read_int(&q);
		d.records = (uint64_t)read_int(&q);
		d.bytes = (uint64_t)read_int(&q);
		d.first = read_int(&q);
		d.last = read_int(&q);
		d.oldest = read_int(&q);
		d.newest = read_int(&q);
		d.done = read_int(&q);
		r = fn(ctx, &d);
	}
	end = query_end(&q);
	return r < 0 ? r : end;
}

int ledger_removed_lasts(struct ledger *l, removed_last_fn fn, void *ctx)
{
	struct removed_last h = { .goes_on = true };
	struct query q;
	int r = 0, end;

	query_begin(&q, l, "SELECT host, stream, chain, number, hash FROM removed_heads ORDER BY host, stream, chain");
	while (!r && query_row(&q)) {
		read_text(&q, h.host, sizeof(h.host));
		read_text(&q, h.stream, sizeof(h.stream));
		h.chain = (unsigned)read_int(&q);
		h.number = (uint64_t)read_int(&q);
		read_text(&q, h.hash, sizeof(h.hash));
		r = fn(ctx, &h);
	}
	end = query_end(&q);
	return r < 0 ? r : end;
}

bool ledger_day_wanted(struct ledger *l, unsigned day)
{
	bool wanted = false;
	journal_pos needed;
	struct query q;

	if (ledger_needs(l, &needed) < 0)
		return true;
	if (needed > INT64_MAX)
		return false;
	query_begin(&q, l, "SELECT 1 FROM arrivals WHERE day = ? AND frames > 0 AND pos + frames > ? LIMIT 1");
	bind_int(&q, day);
	bind_int(&q, (int64_t)needed);
	wanted = query_row(&q);
	return query_end(&q) < 0 || wanted;
}
