/* SPDX-License-Identifier: Apache-2.0 */
/* query_result.c - a query's result: a file of one JSON array a row, written as the rows come, read by pages, removed for its age. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "proto/json.h"
#include "query_internal.h"

#define RESULT_BYTES_MAX (1ull << 30)
#define WRITE_BYTES (256u << 10)
#define QUERY_OVERHEAD 12000u		/* of a statement, and what is noted of it, at most */
#define KEEP_NS (7 * 86400 * (int64_t)NS_PER_SEC)

static void result_path(struct lake *l, const char *id, char ret[4096])
{
	snprintf(ret, 4096, "%s/results/%s", l->dir, id);
}

/* ---- writing */

struct rows {
	struct query *q;
	FILE *file;
	struct buf out, names;		/* names: each with its NUL */
	unsigned ncolumns;		/* 0: not known yet */
};

static int write_out(struct rows *w)
{
	if (w->out.failed)
		return -ENOMEM;
	/* what is left is for frames */
	if (w->out.n && !fsx_has_room(w->q->lake->dir, w->out.n)) {
		snprintf(w->q->error, sizeof(w->q->error), "The store's disk has no room for the result.");
		return -ENOSPC;
	}
	if (w->out.n && fwrite(w->out.p, 1, w->out.n, w->file) != w->out.n)
		return -errno;
	w->q->row.result_bytes += w->out.n;
	buf_reset(&w->out);
	if (w->q->row.result_bytes > RESULT_BYTES_MAX || w->q->row.rows > w->q->lake->config.query_rows) {
		snprintf(w->q->error, sizeof(w->q->error), "The result is larger than %llu rows or %llu bytes: use LIMIT.",
			 (unsigned long long)w->q->lake->config.query_rows, RESULT_BYTES_MAX);
		return -E2BIG;
	}
	return 0;
}

static int write_row(struct rows *w, struct wire *in)
{
	const char *name = (const char *)w->names.p;
	struct json j = { .out = &w->out };

	json_open(&j, NULL, '[');
	for (unsigned c = 0; c < w->ncolumns && !in->bad; c++, name += strlen(name) + 1) {
		struct str value = wire_value(in);

		json_open(&j, NULL, '{');
		if (!value.p)
			json_null(&j, name);
		else
			json_text_again(&j, name, value.p, value.n);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	buf_addc(&w->out, '\n');
	w->q->row.rows++;
	return in->bad ? -EBADMSG : w->out.n > WRITE_BYTES ? write_out(w) : 0;
}

/* ---- what the query's process says */

static int on_columns(struct rows *w, const struct buf *body)
{
	return w->ncolumns ? -EBADMSG : wire_columns(body, &w->names, &w->ncolumns);
}

static int on_rows(struct rows *w, const struct buf *body)
{
	struct wire in = wire_of(body);
	uint32_t n = wire_u32(&in);
	int r = w->ncolumns ? 0 : -EBADMSG;

	for (uint32_t i = 0; i < n && !r; i++)
		r = write_row(w, &in);
	return r ? r : in.n ? -EBADMSG : 0;
}

static int on_ask(struct rows *w, const struct buf *body)
{
	_cleanup_buf_ struct buf frame = { 0 };
	struct wire_ask a;
	int r = wire_ask(body, &a);

	if (!r && a.table >= w->q->ntables)
		r = -EBADMSG;
	if (!r)
		r = scan_serve(w->q->tables[a.table].scan, a.frame, a.text, &frame);
	return r ? r : query_send(w->q, WIRE_FRAME, &frame);
}

static int on_done(struct rows *w, const struct buf *body)
{
	if (!w->ncolumns)
		return -EBADMSG;
	w->q->owes = false;
	return 1;
}

static int on_failed(struct rows *w, const struct buf *body)
{
	wire_text(body, w->q->error);
	w->q->owes = false;
	return -EIO;
}

/* 1: that was all. */
static int on_message(struct rows *w, enum wire_type type, const struct buf *body)
{
	static const struct {
		enum wire_type type;
		int (*fn)(struct rows *w, const struct buf *body);
	} table[] = {
		{ WIRE_ASK, on_ask },
		{ WIRE_COLUMNS, on_columns },
		{ WIRE_ROWS, on_rows },
		{ WIRE_DONE, on_done },
		{ WIRE_FAILED, on_failed },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].type == type)
			return table[i].fn(w, body);
	return -EBADMSG;
}

static int take_rows(struct rows *w)
{
	_cleanup_buf_ struct buf body = { 0 };
	enum wire_type type;
	int r;

	do {
		r = query_receive(w->q, &type, &body);
		if (!r)
			r = on_message(w, type, &body);
	} while (!r);
	return r < 0 ? r : write_out(w);
}

static int begin(struct query *q)
{
	_cleanup_buf_ struct buf body = { 0 };

	wire_add_u32(&body, q->ntables);
	for (unsigned i = 0; i < q->ntables; i++)
		wire_add_u64(&body, q->tables[i].scan->nframes);
	return query_send(q, WIRE_RUN, &body);
}

int query_run(struct query *q)
{
	struct rows w = { .q = q };
	char path[4096];
	int r = 0;

	result_path(q->lake, q->row.id, path);
	w.file = fopen(path, "we");
	if (!w.file)
		return -errno;
	r = begin(q);
	if (!r)
		r = take_rows(&w);
	if (fclose(w.file) && !r)
		r = -errno;
	buf_free(&w.out);
	buf_free(&w.names);
	return r;
}

/* ---- reading, and removing */

void query_drop_result(struct lake *l, const char *id)
{
	char path[4096];

	result_path(l, id, path);
	unlink(path);
}

static void expired(void *ctx, const char *id)
{
	query_drop_result(ctx, id);
}

void queries_expire(struct lake *l)
{
	manifest_queries_expire(l->manifest, clock_wall() - KEEP_NS, expired, l);
}

void queries_trim(struct lake *l, const struct query_row *q)
{
	uint64_t bytes = l->config.results;
	bool over;

	pthread_mutex_lock(&l->lock);
	l->results += q->result_bytes + QUERY_OVERHEAD;
	over = l->results > bytes;
	pthread_mutex_unlock(&l->lock);
	if (!over || manifest_queries_trim(l->manifest, bytes - bytes / 8, expired, l) < 0 || manifest_queries_size(l->manifest, &bytes) < 0)
		return;
	pthread_mutex_lock(&l->lock);
	l->results = bytes;
	pthread_mutex_unlock(&l->lock);
}

int query_results(struct lake *l, const char *id, uint64_t at, unsigned max, struct buf *out, uint64_t *ret_at, unsigned *ret_n)
{
	_cleanup_free_ char *line = NULL;
	char path[4096];
	size_t cap = 0, start = out->n;
	ssize_t n = 0;
	FILE *f;

	result_path(l, id, path);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	*ret_n = 0;
	*ret_at = at;
	if (fseeko(f, (off_t)at, SEEK_SET) < 0)
		n = -1;
	while (n >= 0 && *ret_n < max && out->n - start < (1u << 20) && (n = getline(&line, &cap, f)) > 0) {
		if (*ret_n)
			buf_addc(out, ',');
		buf_add(out, line, (size_t)n - (line[n - 1] == '\n'));
		*ret_at += (uint64_t)n;
		++*ret_n;
	}
	fclose(f);
	return out->failed ? -ENOMEM : 0;
}
