/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_definitions.c - event data stores of a shared ledger: what is defined of them, as store/definitions.h has it; and texts that the stores share. */
#include <errno.h>

#include "ledger_internal.h"
#include "lib/cleanup.h"

const char ledger_definitions_schema[] =
	"CREATE TABLE IF NOT EXISTS definitions (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, status INT NOT NULL, retention INT NOT NULL,"
	" multi INT, organization INT, protected INT, fixed INT, builtin INT NOT NULL, created INT, updated INT, deleted INT, selectors TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS texts (name TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL);"
	"CREATE UNIQUE INDEX IF NOT EXISTS definition_names ON definitions (name);";

#define COLUMNS "id, name, status, retention, multi, organization, protected, fixed, builtin, created, updated, deleted, selectors"

static void read_definition(struct query *q, struct event_store *e, struct buf *selectors)
{
	*e = (struct event_store){ .sealed = 0 };
	read_text(q, e->id, sizeof(e->id));
	read_text(q, e->name, sizeof(e->name));
	e->status = (enum store_status)read_int(q);
	e->retention_days = (int)read_int(q);
	e->multi_region = read_int(q);
	e->organization = read_int(q);
	e->protected = read_int(q);
	e->fixed_billing = read_int(q);
	e->builtin = read_int(q);
	e->created = read_int(q);
	e->updated = read_int(q);
	e->deleted = read_int(q);
	if (selectors)
		read_blob(q, selectors);
}

static int one(struct ledger *l, const char *sql, const char *key, struct event_store *ret_e, struct buf *ret_selectors)
{
	struct query q;

	query_begin(&q, l, sql);
	bind_text(&q, key);
	if (query_row(&q))
		read_definition(&q, ret_e, ret_selectors);
	return query_end_one(&q);
}

int ledger_definition_get(struct ledger *l, const char *id, struct event_store *ret_e, struct buf *ret_selectors)
{
	return one(l, "SELECT " COLUMNS " FROM definitions WHERE id = ?", id, ret_e, ret_selectors);
}

int ledger_definition_find(struct ledger *l, const char *name, struct event_store *ret_e)
{
	return one(l, "SELECT " COLUMNS " FROM definitions WHERE name = ?", name, ret_e, NULL);
}

int ledger_definitions(struct ledger *l, definition_fn fn, void *ctx)
{
	_cleanup_buf_ struct buf selectors = { 0 };
	struct event_store e;
	struct query q;
	int r = 0, end;

	query_begin(&q, l, "SELECT " COLUMNS " FROM definitions ORDER BY builtin DESC, created, id");
	while (r >= 0 && query_row(&q)) {
		buf_reset(&selectors);
		read_definition(&q, &e, &selectors);
		r = selectors.failed ? -ENOMEM : fn(ctx, &e, buf_text(&selectors));
	}
	end = query_end(&q);
	return r < 0 ? r : end;
}

static void bind_definition(struct query *q, const struct event_store *e)
{
	bind_text(q, e->id);
	bind_text(q, e->name);
	bind_int(q, e->status);
	bind_int(q, e->retention_days);
	bind_int(q, e->multi_region);
	bind_int(q, e->organization);
	bind_int(q, e->protected);
	bind_int(q, e->fixed_billing);
	bind_int(q, e->builtin);
	bind_int(q, e->created);
	bind_int(q, e->updated);
	bind_int(q, e->deleted);
}

#define INSERT "INSERT INTO definitions (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

int ledger_definition_add(struct ledger *l, const struct event_store *e, const char *selectors)
{
	struct query q;
	int64_t count;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	query_next(&q, l, "SELECT count(*) FROM definitions WHERE builtin = 0");
	count = query_row(&q) ? read_int(&q) : 0;
	r = query_close(&q);
	if (!r && !e->builtin && count >= STORES_MAX)
		r = -EDQUOT;
	if (!r) {
		query_next(&q, l, INSERT);
		bind_definition(&q, e);
		bind_text(&q, selectors);
		r = query_close(&q);
	}
	return ledger_commit(l, r);
}

/* The built-in one has no row before it is changed. */
int ledger_definition_change(struct ledger *l, const struct event_store *e, const char *selectors)
{
	static const char sql[] =
		INSERT " ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = excluded.status, retention = excluded.retention, multi = excluded.multi,"
		       " organization = excluded.organization, protected = excluded.protected, fixed = excluded.fixed, updated = excluded.updated,"
		       " deleted = excluded.deleted, selectors = coalesce(?14, selectors)";
	struct query q;

	query_begin(&q, l, sql);
	bind_definition(&q, e);
	bind_text(&q, selectors ? selectors : "");
	bind_text(&q, selectors);
	return query_end(&q);
}

int ledger_definition_forget(struct ledger *l, const char *id)
{
	struct query q;

	query_begin(&q, l, "DELETE FROM definitions WHERE id = ?");
	bind_text(&q, id);
	return query_end(&q);
}

/* ---- texts */

int ledger_text(struct ledger *l, const char *name, struct buf *ret)
{
	struct query q;

	query_begin(&q, l, "SELECT body FROM texts WHERE name = ?");
	bind_text(&q, name);
	if (query_row(&q))
		read_blob(&q, ret);
	return query_end(&q);
}

int ledger_text_put(struct ledger *l, const char *name, const char *text)
{
	struct query q;

	query_begin(&q, l, "INSERT INTO texts (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body");
	bind_text(&q, name);
	bind_text(&q, text);
	return query_end(&q);
}
