/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - memory of one description: blocks that are filled front to back, overwritten with zeros before they are used again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

#define BLOCK_MIN (32 * 1024)
#define KEEP_MAX (1024 * 1024)	/* memory that a reset keeps; what one huge call took more goes back */
#define ALIGN 16

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(ALIGN) unsigned char p[];
};

struct api_arena {
	struct block *first, *at;	/* blocks behind `at` are empty */
};

static struct block *block_new(size_t size)
{
	struct block *b = calloc(1, sizeof(*b) + size);

	if (b)
		b->size = size;
	return b;
}

static void block_free(struct block *b)
{
	explicit_bzero(b->p, b->used);
	free(b);
}

int api_arena_new(struct api_arena **ret_a)
{
	struct api_arena *a = calloc(1, sizeof(*a));

	if (a)
		a->first = a->at = block_new(BLOCK_MIN);
	if (!a || !a->first) {
		free(a);
		return -ENOMEM;
	}
	*ret_a = a;
	return 0;
}

/* Only what was handed out can have anything in it: the rest is zeros already. */
void api_arena_reset(struct api_arena *a)
{
	struct block **where = &a->first;
	size_t kept = 0;

	while (*where) {
		struct block *b = *where;

		kept += b->size;
		if (kept > KEEP_MAX && b != a->first) {
			*where = b->next;
			block_free(b);
			continue;
		}
		explicit_bzero(b->p, b->used);
		b->used = 0;
		where = &b->next;
	}
	a->at = a->first;
}

void api_arena_free(struct api_arena **a)
{
	if (!*a)
		return;
	while ((*a)->first) {
		struct block *b = (*a)->first;

		(*a)->first = b->next;
		block_free(b);
	}
	free(*a);
	*a = NULL;
}

void *api_arena_get(struct api_arena *a, size_t n)
{
	size_t need = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct block *b;

	if (need < n || need > SIZE_MAX / 2)
		return NULL;
	for (b = a->at; b->size - b->used < need && b->next; b = b->next)
		;
	if (b->size - b->used < need) {
		b->next = block_new(need > BLOCK_MIN ? need : BLOCK_MIN);
		if (!b->next)
			return NULL;
		b = b->next;
	}
	a->at = b;
	b->used += need;
	return b->p + b->used - need;
}

struct str api_arena_str(struct api_arena *a, struct str s)
{
	char *p = s.p ? api_arena_get(a, s.n + 1) : NULL;

	if (!p)
		return (struct str){ 0 };
	memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}
