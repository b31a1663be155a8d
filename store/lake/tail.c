/* SPDX-License-Identifier: Apache-2.0 */
#include "tail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fill.h"
#include "lib/cleanup.h"
#include "scan.h"

#define THREADS_MAX 64

struct place {
	struct tail *tail;
	uint32_t table;
};

struct shared {
	struct place place;
	uint64_t next;			/* frame; atomic */
	uint64_t ncolumns;
	bool text;			/* some column is made from it */
	unsigned columns[];
};

struct local {
	struct buf frame;
	struct wire at;			/* in it */
	uint32_t left;			/* rows */
	struct fill fill;
};

int tail_send(struct tail *t, enum wire_type type, const struct buf *body)
{
	int r;

	pthread_mutex_lock(&t->lock);
	r = wire_send(t->fd, type, body);
	pthread_mutex_unlock(&t->lock);
	return r;
}

static int ask(struct shared *h, uint64_t frame, struct buf *ret)
{
	struct tail *t = h->place.tail;
	_cleanup_buf_ struct buf body = { 0 };
	enum wire_type type;
	int r;

	wire_add_u32(&body, h->place.table);
	wire_add_u64(&body, frame);
	wire_add_u32(&body, h->text);
	pthread_mutex_lock(&t->lock);
	r = wire_send(t->fd, WIRE_ASK, &body);
	if (!r)
		r = wire_receive(t->fd, 0, &type, ret);
	pthread_mutex_unlock(&t->lock);
	return r ? r : type == WIRE_FRAME ? 0 : -EBADMSG;
}

/* ---- rows */

static int one_row(struct shared *h, struct local *l, duckdb_data_chunk out, uint64_t row)
{
	struct fill_row *x = &l->fill.row;
	struct str text;
	int r = 0;

	x->number = wire_u32(&l->at);
	text = wire_str(&l->at);
	l->left--;
	if (h->text) {
		x->json = (struct piece){ text.p, text.n };
		walk_record(x->json.p, x->json.n, x->slots);
	}
	for (uint64_t c = 0; c < h->ncolumns && !r; c++)
		if (h->columns[c] < lake_ncolumns)
			r = fill_column(&l->fill, h->columns[c], duck.data_chunk_get_vector(out, c), row);
	return r;
}

/* 1: there is one, 0: no more. */
static int next_frame(struct shared *h, struct local *l)
{
	uint64_t i;
	int r;

	do {
		i = __atomic_fetch_add(&h->next, 1, __ATOMIC_RELAXED);
		if (i >= h->place.tail->frames[h->place.table])
			return 0;
		r = ask(h, i, &l->frame);
		if (r < 0)
			return r;
		l->at = wire_of(&l->frame);
		r = (int)wire_u32(&l->at);
		if (r < 0)
			return r;
		l->fill.row.received = (int64_t)wire_u64(&l->at);
		l->fill.row.position = (int64_t)wire_u64(&l->at);
		l->left = wire_u32(&l->at);
	} while (!l->left);
	return 1;
}

static int rows(struct shared *h, struct local *l, duckdb_data_chunk out, uint64_t *ret_n)
{
	uint64_t room = duck.vector_size(), n = 0;
	int r = 1;

	while (n < room) {
		if (!l->left)
			r = next_frame(h, l);
		if (r <= 0)
			break;
		r = one_row(h, l, out, n);
		if (r < 0)
			break;
		r = 1;
		n++;
	}
	*ret_n = n;
	return r < 0 ? r : 0;
}

/* ---- the engine's callbacks */

static void drop_local(void *p)
{
	struct local *l = p;

	buf_free(&l->frame);
	fill_free(&l->fill);
	free(l);
}

static void on_bind(duckdb_bind_info info)
{
	duckdb_value v = duck.bind_get_parameter(info, 0);
	uint64_t table = (uint64_t)duck.get_int64(v);
	struct place *p = malloc(sizeof(*p));

	duck.destroy_value(&v);
	if (!p || table >= SANDBOX_TABLES_MAX) {
		free(p);
		duck.bind_set_error(info, "there is no such table");
		return;
	}
	*p = (struct place){ duck.bind_get_extra_info(info), (uint32_t)table };
	duck.bind_set_bind_data(info, p, free);
	for (unsigned i = 0; i < lake_ncolumns; i++) {
		duckdb_logical_type t = schema_type(&lake_columns[i]);

		duck.bind_add_result_column(info, lake_columns[i].name, t);
		duck.destroy_logical_type(&t);
	}
}

static void on_init(duckdb_init_info info)
{
	uint64_t n = duck.init_get_column_count(info), frames;
	struct shared *h = calloc(1, sizeof(*h) + n * sizeof(h->columns[0]));

	if (!h) {
		duck.init_set_error(info, "out of memory");
		return;
	}
	h->place = *(struct place *)duck.init_get_bind_data(info);
	h->ncolumns = n;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t c = duck.init_get_column_index(info, i);

		h->columns[i] = c < lake_ncolumns ? (unsigned)c : lake_ncolumns;
		h->text |= c < lake_ncolumns && fill_needs_json((unsigned)c);
	}
	frames = h->place.tail->frames[h->place.table];
	duck.init_set_init_data(info, h, free);
	duck.init_set_max_threads(info, frames < THREADS_MAX ? frames + 1 : THREADS_MAX);
}

static void on_local_init(duckdb_init_info info)
{
	struct local *l = calloc(1, sizeof(*l));

	if (!l)
		duck.init_set_error(info, "out of memory");
	else
		duck.init_set_init_data(info, l, drop_local);
}

static void on_rows(duckdb_function_info info, duckdb_data_chunk out)
{
	uint64_t n = 0;
	int r = rows(duck.function_get_init_data(info), duck.function_get_local_init_data(info), out, &n);

	if (r < 0)
		duck.function_set_error(info, scan_why(r));
	duck.data_chunk_set_size(out, n);
}

int tail_register(struct tail *t, duckdb_connection c, char why[DUCK_WHY_MAX])
{
	duckdb_table_function f = duck.create_table_function();
	duckdb_logical_type number = duck.create_logical_type(DUCKDB_TYPE_BIGINT);
	int r = 0;

	duck.table_function_set_name(f, "hosttrail_scan");
	duck.table_function_add_parameter(f, number);
	duck.table_function_set_extra_info(f, t, NULL);
	duck.table_function_set_bind(f, on_bind);
	duck.table_function_set_init(f, on_init);
	duck.table_function_set_local_init(f, on_local_init);
	duck.table_function_set_function(f, on_rows);
	duck.table_function_supports_projection_pushdown(f, true);
	if (duck.register_table_function(c, f) != DuckDBSuccess) {
		snprintf(why, DUCK_WHY_MAX, "the engine does not take a table function");
		r = -EIO;
	}
	duck.destroy_logical_type(&number);
	duck.destroy_table_function(&f);
	return r;
}
