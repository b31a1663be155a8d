/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "lib/cleanup.h"
#include "names.h"
#include "store/members.h"
#include "tail.h"

#define DEPTH_MAX 600
#define SIZE_MAX_EXPANDED 40000	/* nodes, with those that macros make of them: nobody can interrupt the engine while it makes them */
#define JOINS_MAX 30		/* likewise while it looks for their order: sixty take it minutes */
#define SUBQUERIES_MAX 12	/* in one another, as values: each doubles the time */
#define REFERENCES_MAX 20	/* of tables, each one counted: the engine's planner takes minutes over a hundred joins */

/* ---- the database */

/* What moves conditions, or the expressions in them, to another place of the plan, or looks at values while it plans. */
static const char plain_plans[] = "SET GLOBAL disabled_optimizers = 'filter_pullup,filter_pushdown,cte_filter_pusher,join_filter_pushdown,"
				  "statistics_propagation,join_order,build_side_probe_side,late_materialization,common_subexpressions'";

int sandbox_make(duckdb_database db, struct tail *tail, const char *dir, bool apart, char why[DUCK_WHY_MAX])
{
	static const char *const locks[] = { "SET enable_external_access = false", "SET lock_configuration = true" };
	duckdb_connection c = NULL;
	char sql[4300];
	int r = duck.connect(db, &c) == DuckDBSuccess ? 0 : -ENOMEM;

	if (!r)
		r = tail_register(tail, c, why);
	for (unsigned i = 0; !r && sandbox_macros[i]; i++)
		r = duck_run(c, sandbox_macros[i], NULL, why);
	/* as Trino: 1 / 2 is 0; times are UTC */
	if (!r)
		r = duck_run(c, "SET GLOBAL TimeZone = 'UTC'", NULL, why);
	if (!r)
		r = duck_run(c, "SET GLOBAL integer_division = true", NULL, why);
	/* segments do not change: their footers are read once */
	if (!r)
		r = duck_run(c, "SET GLOBAL parquet_metadata_cache = true", NULL, why);
	if (!r && apart)
		r = duck_run(c, plain_plans, NULL, why);
	snprintf(sql, sizeof(sql), "SET allowed_directories = ['%s/']", dir);
	if (!r)
		r = duck_run(c, sql, NULL, why);
	for (unsigned i = 0; !r && i < ARRAY_SIZE(locks); i++)
		r = duck_run(c, locks[i], NULL, why);
	duck_disconnect(&c);
	return r;
}

/* ---- what comes out of the engine's parser */

struct check {
	struct sandbox_tables *tables;
	struct json_object *root;
	unsigned references, joins, subqueries;
	uint64_t copies, size;		/* of the node that is looked at; of all up to here */
	bool in_lambda;
	char *why;
};

static int refuse(struct check *c, const char *what, const char *name)
{
	snprintf(c->why, DUCK_WHY_MAX, "%s%s%.100s%s", what, name ? " '" : "", name ? name : "", name ? "'" : "");
	return -EINVAL;
}

static bool one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(s, *list))
			return true;
	return false;
}

/* A name that could be a file's or the catalog's would be looked up as such where the WITH does not reach. */
static bool is_plain_name(const char *s)
{
	static const char *const ours[] = { "duckdb_", "pg_", "sqlite_", "pragma_", "hosttrail_", "information_schema", NULL };

	for (const char *const *o = ours; *o; o++)
		if (!strncasecmp(s, *o, strlen(*o)))
			return false;
	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			return false;
	return *s && strlen(s) < SANDBOX_NAME_MAX;
}

static bool is_uuid(const char *s)
{
	for (unsigned i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	return true;
}

bool sandbox_is_store(const char *name, size_t n)
{
	return (n == 36 && is_uuid(name)) || (n == strlen("events") && !strncasecmp(name, "events", n));
}

/* Is it the name of some WITH of this statement? */
static bool is_with(struct json_object *o, const char *name)
{
	struct json_object *map, *list, *entry;
	const char *key;

	if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++)
			if (is_with(json_object_array_get_idx(o, i), name))
				return true;
		return false;
	}
	if (!json_object_is_type(o, json_type_object))
		return false;
	if (json_object_object_get_ex(o, "cte_map", &map) && json_object_object_get_ex(map, "map", &list))
		for (size_t i = 0; i < json_object_array_length(list); i++) {
			entry = json_object_array_get_idx(list, i);
			key = member_text(entry, "key", NULL);
			if (key && !strcasecmp(key, name))
				return true;
		}
	json_object_object_foreach(o, k, v)
		if (is_with(v, name) || (!strcmp(k, "cte_name") && json_object_is_type(v, json_type_string) &&
					 !strcasecmp(json_object_get_string(v), name)))
			return true;
	return false;
}

static int add_table(struct check *c, const char *name)
{
	struct sandbox_tables *t = c->tables;

	for (unsigned i = 0; i < t->n; i++)
		if (!strcasecmp(t->v[i], name))
			return 0;
	if (t->n == SANDBOX_TABLES_MAX)
		return refuse(c, "too many event data stores", NULL);
	snprintf(t->v[t->n++], SANDBOX_NAME_MAX, "%s", name);
	return 0;
}

static int base_table(struct check *c, struct json_object *o)
{
	const char *name = member_text(o, "table_name", NULL), *schema = member_text(o, "schema_name", NULL), *catalog = member_text(o, "catalog_name", NULL);
	struct json_object *at;

	if (!name || (schema && *schema) || (catalog && *catalog) || (json_object_object_get_ex(o, "at_clause", &at) && at))
		return refuse(c, "only event data stores can stand in FROM, not", name);
	if (++c->references > REFERENCES_MAX)
		return refuse(c, "too many tables stand in the statement", NULL);
	if (strlen(name) == 36 && is_uuid(name))
		return add_table(c, name);
	/* also where some WITH has this name: it may not reach here, and a view of an earlier query's would be found */
	if (!strcasecmp(name, "events"))
		return add_table(c, "events");
	if (is_plain_name(name) && is_with(c->root, name))
		return 0;
	return refuse(c, "there is no event data store", name);
}

static int function(struct check *c, struct json_object *o, const char *name)
{
	const char *schema = member_text(o, "schema", NULL), *catalog = member_text(o, "catalog", NULL);

	/* the parser itself calls [1, 2] main.list_value() */
	if ((schema && *schema && strcmp(schema, "main")) || (catalog && *catalog) || !sandbox_function(name))
		return refuse(c, "there is no function", name);
	return 0;
}

static int table_function(struct check *c, struct json_object *o)
{
	struct json_object *f;
	const char *name = json_object_object_get_ex(o, "function", &f) ? member_text(f, "function_name", NULL) : NULL;

	return name && !strcasecmp(name, "unnest") ? 0 : refuse(c, "there is no table function", name ? name : "?");
}

static int node(struct check *c, struct json_object *o, unsigned depth);

static int children(struct check *c, struct json_object *o, unsigned depth)
{
	int r = 0;

	if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; !r && i < json_object_array_length(o); i++)
			r = node(c, json_object_array_get_idx(o, i), depth);
		return r;
	}
	json_object_object_foreach(o, key, v) {
		if (r)
			break;
		/* a constant's value and a type hold no expressions */
		if (strcmp(key, "value") || !member_text(o, "class", NULL))
			r = strcmp(key, "cast_type") ? node(c, v, depth) : 0;
	}
	return r;
}

static int expression(struct check *c, struct json_object *o, const char *class)
{
	static const char *const good[] = { "COLUMN_REF", "FUNCTION", "CONSTANT", "COMPARISON", "CONJUNCTION", "CAST", "CASE",
					    "OPERATOR", "BETWEEN", "SUBQUERY", "WINDOW", "STAR", "PARAMETER", "LAMBDA",
					    "POSITIONAL_REFERENCE", "LAMBDA_REF", NULL };
	const char *name = member_text(o, "function_name", NULL);

	if (!one_of(class, good))
		return refuse(c, "expressions of this kind are not supported:", class);
	return name ? function(c, o, name) : 0;
}

static int other(struct check *c, struct json_object *o, const char *type)
{
	static const char *const good[] = { "SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE", "SUBQUERY", "JOIN",
					    "EMPTY", "EXPRESSION_LIST", "ORDER_MODIFIER", "LIMIT_MODIFIER", "DISTINCT_MODIFIER",
					    "LIMIT_PERCENT_MODIFIER", "ASCENDING", "DESCENDING", "ORDER_DEFAULT", NULL };

	if (!strcmp(type, "BASE_TABLE"))
		return base_table(c, o);
	if (!strcmp(type, "TABLE_FUNCTION"))
		return table_function(c, o);
	if (!strcmp(type, "JOIN") && ++c->joins > JOINS_MAX)
		return refuse(c, "too many joins stand in the statement", NULL);
	return one_of(type, good) ? 0 : refuse(c, "statements of this kind are not supported:", type);
}

/* array_except() has one in it. */
static bool is_lambda(const char *class, const char *function)
{
	return class && (!strcmp(class, "LAMBDA") || (function && !strcasecmp(function, "array_except")));
}

static int node(struct check *c, struct json_object *o, unsigned depth)
{
	const char *class, *type, *name;
	uint64_t copies = c->copies;
	bool lambda = false, subquery = false;
	int r = 0;

	if (!json_object_is_type(o, json_type_object) && !json_object_is_type(o, json_type_array))
		return 0;
	if (depth == DEPTH_MAX)
		return refuse(c, "the statement is nested too deeply", NULL);
	if (json_object_is_type(o, json_type_object)) {
		class = member_text(o, "class", NULL);
		type = member_text(o, "type", NULL);
		if (class)
			r = expression(c, o, class);
		else if (type)
			r = other(c, o, type);
		name = member_text(o, "function_name", NULL);
		lambda = is_lambda(class, name);
		subquery = class && !strcmp(class, "SUBQUERY");
		c->size += copies;
		if (class && name)
			c->copies = copies * sandbox_copies(name);
		if (!r && c->size > SIZE_MAX_EXPANDED)
			r = refuse(c, "the statement is too large", NULL);
	}
	/* the engine cannot be interrupted within a row: each lambda in another multiplies what one row takes by a list's length */
	if (!r && lambda && c->in_lambda)
		return refuse(c, "a lambda cannot stand in another one", NULL);
	c->subqueries += subquery;
	if (!r && c->subqueries > SUBQUERIES_MAX)
		r = refuse(c, "subqueries are nested too deeply", NULL);
	c->in_lambda |= lambda;
	r = r ? r : children(c, o, depth + 1);
	c->in_lambda &= !lambda;
	c->subqueries -= subquery;
	c->copies = copies;
	return r;
}

static int check_tree(struct check *c, struct json_object *tree)
{
	struct json_object *error, *list;
	int r;

	if (json_object_object_get_ex(tree, "error", &error) && json_object_get_boolean(error)) {
		sandbox_message(member_text(tree, "error_message", NULL), c->why);
		return -EINVAL;
	}
	if (!json_object_object_get_ex(tree, "statements", &list) || json_object_array_length(list) != 1)
		return refuse(c, "one SELECT statement is allowed", NULL);
	c->root = list;
	r = node(c, list, 0);
	c->tables->times = time_bound_of(list, c->references);
	return r;
}

static int count_statements(duckdb_connection c, const char *sql, char why[DUCK_WHY_MAX])
{
	duckdb_extracted_statements s = NULL;
	idx_t n = duck.extract_statements(c, sql, &s);

	if (s)
		duck.destroy_extracted(&s);
	if (n == 1)
		return 0;
	if (n)
		snprintf(why, DUCK_WHY_MAX, "one SELECT statement is allowed");
	return n ? -EINVAL : 0;		/* what cannot be parsed is said below, with its place */
}

int sandbox_check(duckdb_connection conn, const char *sql, size_t n, struct sandbox_tables *ret_t, struct names *ret_names, char why[DUCK_WHY_MAX])
{
	_cleanup_buf_ struct buf json = { 0 };
	struct check c = { .tables = ret_t, .copies = 1, .why = why };
	struct json_tokener *t;
	struct json_object *tree;
	int r = count_statements(conn, sql, why);

	ret_t->n = 0;
	if (!r)
		r = duck_tree(conn, sql, n, &json, why);
	if (r < 0)
		return r;
	t = json_tokener_new_ex(4 * DEPTH_MAX);
	if (!t)
		return -ENOMEM;
	tree = json_tokener_parse_ex(t, (const char *)json.p, (int)json.n);
	json_tokener_free(t);
	r = tree ? check_tree(&c, tree) : refuse(&c, "the statement is nested too deeply", NULL);
	if (!r && ret_names)
		names_of(c.root, ret_names);
	json_object_put(tree);
	return r;
}

void sandbox_message(const char *error, char ret[DUCK_WHY_MAX])
{
	static const char *const kinds[] = { "Parser Error: ", "Binder Error: ", "Catalog Error: ", "Conversion Error: ",
					     "Invalid Input Error: ", "Out of Range Error: ", "Syntax Error: " };
	size_t n;

	if (!error || !*error)
		error = "the statement cannot be read";
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strncmp(error, kinds[i], strlen(kinds[i])))
			error += strlen(kinds[i]);
	if (!strncmp(error, "Max expression depth", 20))
		error = "the statement is nested too deeply";
	if (!strncmp(error, "INTERRUPT Error", 15))
		error = "the statement takes longer than queries may";
	if (!strncmp(error, "Out of Memory", 13) || strstr(error, "bad_alloc"))
		error = "the query needs more memory than queries may have";
	if (!strncmp(error, "IO Error", 8) || !strncmp(error, "Permission Error", 16) || !strncmp(error, "INTERNAL", 8))
		error = "the store could not run the statement";
	n = strcspn(error, "\n");
	if (n >= DUCK_WHY_MAX)
		n = DUCK_WHY_MAX - 1;
	memcpy(ret, error, n);
	ret[n] = '\0';
}
