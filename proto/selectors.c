// SPDX-License-Identifier: Apache-2.0
/* selectors.c - selectors from JSON. */
#include "selectors_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"

#define DEPTH_MAX 8

static const char *const op_names[SELECT_OP__MAX] = {
	[SELECT_EQUALS] = "Equals",	    [SELECT_STARTS] = "StartsWith",	   [SELECT_ENDS] = "EndsWith",
	[SELECT_NOT_EQUALS] = "NotEquals", [SELECT_NOT_STARTS] = "NotStartsWith", [SELECT_NOT_ENDS] = "NotEndsWith",
};

const char *select_op_name(enum select_op op)
{
	return (unsigned)op < SELECT_OP__MAX ? op_names[op] : NULL;
}

const char *select_category_name(enum record_category category)
{
	static const char *const names[] = { NULL, "Management", "Data", "NetworkActivity", "Insight" };

	return (unsigned)category < ARRAY_SIZE(names) ? names[category] : NULL;
}

/* ---- growing, and complaining ---- */

int select_refuse(struct select_parse *p, const char *fmt, ...)
{
	char where[96] = "";
	va_list ap;
	int n;

	if (p->at && p->name)
		snprintf(where, sizeof(where), "selector %u (%.60s): ", p->at, p->name);
	else if (p->at)
		snprintf(where, sizeof(where), "selector %u: ", p->at);
	n = snprintf(p->why, SELECTORS_WHY_MAX, "%s", where);
	va_start(ap, fmt);
	vsnprintf(p->why + n, SELECTORS_WHY_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

struct selector *select_add(struct select_parse *p, const char *name)
{
	struct selector *v = realloc(p->s->v, (p->s->n + 1) * sizeof(*v)), *s;

	if (!v)
		return NULL;
	p->s->v = v;
	s = &v[p->s->n];
	memset(s, 0, sizeof(*s));
	if (name) {
		s->name = strdup(name);
		if (!s->name)
			return NULL;
	}
	p->s->n++;
	return s;
}

struct select_condition *select_condition_add(struct select_parse *p, struct selector *s, enum select_field field)
{
	struct select_condition *v = realloc(s->conditions, (s->nconditions + 1) * sizeof(*v));

	if (!v)
		return NULL;
	s->conditions = v;
	v = &v[s->nconditions++];
	memset(v, 0, sizeof(*v));
	v->field = field;
	p->s->uses |= 1u << field;
	return v;
}

static size_t characters(const char *text, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		k += ((uint8_t)text[i] & 0xc0) != 0x80;
	return k;
}

/* A value is compared with the bytes of the record; a byte that is no UTF-8 is written as records write it. */
int select_value_add(struct select_parse *p, struct select_condition *c, enum select_op op, const char *text, size_t n)
{
	struct select_list *l = &c->op[op];
	_cleanup_buf_ struct buf raw = { 0 };
	struct str *v;
	int r;

	if (!n || characters(text, n) > SELECTORS_VALUE_MAX)
		return select_refuse(p, "%s: %s: a value has 1 to %d characters", select_field_name(c->field), op_names[op],
				     SELECTORS_VALUE_MAX);
	if (p->values++ == SELECTORS_VALUES_MAX)
		return select_refuse(p, "more than %d values in all selectors together", SELECTORS_VALUES_MAX);
	r = json_unescape(text, n, &raw);
	if (r == -EINVAL)
		return select_refuse(p, "%s: %s: U+FFFD must be followed by a byte's two hex digits", select_field_name(c->field),
				     op_names[op]);
	v = r < 0 ? NULL : realloc(l->v, (l->n + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	l->v = v;
	l->v[l->n++] = (struct str){ (const char *)raw.p, raw.n };
	raw = (struct buf){ 0 };
	return 0;
}

int select_values_add(struct select_parse *p, struct select_condition *c, enum select_op op, struct json_object *list)
{
	size_t n;
	int r = 0;

	if (!json_object_is_type(list, json_type_array))
		return select_refuse(p, "%s: %s must be an array of strings", select_field_name(c->field), op_names[op]);
	n = json_object_array_length(list);
	if (!n)
		return select_refuse(p, "%s: %s needs at least one value", select_field_name(c->field), op_names[op]);
	for (size_t i = 0; i < n && !r; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (!json_object_is_type(o, json_type_string))
			return select_refuse(p, "%s: %s must be an array of strings", select_field_name(c->field), op_names[op]);
		r = select_value_add(p, c, op, json_object_get_string(o), (size_t)json_object_get_string_len(o));
	}
	return r;
}

int select_members(struct select_parse *p, struct json_object *o, const char *const *known)
{
	json_object_object_foreach(o, key, value) {
		const char *const *k = known;

		while (*k && strcmp(*k, key))
			k++;
		if (!*k)
			return select_refuse(p, "unknown member \"%.40s\"", key);
		(void)value;
	}
	return 0;
}

/* ---- advanced selectors ---- */

static int field_selector(struct select_parse *p, struct selector *s, struct json_object *o)
{
	static const char *const known[] = { "Field", "Equals", "StartsWith", "EndsWith", "NotEquals", "NotStartsWith",
					     "NotEndsWith", NULL };
	struct json_object *name, *list;
	struct select_condition *c;
	int field, r;

	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, "Field", &name) ||
	    !json_object_is_type(name, json_type_string))
		return select_refuse(p, "a field selector is an object with \"Field\"");
	field = select_field_of(json_object_get_string(name));
	if (field < 0)
		return select_refuse(p, "\"%.60s\" is not a field that can be selected by", json_object_get_string(name));
	r = select_members(p, o, known);
	if (r < 0)
		return r;
	c = select_condition_add(p, s, (enum select_field)field);
	if (!c)
		return -ENOMEM;
	for (unsigned op = 0; op < SELECT_OP__MAX && !r; op++)
		if (json_object_object_get_ex(o, op_names[op], &list) && list)
			r = select_values_add(p, c, op, list);
	return r;
}

static int advanced(struct select_parse *p, struct json_object *o)
{
	static const char *const known[] = { "Name", "FieldSelectors", NULL };
	struct json_object *name = NULL, *fields;
	struct selector *s;
	int r = select_members(p, o, known);

	if (r < 0)
		return r;
	if (json_object_object_get_ex(o, "Name", &name) && name && !json_object_is_type(name, json_type_string))
		return select_refuse(p, "Name must be a string");
	p->name = name ? json_object_get_string(name) : NULL;
	if (p->name && characters(p->name, strlen(p->name)) > SELECTORS_NAME_MAX)
		return select_refuse(p, "Name has more than %d characters", SELECTORS_NAME_MAX);
	if (!json_object_object_get_ex(o, "FieldSelectors", &fields) || !json_object_is_type(fields, json_type_array) ||
	    !json_object_array_length(fields))
		return select_refuse(p, "FieldSelectors must be an array with at least one element");
	s = select_add(p, p->name);
	if (!s)
		return -ENOMEM;
	for (size_t i = 0; i < json_object_array_length(fields) && !r; i++)
		r = field_selector(p, s, json_object_array_get_idx(fields, i));
	return r ?: select_rules(p, s);
}

/* ---- the whole text ---- */

static bool is_basic(struct json_object *o)
{
	struct json_object *x;

	return json_object_is_type(o, json_type_object) && !json_object_object_get_ex(o, "FieldSelectors", &x) &&
	       !json_object_object_get_ex(o, "Name", &x);
}

static int all(struct select_parse *p, struct json_object *list, bool basic)
{
	size_t n;
	int r = 0;

	if (!json_object_is_type(list, json_type_array))
		return select_refuse(p, "want an array of selectors");
	n = json_object_array_length(list);
	p->s->basic = basic;
	if (basic && n > SELECTORS_BASIC_MAX)
		return select_refuse(p, "more than %d basic selectors", SELECTORS_BASIC_MAX);
	for (size_t i = 0; i < n && !r; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		p->at = (unsigned)i + 1;
		p->name = NULL;
		if (!json_object_is_type(o, json_type_object))
			return select_refuse(p, "a selector is an object");
		if (is_basic(o) != basic)
			return select_refuse(p, "basic and advanced selectors cannot stand together");
		r = basic ? select_basic(p, o) : advanced(p, o);
	}
	return r;
}

/* An array, or what put-event-selectors takes. */
static int document(struct select_parse *p, struct json_object *o)
{
	static const char *const known[] = { "TrailName", "TrailARN", "EventDataStore", "AdvancedEventSelectors", "EventSelectors", NULL };
	struct json_object *advanced_list = NULL, *basic_list = NULL;
	int r;

	if (json_object_is_type(o, json_type_array))
		return all(p, o, json_object_array_length(o) && is_basic(json_object_array_get_idx(o, 0)));
	if (!json_object_is_type(o, json_type_object))
		return select_refuse(p, "want an array of selectors");
	r = select_members(p, o, known);
	if (r < 0)
		return r;
	json_object_object_get_ex(o, "AdvancedEventSelectors", &advanced_list);
	json_object_object_get_ex(o, "EventSelectors", &basic_list);
	if (advanced_list && basic_list)
		return select_refuse(p, "either AdvancedEventSelectors or EventSelectors, not both");
	if (!advanced_list && !basic_list)
		return select_refuse(p, "want AdvancedEventSelectors or EventSelectors");
	return all(p, advanced_list ?: basic_list, !advanced_list);
}

static void put_json(struct json_object **o)
{
	json_object_put(*o);
}

static void free_tokener(struct json_tokener **t)
{
	if (*t)
		json_tokener_free(*t);
}

static int text_to_json(const char *text, size_t n, struct json_object **ret_o, char why[SELECTORS_WHY_MAX])
{
	_cleanup_(free_tokener) struct json_tokener *t = json_tokener_new_ex(DEPTH_MAX);
	enum json_tokener_error e;

	if (!t)
		return -ENOMEM;
	if (n > SELECTORS_TEXT_MAX) {
		snprintf(why, SELECTORS_WHY_MAX, "longer than %u bytes", SELECTORS_TEXT_MAX);
		return -EINVAL;
	}
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	while (n && strchr(" \t\r\n", text[n - 1]) && text[n - 1])
		n--;
	*ret_o = json_tokener_parse_ex(t, text, (int)n);
	e = json_tokener_get_error(t);
	if (e == json_tokener_success && *ret_o && json_tokener_get_parse_end(t) == n)
		return 0;
	snprintf(why, SELECTORS_WHY_MAX, "not JSON: %s, near byte %zu",
		 e == json_tokener_continue ? "it ends too early" : e == json_tokener_success ? "more than one value" : json_tokener_error_desc(e),
		 json_tokener_get_parse_end(t));
	return -EINVAL;
}

int selectors_parse(const char *text, size_t n, struct selectors **ret_s, char why[SELECTORS_WHY_MAX])
{
	_cleanup_selectors_ struct selectors *s = calloc(1, sizeof(*s));
	_cleanup_(put_json) struct json_object *o = NULL;
	struct select_parse p = { .s = s, .why = why };
	int r;

	why[0] = 0;
	if (!s)
		return -ENOMEM;
	r = text_to_json(text, n, &o, why);
	if (!r)
		r = document(&p, o);
	if (r == -ENOMEM)
		snprintf(why, SELECTORS_WHY_MAX, "out of memory");
	if (r < 0)
		return r;
	*ret_s = TAKE_PTR(s);
	return 0;
}

int selectors_load(const char *path, struct selectors **ret_s, char why[SELECTORS_WHY_MAX])
{
	_cleanup_buf_ struct buf b = { 0 };
	int r = fsx_read(path, SELECTORS_TEXT_MAX, &b);

	if (r < 0) {
		snprintf(why, SELECTORS_WHY_MAX, "%s", strerror(-r));
		return r;
	}
	return selectors_parse((const char *)b.p, b.n, ret_s, why);
}

void selectors_free(struct selectors **s)
{
	if (!*s)
		return;
	for (unsigned i = 0; i < (*s)->n; i++) {
		struct selector *x = &(*s)->v[i];

		for (unsigned k = 0; k < x->nconditions; k++)
			for (unsigned op = 0; op < SELECT_OP__MAX; op++) {
				for (unsigned v = 0; v < x->conditions[k].op[op].n; v++)
					free((void *)x->conditions[k].op[op].v[v].p);
				free(x->conditions[k].op[op].v);
			}
		free(x->conditions);
		free(x->name);
	}
	free((*s)->v);
	free(*s);
	*s = NULL;
}
