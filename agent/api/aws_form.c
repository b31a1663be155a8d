/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_form.c - forms of the query protocols become trees: "Tags.member.1.Key=x" is Tags, member, 1, Key.
 *
 * What the shape makes of "member" and the numbers is aws_emit.c's.
 */
#include "agent/api/aws_internal.h"

static void add(struct aws_tree *t, struct aws_node *at, struct str key, struct str value)
{
	unsigned depth = 0;
	struct str part;

	while ((part = str_cut(&key, '.')).p) {
		struct aws_node *n = aws_node_child(at, part);

		if (++depth > AWS_DEPTH_MAX) {
			t->cut = true;
			return;
		}
		if (!n)
			n = aws_node_new(t, at, NODE_OBJECT, part);
		if (!n)
			return;
		at = n;
	}
	at->text = value;
}

/* Leaves are texts. */
static void settle(struct aws_node *n)
{
	for (struct aws_node *c = n->first; c; c = c->next)
		settle(c);
	if (!n->first)
		n->kind = NODE_TEXT;
}

/* The last field may be cut where bytes are missing: it is left out. */
static struct str whole_fields(struct str body)
{
	size_t n = body.n;

	while (n && body.p[n - 1] != '&')
		n--;
	return str_first(body, n ? n - 1 : 0);
}

struct aws_node *aws_form_parse(struct aws_tree *t, struct str body, bool partial)
{
	struct aws_node *root = aws_node_new(t, NULL, NODE_OBJECT, NO_KEY);
	struct str key, value;
	unsigned fields = 0;

	t->cut |= partial;
	if (partial)
		body = whole_fields(body);
	while (root && uri_query_next(&body, &key, &value)) {
		if (++fields > AWS_FIELDS_MAX) {
			t->cut = true;
			break;
		}
		key = uri_decode(t->arena, key, true);
		value = value.p ? uri_decode(t->arena, value, true) : STR("");
		if (!key.p || !value.p) {
			t->failed = true;
			break;
		}
		if (key.n)
			add(t, root, key, value);
	}
	for (struct aws_node *c = root ? root->first : NULL; c; c = c->next)
		settle(c);
	return root;
}

struct str aws_form_field(struct str body, const char *name)
{
	struct str value;

	return uri_query_get(body, name, &value) ? value : (struct str){ 0 };
}
