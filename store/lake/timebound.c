/* SPDX-License-Identifier: Apache-2.0 */
#include "timebound.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "fill.h"
#include "store/members.h"

#define DEPTH_MAX 100u

static struct json_object *part(struct json_object *o, const char *key)
{
	struct json_object *v;

	return o && json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static size_t count(struct json_object *o)
{
	return o && json_object_is_type(o, json_type_array) ? json_object_array_length(o) : 0;
}

/* ---- the one SELECT whose FROM is the table itself */

static struct json_object *find_select(struct json_object *o, unsigned depth)
{
	struct json_object *found = NULL;

	if (!o || depth == DEPTH_MAX)
		return NULL;
	if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; !found && i < json_object_array_length(o); i++)
			found = find_select(json_object_array_get_idx(o, i), depth + 1);
		return found;
	}
	if (!json_object_is_type(o, json_type_object))
		return NULL;
	if (!strcmp(member_text(o, "type", ""), "SELECT_NODE") && !strcmp(member_text(part(o, "from_table"), "type", ""), "BASE_TABLE"))
		return o;
	json_object_object_foreach(o, key, v) {
		(void)key;
		if (!found)
			found = find_select(v, depth + 1);
	}
	return found;
}

/* ---- times */

/* "2026-01-02", "2026-01-02 03:04:05", with T or Z, with a fraction. */
static bool read_time(const char *s, int64_t *ret)
{
	char whole[21] = "0000-00-00T00:00:00Z";
	size_t n = strlen(s);
	int64_t us;

	if (n != 10 && n < 19)
		return false;
	memcpy(whole, s, n == 10 ? 10 : 19);
	if (n > 10 && s[10] != ' ' && s[10] != 'T')
		return false;
	whole[10] = 'T';
	for (size_t i = 19; i < n; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (i == 19 && s[i] == '.') || (i + 1 == n && s[i] == 'Z')))
			return false;
	if (!fill_time((struct piece){ whole, 20 }, &us))
		return false;
	*ret = us / 1000000 - (us % 1000000 < 0);
	return true;
}

static bool is_column(struct json_object *o, const char *table, const char *alias)
{
	struct json_object *names = part(o, "column_names");
	size_t n = count(names);
	const char *first = n ? json_object_get_string(json_object_array_get_idx(names, 0)) : "";
	const char *last = n ? json_object_get_string(json_object_array_get_idx(names, n - 1)) : "";

	if (strcmp(member_text(o, "class", ""), "COLUMN_REF") || n < 1 || n > 2 || strcasecmp(last, "eventtime"))
		return false;
	return n == 1 || !strcasecmp(first, *alias ? alias : table);
}

static bool constant(struct json_object *o, int64_t *ret)
{
	const char *class = member_text(o, "class", ""), *type = member_text(part(o, "cast_type"), "id", ""), *s;
	struct json_object *children = part(o, "children"), *value;

	if (!strcmp(class, "CAST")) {
		s = member_text(part(part(o, "child"), "value"), "value", "");
		if (strcmp(member_text(part(o, "child"), "class", ""), "CONSTANT"))
			return false;
		return (!strcmp(type, "TIMESTAMP") || (!strcmp(type, "DATE") && strlen(s) == 10)) && read_time(s, ret);
	}
	if (!strcmp(class, "FUNCTION"))
		return !strcasecmp(member_text(o, "function_name", ""), "from_iso8601_timestamp") && count(children) == 1 &&
		       !strcmp(member_text(json_object_array_get_idx(children, 0), "class", ""), "CONSTANT") &&
		       constant(json_object_array_get_idx(children, 0), ret);
	value = part(o, "value");
	return !strcmp(class, "CONSTANT") && !strcmp(member_text(part(value, "type"), "id", ""), "VARCHAR") && read_time(member_text(value, "value", ""), ret);
}

/* ---- conditions */

struct where {
	const char *table, *alias;
	struct time_bound b;
};

static void at_least(struct where *w, int64_t t)
{
	w->b.from = t > w->b.from ? t : w->b.from;
}

/* A fraction of a second may have been cut off. */
static void at_most(struct where *w, int64_t t)
{
	w->b.to = t + 1 < w->b.to ? t + 1 : w->b.to;
}

static void comparison(struct where *w, struct json_object *o)
{
	struct json_object *left = part(o, "left"), *right = part(o, "right");
	const char *type = member_text(o, "type", "");
	bool column_left = is_column(left, w->table, w->alias);
	int64_t t;

	if (!column_left && !is_column(right, w->table, w->alias))
		return;
	if (!constant(column_left ? right : left, &t))
		return;
	if (!strcmp(type, "COMPARE_EQUAL")) {
		at_least(w, t);
		at_most(w, t);
	} else if (!strncmp(type, "COMPARE_GREATERTHAN", strlen("COMPARE_GREATERTHAN"))) {
		(column_left ? at_least : at_most)(w, t);
	} else if (!strncmp(type, "COMPARE_LESSTHAN", strlen("COMPARE_LESSTHAN"))) {
		(column_left ? at_most : at_least)(w, t);
	}
}

static void condition(struct where *w, struct json_object *o, unsigned depth)
{
	struct json_object *children = part(o, "children");
	const char *type = member_text(o, "type", "");
	int64_t t;

	if (!strcmp(type, "CONJUNCTION_AND") && depth < DEPTH_MAX) {
		for (size_t i = 0; i < count(children); i++)
			condition(w, json_object_array_get_idx(children, i), depth + 1);
	} else if (!strcmp(member_text(o, "class", ""), "COMPARISON")) {
		comparison(w, o);
	} else if (!strcmp(type, "COMPARE_BETWEEN") && is_column(part(o, "input"), w->table, w->alias)) {
		if (constant(part(o, "lower"), &t))
			at_least(w, t);
		if (constant(part(o, "upper"), &t))
			at_most(w, t);
	}
}

struct time_bound time_bound_of(struct json_object *tree, unsigned references)
{
	struct where w = { .b = { INT64_MIN, INT64_MAX } };
	struct json_object *select = references == 1 ? find_select(tree, 0) : NULL, *from = part(select, "from_table"), *where;

	where = part(select, "where_clause");
	if (!where || count(part(from, "column_name_alias")))
		return w.b;
	w.table = member_text(from, "table_name", "");
	w.alias = member_text(from, "alias", "");
	condition(&w, where, 0);
	return w.b;
}
