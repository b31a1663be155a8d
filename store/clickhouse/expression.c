/* SPDX-License-Identifier: Apache-2.0 */
/* expression.c - expressions of users' SQL in ClickHouse's spelling. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "lib/cleanup.h"
#include "translate_internal.h"

/* ---- the tree */

struct json_object *tree_get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, key, &v);
	return v;
}

const char *tree_text(struct json_object *o, const char *key)
{
	struct json_object *v = tree_get(o, key);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

bool tree_is(struct json_object *o, const char *key, const char *value)
{
	const char *v = tree_text(o, key);

	return v && !strcmp(v, value);
}

unsigned tree_count(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? (unsigned)json_object_array_length(array) : 0;
}

struct json_object *tree_child(struct json_object *o, unsigned i)
{
	struct json_object *list = tree_get(o, "children");

	return i < tree_count(list) ? json_object_array_get_idx(list, i) : NULL;
}

/* ---- columns and names */

void translate_name(struct translator *t, const char *name)
{
	buf_addc(t->out, '`');
	for (; *name; name++)
		buf_addc(t->out, strchr("`\\", *name) || (unsigned char)*name < ' ' ? '_' : (uint8_t)*name);
	buf_addc(t->out, '`');
}

static bool dotted(struct json_object *e, struct buf *out)
{
	struct json_object *names = tree_get(e, "column_names");
	unsigned n = tree_count(names);

	/* events.eventname */
	for (unsigned i = n > 1 && !strcasecmp(json_object_get_string(json_object_array_get_idx(names, 0)), "events") ? 1 : 0; i < n; i++)
		buf_addf(out, "%s%s", out->n ? "." : "", json_object_get_string(json_object_array_get_idx(names, i)));
	return n > 0;
}

const struct column *translate_column(struct json_object *e, const struct scope *s)
{
	_cleanup_buf_ struct buf name = { 0 };

	return s->events && tree_is(e, "class", "COLUMN_REF") && dotted(e, &name) ? column_find(buf_text(&name)) : NULL;
}

/* Is it a name that the select list gives? */
static struct json_object *by_alias(struct json_object *list, const char *name)
{
	for (unsigned i = 0; i < tree_count(list); i++) {
		const char *alias = tree_text(json_object_array_get_idx(list, i), "alias");

		if (alias && *alias && !strcasecmp(alias, name))
			return json_object_array_get_idx(list, i);
	}
	return NULL;
}

static int column(struct translator *t, struct json_object *e, const struct scope *s)
{
	const struct column *c = translate_column(e, s);
	_cleanup_buf_ struct buf name = { 0 };
	struct json_object *other;

	if (c) {
		translate_name(t, c->name);
		return 0;
	}
	dotted(e, &name);
	other = by_alias(s->select, buf_text(&name));
	if (other)
		translate_name(t, tree_text(other, "alias"));
	else if (!s->events)
		translate_name(t, buf_text(&name));
	else if (translate_word(t, buf_text(&name)))
		return translate_refuse(t, "there is no column that this engine can show:", buf_text(&name));
	return 0;
}

/* ---- constants */

static int number(struct translator *t, struct json_object *value, struct json_object *type)
{
	struct json_object *scale = tree_get(tree_get(type, "type_info"), "scale");
	const char *text = json_object_get_string(value);

	if (!text || text[strspn(text, "-+.0123456789eE")])
		return translate_refuse(t, "constants of this kind are not supported", NULL);
	if (!scale) {
		buf_addf(t->out, "%s%s%s", *text == '-' ? "(" : "", text, *text == '-' ? ")" : "");
		return 0;
	}
	/* a decimal's digits; where its point stands, the type says */
	buf_addf(t->out, "(%se-%d)", text, json_object_get_int(scale));
	return 0;
}

static int constant(struct translator *t, struct json_object *e)
{
	struct json_object *v = tree_get(e, "value"), *type = tree_get(v, "type"), *value = tree_get(v, "value");

	if (json_object_get_boolean(tree_get(v, "is_null"))) {
		buf_adds(t->out, "NULL");
		return 0;
	}
	if (tree_is(type, "id", "VARCHAR") && json_object_is_type(value, json_type_string)) {
		ch_quote(t->out, json_object_get_string(value), (size_t)json_object_get_string_len(value));
		return 0;
	}
	if (tree_is(type, "id", "BOOLEAN")) {
		buf_adds(t->out, json_object_get_boolean(value) ? "1" : "0");
		return 0;
	}
	return number(t, value, type);
}

/* 'true' beside a column of truths: 1. -1: it is something else. */
static int truth_of(struct json_object *e)
{
	struct json_object *v = tree_get(tree_get(e, "value"), "value");
	const char *text = tree_is(e, "class", "CONSTANT") && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;

	if (!text)
		return -1;
	return !strcasecmp(text, "true") ? 1 : !strcasecmp(text, "false") ? 0 : -1;
}

static int operand(struct translator *t, struct json_object *e, struct json_object *beside, const struct scope *s)
{
	const struct column *c = translate_column(beside, s);
	int truth = c && c->type == COLUMN_MAYBE_BOOL ? truth_of(e) : -1;

	if (truth < 0)
		return translate_expression(t, e, s);
	buf_addc(t->out, truth ? '1' : '0');
	return 0;
}

/* ---- operators */

static int comparison(struct translator *t, struct json_object *e, const struct scope *s)
{
	static const char *const table[][2] = { { "COMPARE_EQUAL", " = " }, { "COMPARE_NOTEQUAL", " != " }, { "COMPARE_LESSTHAN", " < " },
						{ "COMPARE_GREATERTHAN", " > " }, { "COMPARE_LESSTHANOREQUALTO", " <= " },
						{ "COMPARE_GREATERTHANOREQUALTO", " >= " } };
	struct json_object *left = tree_get(e, "left"), *right = tree_get(e, "right");
	int r;

	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		if (!tree_is(e, "type", table[i][0]))
			continue;
		buf_addc(t->out, '(');
		r = operand(t, left, right, s);
		buf_adds(t->out, table[i][1]);
		if (!r)
			r = operand(t, right, left, s);
		buf_addc(t->out, ')');
		return r;
	}
	return translate_refuse(t, "this comparison is not supported:", tree_text(e, "type"));
}

static int joined(struct translator *t, struct json_object *list, unsigned from, const char *between, struct json_object *beside, const struct scope *s)
{
	int r = 0;

	for (unsigned i = from; !r && i < tree_count(list); i++) {
		if (i > from)
			buf_adds(t->out, between);
		r = operand(t, json_object_array_get_idx(list, i), beside, s);
	}
	return r;
}

static int conjunction(struct translator *t, struct json_object *e, const struct scope *s)
{
	int r;

	buf_addc(t->out, '(');
	r = joined(t, tree_get(e, "children"), 0, tree_is(e, "type", "CONJUNCTION_AND") ? " AND " : " OR ", NULL, s);
	buf_addc(t->out, ')');
	return r;
}

static int in_list(struct translator *t, struct json_object *e, const struct scope *s)
{
	int r;

	buf_addc(t->out, '(');
	r = translate_expression(t, tree_child(e, 0), s);
	buf_adds(t->out, tree_is(e, "type", "COMPARE_IN") ? " IN (" : " NOT IN (");
	if (!r)
		r = joined(t, tree_get(e, "children"), 1, ", ", tree_child(e, 0), s);
	buf_adds(t->out, "))");
	return r;
}

static int operator(struct translator *t, struct json_object *e, const struct scope *s)
{
	static const char *const table[][3] = { { "OPERATOR_NOT", "(NOT ", ")" }, { "OPERATOR_IS_NULL", "isNull(", ")" },
						{ "OPERATOR_IS_NOT_NULL", "isNotNull(", ")" }, { "OPERATOR_COALESCE", "coalesce(", ")" } };
	int r;

	if (tree_is(e, "type", "COMPARE_IN") || tree_is(e, "type", "COMPARE_NOT_IN"))
		return in_list(t, e, s);
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		if (!tree_is(e, "type", table[i][0]))
			continue;
		buf_adds(t->out, table[i][1]);
		r = joined(t, tree_get(e, "children"), 0, ", ", NULL, s);
		buf_adds(t->out, table[i][2]);
		return r;
	}
	return translate_refuse(t, "this operator is not supported:", tree_text(e, "type"));
}

static int between(struct translator *t, struct json_object *e, const struct scope *s)
{
	int r;

	buf_addc(t->out, '(');
	r = translate_expression(t, tree_get(e, "input"), s);
	buf_adds(t->out, " BETWEEN ");
	if (!r)
		r = translate_expression(t, tree_get(e, "lower"), s);
	buf_adds(t->out, " AND ");
	if (!r)
		r = translate_expression(t, tree_get(e, "upper"), s);
	buf_addc(t->out, ')');
	return r;
}

static int cases(struct translator *t, struct json_object *e, const struct scope *s)
{
	struct json_object *checks = tree_get(e, "case_checks");
	int r = 0;

	buf_adds(t->out, "CASE");
	for (unsigned i = 0; !r && i < tree_count(checks); i++) {
		struct json_object *one = json_object_array_get_idx(checks, i);

		buf_adds(t->out, " WHEN ");
		r = translate_expression(t, tree_get(one, "when_expr"), s);
		buf_adds(t->out, " THEN ");
		if (!r)
			r = translate_expression(t, tree_get(one, "then_expr"), s);
	}
	buf_adds(t->out, " ELSE ");
	if (!r)
		r = translate_expression(t, tree_get(e, "else_expr"), s);
	buf_adds(t->out, " END");
	return r;
}

static int cast(struct translator *t, struct json_object *e, const struct scope *s)
{
	static const char *const table[][3] = {
		{ "VARCHAR", "toString(", ")" }, { "BIGINT", "toInt64OrNull(toString(", "))" }, { "INTEGER", "toInt64OrNull(toString(", "))" },
		{ "DOUBLE", "toFloat64OrNull(toString(", "))" }, { "TIMESTAMP", "toDateTime(", ", 'UTC')" },
		{ "TIMESTAMP WITH TIME ZONE", "toDateTime(", ", 'UTC')" }, { "DATE", "toDate(", ")" },
	};
	struct json_object *child = tree_get(e, "child"), *type = tree_get(e, "cast_type");
	const char *text = tree_text(tree_get(child, "value"), "value");
	int r;

	if (tree_is(type, "id", "BOOLEAN") && text && strchr("tf", *text)) {
		buf_addc(t->out, *text == 't' ? '1' : '0');
		return 0;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		if (!tree_is(type, "id", table[i][0]))
			continue;
		buf_adds(t->out, table[i][1]);
		r = translate_expression(t, child, s);
		buf_adds(t->out, table[i][2]);
		return r;
	}
	return translate_refuse(t, "nothing can be cast to", tree_text(type, "id"));
}

static int subquery(struct translator *t, struct json_object *e, const struct scope *s)
{
	bool any = tree_is(e, "subquery_type", "ANY") && tree_is(e, "comparison_type", "COMPARE_EQUAL");
	int r = 0;

	if (!any && !tree_is(e, "subquery_type", "SCALAR"))
		return translate_refuse(t, "this subquery is not supported:", tree_text(e, "subquery_type"));
	buf_addc(t->out, '(');
	if (any) {
		r = translate_expression(t, tree_get(e, "child"), s);
		buf_adds(t->out, " GLOBAL IN (");
	}
	/* what it names must be its own: correlated ones have no names in there */
	if (!r)
		r = translate_select(t, tree_get(tree_get(e, "subquery"), "node"), s);
	buf_adds(t->out, any ? "))" : ")");
	return r;
}

int translate_expression(struct translator *t, struct json_object *e, const struct scope *s)
{
	static const struct {
		const char *class;
		int (*fn)(struct translator *t, struct json_object *e, const struct scope *s);
	} table[] = { { "COLUMN_REF", column }, { "COMPARISON", comparison }, { "CONJUNCTION", conjunction }, { "OPERATOR", operator },
		      { "BETWEEN", between }, { "CASE", cases }, { "CAST", cast }, { "SUBQUERY", subquery }, { "FUNCTION", translate_call } };
	int r = -EINVAL;

	if (++t->depth > TRANSLATE_DEPTH_MAX || t->out->n > TRANSLATE_BYTES_MAX)
		return translate_refuse(t, "the statement is too large", NULL);
	if (tree_is(e, "class", "CONSTANT")) {
		r = constant(t, e);
		t->depth--;
		return r;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (tree_is(e, "class", table[i].class)) {
			r = table[i].fn(t, e, s);
			t->depth--;
			return r;
		}
	return translate_refuse(t, "expressions of this kind are not supported:", tree_text(e, "class"));
}
