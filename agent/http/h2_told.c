// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks of HTTP/2 that refer to entries from before we joined, as the program that sent them told them to its library. Both heads are kept:
 * whether what was told holds may turn out later.
 */
#include <string.h>

#include "agent/http/internal.h"

void h2_told_reset(struct http_conn *c, struct lane *l)
{
	arena_reset(&c->memory, &l->h2.block.text);
	head_reset(&c->memory, &l->h2.block.told);
	l->h2.block.parts = NULL;
	l->h2.block.nparts = l->h2.block.parts_cap = 0;
	l->h2.block.unknown = l->h2.block.parts_lost = l->h2.block.is_told = false;
}

static bool keep(struct http_conn *c, struct lane *l, struct str s, struct str *ret_s)
{
	char *p = arena_get(&c->memory, &l->h2.block.text, s.n + 1);

	if (!p)
		return false;
	if (s.n)
		memcpy(p, s.p, s.n);
	*ret_s = str_of(p, s.n);
	return true;
}

static bool parts_grow(struct http_conn *c, struct lane *l)
{
	unsigned cap = l->h2.block.parts_cap ? 2 * l->h2.block.parts_cap : 16;
	struct http_part *parts = arena_get(&c->memory, &l->h2.block.text, cap * sizeof(*parts));

	if (!parts)
		return false;
	if (l->h2.block.nparts)
		memcpy(parts, l->h2.block.parts, l->h2.block.nparts * sizeof(*parts));
	l->h2.block.parts = parts;
	l->h2.block.parts_cap = cap;
	return true;
}

static bool part_add(struct http_conn *c, struct lane *l, const struct hpack_field *f)
{
	struct http_part part = { .older = f->older, .sensitive = f->sensitive };

	if (l->h2.block.nparts == l->h2.block.parts_cap && !parts_grow(c, l))
		return false;
	if ((f->known && !keep(c, l, f->name, &part.name)) || (f->value.p && !keep(c, l, f->value, &part.value)))
		return false;
	l->h2.block.parts[l->h2.block.nparts++] = part;
	return true;
}

void h2_told_field(struct http_conn *c, struct lane *l, const struct hpack_field *f)
{
	if (!c->sink.told || l->h2.hpack.complete || l->h2.block.parts_lost)
		return;
	l->h2.block.unknown |= !f->known;
	l->h2.block.parts_lost = l->h2.block.nparts == HTTP_FIELDS_MAX || !part_add(c, l, f);
}

/* As the peer reads it: what could be read, and what was told for the rest. */
static void take_parts(struct http_conn *c, struct lane *l, const struct http_part *told)
{
	struct head *h = &l->h2.block.told;

	h->version = HTTP_2;
	for (unsigned i = 0; i < l->h2.block.nparts; i++) {
		const struct http_part *read = &l->h2.block.parts[i];
		struct hpack_field f = { .name = read->name.p ? read->name : told[i].name, .value = read->value.p ? read->value : told[i].value };

		f.known = f.name.p && f.value.p;
		f.sensitive = read->sensitive;
		h2_field(c, h, &f);
	}
	l->h2.block.is_told = true;
}

void h2_told_ask(struct http_conn *c, struct lane *l)
{
	struct http_block b = { l->dir, l->h2.block.stream, l->h2.block.when, l->h2.block.parts, l->h2.block.nparts };
	const struct http_part *told;

	if (!c->sink.told || !l->h2.block.unknown || l->h2.block.parts_lost || l->h2.block.lost || !b.stream || l->h2.block.promised)
		return;
	told = c->sink.told(c->sink.ctx, &b);
	if (told)
		take_parts(c, l, told);
}

void h2_told_check(struct http_conn *c, struct call *call)
{
	if ((call->request.is_told || call->response.is_told) && c->sink.holds && !c->sink.holds(c->sink.ctx, call->stream))
		call->request.is_told = call->response.is_told = false;
}

/* ---- does what was told agree? */

static bool same_name(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if ((a.p[i] | (a.p[i] >= 'A' && a.p[i] <= 'Z' ? 0x20 : 0)) != (b.p[i] | (b.p[i] >= 'A' && b.p[i] <= 'Z' ? 0x20 : 0)))
			return false;
	return true;
}

static bool same(struct str a, struct str b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

bool http_block_agrees(const struct http_block *b, const struct http_part *parts, unsigned n)
{
	if (n != b->n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		const struct http_part *read = &b->parts[i], *told = &parts[i];

		if (!told->name.p || (read->name.p && !same_name(read->name, told->name)))
			return false;
		if (read->value.p && told->value.p && !same(read->value, told->value))
			return false;
	}
	return true;
}
