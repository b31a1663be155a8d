/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_trails.c - trails and the spans over which they log. */
#include <errno.h>
#include <string.h>

#include "ledger_internal.h"

#define COLUMNS \
	"id, name, bucket, prefix, kms, multi, global, validate, deleted, logging, started, stopped, delivered, attempted, digested, " \
	"delivery_error, digest_error, group_arn, role_arn, feed_error, fed"

static void read_trail(struct query *q, struct trail *t)
{
	t->id = read_int(q);
	read_text(q, t->name, sizeof(t->name));
	read_text(q, t->bucket, sizeof(t->bucket));
	read_text(q, t->prefix, sizeof(t->prefix));
	read_text(q, t->kms_key, sizeof(t->kms_key));
	t->multi_region = read_int(q);
	t->global_events = read_int(q);
	t->validation = read_int(q);
	t->deleted = read_int(q);
	t->logging = read_int(q);
	t->started = read_int(q);
	t->stopped = read_int(q);
	t->delivered = read_int(q);
	t->attempted = read_int(q);
	t->digested = read_int(q);
	read_text(q, t->delivery_error, sizeof(t->delivery_error));
	read_text(q, t->digest_error, sizeof(t->digest_error));
	read_text(q, t->group_arn, sizeof(t->group_arn));
	read_text(q, t->role_arn, sizeof(t->role_arn));
	read_text(q, t->feed_error, sizeof(t->feed_error));
	t->fed = read_int(q);
}

/* 0 or -ENOENT, after the statement is bound. */
static int one_trail(struct query *q, struct trail *ret_t)
{
	if (query_row(q))
		read_trail(q, ret_t);
	return query_end_one(q);
}

int ledger_trail_add(struct ledger *l, const struct trail *t)
{
	struct query q;
	int64_t count;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	query_next(&q, l, "SELECT count(*) FROM trails WHERE deleted = 0");
	count = query_row(&q) ? read_int(&q) : 0;
	r = query_close(&q);
	if (!r && count >= LEDGER_TRAILS_MAX)
		r = -EDQUOT;
	if (r < 0)
		return ledger_commit(l, r);
	query_next(&q, l, "INSERT INTO trails (name, bucket, prefix, kms, multi, global, validate, group_arn, role_arn)"
			  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
	bind_text(&q, t->name);
	bind_text(&q, t->bucket);
	bind_text(&q, t->prefix);
	bind_text(&q, t->kms_key);
	bind_int(&q, t->multi_region);
	bind_int(&q, t->global_events);
	bind_int(&q, t->validation);
	bind_text(&q, t->group_arn);
	bind_text(&q, t->role_arn);
	return ledger_commit(l, query_close(&q));
}

int ledger_trail_find(struct ledger *l, const char *name, struct trail *ret_t)
{
	struct query q;

	query_begin(&q, l, "SELECT " COLUMNS " FROM trails WHERE name = ? AND deleted = 0");
	bind_text(&q, name);
	return one_trail(&q, ret_t);
}

int ledger_trail_get(struct ledger *l, int64_t id, struct trail *ret_t)
{
	struct query q;

	query_begin(&q, l, "SELECT " COLUMNS " FROM trails WHERE id = ?");
	bind_int(&q, id);
	return one_trail(&q, ret_t);
}

int ledger_trail_set(struct ledger *l, const struct trail *t)
{
	struct query q;

	query_begin(&q, l, "UPDATE trails SET bucket = ?, prefix = ?, kms = ?, multi = ?, global = ?, validate = ?, group_arn = ?,"
			   " role_arn = ? WHERE id = ?");
	bind_text(&q, t->bucket);
	bind_text(&q, t->prefix);
	bind_text(&q, t->kms_key);
	bind_int(&q, t->multi_region);
	bind_int(&q, t->global_events);
	bind_int(&q, t->validation);
	bind_text(&q, t->group_arn);
	bind_text(&q, t->role_arn);
	bind_int(&q, t->id);
	return query_end(&q);
}

int ledger_trail_selectors(struct ledger *l, int64_t id, struct buf *ret)
{
	struct query q;

	query_begin(&q, l, "SELECT selectors FROM trails WHERE id = ?");
	bind_int(&q, id);
	if (query_row(&q))
		read_blob(&q, ret);
	return query_end(&q);
}

int ledger_trail_select(struct ledger *l, int64_t id, const char *text)
{
	struct query q;

	query_begin(&q, l, "UPDATE trails SET selectors = ? WHERE id = ?");
	bind_text(&q, text);
	bind_int(&q, id);
	return query_end(&q);
}

int ledger_trails(struct ledger *l, bool deleted, ledger_trail_fn fn, void *ctx)
{
	struct trail t = { 0 };
	int r = 0;

	while (!r) {
		struct query q;

		query_begin(&q, l, "SELECT " COLUMNS " FROM trails WHERE id > ? AND deleted <= ? ORDER BY id LIMIT 1");
		bind_int(&q, t.id);
		bind_int(&q, deleted);
		r = one_trail(&q, &t);
		if (r == -ENOENT)
			return 0;
		if (!r)
			r = fn(ctx, &t);
	}
	return r;
}

static int note(struct ledger *l, const char *sql, int64_t id, int64_t now, const char *error)
{
	struct query q;

	query_begin(&q, l, sql);
	bind_int(&q, now);
	bind_text(&q, error ? error : "");
	bind_int(&q, id);
	return query_end(&q);
}

int ledger_trail_delivery(struct ledger *l, int64_t id, int64_t now, const char *error)
{
	return note(l, "UPDATE trails SET attempted = ?, delivery_error = ? WHERE id = ?", id, now, error);
}

int ledger_trail_digest(struct ledger *l, int64_t id, int64_t now, const char *error)
{
	return note(l, "UPDATE trails SET digest_error = ?2 WHERE id = ?3 AND ?1", id, now, error);
}

int ledger_trail_fed(struct ledger *l, int64_t id, int64_t now, const char *error)
{
	return note(l, error ? "UPDATE trails SET feed_error = ?2 WHERE id = ?3 AND ?1" : "UPDATE trails SET fed = ?1, feed_error = ?2 WHERE id = ?3",
		    id, now, error);
}

/* ---- CloudWatch Logs */

int ledger_feed(struct ledger *l, int64_t trail, struct feed *ret_f)
{
	struct query q;

	query_begin(&q, l, "SELECT feed_pos, feed_record, feed_stop FROM trails WHERE id = ? AND group_arn <> '' AND started > 0 AND deleted = 0"
			   " AND (feed_stop = 0 OR feed_pos < feed_stop)");
	bind_int(&q, trail);
	if (query_row(&q)) {
		ret_f->place.pos = (journal_pos)read_int(&q);
		ret_f->place.record = (uint32_t)read_int(&q);
		ret_f->stop = (journal_pos)read_int(&q);
	}
	return query_end_one(&q);
}

int ledger_feed_begin(struct ledger *l, int64_t trail, journal_pos at)
{
	struct query q;

	query_begin(&q, l, "UPDATE trails SET feed_pos = ?1, feed_record = 0, feed_stop = CASE logging WHEN 1 THEN 0 ELSE ?1 END, feed_error = ''"
			   " WHERE id = ?2");
	bind_int(&q, (int64_t)at);
	bind_int(&q, trail);
	return query_end(&q);
}

int ledger_feed_at(struct ledger *l, int64_t trail, const struct index_place *place)
{
	struct query q;

	query_begin(&q, l, "UPDATE trails SET feed_pos = ?, feed_record = ? WHERE id = ?");
	bind_int(&q, (int64_t)place->pos);
	bind_int(&q, place->record);
	bind_int(&q, trail);
	return query_end(&q);
}

/* ---- webhooks */

int ledger_hook(struct ledger *l, const char *name, journal_pos at, struct index_place *ret_place)
{
	struct query q;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	query_next(&q, l, "INSERT OR IGNORE INTO hooks (name, pos, record) VALUES (?, ?, 0)");
	bind_text(&q, name);
	bind_int(&q, (int64_t)at);
	r = query_close(&q);
	if (!r) {
		query_next(&q, l, "SELECT pos, record FROM hooks WHERE name = ?");
		bind_text(&q, name);
		if (query_row(&q)) {
			ret_place->pos = (journal_pos)read_int(&q);
			ret_place->record = (uint32_t)read_int(&q);
		}
		r = query_close(&q);
	}
	return ledger_commit(l, r);
}

int ledger_hook_at(struct ledger *l, const char *name, const struct index_place *place)
{
	struct query q;

	query_begin(&q, l, "UPDATE hooks SET pos = ?, record = ? WHERE name = ?");
	bind_int(&q, (int64_t)place->pos);
	bind_int(&q, place->record);
	bind_text(&q, name);
	return query_end(&q);
}

/* ---- spans */

int ledger_start(struct ledger *l, int64_t trail, int64_t now, journal_pos at)
{
	struct query q;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	query_next(&q, l, "INSERT INTO spans (trail, pos, record, begun) VALUES (?, ?, 0, ?)");
	bind_int(&q, trail);
	bind_int(&q, (int64_t)at);
	bind_int(&q, now);
	r = query_close(&q);
	if (!r) {
		query_next(&q, l, "UPDATE trails SET logging = 1, started = ?, feed_pos = ?, feed_record = 0, feed_stop = 0 WHERE id = ?");
		bind_int(&q, now);
		bind_int(&q, (int64_t)at);
		bind_int(&q, trail);
		r = query_close(&q);
	}
	return ledger_commit(l, r);
}

static int end_spans(struct ledger *l, int64_t trail, int64_t now, journal_pos at)
{
	struct query q;
	int r;

	query_next(&q, l, "UPDATE spans SET stop = ?, ended = ? WHERE trail = ? AND stop = 0");
	bind_int(&q, (int64_t)at);
	bind_int(&q, now);
	bind_int(&q, trail);
	r = query_close(&q);
	if (r < 0)
		return r;
	query_next(&q, l, "UPDATE trails SET stopped = CASE logging WHEN 1 THEN ?1 ELSE stopped END,"
			  " feed_stop = CASE logging WHEN 1 THEN ?2 ELSE feed_stop END, logging = 0 WHERE id = ?3");
	bind_int(&q, now);
	bind_int(&q, (int64_t)at);
	bind_int(&q, trail);
	return query_close(&q);
}

int ledger_stop(struct ledger *l, int64_t trail, int64_t now, journal_pos at)
{
	int r = ledger_begin(l);

	return r < 0 ? r : ledger_commit(l, end_spans(l, trail, now, at));
}

static int forget_deleted(struct ledger *l)
{
	struct query q;

	int r;

	query_next(&q, l, "DELETE FROM trails WHERE deleted = 1 AND NOT EXISTS (SELECT 1 FROM spans WHERE spans.trail = trails.id)");
	r = query_close(&q);
	if (r < 0)
		return r;
	query_next(&q, l, "DELETE FROM tags WHERE NOT EXISTS (SELECT 1 FROM trails WHERE trails.id = tags.trail)");
	return query_close(&q);
}

int ledger_trail_delete(struct ledger *l, int64_t id, int64_t now, journal_pos end)
{
	struct query q;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	r = end_spans(l, id, now, end);
	if (!r) {
		query_next(&q, l, "UPDATE trails SET deleted = 1 WHERE id = ?");
		bind_int(&q, id);
		r = query_close(&q);
	}
	if (!r)
		r = forget_deleted(l);
	return ledger_commit(l, r);
}

int ledger_span(struct ledger *l, int64_t trail, struct span *ret_s)
{
	struct query q;

	query_begin(&q, l, "SELECT id, trail, pos, record, stop, begun, ended FROM spans WHERE trail = ? ORDER BY id LIMIT 1");
	bind_int(&q, trail);
	if (query_row(&q)) {
		ret_s->id = read_int(&q);
		ret_s->trail = read_int(&q);
		ret_s->place.pos = (journal_pos)read_int(&q);
		ret_s->place.record = (uint32_t)read_int(&q);
		ret_s->stop = (journal_pos)read_int(&q);
		ret_s->begun = read_int(&q);
		ret_s->ended = read_int(&q);
	}
	return query_end_one(&q);
}

int ledger_span_at(struct ledger *l, int64_t span, const struct index_place *place)
{
	struct query q;
	int64_t trail = 0;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	query_next(&q, l, "UPDATE spans SET pos = ?, record = ? WHERE id = ? RETURNING trail");
	bind_int(&q, (int64_t)place->pos);
	bind_int(&q, place->record);
	bind_int(&q, span);
	if (query_row(&q))
		trail = read_int(&q);
	r = query_close(&q);
	if (!r)
		r = ledger_stretch_sure(l, trail, span);
	return ledger_commit(l, r);
}

int ledger_span_done(struct ledger *l, const struct span *s)
{
	static const char *const statements[] = { "DELETE FROM spans WHERE id = ?", "DELETE FROM chains WHERE span = ?",
						  "DELETE FROM logs WHERE span = ?" };
	struct query q;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	r = ledger_stretch_end(l, s);
	for (unsigned i = 0; i < 3 && !r; i++) {
		query_next(&q, l, statements[i]);
		bind_int(&q, s->id);
		r = query_close(&q);
	}
	if (!r)
		r = forget_deleted(l);
	return ledger_commit(l, r);
}
