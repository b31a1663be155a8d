/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_xml.c - XML bodies become trees. expat parses, without DTDs, so nothing expands; its memory is overwritten before it is
 * released. Elements whose end is missing are left out.
 */
#include <expat.h>
#include <malloc.h>

#include "agent/api/aws_internal.h"

struct xml {
	struct aws_tree *tree;
	XML_Parser parser;
	struct aws_node *root, *at[AWS_DEPTH_MAX];
	unsigned depth, skipped;
	char *text;		/* of the element that is open, as large as the body */
	size_t n;
};

static void *xml_realloc(void *old, size_t n)
{
	size_t had = old ? malloc_usable_size(old) : 0;
	void *p = malloc(n);

	if (!p || !old)
		return p;
	memcpy(p, old, had < n ? had : n);
	explicit_bzero(old, had);
	free(old);
	return p;
}

static void xml_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static const XML_Memory_Handling_Suite memory = { malloc, xml_realloc, xml_free };

/* Without prefix: "ns:Name" is Name. */
static struct str local_name(struct aws_tree *t, const char *name)
{
	const char *colon = strchr(name, ':');

	return api_arena_str(t->arena, str_of(colon ? colon + 1 : name));
}

static void attributes(struct xml *x, struct aws_node *n, const char **v)
{
	for (; v[0]; v += 2) {
		struct aws_node *a = str_begins(str_of(v[0]), "xmlns") ? NULL : aws_node_new(x->tree, n, NODE_TEXT, api_arena_str(x->tree->arena, str_of(v[0])));

		if (!a)
			continue;
		a->text = api_arena_str(x->tree->arena, str_of(v[1]));
		a->attribute = true;
	}
}

static void start(void *ctx, const char *name, const char **v)
{
	struct xml *x = ctx;
	struct aws_node *n = NULL;

	x->n = 0;
	if (!x->skipped && x->depth < AWS_DEPTH_MAX)
		n = aws_node_new(x->tree, x->depth ? x->at[x->depth - 1] : NULL, NODE_OBJECT, local_name(x->tree, name));
	if (!n) {
		x->tree->cut = true;
		x->skipped++;
		return;
	}
	attributes(x, n, v);
	x->at[x->depth++] = n;
	if (!x->root)
		x->root = n;
}

static bool has_elements(const struct aws_node *n)
{
	for (const struct aws_node *c = n->first; c; c = c->next)
		if (!c->attribute)
			return true;
	return false;
}

static void end(void *ctx, const char *name)
{
	struct xml *x = ctx;
	struct aws_node *n;

	if (x->skipped) {
		x->skipped--;
		return;
	}
	n = x->at[--x->depth];
	if (!has_elements(n)) {
		n->text = api_arena_str(x->tree->arena, (struct str){ x->text, x->n });
		if (!n->first)
			n->kind = NODE_TEXT;
	}
	x->n = 0;
}

static void characters(void *ctx, const char *p, int n)
{
	struct xml *x = ctx;

	if (x->skipped)
		return;
	memcpy(x->text + x->n, p, (size_t)n);
	x->n += (size_t)n;
}

static void doctype(void *ctx, const char *name, const char *system, const char *public, int subset)
{
	XML_StopParser(((struct xml *)ctx)->parser, XML_FALSE);
}

/* Elements that never ended are the last ones of their parents. */
static void drop_open(struct xml *x)
{
	for (unsigned i = x->depth; i-- > 1;) {
		struct aws_node *parent = x->at[i - 1], *open = x->at[i];

		if (open->first && has_elements(open)) {
			x->tree->cut = true;
			continue;	/* what is whole within it stays */
		}
		if (parent->first == open) {
			parent->first = parent->last = NULL;
			continue;
		}
		for (struct aws_node *c = parent->first; c; c = c->next)
			if (c->next == open) {
				c->next = NULL;
				parent->last = c;
			}
	}
}

/* Bytes as numbers (&#65;) are shorter than their text, entities too: no more text comes than there were bytes. */
struct aws_node *aws_xml_parse(struct aws_tree *t, struct str body, bool partial)
{
	struct xml x = { .tree = t, .parser = XML_ParserCreate_MM(NULL, &memory, NULL) };
	bool good;

	t->cut |= partial;
	x.text = x.parser ? api_arena_get(t->arena, 4 * body.n + 1) : NULL;	/* bytes of Latin-1 become two, of UTF-16 three */
	if (!x.text || !body.n || body.n > INT32_MAX / 8) {
		if (x.parser)
			XML_ParserFree(x.parser);
		return NULL;
	}
	XML_SetUserData(x.parser, &x);
	XML_SetElementHandler(x.parser, start, end);
	XML_SetCharacterDataHandler(x.parser, characters);
	XML_SetStartDoctypeDeclHandler(x.parser, doctype);
	good = XML_Parse(x.parser, body.p, (int)body.n, !partial) == XML_STATUS_OK;
	XML_ParserFree(x.parser);
	explicit_bzero(x.text, 4 * body.n + 1);
	if (!good)
		return NULL;
	drop_open(&x);
	return x.root;
}
