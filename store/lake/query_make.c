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

/* What the statement's table name finds. */
static int add_view(struct query *q, const char *name, const struct event_store *e, struct buf *body)
{
	int64_t before = retain_has_hold(q->lake, e) ? 0 : retain_before(q->lake, e);
	_cleanup_free_ struct segment *segments = NULL;
	_cleanup_buf_ struct buf sql = { 0 };
	bool scoped = caller_is_scoped(q->caller);
	unsigned table = q->ntables - 1;
	struct scan *scan = q->tables[table].scan;
	size_t n, start;
	int r = manifest_segments(q->lake->manifest, e->id, &segments, &n, &q->tables[table].from);

	if (r < 0)
		return r;
	scan->keep_from = before > 0 ? before : 0;
	buf_adds(&sql, scoped ? "SELECT * FROM (" : "");
	start = sql.n;
	add_segments(q, segments, n, scan->keep_from, false, &sql);
	add_segments(q, segments, n, scan->keep_from, true, &sql);
	if (sql.n > start && q->tables[table].from >= q->upto) {
		sql.n -= strlen(UNION);		/* all is sealed: the engine plans better over files alone */
	} else {
		buf_adds(&sql, "SELECT ");
		schema_list(&sql);
		buf_addf(&sql, " FROM hosttrail_scan(%u)", table);
	}
	if (scoped) {
		buf_adds(&sql, ") WHERE ");
		caller_sql(q->caller, &sql);
	}
	wire_add_str(body, name, strlen(name));
	wire_add_str(body, sql.p, sql.n);
	return sql.failed ? -ENOMEM : 0;
}

static enum query_fault add_table(struct query *q, const char *name, struct buf *body, char why[DUCK_WHY_MAX])
{
	const char *id = strcasecmp(name, "events") ? name : q->lake->default_id;
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
		r = scan_new(q->lake->st, spans, nspans, &q->tables[q->ntables].scan);
	if (!r) {
		q->ntables++;
		if (q->ntables == 1)
			memcpy(q->row.store, e.id, sizeof(q->row.store));
		r = add_view(q, name, &e, body);
	}
	if (r < 0)
		log_warn(r, "a query cannot be prepared");
	return r < 0 ? QUERY_BROKEN : QUERY_OK;
}

/* ---- what its process says */

/* It says nothing any more, or what nobody can read. */
static enum query_fault lost(struct query *q, int r, char why[DUCK_WHY_MAX])
{
	bool outgrown, stopping;

	pthread_mutex_lock(&q->lake->lock);
	outgrown = q->outgrown;
	stopping = q->lake->stopping;
	pthread_mutex_unlock(&q->lake->lock);
	if (r == -ENOMEM || (stopping && !outgrown))
		return QUERY_BROKEN;
	snprintf(why, DUCK_WHY_MAX, "%s",
		 outgrown ? "the statement needs more memory than queries may have" :
		 query_ended(q) ? "the statement takes longer than queries may" : "the engine failed over the statement");
	return QUERY_BAD_STATEMENT;
}

/* It answers as it should, or refuses. r: of sending what it is to answer. */
static enum query_fault hear(struct query *q, int r, enum wire_type expected, struct buf *answer, char why[DUCK_WHY_MAX])
{
	enum wire_type got = 0;
	bool ours = false;

	if (!r)
		r = query_receive(q, &got, answer);
	if (!r && got == WIRE_REFUSED)
		r = wire_refused(answer, &ours, why);
	else if (!r && got != expected)
		r = -EBADMSG;
	if (r < 0)
		return lost(q, r, why);
	q->owes = false;
	if (got == expected)
		return QUERY_OK;
	if (ours)
		log_warnx("a query cannot be prepared: %s", *why ? why : "out of memory");
	return ours ? QUERY_BROKEN : QUERY_BAD_STATEMENT;
}

static enum query_fault check(struct query *q, struct sandbox_tables *ret_t, char why[DUCK_WHY_MAX])
{
	_cleanup_buf_ struct buf sql = { 0 }, question = { 0 }, answer = { 0 };
	enum query_fault f;
	int r = sandbox_rewrite(q->statement, strlen(q->statement), &sql, why);

	if (r < 0)
		return r == -EINVAL ? QUERY_BAD_STATEMENT : QUERY_BROKEN;
	wire_add_str(&question, sql.p, sql.n);
	r = worker_take(q, &question);
	if (r < 0)
		return r == -ECANCELED ? lost(q, r, why) : QUERY_BROKEN;
	f = hear(q, 0, WIRE_TABLES, &answer, why);
	if (f)
		return f;
	r = wire_tables(&answer, ret_t);
	if (r < 0) {
		q->owes = true;		/* it does not speak as it should: nobody else gets it */
		return lost(q, r, why);
	}
	if (ret_t->n)
		return QUERY_OK;
	snprintf(why, DUCK_WHY_MAX, "the statement names no event data store");
	return QUERY_BAD_STATEMENT;
}

enum query_fault query_make(struct query *q, char why[DUCK_WHY_MAX])
{
	_cleanup_buf_ struct buf question = { 0 }, answer = { 0 };
	struct sandbox_tables tables;
	enum query_fault f = check(q, &tables, why);

	if (f)
		return f;
	q->times = tables.times;
	wire_add_u32(&question, tables.n);
	for (unsigned i = 0; i < tables.n && !f; i++)
		f = add_table(q, tables.v[i], &question, why);
	if (f)
		return f;
	wire_add_u32(&question, q->nparams);
	for (unsigned i = 0; i < q->nparams; i++)
		wire_add_str(&question, q->params[i], strlen(q->params[i]));
	return hear(q, query_send(q, WIRE_BIND, &question), WIRE_BOUND, &answer, why);
}
