/* SPDX-License-Identifier: Apache-2.0 */
#include "translate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "translate_internal.h"

void translated_free(struct translated *t)
{
	buf_free(&t->sql);
}

int translate_refuse(struct translator *t, const char *what, const char *name)
{
	snprintf(t->why, TRANSLATE_WHY_MAX, "%s%s%.100s", what, name ? " " : "", name ? name : "");
	return -EINVAL;
}

/* ---- FROM */

static struct json_object *find_cte(const struct scope *s, const char *name, const struct scope **ret_where)
{
	for (; s; s = s->outer)
		for (unsigned i = 0; i < tree_count(s->ctes); i++) {
			struct json_object *one = json_object_array_get_idx(s->ctes, i);
			const char *key = tree_text(one, "key");

			if (key && !strcasecmp(key, name)) {
				*ret_where = s;
				return tree_get(tree_get(tree_get(one, "value"), "query"), "node");
			}
		}
	return NULL;
}

static int inner(struct translator *t, struct json_object *node, const struct scope *outer)
{
	int r;

	buf_adds(t->out, " FROM (");
	r = translate_select(t, node, outer);
	buf_addc(t->out, ')');
	return r;
}

static bool has_alias(struct json_object *from)
{
	const char *alias = tree_text(from, "alias");

	return alias && *alias;
}

static struct translate_source *find_source(const struct translator *t, const char *name)
{
	for (unsigned i = 0; i < t->nsources; i++)
		if (!strcasecmp(name, t->sources[i].id) || (t->sources[i].builtin && !strcasecmp(name, "events")))
			return &t->sources[i];
	return NULL;
}

/* WITH is not there in old servers: the name's SELECT stands in its place. */
static int from_table(struct translator *t, struct json_object *from, struct scope *s)
{
	const char *name = tree_text(from, "table_name");
	const struct scope *where;
	struct json_object *cte;

	if (tree_is(from, "type", "EMPTY"))
		return 0;
	if (tree_is(from, "type", "SUBQUERY"))
		return inner(t, tree_get(tree_get(from, "subquery"), "node"), s);
	if (!tree_is(from, "type", "BASE_TABLE") || !name)
		return translate_refuse(t, "FROM takes one event data store or SELECT, not", tree_text(from, "type"));
	cte = find_cte(s, name, &where);
	/* one that names itself never ends: depth says so */
	if (cte)
		return inner(t, cte, where);
	s->source = find_source(t, name);
	if (!s->source)
		return translate_refuse(t, "there is no event data store", name);
	if (has_alias(from) && strcasecmp(tree_text(from, "alias"), "events"))
		return translate_refuse(t, "an event data store takes no other name here:", tree_text(from, "alias"));
	s->events = true;
	return 0;
}

/* ---- the select list */

/* By number, as SQL has it, what the list says there. */
static int numbered(struct translator *t, struct json_object *e, const struct scope *s)
{
	struct json_object *v = tree_get(tree_get(e, "value"), "value");
	int64_t n = tree_is(e, "class", "CONSTANT") && json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;
	struct json_object *item = n > 0 && n <= tree_count(s->select) ? json_object_array_get_idx(s->select, (size_t)n - 1) : NULL;
	const char *alias = tree_text(item, "alias");

	if (!item)
		return translate_expression(t, e, s);
	if (alias && *alias)
		translate_name(t, alias);
	return alias && *alias ? 0 : translate_expression(t, item, s);
}

/* Who groups by a map may ask for its members, which are columns of their own here. */
static void map_members(struct translator *t, struct json_object *e, const struct scope *s)
{
	const struct column *c = translate_column(e, s);

	if (c && c->field->type == LAKE_MAP)
		buf_addf(t->out, ", `%s_keys`, `%s_values`", c->name, c->name);
}

static int groups(struct translator *t, struct json_object *array, const struct scope *s)
{
	int r = 0;

	for (unsigned i = 0; !r && i < tree_count(array); i++) {
		buf_adds(t->out, i ? ", " : " GROUP BY ");
		r = numbered(t, json_object_array_get_idx(array, i), s);
		map_members(t, json_object_array_get_idx(array, i), s);
	}
	return r;
}

static int star(struct translator *t, const struct scope *s)
{
	if (!s->events) {
		buf_addc(t->out, '*');
		return 0;
	}
	for (unsigned i = OWN__MAX; i < ncolumns; i++) {
		if (columns[i].part != PART_WHOLE)
			continue;
		if (i > OWN__MAX)
			buf_adds(t->out, ", ");
		translate_name(t, columns[i].name);
	}
	return 0;
}

static int items(struct translator *t, const struct scope *s)
{
	int r = 0;

	for (unsigned i = 0; !r && i < tree_count(s->select); i++) {
		struct json_object *e = json_object_array_get_idx(s->select, i);
		const char *alias = tree_text(e, "alias");

		if (i)
			buf_adds(t->out, ", ");
		r = tree_is(e, "class", "STAR") ? star(t, s) : translate_expression(t, e, s);
		if (!r && alias && *alias) {
			buf_adds(t->out, " AS ");
			translate_name(t, alias);
		}
	}
	return r;
}

/* ---- ORDER BY, LIMIT */

static int orders(struct translator *t, struct json_object *m, const struct scope *s)
{
	struct json_object *array = tree_get(m, "orders");
	int r = 0;

	for (unsigned i = 0; !r && i < tree_count(array); i++) {
		struct json_object *o = json_object_array_get_idx(array, i);

		buf_adds(t->out, i ? ", " : " ORDER BY ");
		r = numbered(t, tree_get(o, "expression"), s);
		buf_adds(t->out, tree_is(o, "type", "DESCENDING") ? " DESC" : " ASC");
		/* Trino: null is last, always */
		buf_adds(t->out, tree_is(o, "null_order", "NULLS FIRST") || tree_is(o, "null_order", "NULLS_FIRST") ? " NULLS FIRST" : " NULLS LAST");
	}
	return r;
}

static bool whole(struct json_object *e, int64_t *ret)
{
	struct json_object *v = tree_get(tree_get(e, "value"), "value");

	*ret = json_object_get_int64(v);
	return tree_is(e, "class", "CONSTANT") && json_object_is_type(v, json_type_int) && *ret >= 0;
}

static int limit(struct translator *t, struct json_object *m)
{
	struct json_object *offset = tree_get(m, "offset");
	int64_t n, skip = 0;

	if (!whole(tree_get(m, "limit"), &n) || (json_object_is_type(offset, json_type_object) && !whole(offset, &skip)))
		return translate_refuse(t, "LIMIT and OFFSET take numbers", NULL);
	buf_addf(t->out, " LIMIT %lld, %lld", (long long)skip, (long long)n);
	return 0;
}

static int modifiers(struct translator *t, struct json_object *node, const struct scope *s)
{
	struct json_object *array = tree_get(node, "modifiers");
	int r = 0;

	for (unsigned i = 0; !r && i < tree_count(array); i++) {
		struct json_object *m = json_object_array_get_idx(array, i);

		if (tree_is(m, "type", "ORDER_MODIFIER"))
			r = orders(t, m, s);
		else if (tree_is(m, "type", "LIMIT_MODIFIER"))
			r = limit(t, m);
		else if (!tree_is(m, "type", "DISTINCT_MODIFIER"))
			r = translate_refuse(t, "this is not supported:", tree_text(m, "type"));
	}
	return r;
}

static bool is_distinct(struct json_object *node)
{
	struct json_object *array = tree_get(node, "modifiers");

	for (unsigned i = 0; i < tree_count(array); i++)
		if (tree_is(json_object_array_get_idx(array, i), "type", "DISTINCT_MODIFIER"))
			return true;
	return false;
}

/* ---- one SELECT */

static int where(struct translator *t, struct json_object *node, const struct scope *s)
{
	struct json_object *clause = tree_get(node, "where_clause");
	bool has = json_object_is_type(clause, json_type_object);

	if (s->events)
		buf_addf(t->out, " %s", buf_text(&s->source->from));
	if (!has)
		return 0;
	buf_adds(t->out, s->events ? " AND " : " WHERE ");
	return translate_expression(t, clause, s);
}

/* FROM is printed into a buffer of its own, for what it is decides what names mean. */
static int plain(struct translator *t, struct json_object *node, const struct scope *outer)
{
	struct scope s = { .outer = outer, .ctes = tree_get(tree_get(node, "cte_map"), "map"), .select = tree_get(node, "select_list") };
	struct json_object *having = tree_get(node, "having");
	_cleanup_buf_ struct buf from = { 0 };
	struct translator other = *t;
	int r;

	other.out = &from;
	r = from_table(&other, tree_get(node, "from_table"), &s);
	if (r < 0)
		return r;
	buf_adds(t->out, is_distinct(node) ? "SELECT DISTINCT " : "SELECT ");
	r = items(t, &s);
	buf_add(t->out, from.p, from.n);
	if (!r)
		r = where(t, node, &s);
	if (!r)
		r = groups(t, tree_get(node, "group_expressions"), &s);
	if (!r && json_object_is_type(having, json_type_object)) {
		buf_adds(t->out, " HAVING ");
		r = translate_expression(t, having, &s);
	}
	if (!r && tree_count(tree_get(node, "group_sets")) > 1)
		r = translate_refuse(t, "GROUPING SETS are not supported", NULL);
	if (!r && (json_object_is_type(tree_get(node, "qualify"), json_type_object) || json_object_is_type(tree_get(node, "sample"), json_type_object)))
		r = translate_refuse(t, "QUALIFY and SAMPLE are not supported", NULL);
	return r ? r : modifiers(t, node, &s);
}

/* The SELECT that names the columns. */
static struct json_object *leftmost(struct json_object *node)
{
	while (tree_is(node, "type", "SET_OPERATION_NODE"))
		node = tree_get(node, "left");
	return node;
}

static int both(struct translator *t, struct json_object *node, const struct scope *outer)
{
	struct scope s = { .outer = outer, .ctes = tree_get(tree_get(node, "cte_map"), "map"), .select = tree_get(leftmost(node), "select_list") };
	int r;

	if (!tree_is(node, "setop_type", "UNION") || !json_object_get_boolean(tree_get(node, "setop_all")))
		return translate_refuse(t, "only UNION ALL joins SELECTs here", NULL);
	buf_adds(t->out, "SELECT * FROM (");
	r = translate_select(t, tree_get(node, "left"), &s);
	buf_adds(t->out, " UNION ALL ");
	if (!r)
		r = translate_select(t, tree_get(node, "right"), &s);
	buf_addc(t->out, ')');
	return r ? r : modifiers(t, node, &s);
}

int translate_select(struct translator *t, struct json_object *node, const struct scope *outer)
{
	int r;

	if (++t->depth > TRANSLATE_DEPTH_MAX || t->out->n > TRANSLATE_BYTES_MAX)
		return translate_refuse(t, "the statement is too large", NULL);
	if (tree_is(node, "type", "SELECT_NODE"))
		r = plain(t, node, outer);
	else if (tree_is(node, "type", "SET_OPERATION_NODE"))
		r = both(t, node, outer);
	else
		r = translate_refuse(t, "statements of this kind are not supported:", tree_text(node, "type"));
	t->depth--;
	return r;
}

/* ---- what the answer's columns are called */

static void add_column(struct translated *t, const char *name, bool truth)
{
	if (t->ncolumns == TRANSLATE_COLUMNS_MAX)
		return;
	snprintf(t->columns[t->ncolumns].name, sizeof(t->columns[0].name), "%s", name);
	t->columns[t->ncolumns++].truth = truth;
}

static void add_all(struct translated *t)
{
	for (unsigned i = OWN__MAX; i < ncolumns; i++)
		if (columns[i].part == PART_WHOLE)
			add_column(t, columns[i].name, columns[i].type == COLUMN_MAYBE_BOOL);
}

/* The leftmost SELECT names them. */
static void name_columns(struct translated *t, struct json_object *node)
{
	const struct scope s = { .events = true };
	struct json_object *select;

	select = tree_get(leftmost(node), "select_list");
	for (unsigned i = 0; i < tree_count(select); i++) {
		struct json_object *e = json_object_array_get_idx(select, i), *names = tree_get(e, "column_names");
		const struct column *c = translate_column(e, &s);
		const char *alias = tree_text(e, "alias");
		char number[16];

		snprintf(number, sizeof(number), "_col%u", i);
		if (tree_is(e, "class", "STAR"))
			add_all(t);
		else if (alias && *alias)
			add_column(t, alias, c && c->type == COLUMN_MAYBE_BOOL);
		else
			add_column(t, tree_count(names) ? json_object_get_string(json_object_array_get_idx(names, tree_count(names) - 1)) : number,
				   c && c->type == COLUMN_MAYBE_BOOL);
	}
}

int translate(struct json_object *tree, struct translate_source *sources, unsigned n, bool modern, struct translated *ret_t,
	      char why[TRANSLATE_WHY_MAX])
{
	struct json_object *statements = tree_get(tree, "statements"), *node;
	struct translator t = { .out = &ret_t->sql, .sources = sources, .nsources = n, .modern = modern, .why = why };
	int r;

	ret_t->ncolumns = 0;
	if (tree_count(statements) != 1)
		return translate_refuse(&t, "one SELECT statement is allowed", NULL);
	node = tree_get(json_object_array_get_idx(statements, 0), "node");
	r = translate_select(&t, node, NULL);
	name_columns(ret_t, node);
	return r ? r : ret_t->sql.failed ? -ENOMEM : 0;
}
