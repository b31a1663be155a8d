/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_files.c - log files, from the decision to the digest that names them. */
#include <errno.h>
#include <string.h>

#include "ledger_internal.h"

#define COLUMNS "id, trail, span, account, region, bucket, key, hash, oldest, newest, records, planned, delivered"

static void read_log(struct query *q, struct log_row *r)
{
	r->id = read_int(q);
	r->trail = read_int(q);
	r->span = read_int(q);
	read_text(q, r->account, sizeof(r->account));
	read_text(q, r->region, sizeof(r->region));
	read_text(q, r->bucket, sizeof(r->bucket));
	read_text(q, r->key, sizeof(r->key));
	read_text(q, r->hash, sizeof(r->hash));
	r->oldest = read_int(q);
	r->newest = read_int(q);
	r->records = (uint64_t)read_int(q);
	r->planned = read_int(q);
	r->delivered = read_int(q);
}

static int add_log(struct ledger *l, const struct log_row *r)
{
	struct query q;

	query_next(&q, l, "INSERT INTO logs (trail, span, account, region, bucket, key, hash, oldest, newest, records, planned, body)"
			  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	bind_int(&q, r->trail);
	bind_int(&q, r->span);
	bind_text(&q, r->account);
	bind_text(&q, r->region);
	bind_text(&q, r->bucket);
	bind_text(&q, r->key);
	bind_text(&q, r->hash);
	bind_int(&q, r->oldest);
	bind_int(&q, r->newest);
	bind_int(&q, (int64_t)r->records);
	bind_int(&q, r->planned);
	bind_blob(&q, r->body.p, r->body.n);
	return query_close(&q);
}

int ledger_logs_plan(struct ledger *l, int64_t span, const struct index_place *place, const struct log_row *v, unsigned n)
{
	struct query q;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < n && !r; i++)
		r = add_log(l, &v[i]);
	if (!r) {
		query_next(&q, l, "UPDATE spans SET pos = ?, record = ? WHERE id = ?");
		bind_int(&q, (int64_t)place->pos);
		bind_int(&q, place->record);
		bind_int(&q, span);
		r = query_close(&q);
	}
	return ledger_commit(l, r);
}

int ledger_log_next(struct ledger *l, int64_t trail, struct log_row *ret_r)
{
	struct query q;

	query_begin(&q, l, "SELECT " COLUMNS ", body FROM logs WHERE trail = ? AND delivered = 0 ORDER BY id LIMIT 1");
	bind_int(&q, trail);
	if (query_row(&q)) {
		read_log(&q, ret_r);
		buf_reset(&ret_r->body);
		read_blob(&q, &ret_r->body);
	}
	return query_end_one(&q);
}

int ledger_log_delivered(struct ledger *l, const struct log_row *row, int64_t now, bool digest, const char *prefix)
{
	struct query q;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	if (!digest) {
		query_next(&q, l, "INSERT OR IGNORE INTO loose (bucket, prefix) VALUES (?, ?)");
		bind_text(&q, row->bucket);
		bind_text(&q, prefix);
		r = query_close(&q);
	}
	if (!r) {
		query_next(&q, l, digest ? "UPDATE logs SET delivered = ?, body = NULL WHERE id = ?" : "DELETE FROM logs WHERE ?1 AND id = ?2");
		bind_int(&q, now);
		bind_int(&q, row->id);
		r = query_close(&q);
	}
	if (!r)
		r = ledger_stretch_sure(l, row->trail, row->span);
	if (!r) {
		query_next(&q, l, "UPDATE trails SET attempted = ?1, delivered = ?1, delivery_error = '' WHERE id = ?2");
		bind_int(&q, now);
		bind_int(&q, row->trail);
		r = query_close(&q);
	}
	return ledger_commit(l, r);
}

int ledger_loose(struct ledger *l, ledger_loose_fn fn, void *ctx)
{
	int r = 0;

	for (int64_t skip = 0; !r; skip++) {
		char bucket[64], prefix[LAYOUT_PREFIX_MAX + 1];
		struct query q;

		query_begin(&q, l, "SELECT bucket, prefix FROM loose ORDER BY rowid LIMIT 1 OFFSET ?");
		bind_int(&q, skip);
		if (query_row(&q)) {
			read_text(&q, bucket, sizeof(bucket));
			read_text(&q, prefix, sizeof(prefix));
		}
		r = query_end_one(&q);
		if (r == -ENOENT)
			return 0;
		if (!r)
			r = fn(ctx, bucket, prefix);
	}
	return r;
}

int ledger_needs(struct ledger *l, journal_pos *ret_pos)
{
	struct query q;

	*ret_pos = UINT64_MAX;
	query_begin(&q, l, "SELECT min(p) FROM (SELECT pos AS p FROM spans UNION ALL SELECT feed_pos FROM trails WHERE group_arn <> '' AND started > 0"
			   " AND deleted = 0 AND (feed_stop = 0 OR feed_pos < feed_stop)) HAVING count(*) > 0");
	if (query_row(&q))
		*ret_pos = (journal_pos)read_int(&q);
	return query_end(&q);
}

int ledger_logs_open(struct ledger *l, ledger_log_fn fn, void *ctx)
{
	struct log_row row = { 0 };
	int r = 0;

	while (!r) {
		struct query q;

		query_begin(&q, l, "SELECT " COLUMNS " FROM logs WHERE id > ? ORDER BY id LIMIT 1");
		bind_int(&q, row.id);
		if (query_row(&q))
			read_log(&q, &row);
		r = query_end_one(&q);
		if (r == -ENOENT)
			return 0;
		if (!r)
			r = fn(ctx, &row);
	}
	return r;
}

int ledger_logs_due(struct ledger *l, const struct chain_row *c, int64_t before, ledger_log_fn fn, void *ctx)
{
	struct log_row row = { 0 };
	int r = 0;

	while (!r) {
		struct query q;

		query_begin(&q, l, "SELECT " COLUMNS " FROM logs WHERE span = ? AND account = ? AND region = ? AND delivered > 0"
				   " AND delivered < ? AND digest = 0 AND id > ? ORDER BY id LIMIT 1");
		bind_int(&q, c->span);
		bind_text(&q, c->account);
		bind_text(&q, c->region);
		bind_int(&q, before);
		bind_int(&q, row.id);
		if (query_row(&q))
			read_log(&q, &row);
		r = query_end_one(&q);
		if (r == -ENOENT)
			return 0;
		if (!r)
			r = fn(ctx, &row);
	}
	return r;
}
