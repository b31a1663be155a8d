/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translate.h - users' SELECT into ClickHouse's: from the tree that the lake's parser made of it and its sandbox has passed
 * (lake/sandbox.h). Nothing of the user's text reaches the server but constants, quoted anew, and names of columns and
 * functions that tables here know: what is not understood is refused, so there is nothing to smuggle.
 *
 * Threads: any.
 */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_TRANSLATE_H
#define HOSTTRAIL_STORE_CLICKHOUSE_TRANSLATE_H

#include <stdbool.h>

#include "lib/buf.h"

#define TRANSLATE_WHY_MAX 256
#define TRANSLATE_COLUMNS_MAX 512

struct json_object;

/* An event data store that the statement may name, and what stands for it there, with what limits it: "FROM t WHERE kind = 0". */
struct translate_source {
	char id[37];
	bool builtin;		/* "events" is another name for it */
	struct buf from;
};

/* The answer's columns: their names, and which of them are truths, which ClickHouse gives as numbers. */
struct translated {
	struct buf sql;
	struct {
		char name[128];
		bool truth;
	} columns[TRANSLATE_COLUMNS_MAX];
	unsigned ncolumns;
};

/* tree: json_serialize_sql()'s. modern: the server has JSONExtract*. 0, -EINVAL and why, -ENOMEM. */
int translate(struct json_object *tree, struct translate_source *sources, unsigned n, bool modern, struct translated *ret_t,
	      char why[TRANSLATE_WHY_MAX]);
void translated_free(struct translated *t);

#endif
