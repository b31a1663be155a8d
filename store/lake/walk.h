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

/* Fills slots[SCHEMA_SLOTS_MAX]; false: the text is no JSON object. */
bool walk_record(const char *p, size_t n, struct piece *slots);
/* The same from the value of one of its fields: only the slots of its members are filled. */
bool walk_inner(const struct lake_field *f, struct piece value, struct piece *slots);

/* A stretch of whole members, from the first one's quotes to the end of the last one's value, whose place in the text is
 * known, and its record_hash(). */
struct walk_part {
	const char *p;
	size_t n;
	uint64_t hash;
};

/* Members of an object, elements of an array: begin with walk_begin() over its span, or walk_stretch() over members alone. */
struct walk {
	const char *p, *end;
	const struct walk_part *parts;	/* in the order of their places, the last one's p NULL; may be set after walk_begin() */
	bool object, first, bare;
	bool key_plain, value_plain;	/* the latest ones are without escapes; false: they may have some */
};
bool walk_begin(struct walk *w, struct piece s);		/* false: neither object nor array */
void walk_stretch(struct walk *w, struct piece s);
/* 1, 0 at the end, -1: malformed. key's quotes are off, its escapes are not. key may be NULL. */
int walk_next(struct walk *w, struct piece *ret_key, struct piece *ret_value);

/* The same in two steps: after walk_key() gave 1, either walk_value(), or walk_enter() and, when the inner one has ended,
 * walk_leave(). WALK_PART: not one member but one of parts; *ret_key is its text, *ret_hash its hash. */
#define WALK_PART 2
int walk_key(struct walk *w, struct piece *ret_key, uint64_t *ret_hash);
int walk_value(struct walk *w, struct piece *ret_value);	/* 1 or -1 */
bool walk_enter(struct walk *w, struct walk *ret_inner);	/* false: no object or array begins here */
void walk_leave(struct walk *w, const struct walk *inner);

/* A text's value without quotes and escapes; other values as they stand. *ret borrows from the span or from scratch,
 * until something is added to that. 0 or -ENOMEM. */
int walk_text(struct piece s, struct buf *scratch, struct piece *ret);
/* The same for the inside of quotes. */
int walk_unescape(struct piece s, struct buf *scratch, struct piece *ret);

#endif
