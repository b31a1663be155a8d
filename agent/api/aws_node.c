/* SPDX-License-Identifier: Apache-2.0 */
/* aws_node.c - trees that bodies become. */
#include "agent/api/aws_internal.h"

#define MEMBERS_MAX 512

struct aws_node *aws_node_new(struct aws_tree *t, struct aws_node *parent, enum aws_node_kind kind, struct str name)
{
	struct aws_node *n;

	if (t->nodes >= AWS_NODES_MAX) {
		t->cut = true;
		return NULL;
	}
	n = api_arena_get(t->arena, sizeof(*n));
	if (!n) {
		t->failed = true;
		return NULL;
	}
	t->nodes++;
	n->kind = kind;
	n->name = name;
	if (!parent)
		return n;
	if (parent->last)
		parent->last->next = n;
	else
		parent->first = n;
	parent->last = n;
	return n;
}

struct aws_node *aws_node_child(const struct aws_node *n, struct str name)
{
	if (!n || (n->kind != NODE_OBJECT && n->kind != NODE_ARRAY))
		return NULL;
	/* fields that belong together mostly come together */
	if (n->last && str_equal(n->last->name, name))
		return n->last;
	for (struct aws_node *c = n->first; c; c = c->next)
		if (str_equal(c->name, name))
			return c;
	return NULL;
}

struct aws_node *aws_node_named(const struct aws_node *n, const char *name)
{
	return aws_node_child(n, str_of(name));
}

void aws_node_unique(struct aws_tree *t, struct aws_node *n)
{
	unsigned count = 0;

	for (struct aws_node *c = n->first; c; c = c->next) {
		if (++count > MEMBERS_MAX) {
			c->taken = t->cut = true;
			continue;
		}
		for (struct aws_node *before = n->first; before != c; before = before->next)
			if (str_equal(before->name, c->name))
				before->taken = true;
	}
}
