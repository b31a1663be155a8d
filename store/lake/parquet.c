/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "thrift.h"

#define GROUP_ROWS 20480u
#define GROUP_BYTES (32u << 20)
#define LOOK_ROWS 64u			/* how often sizes are looked at */
#define MAGIC "PAR1"

enum { BOOLEAN = 0, INT64 = 2, BYTE_ARRAY = 6 };
enum { REQUIRED, OPTIONAL, REPEATED };
enum { UTF8 = 0, MAP = 1, LIST = 3, TIMESTAMP_MICROS = 10, INT_64 = 18 };
enum { PAGE_PLAIN = 0, LEVELS_RLE = 3, CODEC_ZSTD = 6 };

struct parquet {
	int fd;
	struct pack *pack;
	struct column *columns, *whole;	/* whole: the one that makes pages as it fills */
	unsigned ncolumns;
	uint64_t rows, group_rows, groups, at;
	struct buf out, meta;		/* meta: the row groups' elements of the footer */
	struct thrift thrift;		/* into meta */
};

/* ---- columns, from the schema */

static int add_column(struct parquet *p, enum column_kind kind, unsigned def, unsigned rep, bool keep)
{
	struct column *c = &p->columns[p->ncolumns];
	int r = column_init(c, kind, def, rep);

	c->keep = keep;
	p->ncolumns += !r;
	return r;
}

static enum column_kind kind_of(enum field_type t)
{
	return t == LAKE_BOOL ? COLUMN_BOOLEAN :
	       t == LAKE_TEXT || t == LAKE_RECORD_TEXT ? COLUMN_TEXT : COLUMN_NUMBER;
}

/* def: levels above these fields; keep: they are members of a struct, which are written again (shred.c). */
static int add_columns(struct parquet *p, const struct lake_field *f, unsigned n, unsigned def, unsigned rep, bool keep)
{
	int r = 0;

	for (unsigned i = 0; i < n && !r; i++, f++) {
		switch (f->type) {
		case LAKE_STRUCT:
			r = add_columns(p, f->fields, f->nfields, def + 1, rep, true);
			break;
		case LAKE_RESOURCES:		/* a list of optional structs */
			r = add_columns(p, f->fields, f->nfields, def + 3, 1, false);
			break;
		case LAKE_MAP:			/* keys are never absent */
			r = add_column(p, COLUMN_TEXT, def + 2, 1, keep);
			if (!r)
				r = add_column(p, COLUMN_TEXT, def + 3, 1, keep);
			break;
		default:
			r = add_column(p, kind_of(f->type), def + 1, rep, keep);
			if (!r && f->type == LAKE_RECORD_TEXT) {
				p->whole = &p->columns[p->ncolumns - 1];
				p->whole->whole = true;
			}
		}
	}
	return r;
}

int parquet_new(int fd, struct parquet **ret_p)
{
	struct parquet *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	if (!p)
		return -ENOMEM;
	p->fd = fd;
	p->thrift.out = &p->meta;
	p->columns = calloc(SCHEMA_LEAVES_MAX, sizeof(*p->columns));
	if (p->columns)
		r = pack_new(&p->pack);
	if (!r)
		r = add_columns(p, lake_columns, lake_ncolumns, 0, 0, false);
	if (!r)
		r = buf_add(&p->out, MAGIC, 4);
	if (r < 0)
		parquet_free(&p);
	else
		*ret_p = p;
	return r;
}

void parquet_free(struct parquet **pp)
{
	struct parquet *p = *pp;

	if (!p)
		return;
	for (unsigned i = 0; i < p->ncolumns; i++)
		column_free(&p->columns[i]);
	free(p->columns);
	pack_free(&p->pack);
	buf_free(&p->out);
	buf_free(&p->meta);
	free(p);
	*pp = NULL;
}

struct column *parquet_columns(struct parquet *p)
{
	return p->columns;
}

void parquet_thorough(struct parquet *p, bool thorough)
{
	pack_thorough(p->pack, thorough);
}

/* ---- the file */

static int flush(struct parquet *p)
{
	size_t done = 0;

	if (p->out.failed)
		return -ENOMEM;
	while (done < p->out.n) {
		ssize_t n = write(p->fd, p->out.p + done, p->out.n - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	p->at += p->out.n;
	buf_reset(&p->out);
	return 0;
}

/* ---- names of columns: "useridentity", "sessioncontext", "arn" */

#define PATH_MAX_DEPTH 8

struct path {
	const char *names[PATH_MAX_DEPTH];
	unsigned n;
};

/* Is `want` among this field's columns? *at counts them. */
static bool find_path(const struct lake_field *f, unsigned n, unsigned want, unsigned *at, struct path *path)
{
	static const char *const inner[] = { "key", "value" };
	unsigned depth = path->n;

	for (unsigned i = 0; i < n; i++, f++, path->n = depth) {
		path->names[path->n++] = f->name;
		if (f->type == LAKE_MAP) {
			path->names[path->n++] = "key_value";
			path->n++;
			for (unsigned k = 0; k < 2; k++, ++*at) {
				path->names[path->n - 1] = inner[k];
				if (*at == want)
					return true;
			}
			continue;
		}
		if (f->type == LAKE_RESOURCES) {
			path->names[path->n++] = "list";
			path->names[path->n++] = "element";
		}
		if (f->nfields ? find_path(f->fields, f->nfields, want, at, path) : (*at)++ == want)
			return true;
	}
	return false;
}

/* ---- row groups */

static void put_statistics(struct thrift *t, const struct column_chunk *chunk)
{
	thrift_open(t, 12);
	thrift_i64(t, 3, (int64_t)chunk->nulls);
	if (chunk->has_bounds) {
		thrift_bytes(t, 5, chunk->most.p, chunk->most.n);
		thrift_bytes(t, 6, chunk->least.p, chunk->least.n);
	}
	thrift_close(t);
}

static void put_chunk(struct parquet *p, unsigned i, const struct column_chunk *chunk, uint64_t at)
{
	static const int32_t types[] = { [COLUMN_TEXT] = BYTE_ARRAY, [COLUMN_NUMBER] = INT64, [COLUMN_BOOLEAN] = BOOLEAN };
	struct thrift *t = &p->thrift;
	struct path path = { .n = 0 };
	unsigned seen = 0;

	find_path(lake_columns, lake_ncolumns, i, &seen, &path);
	thrift_open(t, 0);
	thrift_i64(t, 2, (int64_t)at);
	thrift_open(t, 3);
	thrift_i32(t, 1, types[p->columns[i].kind]);
	thrift_list(t, 2, THRIFT_I32, chunk->dictionary ? 3 : 2);
	thrift_i32_element(t, LEVELS_RLE);
	thrift_i32_element(t, chunk->encoding);
	if (chunk->dictionary)
		thrift_i32_element(t, PAGE_PLAIN);
	thrift_list(t, 3, THRIFT_BINARY, path.n);
	for (unsigned k = 0; k < path.n; k++)
		thrift_bytes_element(t, path.names[k], strlen(path.names[k]));
	thrift_i32(t, 4, CODEC_ZSTD);
	thrift_i64(t, 5, (int64_t)chunk->entries);
	thrift_i64(t, 6, (int64_t)chunk->raw);
	thrift_i64(t, 7, (int64_t)chunk->packed);
	thrift_i64(t, 9, (int64_t)(at + chunk->dictionary));
	if (chunk->dictionary)
		thrift_i64(t, 11, (int64_t)at);
	put_statistics(t, chunk);
	thrift_close(t);
	thrift_close(t);
}

int parquet_group_end(struct parquet *p)
{
	struct thrift *t = &p->thrift;
	const struct column_chunk *chunk;
	uint64_t raw = 0;
	int r = 0;

	if (!p->group_rows)
		return 0;
	thrift_open(t, 0);
	thrift_list(t, 1, THRIFT_STRUCT, p->ncolumns);
	for (unsigned i = 0; i < p->ncolumns && !r; i++) {
		uint64_t at = p->at + p->out.n;

		r = column_end(&p->columns[i], p->pack, &p->out, &chunk);
		if (r < 0)
			break;
		put_chunk(p, i, chunk, at);
		raw += chunk->raw;
		column_begin(&p->columns[i]);
	}
	thrift_i64(t, 2, (int64_t)raw);
	thrift_i64(t, 3, (int64_t)p->group_rows);
	thrift_close(t);
	p->group_rows = 0;
	p->groups++;
	return r ? r : flush(p);
}

static size_t waiting(const struct parquet *p)
{
	size_t n = 0;

	for (unsigned i = 0; i < p->ncolumns; i++)
		n += column_size(&p->columns[i]);
	return n;
}

int parquet_row(struct parquet *p)
{
	int r = column_spill(p->whole, p->pack);

	p->rows++;
	p->group_rows++;
	if (r < 0)
		return r;
	return p->group_rows == GROUP_ROWS || (p->group_rows % LOOK_ROWS == 0 && waiting(p) > GROUP_BYTES);
}

/* ---- the footer */

static void put_element(struct thrift *t, int type, int repetition, const char *name, unsigned children, int converted)
{
	thrift_open(t, 0);
	if (type >= 0)
		thrift_i32(t, 1, type);
	thrift_i32(t, 3, repetition);
	thrift_bytes(t, 4, name, strlen(name));
	if (children)
		thrift_i32(t, 5, (int32_t)children);
	if (converted >= 0)
		thrift_i32(t, 6, converted);
	if (converted == TIMESTAMP_MICROS) {	/* logicalType: TIMESTAMP, not of UTC for readers that know the difference */
		thrift_open(t, 10);
		thrift_open(t, 8);
		thrift_bool(t, 1, false);
		thrift_open(t, 2);
		thrift_open(t, 2);
		thrift_close(t);
		thrift_close(t);
		thrift_close(t);
		thrift_close(t);
	}
	thrift_close(t);
}

static unsigned put_fields(struct thrift *t, const struct lake_field *f, unsigned n)
{
	unsigned elements = 0;

	for (unsigned i = 0; i < n; i++, f++, elements++) {
		switch (f->type) {
		case LAKE_STRUCT:
			put_element(t, -1, OPTIONAL, f->name, f->nfields, -1);
			elements += put_fields(t, f->fields, f->nfields);
			break;
		case LAKE_RESOURCES:
			put_element(t, -1, OPTIONAL, f->name, 1, LIST);
			put_element(t, -1, REPEATED, "list", 1, -1);
			put_element(t, -1, OPTIONAL, "element", f->nfields, -1);
			elements += 2 + put_fields(t, f->fields, f->nfields);
			break;
		case LAKE_MAP:
			put_element(t, -1, OPTIONAL, f->name, 1, MAP);
			put_element(t, -1, REPEATED, "key_value", 2, -1);
			put_element(t, BYTE_ARRAY, REQUIRED, "key", 0, UTF8);
			put_element(t, BYTE_ARRAY, OPTIONAL, "value", 0, UTF8);
			elements += 3;
			break;
		case LAKE_BOOL:
			put_element(t, BOOLEAN, OPTIONAL, f->name, 0, -1);
			break;
		case LAKE_TIME:
		case LAKE_RECEIVED:
			put_element(t, INT64, OPTIONAL, f->name, 0, TIMESTAMP_MICROS);
			break;
		case LAKE_INT:
		case LAKE_POSITION:
		case LAKE_NUMBER:
			put_element(t, INT64, OPTIONAL, f->name, 0, INT_64);
			break;
		case LAKE_TEXT:
		case LAKE_RECORD_TEXT:
			put_element(t, BYTE_ARRAY, OPTIONAL, f->name, 0, UTF8);
		}
	}
	return elements;
}

static unsigned count_fields(const struct lake_field *f, unsigned n)
{
	_cleanup_buf_ struct buf nowhere = { 0 };
	struct thrift t = { .out = &nowhere };

	return put_fields(&t, f, n);
}

static void put_footer(struct parquet *p)
{
	struct thrift t = { .out = &p->out };
	size_t start = p->out.n;
	uint32_t n;

	thrift_i32(&t, 1, 1);
	thrift_list(&t, 2, THRIFT_STRUCT, 1 + count_fields(lake_columns, lake_ncolumns));
	put_element(&t, -1, REQUIRED, "hosttrail", lake_ncolumns, -1);
	put_fields(&t, lake_columns, lake_ncolumns);
	thrift_i64(&t, 3, (int64_t)p->rows);
	thrift_list(&t, 4, THRIFT_STRUCT, p->groups);
	buf_add(&p->out, p->meta.p, p->meta.n);
	thrift_bytes(&t, 6, "hosttrail", strlen("hosttrail"));
	thrift_list(&t, 7, THRIFT_STRUCT, p->ncolumns);
	for (unsigned i = 0; i < p->ncolumns; i++) {	/* ColumnOrder: as the type has it */
		thrift_open(&t, 0);
		thrift_open(&t, 1);
		thrift_close(&t);
		thrift_close(&t);
	}
	thrift_close(&t);
	n = (uint32_t)(p->out.n - start);
	buf_add(&p->out, &n, sizeof(n));
	buf_add(&p->out, MAGIC, 4);
}

int parquet_end(struct parquet *p, uint64_t *ret_rows)
{
	if (p->meta.failed)
		return -ENOMEM;
	put_footer(p);
	*ret_rows = p->rows;
	return flush(p);
}
