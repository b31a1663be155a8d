/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.h - JSON text read front to back, into slots (schema.h) or member by member; nothing is built in memory.
 *
 * The text is what our own writer made, and is checked against its bounds all the same. Pieces borrow from it.
 */
#ifndef HOSTTRAIL_STORE_LAKE_WALK_H
#define HOSTTRAIL_STORE_LAKE_WALK_H

#include <stdbool.h>

#include "schema.h"

/* A value's text, with its quotes or brackets; n 0: absent or null. */
struct piece {
	const char *p;
	size_t n;
};

/* Values in the text whose ends are known already: nobody has to look for them. */
#define WALK_KNOWN 2
struct walk_known {
	struct piece v[WALK_KNOWN];
};

/* Fills slots[SCHEMA_SLOTS_MAX]; false: the text is no JSON object. */
bool walk_record(const char *p, size_t n, struct piece *slots);
/* The same in two steps: without the members of columns that are structs; and those of one of them. known may be NULL. */
bool walk_outer(const char *p, size_t n, const struct walk_known *known, struct piece *slots);
bool walk_inner(const struct lake_field *f, struct piece *slots);

/* Members of an object, elements of an array: begin with walk_begin() over its span. */
struct walk {
	const char *p, *end;
	const struct walk_known *known;	/* may be set after walk_begin() */
	bool object, first;
};
bool walk_begin(struct walk *w, struct piece s);		/* false: neither object nor array */
/* 1, 0 at the end, -1: malformed. key's quotes are off, its escapes are not. key may be NULL. */
int walk_next(struct walk *w, struct piece *ret_key, struct piece *ret_value);

/* A text's value without quotes and escapes; other values as they stand. *ret borrows from the span or from scratch,
 * until something is added to that. 0 or -ENOMEM. */
int walk_text(struct piece s, struct buf *scratch, struct piece *ret);
/* The same for the inside of quotes. */
int walk_unescape(struct piece s, struct buf *scratch, struct piece *ret);

#endif
