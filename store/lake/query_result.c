/* SPDX-License-Identifier: Apache-2.0 */
/* query_result.c - a query's result: a file of one JSON array a row, written as the rows come, read by pages, removed for its age. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/json.h"
#include "query_internal.h"
#include "values.h"

#define RESULT_BYTES_MAX (1ull << 30)
#define WRITE_BYTES (256u << 10)
#define KEEP_NS (7 * 86400 * (int64_t)NS_PER_SEC)

static void result_path(struct lake *l, const char *id, char ret[4096])
{
	snprintf(ret, 4096, "%s/results/%s", l->dir, id);
}

/* ---- writing */

struct rows {
	struct query *q;
	FILE *file;
	struct buf out, value;
	idx_t ncolumns;
	duckdb_logical_type *types;
	const char **names;
};

static int write_out(struct rows *w)
{
	if (w->out.failed)
		return -ENOMEM;
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

static int write_row(struct rows *w, duckdb_data_chunk chunk, idx_t i)
{
	struct json j = { .out = &w->out };
	bool null;
	int r = 0;

	json_open(&j, NULL, '[');
	for (idx_t c = 0; c < w->ncolumns && !r; c++) {
		buf_reset(&w->value);
		r = value_text(duck.data_chunk_get_vector(chunk, c), w->types[c], i, &w->value, &null);
		json_open(&j, NULL, '{');
		if (null)
			json_null(&j, w->names[c]);
		else
			json_text_again(&j, w->names[c], w->value.p, w->value.n);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	buf_addc(&w->out, '\n');
	w->q->row.rows++;
	if (r == -ENOTSUP)
		snprintf(w->q->error, sizeof(w->q->error), "A column has a type that cannot be shown: cast it.");
	return r ? r : w->out.n > WRITE_BYTES ? write_out(w) : 0;
}

static int write_chunks(struct rows *w, duckdb_result result)
{
	duckdb_data_chunk chunk;
	const char *error;
	int r = 0;

	while (!r && (chunk = duck.fetch_chunk(result))) {
		idx_t n = duck.data_chunk_get_size(chunk);

		for (idx_t i = 0; i < n && !r; i++)
			r = write_row(w, chunk, i);
		duck.destroy_data_chunk(&chunk);
		if (!r && (!n || query_ended(w->q)))
			break;
	}
	error = duck.result_error(&result);
	if (!r && error && *error) {
		sandbox_message(error, w->q->error);
		r = -EIO;
	}
	return r ? r : write_out(w);
}

int query_write_result(struct query *q, duckdb_result result)
{
	struct rows w = { .q = q, .ncolumns = duck.column_count(&result) };
	char path[4096];
	int r = 0;

	result_path(q->lake, q->row.id, path);
	w.types = calloc(w.ncolumns, sizeof(*w.types));
	w.names = calloc(w.ncolumns, sizeof(*w.names));
	w.file = fopen(path, "we");
	if (!w.types || !w.names || !w.file)
		r = w.file ? -ENOMEM : -errno;
	for (idx_t c = 0; c < w.ncolumns && !r; c++) {
		w.types[c] = duck.column_logical_type(&result, c);
		w.names[c] = duck.column_name(&result, c);
	}
	if (!r)
		r = write_chunks(&w, result);
	if (w.file && fclose(w.file) && !r)
		r = -errno;
	for (idx_t c = 0; w.types && c < w.ncolumns; c++)
		if (w.types[c])
			duck.destroy_logical_type(&w.types[c]);
	free(w.types);
	free(w.names);
	buf_free(&w.out);
	buf_free(&w.value);
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
