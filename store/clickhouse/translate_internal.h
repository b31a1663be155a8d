/* SPDX-License-Identifier: Apache-2.0 */
/* translate_internal.h - between statements (translate.c), expressions (expression.c) and functions (calls.c). */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_TRANSLATE_INTERNAL_H
#define HOSTTRAIL_STORE_CLICKHOUSE_TRANSLATE_INTERNAL_H

#include <json-c/json.h>

#include "tables.h"
#include "translate.h"

#define TRANSLATE_DEPTH_MAX 48
#define TRANSLATE_BYTES_MAX (256u << 10)	/* what the server reads of a statement */

struct scope {
	const struct scope *outer;
	struct json_object *ctes;	/* list of {key, value}; NULL: none */
	struct json_object *select;	/* the list that GROUP BY and ORDER BY may name by number or alias */
	bool events;			/* FROM is an event data store: names are its columns */
	struct translate_source *source;	/* which, of a statement's own */
};

struct translator {
	struct buf *out;
	struct translate_source *sources;
	unsigned nsources;
	bool modern;
	unsigned depth;
	char *why;
};

int translate_refuse(struct translator *t, const char *what, const char *name);
const char *tree_text(struct json_object *o, const char *key);	/* NULL: there is none */
struct json_object *tree_get(struct json_object *o, const char *key);
struct json_object *tree_child(struct json_object *o, unsigned i);	/* of children */
unsigned tree_count(struct json_object *array);
bool tree_is(struct json_object *o, const char *key, const char *value);

int translate_select(struct translator *t, struct json_object *node, const struct scope *outer);
int translate_expression(struct translator *t, struct json_object *e, const struct scope *s);
int translate_call(struct translator *t, struct json_object *e, const struct scope *s);
/* CURRENT_TIMESTAMP and CURRENT_DATE, which SQL has without brackets. 1: it is neither. */
int translate_word(struct translator *t, const char *name);
/* The column that e names, if it is one of the event data store's. */
const struct column *translate_column(struct json_object *e, const struct scope *s);
void translate_name(struct translator *t, const char *name);	/* quoted; odd characters become _ */

#endif
