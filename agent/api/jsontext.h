/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsontext.h - writes one JSON object as compact text into an arena, front to back.
 *
 * What comes out is always valid JSON and valid UTF-8 of at most API_JSON_MAX bytes, however it is used: bytes that are no UTF-8 are
 * written as proto/json.h does (U+FFFD and the byte's two hex digits), what was not closed is closed, and room for that is kept.
 * Texts longer than JSONTEXT_TEXT_MAX, or than what is left, are cut in the middle (U+2026 stands where something is missing), and
 * members for which nothing is left are left out: the outermost object then says "omitted": true. Nothing is ever left out silently.
 *
 * A name that is given twice in one object stays twice: callers who copy names from outside look for that.
 * Memory: the arena's. Errors: -ENOMEM, once, from jsontext_end().
 * A jsontext lives on the stack; nothing is to be released.
 */
#ifndef HOSTTRAIL_API_JSONTEXT_H
#define HOSTTRAIL_API_JSONTEXT_H

#include "api.h"

#define JSONTEXT_TEXT_MAX (16 * 1024)
#define JSONTEXT_DEPTH_MAX 32		/* deeper ones are left out */

struct jsontext {
	struct api_arena *arena;
	char *p;
	size_t n, cap;
	size_t max;			/* bytes in all; the caller may lower it behind jsontext_begin() */
	unsigned depth, skipped;	/* open brackets; those that were opened where nothing is written */
	char close[JSONTEXT_DEPTH_MAX];
	bool comma, omitted, failed;
};

/* Members take a name, elements of an array NO_KEY. */
#define NO_KEY ((struct str){ 0 })

/* Opens the outermost object. */
void jsontext_begin(struct jsontext *j, struct api_arena *a);
void jsontext_open(struct jsontext *j, struct str key, char bracket);	/* '{' or '[' */
void jsontext_close(struct jsontext *j);				/* what was opened last */
void jsontext_text(struct jsontext *j, struct str key, struct str value);	/* an absent value writes nothing */
void jsontext_string(struct jsontext *j, const char *key, const char *value);	/* likewise NULL */
void jsontext_hidden(struct jsontext *j, struct str key);
void jsontext_int(struct jsontext *j, struct str key, int64_t v);
void jsontext_uint(struct jsontext *j, struct str key, uint64_t v);
void jsontext_bool(struct jsontext *j, struct str key, bool v);
void jsontext_null(struct jsontext *j, struct str key);
/* A number as its text in JSON has it ("1.5e3"); what is none becomes text. */
void jsontext_number(struct jsontext *j, struct str key, struct str v);
/* Where it is now, and back to it: what came behind is as if it had never been written (but for `omitted`). The same depth. */
size_t jsontext_mark(const struct jsontext *j);
void jsontext_back(struct jsontext *j, size_t mark);
/* Closes what is open. The text, or an absent one if the object has no members. 0 or -ENOMEM. */
int jsontext_end(struct jsontext *j, struct str *ret_text);

#endif
