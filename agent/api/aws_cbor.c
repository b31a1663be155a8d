/* SPDX-License-Identifier: Apache-2.0 */
/* aws_cbor.c - CBOR bodies (RFC 8949, as Smithy's RPC v2 uses it) become trees. Items that are not whole are left out. */
#include <math.h>
#include <stdio.h>

#include "agent/api/aws_internal.h"

enum { UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };
#define INDEFINITE 31
#define BREAK 0xff

struct cbor {
	struct aws_tree *tree;
	const uint8_t *p, *end;
	unsigned depth;
};

struct head {
	unsigned major, info;
	uint64_t value;
};

static bool head_get(struct cbor *c, struct head *ret)
{
	unsigned more;

	if (c->p == c->end)
		return false;
	*ret = (struct head){ .major = *c->p >> 5, .info = *c->p & 31 };
	c->p++;
	if (ret->info < 24) {
		ret->value = ret->info;
		return true;
	}
	if (ret->info == INDEFINITE)
		return ret->major >= BYTES && ret->major != TAG;
	if (ret->info > 27)
		return false;
	more = 1u << (ret->info - 24);
	if ((size_t)(c->end - c->p) < more)
		return false;
	for (unsigned i = 0; i < more; i++)
		ret->value = ret->value << 8 | *c->p++;
	return true;
}

static bool at_break(struct cbor *c)
{
	if (c->p == c->end || *c->p != BREAK)
		return false;
	c->p++;
	return true;
}

/* Goes over pieces up to the break; they are copied where there is room for them. False: they are not whole. */
static bool pieces(struct cbor *c, unsigned major, char *to, size_t *ret_n)
{
	struct head piece;
	size_t n = 0;

	while (!at_break(c)) {
		if (!head_get(c, &piece) || piece.major != major || piece.info == INDEFINITE || piece.value > (uint64_t)(c->end - c->p))
			return false;
		if (to)
			memcpy(to + n, c->p, piece.value);
		n += piece.value;
		c->p += piece.value;
	}
	*ret_n = n;
	return true;
}

/* Text or bytes, also of pieces: these are measured first, so that all strings of a body take no more memory than it. */
static bool string_get(struct cbor *c, const struct head *h, struct str *ret)
{
	const uint8_t *from = c->p;
	size_t n;
	char *to;

	if (h->info != INDEFINITE) {
		if (h->value > (uint64_t)(c->end - c->p))
			return false;
		*ret = (struct str){ (const char *)c->p, h->value };
		c->p += h->value;
		return true;
	}
	if (!pieces(c, h->major, NULL, &n))
		return false;
	to = api_arena_get(c->tree->arena, n + 1);
	if (!to) {
		c->tree->failed = true;
		return false;
	}
	c->p = from;
	*ret = (struct str){ to, n };
	return pieces(c, h->major, to, &n);
}

static void set_number(struct cbor *c, struct aws_node *n, const char *text)
{
	n->kind = NODE_NUMBER;
	n->text = api_arena_str(c->tree->arena, str_of(text));
}

static double half(uint64_t v)
{
	unsigned exponent = v >> 10 & 31, fraction = v & 1023;
	double d = exponent == 0 ? ldexp(fraction, -24) : exponent == 31 ? (fraction ? NAN : INFINITY) : ldexp(fraction + 1024, (int)exponent - 25);

	return v & 0x8000 ? -d : d;
}

static void simple(struct cbor *c, struct aws_node *n, const struct head *h)
{
	char text[40];
	uint32_t word = (uint32_t)h->value;
	double d = 0;
	float f;

	if (h->info == 25)
		d = half(h->value);
	if (h->info == 26) {
		memcpy(&f, &word, sizeof(f));
		d = f;
	}
	if (h->info == 27)
		memcpy(&d, &h->value, sizeof(d));
	if (h->info >= 25) {
		snprintf(text, sizeof(text), "%.17g", d);
		set_number(c, n, text);
		return;
	}
	n->kind = h->value == 20 || h->value == 21 ? NODE_BOOLEAN : NODE_NULL;
	n->value = h->value == 21;
}

static bool item(struct cbor *c, struct aws_node *parent, struct str name, struct aws_node **ret);

static bool items(struct cbor *c, struct aws_node *n, const struct head *h)
{
	for (uint64_t i = 0; h->info == INDEFINITE ? !at_break(c) : i < h->value; i++) {
		struct head key = { .major = TEXT };
		struct str name = NO_KEY;
		struct aws_node *child;

		if (h->major == MAP && (!head_get(c, &key) || key.major != TEXT || !string_get(c, &key, &name)))
			return false;
		if (!item(c, n, name, &child))
			return false;
	}
	return true;
}

static bool fill(struct cbor *c, struct aws_node *n, struct head *h)
{
	char text[40];
	bool whole;

	/* tags say how to read what follows; times are numbers all the same */
	for (unsigned i = 0; h->major == TAG; i++)
		if (i == 4 || !head_get(c, h))
			return false;
	switch (h->major) {
	case UINT:
		snprintf(text, sizeof(text), "%llu", (unsigned long long)h->value);
		set_number(c, n, text);
		return true;
	case NEGATIVE:
		snprintf(text, sizeof(text), "-%llu", (unsigned long long)h->value + 1);
		if (h->value < UINT64_MAX)
			set_number(c, n, text);
		return h->value < UINT64_MAX;
	case BYTES:
	case TEXT:
		n->kind = h->major == TEXT ? NODE_TEXT : NODE_BYTES;
		return string_get(c, h, &n->text);
	case ARRAY:
	case MAP:
		n->kind = h->major == ARRAY ? NODE_ARRAY : NODE_OBJECT;
		whole = items(c, n, h);
		if (n->kind == NODE_OBJECT)
			aws_node_unique(c->tree, n);
		return whole;
	default:
		if (h->info == INDEFINITE)
			return false;
		simple(c, n, h);
		return true;
	}
}

/* The child of a parent that is not whole itself stays out. */
static void drop_last(struct aws_node *parent)
{
	struct aws_node *c = parent->first;

	if (c == parent->last) {
		parent->first = parent->last = NULL;
		return;
	}
	while (c->next != parent->last)
		c = c->next;
	c->next = NULL;
	parent->last = c;
}

static bool item(struct cbor *c, struct aws_node *parent, struct str name, struct aws_node **ret)
{
	struct head h;
	bool whole;

	if (c->depth == AWS_DEPTH_MAX || !head_get(c, &h))
		return false;
	*ret = aws_node_new(c->tree, parent, NODE_NULL, name);
	if (!*ret)
		return false;
	c->depth++;
	whole = fill(c, *ret, &h);
	c->depth--;
	if (!whole && parent && !(*ret)->first)
		drop_last(parent);
	return whole;
}

struct aws_node *aws_cbor_parse(struct aws_tree *t, struct str body, bool partial)
{
	struct cbor c = { .tree = t, .p = (const uint8_t *)body.p, .end = (const uint8_t *)body.p + body.n };
	struct aws_node *n = NULL;
	bool whole = body.n && item(&c, NULL, NO_KEY, &n);

	if (!whole)
		t->cut = true;
	return whole || partial ? n : NULL;
}
