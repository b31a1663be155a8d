/* SPDX-License-Identifier: Apache-2.0 */
/* names.h - what the columns of a result are called that have no name in the statement: _col0, by their place, as Trino has it. Pure functions. */
#ifndef HOSTTRAIL_STORE_LAKE_NAMES_H
#define HOSTTRAIL_STORE_LAKE_NAMES_H

#include <json-c/json.h>

#define NAMES_TEXT 128

/* What the outermost SELECT (of several that are joined, the first) lists. {}: nothing is known of it. */
struct names {
	struct json_object *items;
	unsigned n, first, last;	/* first..last-1: from the first to the last item that may be several columns */
};

/* Out of the parser's tree; it holds a part of it until names_drop(), which leaves {}. */
void names_of(struct json_object *statements, struct names *ret);
void names_drop(struct names *s);
/* The column's name, in ret; NULL: the engine's is right, or nobody knows which item it is of. */
const char *names_text(const struct names *s, unsigned column, unsigned ncolumns, char ret[NAMES_TEXT]);

#endif
