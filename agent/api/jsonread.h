/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsonread.h - reads JSON where it lies: members and elements one after the other, without a copy, also of a text that is cut off.
 *
 * json-c is not used for bodies, because it copies all of a text into memory that it frees as it is; here nothing is copied but what
 * a rule asks for, into an arena, which wipes. It is strict (RFC 8259), and the tests compare it with json-c.
 *
 * A value is given only when all of it is there and well-formed: of a text that is cut off, the values before the cut. Texts are hostile:
 * depth is at most JSONREAD_DEPTH_MAX, what is deeper is malformed. Nothing allocates but jsonread_text() and jsonread_copy().
 */
#ifndef HOSTTRAIL_API_JSONREAD_H
#define HOSTTRAIL_API_JSONREAD_H

#include "api.h"
#include "jsontext.h"

#define JSONREAD_DEPTH_MAX 64

enum jsonread_kind { JSON_NOTHING = 0, JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

struct jsonread_value {
	enum jsonread_kind kind;	/* JSON_NOTHING: absent */
	struct str text;		/* as it stands there, with its brackets or quotes */
};

/* The value that a text begins with (white space before it aside); what is behind it is not looked at. */
struct jsonread_value jsonread_first(struct str text);

/* Members of the object, or elements of the array, that the text begins with. */
struct jsonread {
	struct str rest;
	char close;			/* '}' or ']'; 0: neither, or it has ended */
	bool started;
	bool whole;			/* the closing bracket was there, and all was well */
};
void jsonread_begin(struct jsonread *r, struct str text);
/* The name is still encoded, without its quotes; absent for an element. False: no more, or no more that is whole. */
bool jsonread_next(struct jsonread *r, struct str *ret_name, struct jsonread_value *ret_value);

/* The last member of that name, which must not need escapes; nothing if there is none. */
struct jsonread_value jsonread_get(struct str object, const char *name);
/* The same of n names in one go over the object: ret_values[i] is that of names[i]. */
void jsonread_members(struct str object, const char *const *names, unsigned n, struct jsonread_value *ret_values);
/* The same along names that dots separate: "HostConfig.Privileged". A number is an index of an array: "choices.0.role". */
struct jsonread_value jsonread_at(struct str object, const char *path);

/* A string's text, decoded. Absent: it is none, or no memory. Half a surrogate pair becomes three bytes that are no UTF-8. */
struct str jsonread_text(struct api_arena *a, struct jsonread_value v);
/* Decodes a name. */
struct str jsonread_name(struct api_arena *a, struct str name);
/* A whole number from 0 to max. */
bool jsonread_number(struct jsonread_value v, uint64_t max, uint64_t *ret);

/* Writes the value as a member: texts by secret_put(), objects and arrays with all that is in them, down to `depth` levels (deeper ones
 * are left out, "omitted"); members whose names are secrets' are hidden whole. Nothing for JSON_NOTHING. */
void jsonread_copy(struct jsontext *j, struct str key, struct jsonread_value v, unsigned depth);

#endif
