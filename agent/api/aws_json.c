/* SPDX-License-Identifier: Apache-2.0 */
/* aws_json.c - JSON bodies become trees. Of a body whose end is missing, the members that are whole. */
#include "agent/api/aws_internal.h"
#include "agent/api/jsonread.h"

static struct aws_node *convert(struct aws_tree *t, struct aws_node *parent, struct str name, struct jsonread_value v, unsigned depth);

static void convert_parts(struct aws_tree *t, struct aws_node *n, struct str text, unsigned depth)
{
	struct jsonread_value value;
	struct jsonread r;
	struct str name;

	if (depth == AWS_DEPTH_MAX) {
		t->cut = true;
		return;
	}
	jsonread_begin(&r, text);
	while (jsonread_next(&r, &name, &value)) {
		if (name.p && !(name = jsonread_name(t->arena, name)).p) {
			t->failed = true;
			return;
		}
		if (!convert(t, n, name, value, depth + 1))
			return;
	}
	if (!r.whole)
		t->cut = true;
	if (n->kind == NODE_OBJECT)
		aws_node_unique(t, n);
}

/* Depth is bounded above. */
static struct aws_node *convert(struct aws_tree *t, struct aws_node *parent, struct str name, struct jsonread_value v, unsigned depth)
{
	static const enum aws_node_kind kinds[] = {
		[JSON_NOTHING] = NODE_NULL, [JSON_OBJECT] = NODE_OBJECT, [JSON_ARRAY] = NODE_ARRAY, [JSON_STRING] = NODE_TEXT,
		[JSON_NUMBER] = NODE_NUMBER, [JSON_TRUE] = NODE_BOOLEAN, [JSON_FALSE] = NODE_BOOLEAN, [JSON_NULL] = NODE_NULL,
	};
	struct aws_node *n = aws_node_new(t, parent, kinds[v.kind], name);

	if (!n)
		return NULL;
	n->value = v.kind == JSON_TRUE;
	if (n->kind == NODE_OBJECT || n->kind == NODE_ARRAY)
		convert_parts(t, n, v.text, depth);
	else if (n->kind == NODE_TEXT)
		n->text = jsonread_text(t->arena, v);
	else if (n->kind == NODE_NUMBER)
		n->text = v.text;
	t->failed |= n->kind == NODE_TEXT && !n->text.p;
	return n;
}

struct aws_node *aws_json_parse(struct aws_tree *t, struct str body, bool partial)
{
	struct jsonread_value v = jsonread_first(body);
	struct aws_node *n;

	t->cut |= partial;
	if (v.kind != JSON_NOTHING)
		return convert(t, NULL, NO_KEY, v, 0);
	/* not whole: what is, of the outermost object */
	while (body.n && strchr(" \t\r\n", body.p[0]))
		body = str_from(body, 1);
	if (!body.n || body.p[0] != '{')
		return NULL;
	n = aws_node_new(t, NULL, NODE_OBJECT, NO_KEY);
	if (n)
		convert_parts(t, n, body, 0);
	return n;
}
