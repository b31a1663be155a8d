/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.h - what strangers' SQL may do: one SELECT over event data stores, with known functions.
 *
 * Three walls: the text is read by the engine's own parser and every node of what comes out must be of a kind that is
 * listed here (so no file, no table function, no setting, no other table can be named); the database may open nothing
 * outside the lake, and its settings are locked; and a connection sees only the views that were made for its query.
 */
#ifndef HOSTTRAIL_STORE_LAKE_SANDBOX_H
#define HOSTTRAIL_STORE_LAKE_SANDBOX_H

#include <stdbool.h>

#include "engine.h"
#include "lib/buf.h"
#include "timebound.h"

#define SANDBOX_STATEMENT_MAX 10000
#define SANDBOX_TABLES_MAX 16
#define SANDBOX_NAME_MAX 128

struct names;
struct tail;

struct sandbox_tables {
	char v[SANDBOX_TABLES_MAX][SANDBOX_NAME_MAX];
	unsigned n;
	struct time_bound times;	/* of the events that it can want */
};

/* Functions, macros, what is not sealed, and the walls, in a fresh database. apart: a view's own conditions are applied before anything else of a statement sees
 * a row; else the engine may apply a stranger's first, whose failure then tells of rows that are not his. */
int sandbox_make(duckdb_database db, struct tail *tail, const char *dir, bool apart, char why[DUCK_WHY_MAX]);

/* CloudTrail Lake's spelling into the engine's: event data stores' ids, which stand unquoted, types and paths of JSON as Trino has them, and comparisons of text with
 * true and false. -EINVAL and why: not to be read as SQL at all. */
int sandbox_rewrite(const char *text, size_t n, struct buf *out, char why[DUCK_WHY_MAX]);
/* Is this (rewritten) text one SELECT that may be run, and over which tables? 0, -EINVAL and why, -ENOMEM, -EIO. ret_names (names.h): for what its columns are called;
 * NULL: nobody wants to know. */
int sandbox_check(duckdb_connection c, const char *sql, size_t n, struct sandbox_tables *ret_t, struct names *ret_names, char why[DUCK_WHY_MAX]);

/* What can stand for an event data store in a statement: "events", or an id. */
bool sandbox_is_store(const char *name, size_t n);

/* The first line of an engine's message, without the parts that speak of our making. */
void sandbox_message(const char *error, char ret[DUCK_WHY_MAX]);

bool sandbox_function(const char *name);	/* may it be called? */
extern const char *const sandbox_macros[];	/* NULL-terminated; macros.c */
unsigned sandbox_copies(const char *name);	/* so often an argument stands in what is called so; 1: it is no macro */

#endif
