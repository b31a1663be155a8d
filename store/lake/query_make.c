/* SPDX-License-Identifier: Apache-2.0 */
/* query_make.c - a statement with its tables: segments and the journal's tail as views, checked, prepared, bound. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "query_internal.h"
#include "schema.h"

#define UNION " UNION ALL "

/* How much there is of everybody's is not for who may see some. */
void query_scanned(struct query *q, uint64_t records, uint64_t bytes)
{
	if (caller_is_scoped(q->caller))
		return;
	q->row.scanned += records;
	q->row.bytes += bytes;
}

/* Those of the segments whose rows may be past, or the others, as a part of the view; without those whose times nobody asks for. */
static void add_segments(struct query *q, const struct segment *segments, size_t n, int64_t before, bool straddling, struct buf *sql)
{
	const struct time_bound *times = &q->times;
	size_t added = 0;
	char iso[21];

	for (size_t i = 0; i < n; i++) {
		if (retain_straddles(&segments[i], before) != straddling || segments[i].last < times->from || segments[i].first > times->to)
			continue;
		if (!added) {
			buf_adds(sql, "SELECT ");
			schema_list(sql);
			buf_adds(sql, " FROM read_parquet([");
		}
		buf_addf(sql, "%s'%s/%s'", added++ ? ", " : "", q->lake->dir, segments[i].path);
		query_scanned(q, segments[i].rows, segments[i].bytes);
	}
	if (!added)
		return;
	buf_adds(sql, "], hive_partitioning = false)");
	clock_iso(before / (int64_t)NS_PER_SEC, iso);
	if (straddling)
		buf_addf(sql, " WHERE eventtime >= TIMESTAMP '%.10s %.8s' OR receivedtime >= TIMESTAMP '%.10s %.8s'", iso, iso + 11, iso, iso + 11);
	buf_adds(sql, UNION);
}

/* The view that the statement's table name finds. */
static int show_view(struct query *q, struct ready_view *v, const struct event_store *e, struct scan *scan, char why[DUCK_WHY_MAX])
{
	int64_t before = retain_has_hold(q->lake, e) ? 0 : retain_before(q->lake, e);
	_cleanup_free_ struct segment *segments = NULL;
	_cleanup_buf_ struct buf sql = { 0 };
	bool scoped = caller_is_scoped(q->caller);
	size_t n, start;
	int r = manifest_segments(q->lake->manifest, e->id, &segments, &n, &q->tables[q->ntables - 1].from);

	if (r < 0)
		return r;
	scan->keep_from = before > 0 ? before : 0;
	buf_adds(&sql, scoped ? "SELECT * FROM (" : "");
	start = sql.n;
	add_segments(q, segments, n, scan->keep_from, false, &sql);
	add_segments(q, segments, n, scan->keep_from, true, &sql);
	if (sql.n > start && q->tables[q->ntables - 1].from >= q->upto) {
		sql.n -= strlen(UNION);		/* all is sealed: the engine plans better over files alone */
	} else {
		buf_adds(&sql, "SELECT ");
		schema_list(&sql);
		buf_addf(&sql, " FROM hosttrail_scan(%llu)", (unsigned long long)scan->id);
	}
	if (scoped) {
		buf_adds(&sql, ") WHERE ");
		caller_sql(q->caller, &sql);
	}
	return sql.failed ? -ENOMEM : ready_show(q->ready, v, buf_text(&sql), why);
}

static enum query_fault add_table(struct query *q, const char *name, char why[DUCK_WHY_MAX])
{
	const char *id = strcasecmp(name, "events") ? name : q->lake->default_id;
	struct ready_view *v = ready_view(q->ready, name);
	struct event_store e;
	struct scan_span *spans;
	unsigned nspans;
	int r = manifest_store_get(q->lake->manifest, id, &e, NULL);

	if (r == -ENOENT) {
		snprintf(why, DUCK_WHY_MAX, "The event data store %s does not exist.", id);
		return QUERY_NO_STORE;
	}
	if (!r && e.status == STORE_PENDING_DELETION) {
		snprintf(why, DUCK_WHY_MAX, "The event data store %s is pending deletion.", id);
		return QUERY_INACTIVE_STORE;
	}
	if (!r)
		r = manifest_spans(q->lake->manifest, id, &spans, &nspans);
	if (!r)
		r = scan_new(q->lake->st, spans, nspans, v->scan, &q->tables[q->ntables].scan);
	if (!r) {
		q->ntables++;
		if (q->ntables == 1)
			memcpy(q->row.store, e.id, sizeof(q->row.store));
		r = show_view(q, v, &e, q->tables[q->ntables - 1].scan, why);
	}
	if (r < 0)
		log_warnx("a query cannot be prepared: %s", *why ? why : strerror(-r));
	return r < 0 ? QUERY_BROKEN : QUERY_OK;
}

static enum query_fault prepare(struct query *q, const char *sql, char why[DUCK_WHY_MAX])
{
	idx_t wanted;

	if (duck.prepare(q->c, sql, &q->prepared) != DuckDBSuccess) {
		sandbox_message(duck.prepare_error(q->prepared), why);
		return QUERY_BAD_STATEMENT;
	}
	if (duck.prepared_statement_type(q->prepared) != DUCKDB_STATEMENT_TYPE_SELECT) {
		snprintf(why, DUCK_WHY_MAX, "one SELECT statement is allowed");
		return QUERY_BAD_STATEMENT;
	}
	wanted = duck.nparams(q->prepared);
	if (wanted != q->nparams) {
		snprintf(why, DUCK_WHY_MAX, "the statement has %u parameters, %u were given", (unsigned)wanted, q->nparams);
		return QUERY_BAD_STATEMENT;
	}
	for (unsigned i = 0; i < q->nparams; i++)
		if (duck.bind_varchar(q->prepared, i + 1, q->params[i]) != DuckDBSuccess) {
			snprintf(why, DUCK_WHY_MAX, "parameter %u cannot be bound", i + 1);
			return QUERY_BAD_STATEMENT;
		}
	return QUERY_OK;
}

static bool connect_query(struct query *q)
{
	if (caller_is_scoped(q->caller) && !q->lake->scoped_db)
		return false;
	if (ready_take(q->lake, caller_is_scoped(q->caller) ? q->lake->scoped_db : q->lake->query_db, &q->ready) < 0)
		return false;
	pthread_mutex_lock(&q->lake->lock);
	q->c = q->ready->c;
	pthread_mutex_unlock(&q->lake->lock);
	return true;
}

enum query_fault query_make(struct query *q, char why[DUCK_WHY_MAX])
{
	_cleanup_buf_ struct buf sql = { 0 };
	struct sandbox_tables tables;
	enum query_fault f = QUERY_OK;
	int r;

	if (!connect_query(q))
		return QUERY_BROKEN;
	r = sandbox_rewrite(q->statement, strlen(q->statement), &sql, why);
	if (!r)
		r = sandbox_check(q->c, buf_text(&sql), sql.n, &tables, why);
	if (r < 0)
		return r == -EINVAL || r == -EIO ? QUERY_BAD_STATEMENT : QUERY_BROKEN;
	if (!tables.n) {
		snprintf(why, DUCK_WHY_MAX, "the statement names no event data store");
		return QUERY_BAD_STATEMENT;
	}
	q->times = tables.times;
	for (unsigned i = 0; i < tables.n && !f; i++)
		f = add_table(q, tables.v[i], why);
	return f ? f : prepare(q, buf_text(&sql), why);
}
