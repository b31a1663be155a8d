/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_emit.c - writes of a tree what a shape names. What the model does not name is hidden; what is of another type than it says is
 * left out. So a value is written only when the model says what it is.
 */
#include <stdlib.h>

#include "agent/api/aws_internal.h"
#include "agent/api/aws_time.h"

#define ELEMENTS_MAX 4096	/* a form's list is sorted by its numbers */

static bool in_form(const struct aws_emit *e)
{
	return e->protocol == AWS_QUERY || e->protocol == AWS_EC2;
}

struct str aws_member_key(struct aws_emit *e, const struct aws_member *m)
{
	if (e->items && str_is(aws_name(m->wire), "return"))
		return STR("_return");	/* as CloudTrail has it */
	return e->wire_names ? aws_name(m->wire) : aws_lower_camel(e->arena, aws_name(m->name));
}

static void put_size(struct aws_emit *e, struct str key, uint64_t n)
{
	jsontext_open(&e->j, key, '{');
	jsontext_bool(&e->j, STR("omitted"), true);
	jsontext_uint(&e->j, STR("originalSize"), n);
	jsontext_close(&e->j);
}

/* Bytes that base64 text stands for. */
static uint64_t base64_size(struct str s)
{
	while (s.n && s.p[s.n - 1] == '=')
		s.n--;
	return s.n / 4 * 3 + s.n % 4 * 3 / 4;
}

static void put_time(struct aws_emit *e, struct str key, struct str value)
{
	char room[AWS_TIME_MAX];
	struct str s = aws_time(value, room);

	if (s.p)
		jsontext_text(&e->j, key, s);
	else
		e->j.omitted = true;
}

void aws_emit_text(struct aws_emit *e, struct str key, struct str value, unsigned shape)
{
	switch (shape) {
	case AWS_NOTHING:
	case AWS_STREAM:
		break;
	case AWS_STRING:
		if (aws_secret_text(e->arena, value))
			jsontext_hidden(&e->j, key);
		else
			jsontext_text(&e->j, key, value);
		if (e->call && str_begins(value, "arn:aws"))
			aws_resource_add(e->arena, e->call, value);
		else if (e->call && str_is(key, "queueUrl"))
			aws_resource_queue(e->arena, e->call, value);
		break;
	case AWS_INTEGER:
	case AWS_FLOAT:
		jsontext_number(&e->j, key, value);
		break;
	case AWS_BOOLEAN:
		if (str_is_nocase(value, "true") || str_is_nocase(value, "false"))
			jsontext_bool(&e->j, key, str_is_nocase(value, "true"));
		else
			e->j.omitted = true;
		break;
	case AWS_TIME:
		put_time(e, key, value);
		break;
	case AWS_BLOB:
		put_size(e, key, base64_size(value));
		break;
	default:
		jsontext_hidden(&e->j, key);
	}
}

static void put_scalar(struct aws_emit *e, struct str key, const struct aws_node *n, unsigned shape)
{
	if (shape == AWS_SECRET || shape == AWS_DOCUMENT)
		jsontext_hidden(&e->j, key);
	else if (n->kind == NODE_BYTES && shape == AWS_BLOB)
		put_size(e, key, n->text.n);
	else if (n->kind == NODE_TEXT)
		aws_emit_text(e, key, n->text, shape);
	else if (n->kind == NODE_OBJECT && n->text.p)	/* XML with attributes */
		aws_emit_text(e, key, n->text, shape);
	else if (n->kind == NODE_NUMBER && shape == AWS_TIME)
		put_time(e, key, n->text);
	else if (n->kind == NODE_NUMBER)
		jsontext_number(&e->j, key, n->text);
	else if (n->kind == NODE_BOOLEAN)
		jsontext_bool(&e->j, key, n->value);
	else
		e->j.omitted = true;
}

/* Nothing where something with parts was due: an empty one. */
static bool is_empty(const struct aws_node *n)
{
	return n->kind == NODE_TEXT && !n->text.n;
}

static void list_of_children(struct aws_emit *e, struct aws_node *n, unsigned element)
{
	if (element == AWS_STRING)
		aws_secret_children(e, n);
	for (struct aws_node *c = n->first; c; c = c->next)
		if (!c->attribute)
			aws_emit_value(e, NO_KEY, c, element);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = 0, y = 0;

	str_number((*(struct aws_node *const *)a)->name, UINT32_MAX, &x);
	str_number((*(struct aws_node *const *)b)->name, UINT32_MAX, &y);
	return x < y ? -1 : x > y;
}

/* "1", "2", ... of a form, in that order. */
static unsigned numbered(struct aws_emit *e, struct aws_node *n, struct aws_node ***ret)
{
	unsigned count = 0;
	uint64_t number;

	for (struct aws_node *c = n->first; c; c = c->next)
		count += str_number(c->name, UINT32_MAX, &number);
	*ret = count && count <= ELEMENTS_MAX ? api_arena_get(e->arena, count * sizeof(**ret)) : NULL;
	if (!*ret) {
		e->j.omitted |= count > 0;
		return 0;
	}
	count = 0;
	for (struct aws_node *c = n->first; c; c = c->next)
		if (str_number(c->name, UINT32_MAX, &number))
			(*ret)[count++] = c;
	qsort(*ret, count, sizeof(**ret), by_number);
	return count;
}

/* Where a form's numbers are: behind "member" or "entry", or here. */
static struct aws_node *numbers_of(struct aws_node *n, unsigned item, const char *usual)
{
	struct aws_node *inner = aws_node_child(n, aws_name(item));

	if (!inner)
		inner = aws_node_named(n, usual);
	return inner ? inner : n;
}

unsigned aws_form_elements(struct aws_emit *e, struct aws_node *n, const struct aws_shape *s, struct aws_node ***ret)
{
	return numbered(e, numbers_of(n, s->item, s->kind == AWS_LIST ? "member" : "entry"), ret);
}

static void put_items(struct aws_emit *e, struct str key, struct aws_node *n, const struct aws_shape *s)
{
	jsontext_open(&e->j, key, '{');
	if (n->first) {
		jsontext_open(&e->j, STR("items"), '[');
		list_of_children(e, n, s->element);
		jsontext_close(&e->j);
	}
	jsontext_close(&e->j);
}

static void put_list(struct aws_emit *e, struct str key, struct aws_node *n, const struct aws_shape *s)
{
	struct aws_node **elements;
	unsigned count;

	if (n->kind == NODE_TEXT && n->text.n) {
		e->j.omitted = true;
		return;
	}
	if (e->items) {
		put_items(e, key, n, s);
		return;
	}
	jsontext_open(&e->j, key, '[');
	if (in_form(e)) {
		count = aws_form_elements(e, n, s, &elements);
		if (s->element == AWS_STRING)
			aws_secret_words(e, elements, count);
		for (unsigned i = 0; i < count; i++)
			aws_emit_value(e, NO_KEY, elements[i], s->element);
	} else if (n->kind == NODE_ARRAY || n->kind == NODE_OBJECT) {
		list_of_children(e, n, s->element);
	}
	jsontext_close(&e->j);
}

/* Of a map whose names are the customer's: a secret's name says what its value is. */
static void put_named(struct aws_emit *e, struct str name, struct aws_node *value, unsigned shape)
{
	if (secret_name(name))
		jsontext_hidden(&e->j, name);
	else
		aws_emit_value(e, name, value, shape);
}

/* One entry of a map that has names for keys and values. */
static void put_entry(struct aws_emit *e, const struct aws_node *n, const struct aws_shape *s)
{
	struct aws_node *key = aws_node_child(n, aws_name(s->item)), *value = aws_node_child(n, aws_name(s->value));

	if (!key)
		key = aws_node_named(n, "key");
	if (!value)
		value = aws_node_named(n, "value");
	if (key && key->kind == NODE_TEXT && value)
		put_named(e, key->text, value, s->element);
}

static void put_map(struct aws_emit *e, struct str key, struct aws_node *n, const struct aws_shape *s)
{
	struct aws_node **entries;
	unsigned count;

	jsontext_open(&e->j, key, '{');
	if (in_form(e)) {
		count = aws_form_elements(e, n, s, &entries);
		for (unsigned i = 0; i < count; i++)
			put_entry(e, entries[i], s);
	} else if (e->protocol == AWS_REST_XML) {
		for (struct aws_node *c = n->first; c; c = c->next)
			put_entry(e, c, s);
	} else {
		for (struct aws_node *c = n->first; c; c = c->next)
			if (!c->taken)
				put_named(e, c->name, c, s->element);
	}
	jsontext_close(&e->j);
}

/* A flat list or map in XML: all of the parent's elements of that name. */
static void put_flat(struct aws_emit *e, struct str key, struct aws_node *first, const struct aws_shape *s)
{
	jsontext_open(&e->j, key, s->kind == AWS_LIST ? '[' : '{');
	for (struct aws_node *c = first; c; c = c->next) {
		if (!str_equal(c->name, first->name))
			continue;
		c->taken = true;
		if (s->kind == AWS_LIST)
			aws_emit_value(e, NO_KEY, c, s->element);
		else
			put_entry(e, c, s);
	}
	jsontext_close(&e->j);
}

void aws_emit_value(struct aws_emit *e, struct str key, struct aws_node *n, unsigned shape)
{
	struct aws_shape s;

	if (n->kind == NODE_NULL) {
		if (!key.p)
			jsontext_null(&e->j, key);
		return;
	}
	if (!aws_shape_get(shape, &s)) {
		put_scalar(e, key, n, shape);
		return;
	}
	if (s.kind == AWS_LIST && (n->kind == NODE_ARRAY || n->kind == NODE_OBJECT || is_empty(n))) {
		put_list(e, key, n, &s);
	} else if (n->kind == NODE_OBJECT || is_empty(n)) {
		if (s.kind == AWS_MAP) {
			put_map(e, key, n, &s);
			return;
		}
		jsontext_open(&e->j, key, '{');
		aws_emit_members(e, n, shape);
		jsontext_close(&e->j);
	} else {
		e->j.omitted = true;
	}
}

/* A name that the model has not: newer than it. It may be read, its value not. */
static void put_unknown(struct aws_emit *e, struct str name)
{
	bool good = name.n > 0 && name.n <= 64;

	for (size_t i = 0; i < name.n && good; i++)
		good = (name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= 'A' && name.p[i] <= 'Z') || (name.p[i] >= '0' && name.p[i] <= '9') ||
		       name.p[i] == '_' || name.p[i] == '-';
	if (good && !secret_form(name))
		jsontext_hidden(&e->j, e->wire_names ? name : aws_lower_camel(e->arena, name));
	else
		e->j.omitted = true;
}

/* By its name on the wire; else, for services that have changed their protocol since the model, by its own. */
static bool member_of(unsigned shape, struct str name, bool attribute, struct aws_member *ret)
{
	struct aws_shape s;
	int id;

	if (aws_member_find(shape, name, attribute ? AWS_ATTRIBUTE : AWS_BODY, ret))
		return true;
	id = aws_name_id(name);
	if (id < 0 || attribute || !aws_shape_get(shape, &s))
		return false;
	while (aws_member_next(&s, ret))
		if (ret->name == (unsigned)id && ret->location == AWS_BODY)
			return true;
	return false;
}

void aws_emit_members(struct aws_emit *e, struct aws_node *n, unsigned shape)
{
	bool secret = aws_secret_pair(n);
	struct aws_member m;
	struct aws_shape s;

	e->level++;
	for (struct aws_node *c = n->first; c; c = c->next) {
		if (c->taken)
			continue;
		if (!member_of(shape, c->name, c->attribute, &m)) {
			put_unknown(e, c->name);
			continue;
		}
		if (secret && str_among_nocase(c->name, "value values")) {
			jsontext_hidden(&e->j, e->protocol == AWS_EC2 ? aws_lower_camel(e->arena, aws_name(m.wire)) : aws_member_key(e, &m));
			continue;
		}
		if (e->protocol == AWS_REST_XML && aws_shape_get(m.shape, &s) && s.kind != AWS_STRUCTURE && s.flat)
			put_flat(e, aws_member_key(e, &m), c, &s);
		else if (e->protocol == AWS_EC2)
			aws_ec2_member(e, &m, c);
		else
			aws_emit_value(e, aws_member_key(e, &m), c, m.shape);
		for (struct aws_node *again = c->next; again && e->protocol == AWS_REST_XML; again = again->next)
			if (str_equal(again->name, c->name))
				again->taken = true;
	}
	e->level--;
}

void aws_emit_any(struct aws_emit *e, struct str key, const struct aws_node *n)
{
	switch (n->kind) {
	case NODE_OBJECT:
	case NODE_ARRAY:
		jsontext_open(&e->j, key, n->kind == NODE_OBJECT ? '{' : '[');
		for (const struct aws_node *c = n->first; c; c = c->next)
			if (n->kind == NODE_OBJECT && redact_is_secret_name(c->name.p, c->name.n))
				jsontext_hidden(&e->j, c->name);
			else
				aws_emit_any(e, n->kind == NODE_OBJECT ? c->name : NO_KEY, c);
		jsontext_close(&e->j);
		break;
	case NODE_TEXT:
		aws_emit_text(e, key, n->text, AWS_STRING);
		break;
	case NODE_NUMBER:
		jsontext_number(&e->j, key, n->text);
		break;
	case NODE_BOOLEAN:
		jsontext_bool(&e->j, key, n->value);
		break;
	default:
		jsontext_null(&e->j, key);
	}
}
