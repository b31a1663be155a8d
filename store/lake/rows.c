/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "values.h"

#define SEND_BYTES (256u << 10)

struct rows {
	struct tail *tail;
	const struct names *names;
	struct buf out, value;
	uint32_t n;			/* in out */
	idx_t ncolumns;
	duckdb_logical_type *types;
	char *why;
};

static void begin(struct rows *w)
{
	buf_reset(&w->out);
	wire_add_u32(&w->out, 0);
	w->n = 0;
}

static int send_rows(struct rows *w)
{
	int r;

	if (w->out.failed)
		return -ENOMEM;
	if (!w->n)
		return 0;
	memcpy(w->out.p, &w->n, sizeof(w->n));
	r = tail_send(w->tail, WIRE_ROWS, &w->out);
	begin(w);
	return r;
}

static int add_row(struct rows *w, duckdb_data_chunk chunk, idx_t i)
{
	size_t start = w->out.n;
	bool null;
	int r = 0;

	for (idx_t c = 0; c < w->ncolumns && !r; c++) {
		buf_reset(&w->value);
		r = value_text(duck.data_chunk_get_vector(chunk, c), w->types[c], i, &w->value, &null);
		if (!r && w->value.n >= WIRE_MAX)
			r = -E2BIG;
		if (!r && null)
			wire_add_u32(&w->out, WIRE_NULL);
		else if (!r)
			wire_add_str(&w->out, w->value.p, w->value.n);
		if (w->out.n - start > WIRE_MAX - SEND_BYTES - 1024)
			r = -E2BIG;
	}
	w->n++;
	if (r == -ENOTSUP)
		snprintf(w->why, DUCK_WHY_MAX, "A column has a type that cannot be shown: cast it.");
	if (r == -E2BIG)
		snprintf(w->why, DUCK_WHY_MAX, "A row of the result is larger than %u bytes.", WIRE_MAX - SEND_BYTES);
	return r ? r : w->out.n > SEND_BYTES ? send_rows(w) : 0;
}

static int send_chunks(struct rows *w, duckdb_result result)
{
	duckdb_data_chunk chunk;
	const char *error;
	int r = 0;

	begin(w);
	while (!r && (chunk = duck.fetch_chunk(result))) {
		idx_t n = duck.data_chunk_get_size(chunk);

		for (idx_t i = 0; i < n && !r; i++)
			r = add_row(w, chunk, i);
		duck.destroy_data_chunk(&chunk);
		if (!n)
			break;
	}
	error = duck.result_error(&result);
	if (!r && error && *error) {
		sandbox_message(error, w->why);
		r = -EIO;
	}
	return r ? r : send_rows(w);
}

static int send_columns(struct rows *w, duckdb_result result)
{
	_cleanup_buf_ struct buf b = { 0 };

	w->types = calloc(w->ncolumns, sizeof(*w->types));
	if (!w->types)
		return -ENOMEM;
	wire_add_u32(&b, (uint32_t)w->ncolumns);
	for (idx_t c = 0; c < w->ncolumns; c++) {
		char own[NAMES_TEXT];
		const char *name = names_text(w->names, (unsigned)c, (unsigned)w->ncolumns, own);

		name = name ? name : duck.column_name(&result, c);
		w->types[c] = duck.column_logical_type(&result, c);
		wire_add_str(&b, name, strlen(name));
	}
	return tail_send(w->tail, WIRE_COLUMNS, &b);
}

static int send_result(struct tail *t, duckdb_result result, const struct names *names, char why[DUCK_WHY_MAX])
{
	struct rows w = { .tail = t, .names = names, .ncolumns = duck.column_count(&result), .why = why };
	int r = send_columns(&w, result);

	if (!r)
		r = send_chunks(&w, result);
	for (idx_t c = 0; w.types && c < w.ncolumns; c++)
		duck.destroy_logical_type(&w.types[c]);
	free(w.types);
	buf_free(&w.out);
	buf_free(&w.value);
	return r;
}

int rows_send(struct tail *t, duckdb_prepared_statement prepared, const struct names *names, char why[DUCK_WHY_MAX])
{
	duckdb_pending_result pending = NULL;
	duckdb_result result;
	int r;

	if (duck.pending_prepared_streaming(prepared, &pending) != DuckDBSuccess) {
		sandbox_message(duck.pending_error(pending), why);
		r = -EIO;
	} else {
		if (duck.execute_pending(pending, &result) != DuckDBSuccess) {
			sandbox_message(duck.result_error(&result), why);
			r = -EIO;
		} else {
			r = send_result(t, result, names, why);
		}
		duck.destroy_result(&result);
	}
	duck.destroy_pending(&pending);
	return r;
}
