/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_stretches.c - which records of the journal were to be delivered: from where on which selectors held, and up to where all of it is
 * at the bucket. */
#include <errno.h>
#include <string.h>

#include "ledger_internal.h"

/* Older databases get it, too. */
const char ledger_stretches_schema[] =
	"CREATE TABLE IF NOT EXISTS stretches (id INTEGER PRIMARY KEY AUTOINCREMENT, trail INT NOT NULL, span INT NOT NULL, pos INT NOT NULL,"
	" record INT NOT NULL, end_pos INT NOT NULL, end_record INT NOT NULL, multi INT, validate INT, selectors TEXT);"
	"CREATE INDEX IF NOT EXISTS stretch_trails ON stretches (trail);"
	"CREATE TABLE IF NOT EXISTS sure (trail INTEGER PRIMARY KEY, pos INT NOT NULL, record INT NOT NULL);";

/* Runs a statement that takes these numbers. */
static int run(struct ledger *l, const char *sql, const int64_t *v, unsigned n)
{
	struct query q;

	query_next(&q, l, sql);
	for (unsigned i = 0; i < n; i++)
		bind_int(&q, v[i]);
	return query_close(&q);
}

/* Whether the latest one says the same, and goes on. */
static int is_said(struct ledger *l, const struct stretch_row *s, const char *selectors, bool *ret_said)
{
	struct query q;

	query_next(&q, l, "SELECT 1 FROM stretches WHERE id = (SELECT max(id) FROM stretches WHERE trail = ?) AND span = ? AND multi = ? AND validate = ?"
			  " AND selectors = ? AND end_pos = ?");
	bind_int(&q, s->trail);
	bind_int(&q, s->span);
	bind_int(&q, s->multi_region);
	bind_int(&q, s->validation);
	bind_text(&q, selectors);
	bind_int(&q, STRETCH_OPEN);
	*ret_said = query_row(&q);
	return query_close(&q);
}

static int add(struct ledger *l, const struct stretch_row *s, const char *selectors)
{
	struct query q;

	query_next(&q, l, "INSERT INTO stretches (trail, span, pos, record, end_pos, end_record, multi, validate, selectors) VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?)");
	bind_int(&q, s->trail);
	bind_int(&q, s->span);
	bind_int(&q, (int64_t)s->from.pos);
	bind_int(&q, s->from.record);
	bind_int(&q, STRETCH_OPEN);
	bind_int(&q, s->multi_region);
	bind_int(&q, s->validation);
	bind_text(&q, selectors);
	return query_close(&q);
}

int ledger_stretch(struct ledger *l, const struct stretch_row *s, const char *selectors)
{
	const int64_t v[] = { s->trail, (int64_t)s->from.pos, s->from.record };
	bool said = false;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	r = is_said(l, s, selectors, &said);
	/* what was not decided on yet is gathered again after a start, and then with these */
	if (!r && !said)
		r = run(l, "UPDATE stretches SET end_pos = ?2, end_record = ?3 WHERE trail = ?1 AND (end_pos, end_record) > (?2, ?3)", v, 3);
	if (!r && !said)
		r = run(l, "DELETE FROM stretches WHERE trail = ?1 AND (pos, record) >= (?2, ?3)", v, 3);
	if (!r && !said)
		r = add(l, s, selectors);
	return ledger_commit(l, r);
}

int ledger_stretch_sure(struct ledger *l, int64_t trail, int64_t span)
{
	const int64_t v[] = { trail, span };

	return run(l, "INSERT OR REPLACE INTO sure (trail, pos, record) SELECT ?1, pos, record FROM spans WHERE id = ?2"
		      " AND NOT EXISTS (SELECT 1 FROM logs WHERE trail = ?1 AND delivered = 0)", v, 2);
}

int ledger_stretch_end(struct ledger *l, const struct span *s)
{
	const int64_t v[] = { s->id, (int64_t)s->stop };
	int r = run(l, "UPDATE stretches SET end_pos = ?2, end_record = 0 WHERE span = ?1 AND end_pos > ?2", v, 2);

	return r < 0 ? r : ledger_stretch_sure(l, s->trail, s->id);
}

/* Their files lie where no digest names them. */
int ledger_stretch_loose(struct ledger *l, int64_t span)
{
	return run(l, "UPDATE stretches SET validate = 0 WHERE span = ?", &span, 1);
}

static void read_stretch(struct query *q, struct stretch_row *s)
{
	s->id = read_int(q);
	s->trail = read_int(q);
	s->span = read_int(q);
	s->from.pos = (journal_pos)read_int(q);
	s->from.record = (uint32_t)read_int(q);
	s->to.pos = (journal_pos)read_int(q);
	s->to.record = (uint32_t)read_int(q);
	s->multi_region = read_int(q);
	s->validation = read_int(q);
	buf_reset(&s->selectors);
	read_blob(q, &s->selectors);
}

int ledger_stretches(struct ledger *l, ledger_stretch_fn fn, void *ctx)
{
	struct stretch_row row = { 0 };
	int r = 0;

	while (!r) {
		struct query q;

		query_begin(&q, l, "SELECT s.id, s.trail, s.span, s.pos, s.record, iif((s.end_pos, s.end_record) < (u.pos, u.record), s.end_pos, u.pos),"
				   " iif((s.end_pos, s.end_record) < (u.pos, u.record), s.end_record, u.record), s.multi, s.validate, s.selectors"
				   " FROM stretches s JOIN sure u ON u.trail = s.trail WHERE s.id > ? ORDER BY s.id LIMIT 1");
		bind_int(&q, row.id);
		if (query_row(&q))
			read_stretch(&q, &row);
		r = query_end_one(&q);
		if (!r)
			r = fn(ctx, &row);
	}
	buf_free(&row.selectors);
	return r == -ENOENT ? 0 : r;
}
