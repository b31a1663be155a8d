/* SPDX-License-Identifier: Apache-2.0 */
/*
 * column.h - one column of a Parquet file while its rows come: levels as runs, texts as places in a dictionary.
 *
 * Where most texts of a column differ, it goes over to keeping them as they are (plain) until its row group ends. What
 * column_end() gives are the column's pages, compressed; then it is empty again.
 *
 * Errors: -ENOMEM; the column is then only good for column_free(). One thread.
 */
#ifndef HOSTTRAIL_STORE_LAKE_COLUMN_H
#define HOSTTRAIL_STORE_LAKE_COLUMN_H

#include <errno.h>
#include <stdbool.h>

#include "encode.h"
#include "proto/intern.h"
#include "walk.h"

enum column_kind { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_BOOLEAN };

/* Texts of the dictionary that came lately, found by a few of their bytes. */
#define COLUMN_RECENT 64u
struct column_recent {
	const void *p;
	uint32_t n, place;
};

/* What is in a column chunk; Parquet's metadata of it. */
struct column_chunk {
	uint64_t entries, nulls;	/* nulls: entries without a value */
	uint64_t raw, packed;		/* bytes of its pages with their headers */
	uint64_t dictionary;		/* bytes of the dictionary's page; 0: none */
	int encoding;			/* of the data pages */
	bool has_bounds;
	struct buf least, most;		/* as PLAIN without length */
};

/* The latest run is outside, until another value comes or the page ends. */
struct column_levels {
	struct encode_run last;
	struct buf runs;		/* struct encode_run */
};

struct column {
	enum column_kind kind;
	uint8_t max_def, max_rep;
	bool keep;			/* never plain for its diversity: its texts come again (column_again()) */
	bool whole;			/* texts that are nothing but themselves: no dictionary, pages as they fill */
	bool plain;
	struct column_levels defs, reps;
	struct buf values;		/* uint32_t places, texts after their length, int64_t, or uint8_t */
	struct intern dict;
	uint64_t entries, nvalues;	/* of the page at work */
	struct column_recent *recent;	/* COLUMN_RECENT */
	uint32_t last_place;
	int64_t last_number;
	struct buf pages;
	struct column_chunk chunk;
};

/* What a column got, to be put down again in the same row group. */
struct column_value {
	uint32_t def, place;		/* place: of a text */
	int64_t number;			/* of others */
};

struct pack;				/* compression, and memory that all columns share; column_pages.c */
int pack_new(struct pack **ret_p);
void pack_thorough(struct pack *p, bool thorough);	/* of pages that follow: a quarter smaller, at twice the price */
void pack_free(struct pack **p);

int column_init(struct column *c, enum column_kind kind, unsigned max_def, unsigned max_rep);
void column_free(struct column *c);

/* def: how much of the path is there; below max_def: no value. rep: 0, or 1 for a further element of the row's list. */
int column_null(struct column *c, unsigned rep, unsigned def);
int column_text(struct column *c, unsigned rep, const void *p, size_t n);
int column_number(struct column *c, int64_t v);
int column_boolean(struct column *c, bool v);
/* The latest entry, and the same once more; not if the column has been plain meanwhile. */
struct column_value column_latest(const struct column *c);
int column_again(struct column *c, unsigned rep, const struct column_value *v);
/* The same in two steps: a value n times, and levels, those of n rows that have one entry each. */
int column_values(struct column *c, const struct column_value *v, uint32_t n);
int column_levels(struct column *c, unsigned def, uint32_t n);

/* From places to texts. */
int column_go_plain(struct column *c);
void column_forget(struct column *c);		/* of texts, what recent says */

/* Bytes that wait here. */
size_t column_size(const struct column *c);
/* Turns what is there into a page, if it is much; `whole` columns only. */
int column_spill(struct column *c, struct pack *p);
/* The pages of the row group, appended to out, and what is in them: it is the column's, until column_begin(), which must come next. */
int column_end(struct column *c, struct pack *p, struct buf *out, const struct column_chunk **ret_chunk);
void column_begin(struct column *c);

/* ---- what every value of every row goes through */

#define COLUMN_TRIED 2048u	/* texts after which a dictionary must have shown what it is good for */
int column_judge(struct column *c);

/* n is known where it is called, so that it is one store. */
static inline __attribute__((always_inline)) int column_store(struct column *c, const void *p, size_t n)
{
	if (buf_reserve(&c->values, n) < 0)
		return -ENOMEM;
	memcpy(c->values.p + c->values.n, p, n);
	c->values.n += n;
	c->nvalues++;
	return 0;
}

static inline int column_place(struct column *c, uint32_t place)
{
	int r = column_store(c, &place, sizeof(place));

	c->last_place = place;
	return !r && c->nvalues == COLUMN_TRIED ? column_judge(c) : r;
}

static inline int column_value(struct column *c, const struct column_value *v)
{
	uint8_t bit = v->number != 0;

	if (c->kind == COLUMN_TEXT)
		return column_place(c, v->place);
	return c->kind == COLUMN_NUMBER ? column_store(c, &v->number, sizeof(v->number)) : column_store(c, &bit, 1);
}

#endif
