/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "store/members.h"

#define DEPTH_MAX 100u

static struct json_object *part(struct json_object *o, const char *key)
{
	struct json_object *v;

	return o && json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static unsigned count(struct json_object *o)
{
	return o && json_object_is_type(o, json_type_array) ? (unsigned)json_object_array_length(o) : 0;
}

static struct json_object *find_items(struct json_object *statements)
{
	struct json_object *node = count(statements) ? part(json_object_array_get_idx(statements, 0), "node") : NULL;

	for (unsigned i = 0; node && i < DEPTH_MAX; i++) {
		const char *type = member_text(node, "type", "");

		if (!strcmp(type, "SELECT_NODE"))
			return json_object_get(part(node, "select_list"));
		node = part(node, strcmp(type, "CTE_NODE") ? "left" : "child");
	}
	return NULL;
}

/* Is it perhaps several columns: *, COLUMNS() somewhere in it, unnest() of a struct? */
static bool is_several(struct json_object *o, unsigned depth)
{
	if (depth == DEPTH_MAX)
		return true;
	if (json_object_is_type(o, json_type_array)) {
		for (unsigned i = 0; i < count(o); i++)
			if (is_several(json_object_array_get_idx(o, i), depth + 1))
				return true;
		return false;
	}
	if (!json_object_is_type(o, json_type_object))
		return false;
	if (!strcmp(member_text(o, "class", ""), "STAR") || !strcasecmp(member_text(o, "function_name", ""), "unnest"))
		return true;
	json_object_object_foreach(o, key, v) {
		(void)key;
		if (is_several(v, depth + 1))
			return true;
	}
	return false;
}

void names_of(struct json_object *statements, struct names *ret)
{
	struct names s = { .items = find_items(statements) };

	s.n = s.last = count(s.items);
	while (s.first < s.n && !is_several(json_object_array_get_idx(s.items, s.first), 0))
		s.first++;
	while (s.last > s.first && !is_several(json_object_array_get_idx(s.items, s.last - 1), 0))
		s.last--;
	*ret = s;
}

void names_drop(struct names *s)
{
	json_object_put(s->items);
	*s = (struct names){ 0 };
}

/* Counted from the end that has no item of several columns before it. */
static struct json_object *item_of(const struct names *s, unsigned column, unsigned ncolumns)
{
	if (s->first == s->n && s->n != ncolumns)
		return NULL;
	if (column < s->first)
		return json_object_array_get_idx(s->items, column);
	return column < ncolumns && ncolumns - column <= s->n - s->last ? json_object_array_get_idx(s->items, s->n - (ncolumns - column)) : NULL;
}

const char *names_text(const struct names *s, unsigned column, unsigned ncolumns, char ret[NAMES_TEXT])
{
	struct json_object *item = item_of(s, column, ncolumns), *children = part(item, "children"), *key;

	if (!item || *member_text(item, "alias", "") || !strcmp(member_text(item, "class", ""), "COLUMN_REF"))
		return NULL;
	snprintf(ret, NAMES_TEXT, "_col%u", column);
	if (strcmp(member_text(item, "type", ""), "STRUCT_EXTRACT") || count(children) != 2)
		return ret;
	/* (...).arn is called as the member is */
	key = part(part(json_object_array_get_idx(children, 1), "value"), "value");
	if (json_object_is_type(key, json_type_string))
		snprintf(ret, NAMES_TEXT, "%s", json_object_get_string(key));
	for (char *p = ret; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return ret;
}
