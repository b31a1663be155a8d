/* SPDX-License-Identifier: Apache-2.0 */
/* kept.c - queries and their rows in the cluster: part 0 says how a query is, the newest version counts; parts 1, 2, ... are
 * pages of its rows. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lines.h"
#include "proto/json.h"
#include "proto/recordread.h"
#include "tables.h"

#define TRIES 6				/* a replica that is behind knows it a moment later */
#define TRY_NS (100 * NS_PER_MS)

void job_state_free(struct job_state *s)
{
	buf_free(&s->statement);
	buf_free(&s->error);
}

/* ---- writing */

static int put(struct cluster *c, struct ch_link *l, const char *id, unsigned part, int64_t created, const struct buf *body, char *why)
{
	_cleanup_buf_ struct buf sql = { 0 };
	struct ch_statement st = { .timeout_ms = 60000 };
	int r = -EHOSTUNREACH;

	buf_addf(&sql, "INSERT INTO " TABLE_KEPT_ROWS " (id, part, version, created, day, body) VALUES ('%s', %u, %" PRIu64 ", %" PRId64 ", toDate(%" PRId64 "), ", id,
		 part, (uint64_t)clock_wall(), created, created / (int64_t)NS_PER_SEC);
	ch_quote(&sql, body->p, body->n);
	buf_addc(&sql, ')');
	st.sql = buf_text(&sql);
	if (sql.failed || body->failed)
		return -ENOMEM;
	for (unsigned tries = 0; r == -EHOSTUNREACH && tries <= c->ch.nservers; tries++) {
		struct ch_server *s = ch_pick(&c->ch, 0, 0);

		if (!s)
			break;
		r = ch_send(&c->ch, l, s, &st, why);
		if (r == -EHOSTUNREACH)
			ch_shun(s);
	}
	return r;
}

int kept_state(struct cluster *c, struct ch_link *l, const struct job_state *s, char *why)
{
	_cleanup_buf_ struct buf body = { 0 };
	struct json j = { .out = &body };

	json_open(&j, NULL, '{');
	json_string(&j, "status", s->status);
	json_string(&j, "key", s->key);
	json_string(&j, "store", s->store);
	json_digits(&j, "finished", (uint64_t)s->finished);
	json_digits(&j, "rows", s->rows);
	json_digits(&j, "scanned", s->scanned);
	json_digits(&j, "bytes", s->bytes);
	json_text(&j, "statement", s->statement.p, s->statement.n);
	json_text(&j, "error", s->error.p, s->error.n);
	json_close(&j, '}');
	return put(c, l, s->id, 0, s->created, &body, why);
}

int kept_page(struct cluster *c, struct ch_link *l, const char *id, int64_t created, unsigned page, const struct buf *rows, char *why)
{
	_cleanup_buf_ struct buf body = { 0 };

	buf_addc(&body, '[');
	buf_add(&body, rows->p, rows->n);
	buf_addc(&body, ']');
	return put(c, l, id, page + 1, created, &body, why);
}

/* ---- reading */

/* The data of a JSONCompact answer. */
static int ask(struct cluster *c, const char *sql, struct json_object **ret)
{
	const struct ch_statement st = { .sql = sql, .timeout_ms = 30000, .fresh = TABLE_KEPT_ROWS };
	struct ch_link l = { 0 };
	char why[CH_WHY_MAX];
	int r = ch_ask(&c->ch, &l, &st, why);
	struct json_object *answer, *data = NULL;

	if (r < 0) {
		log_limited(LOG_LEVEL_WARN, r, "clickhouse: %s", why);
	} else {
		answer = json_tokener_parse(buf_text(&l.answer));
		if (json_object_is_type(answer, json_type_object) && json_object_object_get_ex(answer, "data", &data) &&
		    json_object_is_type(data, json_type_array))
			*ret = json_object_get(data);
		else
			r = -EBADMSG;
		json_object_put(answer);
	}
	ch_link_free(&l);
	return r;
}

static const char *cell(struct json_object *row, unsigned i)
{
	const char *text = json_object_is_type(row, json_type_array) && i < json_object_array_length(row) ?
				   json_object_get_string(json_object_array_get_idx(row, i)) : NULL;

	return text ? text : "";
}

static const char *member(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && v ? json_object_get_string(v) : "";
}

int kept_read(struct json_object *row, int64_t query_ns, struct job_state *s)
{
	struct json_object *body = json_tokener_parse(cell(row, 2));

	uint8_t id[16];

	if (!json_object_is_type(body, json_type_object) || uuid_parse(cell(row, 0), id) < 0 || LINE_NUMBERS(cell(row, 1), I64(&s->created)) < 0) {
		json_object_put(body);
		return -EBADMSG;
	}
	uuid_text(id, s->id);
	snprintf(s->status, sizeof(s->status), "%s", member(body, "status"));
	snprintf(s->key, sizeof(s->key), "%s", member(body, "key"));
	snprintf(s->store, sizeof(s->store), "%s", member(body, "store"));
	s->finished = strtoll(member(body, "finished"), NULL, 10);
	s->rows = strtoull(member(body, "rows"), NULL, 10);
	s->scanned = strtoull(member(body, "scanned"), NULL, 10);
	s->bytes = strtoull(member(body, "bytes"), NULL, 10);
	buf_adds(&s->statement, member(body, "statement"));
	buf_adds(&s->error, member(body, "error"));
	json_object_put(body);
	/* the store that ran it is gone */
	if (!strcmp(s->status, query_status_name(QUERY_RUNNING)) && s->created < clock_wall() - query_ns - 60 * (int64_t)NS_PER_SEC)
		snprintf(s->status, sizeof(s->status), "%s", query_status_name(QUERY_FAILED));
	return 0;
}

#define STATES "SELECT id, any(created) AS at, argMax(body, version) FROM " TABLE_KEPT " WHERE part = 0"

int kept_find(struct cluster *c, const char *id, struct job_state *ret_s)
{
	char sql[256];
	int r = -ENOENT;

	snprintf(sql, sizeof(sql), STATES " AND id = '%s' GROUP BY id FORMAT JSONCompact", id);
	for (unsigned tries = 0; r == -ENOENT && tries < TRIES; tries++) {
		struct json_object *rows = NULL;

		if (tries && cluster_sleep(c, TRY_NS))
			return -ECANCELED;
		r = ask(c, sql, &rows);
		if (!r)
			r = json_object_array_length(rows) ? kept_read(json_object_array_get_idx(rows, 0), c->config.query_ns, ret_s) : -ENOENT;
		json_object_put(rows);
	}
	return r;
}

int kept_rows(struct cluster *c, const char *id, unsigned page, struct json_object **ret_rows)
{
	char sql[256];
	int r = -ENOENT;

	snprintf(sql, sizeof(sql), "SELECT argMax(body, version) FROM " TABLE_KEPT " WHERE id = '%s' AND part = %u GROUP BY id FORMAT JSONCompact", id, page + 1);
	for (unsigned tries = 0; r == -ENOENT && tries < TRIES; tries++) {
		struct json_object *rows = NULL;

		if (tries && cluster_sleep(c, TRY_NS))
			return -ECANCELED;
		r = ask(c, sql, &rows);
		if (!r && !json_object_array_length(rows))
			r = -ENOENT;
		if (!r)
			*ret_rows = json_tokener_parse(cell(json_object_array_get_idx(rows, 0), 0));
		json_object_put(rows);
	}
	return !r && !json_object_is_type(*ret_rows, json_type_array) ? -EBADMSG : r;
}

int kept_list(struct cluster *c, int64_t from, int64_t to, const char *status, kept_fn fn, void *ctx)
{
	struct json_object *rows = NULL;
	char sql[512];
	int r;

	snprintf(sql, sizeof(sql), STATES " AND day >= toDate(%" PRId64 ") AND created >= %" PRId64 " AND created <= %" PRId64 " GROUP BY id ORDER BY at DESC LIMIT 10000 FORMAT JSONCompact",
		 from / (int64_t)NS_PER_SEC, from, to);
	r = ask(c, sql, &rows);
	for (size_t i = 0; !r && i < json_object_array_length(rows); i++) {
		_cleanup_(job_state_free) struct job_state s = { .rows = 0 };

		if (kept_read(json_object_array_get_idx(rows, i), c->config.query_ns, &s) < 0 || (status && strcmp(status, s.status)))
			continue;
		fn(ctx, &s);
	}
	json_object_put(rows);
	return r;
}
