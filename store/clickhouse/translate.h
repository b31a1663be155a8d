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

/* The answer's columns: their names, and which of them are truths, which ClickHouse gives as numbers. */
struct translated {
	struct buf sql;
	struct {
		char name[128];
		bool truth;
	} columns[TRANSLATE_COLUMNS_MAX];
	unsigned ncolumns;
};

/* tree: json_serialize_sql()'s. from: what stands for the event data store's name, with what limits it: "FROM t WHERE kind = 0". id: its
 * UUID. modern: the server has JSONExtract*. 0, -EINVAL and why, -ENOMEM. */
int translate(struct json_object *tree, const char *from, const char *id, bool modern, struct translated *ret_t, char why[TRANSLATE_WHY_MAX]);
void translated_free(struct translated *t);

#endif
