/* SPDX-License-Identifier: Apache-2.0 */
/* calls.c - functions of users' SQL, and what they are called by ClickHouse. What is not here is refused. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "lib/cleanup.h"
#include "translate_internal.h"

/* Servers have a time zone; days and times of SQL are UTC's. */
#define IN_UTC ", 'UTC'"

/* theirs: what stands behind a | comes behind the arguments. */
static const struct {
	const char *name, *theirs;
	unsigned least, most;		/* arguments */
} table[] = {
	{ "count", "count", 1, 1 }, { "sum", "sum", 1, 1 }, { "min", "min", 1, 1 }, { "max", "max", 1, 1 }, { "avg", "avg", 1, 1 },
	{ "approx_distinct", "uniq", 1, 1 }, { "approx_count_distinct", "uniq", 1, 1 }, { "arbitrary", "any", 1, 1 },
	{ "any_value", "any", 1, 1 }, { "max_by", "argMax", 2, 2 }, { "min_by", "argMin", 2, 2 }, { "arg_max", "argMax", 2, 2 },
	{ "arg_min", "argMin", 2, 2 }, { "lower", "lowerUTF8", 1, 1 }, { "upper", "upperUTF8", 1, 1 }, { "length", "lengthUTF8", 1, 1 },
	{ "substr", "substringUTF8", 3, 3 }, { "substring", "substringUTF8", 3, 3 }, { "concat", "concat", 2, 16 }, { "||", "concat", 2, 2 },
	{ "replace", "replaceAll", 3, 3 }, { "strpos", "positionUTF8", 2, 2 }, { "starts_with", "startsWith", 2, 2 }, { "nullif", "nullIf", 2, 2 },
	{ "text", "toString", 1, 1 }, { "try_text", "toString", 1, 1 },
	{ "if", "if", 3, 3 }, { "abs", "abs", 1, 1 }, { "round", "round", 1, 2 }, { "floor", "floor", 1, 1 }, { "ceil", "ceil", 1, 1 },
	{ "ceiling", "ceil", 1, 1 }, { "sqrt", "sqrt", 1, 1 }, { "+", "plus", 2, 2 }, { "-", "minus", 2, 2 }, { "*", "multiply", 2, 2 },
	{ "%", "modulo", 2, 2 }, { "day_of_week", "toDayOfWeek", 1, 1 }, { "hour", "toHour", 1, 1 }, { "minute", "toMinute", 1, 1 },
	{ "day", "toDayOfMonth", 1, 1 }, { "month", "toMonth", 1, 1 }, { "year", "toYear", 1, 1 }, { "date", "toDate", 1, 1 },
	{ "from_unixtime", "toDateTime|" IN_UTC, 1, 1 }, { "to_unixtime", "toUInt32", 1, 1 },
	{ "from_iso8601_timestamp", "parseDateTimeBestEffort|" IN_UTC, 1, 1 }, { "now", "toTimeZone|now()" IN_UTC, 0, 0 },
	{ "get_current_timestamp", "toTimeZone|now()" IN_UTC, 0, 0 },
	/* to the parser these are names, like a column's */
	{ "current_timestamp", "toTimeZone|now()" IN_UTC, 0, 0 }, { "current_date", "toDate|toTimeZone(now()" IN_UTC ")", 0, 0 },
};

/* A constant's text, or NULL. */
static const char *text_of(struct json_object *e)
{
	return tree_is(e, "class", "CONSTANT") ? tree_text(tree_get(e, "value"), "value") : NULL;
}

static int arguments(struct translator *t, struct json_object *e, const struct scope *s, const char *more)
{
	struct json_object *list = tree_get(e, "children");
	int r = 0;

	buf_addc(t->out, '(');
	for (unsigned i = 0; !r && i < tree_count(list); i++) {
		if (i)
			buf_adds(t->out, ", ");
		r = translate_expression(t, json_object_array_get_idx(list, i), s);
	}
	buf_addf(t->out, "%s)", more);
	return r;
}

/* ---- those that are more than another name */

/* %, _ and nothing else mean something in Trino's patterns; here a backslash does, too. */
static int like(struct translator *t, struct json_object *e, const struct scope *s, const char *theirs, bool folded)
{
	const char *pattern = text_of(tree_child(e, 1));
	_cleanup_buf_ struct buf text = { 0 };
	int r;

	if (!pattern)
		return translate_refuse(t, "LIKE takes a constant pattern", NULL);
	for (; *pattern; pattern++)
		buf_addf(&text, "%s%c", *pattern == '\\' ? "\\" : "", *pattern);
	buf_addf(t->out, "%s(%s", theirs, folded ? "lowerUTF8(" : "");
	r = translate_expression(t, tree_child(e, 0), s);
	buf_adds(t->out, folded ? "), lowerUTF8(" : ", ");
	ch_quote(t->out, text.p, text.n);
	buf_adds(t->out, folded ? "))" : ")");
	return r;
}

static int truncated(struct translator *t, struct json_object *e, const struct scope *s)
{
	static const char *const units[][2] = { { "minute", "toStartOfMinute(" }, { "hour", "toStartOfHour(" }, { "day", "toStartOfDay(" },
						{ "week", "toMonday(" }, { "month", "toStartOfMonth(" }, { "year", "toStartOfYear(" } };
	const char *unit = text_of(tree_child(e, 0));
	int r;

	for (unsigned i = 0; unit && i < ARRAY_SIZE(units); i++) {
		if (strcasecmp(unit, units[i][0]))
			continue;
		buf_adds(t->out, units[i][1]);
		r = translate_expression(t, tree_child(e, 1), s);
		buf_addc(t->out, ')');
		return r;
	}
	return translate_refuse(t, "date_trunc does not know", unit ? unit : "?");
}

/* A map's member: exact, whatever the server's age. */
static void member(struct translator *t, const struct column *map, const char *key, size_t n)
{
	_cleanup_buf_ struct buf name = { 0 };

	ch_quote(&name, key, n);
	buf_addf(t->out, "if(has(`%s_keys`, %s), `%s_values`[indexOf(`%s_keys`, %s)], NULL)", map->name, buf_text(&name), map->name, map->name, buf_text(&name));
	if (name.failed)
		t->out->failed = true;
}

/* element_at(column, 'name') */
static int element(struct translator *t, struct json_object *e, const struct scope *s)
{
	const struct column *c = translate_column(tree_child(e, 0), s);
	const char *key = text_of(tree_child(e, 1));

	if (!c || c->field->type != LAKE_MAP || !key)
		return translate_refuse(t, "element_at takes a column that is a map, and a name", NULL);
	member(t, c, key, strlen(key));
	return 0;
}

/* $.a.b of the whole record: a column, or a member of one. 1: neither. */
static int known_path(struct translator *t, const char *path)
{
	const char *dot = strchr(path, '.');
	const struct column *c = column_of_path(path, strlen(path)), *map = dot ? column_of_path(path, (size_t)(dot - path)) : NULL;

	if (c && c->type == COLUMN_MAYBE_TEXT && c->field->type == LAKE_TEXT) {
		translate_name(t, c->name);
		return 0;
	}
	if (!map || map->field->type != LAKE_MAP || strchr(dot + 1, '.'))
		return 1;
	member(t, map, dot + 1, strlen(dot + 1));
	return 0;
}

/* Only today's servers take JSON apart by path; old ones would find the name anywhere. */
static int by_path(struct translator *t, struct json_object *text, const char *path, const struct scope *s)
{
	_cleanup_buf_ struct buf names = { 0 }, json = { 0 };
	struct translator other = *t;
	int r;

	while (*path) {
		size_t n = strcspn(path, ".");

		buf_adds(&names, ", ");
		ch_quote(&names, path, n);
		path += n + (path[n] == '.');
	}
	other.out = &json;
	r = translate_expression(&other, text, s);
	if (r < 0)
		return r;
	buf_addf(t->out, "if(JSONType(assumeNotNull(%s)%s) = 'String', JSONExtractString(assumeNotNull(%s)%s), ", buf_text(&json), buf_text(&names), buf_text(&json),
		 buf_text(&names));
	buf_addf(t->out, "nullIf(JSONExtractRaw(assumeNotNull(%s)%s), ''))", buf_text(&json), buf_text(&names));
	return json.failed || names.failed ? -ENOMEM : 0;
}

/* json_extract_scalar(text, '$.a.b') */
static int extracted(struct translator *t, struct json_object *e, const struct scope *s)
{
	const struct column *c = translate_column(tree_child(e, 0), s);
	const char *path = text_of(tree_child(e, 1));
	int r = 1;

	if (!path || strncmp(path, "$.", 2) || strpbrk(path, "[]\"'*\\") || strlen(path) > 512)
		return translate_refuse(t, "json_extract_scalar takes a path of names: $.a.b", NULL);
	if (c && c->field->type == LAKE_RECORD_TEXT)
		r = known_path(t, path + 2);
	if (r > 0 && !t->modern)
		return translate_refuse(t, "this version of the engine does not have such a path as a column:", path);
	return r > 0 ? by_path(t, tree_child(e, 0), path + 2, s) : r;
}

static int special(struct translator *t, struct json_object *e, const struct scope *s, const char *name)
{
	if (!strcmp(name, "~~"))
		return like(t, e, s, "like", false);
	if (!strcmp(name, "!~~"))
		return like(t, e, s, "notLike", false);
	if (!strcmp(name, "~~*"))
		return like(t, e, s, "like", true);
	if (!strcmp(name, "!~~*"))
		return like(t, e, s, "notLike", true);
	if (!strcmp(name, "date_trunc"))
		return truncated(t, e, s);
	if (!strcmp(name, "element_at"))
		return element(t, e, s);
	if (!strcmp(name, "json_extract_scalar") || !strcmp(name, "json_extract_string"))
		return extracted(t, e, s);
	return 1;
}

int translate_word(struct translator *t, const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		const char *more = strchrnul(table[i].theirs, '|');

		if (strncmp(table[i].name, "current_", 8) || strcasecmp(table[i].name, name))
			continue;
		buf_addf(t->out, "%.*s(%s)", (int)(more - table[i].theirs), table[i].theirs, more + 1);
		return 0;
	}
	return 1;
}

/* Of no value there are none different; old servers say NULL. */
static int different(struct translator *t, struct json_object *e, const struct scope *s, const char *theirs)
{
	int r;

	buf_addf(t->out, "ifNull(%s", theirs);
	r = arguments(t, e, s, "");
	buf_adds(t->out, ", 0)");
	return r;
}

int translate_call(struct translator *t, struct json_object *e, const struct scope *s)
{
	const char *name = tree_text(e, "function_name"), *more;
	unsigned n = tree_count(tree_get(e, "children"));
	bool distinct = json_object_get_boolean(tree_get(e, "distinct"));
	int r;

	if (!name)
		return translate_refuse(t, "a function without a name is not supported", NULL);
	if (tree_get(e, "filter") || tree_count(tree_get(tree_get(e, "order_bys"), "orders")))
		return translate_refuse(t, "FILTER and ORDER BY within a function are not supported", NULL);
	if (!strcmp(name, "count_star")) {
		buf_adds(t->out, "count()");
		return 0;
	}
	r = special(t, e, s, name);
	if (r <= 0)
		return r;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcasecmp(table[i].name, name) || n < table[i].least || n > table[i].most)
			continue;
		if (distinct && strcmp(table[i].name, "count"))
			break;
		if (distinct || !strcmp(table[i].theirs, "uniq"))
			return different(t, e, s, distinct ? "uniqExact" : "uniq");
		more = strchrnul(table[i].theirs, '|');
		buf_add(t->out, table[i].theirs, (size_t)(more - table[i].theirs));
		return arguments(t, e, s, *more ? more + 1 : more);
	}
	return translate_refuse(t, "this engine does not have the function", name);
}
