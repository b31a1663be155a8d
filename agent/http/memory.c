// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "agent/http/internal_memory.h"

#define FIRST_BLOCK 1024
#define KEPT_BLOCK 4096	/* a larger one is not kept for the next message */

struct arena_block {
	struct arena_block *next;
	size_t n, cap;
	_Alignas(16) char p[];
};

static struct arena_block *block_new(struct memory *m, size_t cap)
{
	struct arena_block *b;

	if (m->failed || m->used + cap > HTTP_MEMORY_MAX)
		return NULL;
	b = malloc(sizeof(*b) + cap);
	if (!b) {
		m->failed = true;
		return NULL;
	}
	*b = (struct arena_block){ .cap = cap };
	m->used += cap;
	return b;
}

static void block_free(struct memory *m, struct arena_block *b)
{
	explicit_bzero(b->p, b->n);
	m->used -= b->cap;
	free(b);
}

void *arena_get(struct memory *m, struct arena *a, size_t n)
{
	struct arena_block *b = a->blocks;
	void *p;

	n = (n + 15) & ~(size_t)15;
	if (!b || b->cap - b->n < n) {
		size_t cap = b ? 2 * b->cap : FIRST_BLOCK;

		b = block_new(m, cap > n ? cap : n);
		if (!b)
			return NULL;
		b->next = a->blocks;
		a->blocks = b;
	}
	p = b->p + b->n;
	b->n += n;
	return p;
}

void arena_reset(struct memory *m, struct arena *a)
{
	struct arena_block *b = a->blocks;

	while (b && (b->next || b->cap > KEPT_BLOCK)) {
		a->blocks = b->next;
		block_free(m, b);
		b = a->blocks;
	}
	if (b) {
		explicit_bzero(b->p, b->n);
		b->n = 0;
	}
}

void arena_free(struct memory *m, struct arena *a)
{
	arena_reset(m, a);
	if (a->blocks)
		block_free(m, a->blocks);
	a->blocks = NULL;
}

/* realloc() would leave the old bytes behind. */
static bool zbuf_grow(struct memory *m, struct zbuf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 256;
	char *p;

	while (cap < need)
		cap *= 2;
	p = m->failed ? NULL : malloc(cap);
	if (!p) {
		m->failed = true;
		return false;
	}
	if (b->p) {
		memcpy(p, b->p, b->n);
		explicit_bzero(b->p, b->n);
		free(b->p);
	}
	b->p = p;
	b->cap = cap;
	return true;
}

bool zbuf_room(struct memory *m, struct zbuf *b, size_t n)
{
	return b->cap - b->n >= n || zbuf_grow(m, b, b->n + n);
}

bool zbuf_add(struct memory *m, struct zbuf *b, const void *p, size_t n)
{
	if (!zbuf_room(m, b, n))
		return false;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return true;
}

void zbuf_drop(struct zbuf *b, size_t n)
{
	memmove(b->p, b->p + n, b->n - n);
	explicit_bzero(b->p + b->n - n, n);
	b->n -= n;
}

void zbuf_reset(struct zbuf *b)
{
	if (b->n)
		explicit_bzero(b->p, b->n);
	b->n = 0;
}

void zbuf_free(struct zbuf *b)
{
	zbuf_reset(b);
	free(b->p);
	*b = (struct zbuf){ 0 };
}
