/* SPDX-License-Identifier: Apache-2.0 */
#include "fill.h"

#include <errno.h>
#include <string.h>

void fill_free(struct fill *f)
{
	buf_free(&f->scratch);
}

/* ---- absent values */

static void set_null(const struct lake_field *f, duckdb_vector v, uint64_t i)
{
	duck.vector_ensure_validity_writable(v);
	duck.vector_get_validity(v)[i / 64] &= ~(1ull << i % 64);
	if (f->type == LAKE_STRUCT)
		for (unsigned k = 0; k < f->nfields; k++)
			set_null(&f->fields[k], duck.struct_vector_get_child(v, k), i);
	if (f->type == LAKE_MAP || f->type == LAKE_RESOURCES)
		((duckdb_list_entry *)duck.vector_get_data(v))[i] = (duckdb_list_entry){ duck.list_vector_get_size(v), 0 };
}

/* ---- single values */

static bool digits(const char *p, unsigned n, int *ret)
{
	*ret = 0;
	for (unsigned i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*ret = *ret * 10 + p[i] - '0';
	}
	return true;
}

/* Days since the epoch of the proleptic Gregorian calendar. */
static int64_t days(int y, int m, int d)
{
	int64_t era, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	doe = (y - era * 400) * 365 + (y - era * 400) / 4 - (y - era * 400) / 100 + (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + doe - 719468;
}

bool fill_time(struct piece s, int64_t *ret_us)
{
	int y, m, d, hour, minute, second;

	if (s.n != 20 || s.p[4] != '-' || s.p[7] != '-' || s.p[10] != 'T' || s.p[13] != ':' || s.p[16] != ':' || s.p[19] != 'Z')
		return false;
	if (!digits(s.p, 4, &y) || !digits(s.p + 5, 2, &m) || !digits(s.p + 8, 2, &d) || !digits(s.p + 11, 2, &hour) ||
	    !digits(s.p + 14, 2, &minute) || !digits(s.p + 17, 2, &second) || m < 1 || m > 12 || d < 1 || d > 31)
		return false;
	*ret_us = (days(y, m, d) * 86400 + hour * 3600 + minute * 60 + second) * 1000000ll;
	return true;
}

bool fill_integer(struct piece s, int64_t *ret)
{
	bool minus = s.n && s.p[0] == '-';
	uint64_t v = 0;

	if (s.n <= minus || s.n > 19u + minus)
		return false;
	for (size_t i = minus; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > (uint64_t)INT64_MAX + minus)
		return false;
	*ret = (int64_t)(minus ? -v : v);
	return true;
}

bool fill_boolean(struct piece s, int64_t *ret)
{
	*ret = s.n == 4 && !memcmp(s.p, "true", 4);
	return *ret || (s.n == 5 && !memcmp(s.p, "false", 5));
}

static int text(struct fill *f, struct piece s, duckdb_vector v, uint64_t i)
{
	struct piece t;
	int r;

	buf_reset(&f->scratch);
	r = walk_text(s, &f->scratch, &t);
	if (!r)
		duck.vector_assign_string_element_len(v, i, t.p, t.n);
	return r;
}

/* false: it is no value of this type. */
static bool scalar(struct fill *f, enum field_type type, struct piece s, duckdb_vector v, uint64_t i)
{
	void *data = duck.vector_get_data(v);
	struct piece t;
	int64_t n;

	buf_reset(&f->scratch);
	if (!s.n || walk_text(s, &f->scratch, &t) < 0)
		return false;
	if (type == LAKE_INT)
		return fill_integer(t, &((int64_t *)data)[i]);
	if (type == LAKE_TIME)
		return fill_time(t, &((int64_t *)data)[i]);
	if (!fill_boolean(t, &n))
		return false;
	((bool *)data)[i] = n;
	return true;
}

/* ---- lists: their elements are appended to the child vector */

/* Doubles; the engine itself would grow it for every element. n: its size to be. */
static int list_room(duckdb_vector v, uint64_t n)
{
	const uint64_t least = 64;
	bool full = n == 1 || (n > least && !((n - 1) & (n - 2)));

	if (!full)
		return 0;
	return duck.list_vector_reserve(v, n == 1 ? least : 2 * (n - 1)) == DuckDBSuccess ? 0 : -ENOMEM;
}

static int list_add(duckdb_vector v, uint64_t *ret_at)
{
	uint64_t n = duck.list_vector_get_size(v);
	int r = list_room(v, n + 1);

	if (r < 0)
		return r;
	if (duck.list_vector_set_size(v, n + 1) != DuckDBSuccess)
		return -ENOMEM;
	*ret_at = n;
	return 0;
}

static int map_entry(struct fill *f, struct piece key, struct piece value, duckdb_vector v)
{
	duckdb_vector pair, values;
	struct piece t;
	uint64_t at;
	int r = list_add(v, &at);

	if (r < 0)
		return r;
	pair = duck.list_vector_get_child(v);
	buf_reset(&f->scratch);
	r = walk_unescape(key, &f->scratch, &t);
	if (r < 0)
		return r;
	duck.vector_assign_string_element_len(duck.struct_vector_get_child(pair, 0), at, t.p, t.n);
	values = duck.struct_vector_get_child(pair, 1);
	if (value.n)
		return text(f, value, values, at);
	duck.vector_ensure_validity_writable(values);
	duck.validity_set_row_invalid(duck.vector_get_validity(values), at);
	return 0;
}

static int resource(struct fill *f, const struct lake_field *list, struct piece value, duckdb_vector v)
{
	duckdb_vector one;
	struct piece key, s;
	struct walk w;
	uint64_t at;
	int r = list_add(v, &at);

	if (r < 0)
		return r;
	one = duck.list_vector_get_child(v);
	for (unsigned k = 0; k < list->nfields; k++)
		set_null(&list->fields[k], duck.struct_vector_get_child(one, k), at);
	if (!walk_begin(&w, value) || !w.object)
		return 0;
	while (!r && walk_next(&w, &key, &s) > 0)
		for (unsigned k = 0; k < list->nfields && s.n; k++) {
			const char *path = list->fields[k].path;
			duckdb_vector child = duck.struct_vector_get_child(one, k);

			if (strlen(path) != key.n || memcmp(path, key.p, key.n))
				continue;
			duck.vector_get_validity(child)[at / 64] |= 1ull << at % 64;
			r = text(f, s, child, at);
		}
	return r;
}

static int list(struct fill *f, const struct lake_field *field, struct piece s, duckdb_vector v, uint64_t i)
{
	uint64_t from = duck.list_vector_get_size(v);
	struct piece key, value;
	struct walk w;
	int r = 0;

	if (!walk_begin(&w, s) || w.object != (field->type == LAKE_MAP)) {
		set_null(field, v, i);
		return 0;
	}
	while (!r && walk_next(&w, &key, &value) > 0)
		r = w.object ? map_entry(f, key, value, v) : resource(f, field, value, v);
	((duckdb_list_entry *)duck.vector_get_data(v))[i] = (duckdb_list_entry){ from, duck.list_vector_get_size(v) - from };
	return r;
}

/* ---- columns */

static int field(struct fill *f, const struct lake_field *x, duckdb_vector v, uint64_t i)
{
	struct piece s = x->slot < 0 ? (struct piece){ NULL, 0 } : f->row.slots[x->slot];
	int r = 0;

	switch (x->type) {
	case LAKE_RECORD_TEXT:
		duck.vector_assign_string_element_len(v, i, f->row.json.p, f->row.json.n);
		return 0;
	case LAKE_RECEIVED:
		((int64_t *)duck.vector_get_data(v))[i] = f->row.received / 1000;
		return 0;
	case LAKE_POSITION:
		((int64_t *)duck.vector_get_data(v))[i] = f->row.position;
		return 0;
	case LAKE_NUMBER:
		((int64_t *)duck.vector_get_data(v))[i] = f->row.number;
		return 0;
	default:
		break;
	}
	if (!s.n) {
		set_null(x, v, i);
	} else if (x->type == LAKE_TEXT) {
		return text(f, s, v, i);
	} else if (x->type == LAKE_STRUCT) {
		for (unsigned k = 0; k < x->nfields && !r; k++)
			r = field(f, &x->fields[k], duck.struct_vector_get_child(v, k), i);
	} else if (x->type == LAKE_MAP || x->type == LAKE_RESOURCES) {
		return list(f, x, s, v, i);
	} else if (!scalar(f, x->type, s, v, i)) {
		set_null(x, v, i);
	}
	return r;
}

int fill_column(struct fill *f, unsigned c, duckdb_vector v, uint64_t i)
{
	return field(f, &lake_columns[c], v, i);
}

bool fill_needs_json(unsigned c)
{
	enum field_type t = lake_columns[c].type;

	return t != LAKE_RECEIVED && t != LAKE_POSITION && t != LAKE_NUMBER;
}
