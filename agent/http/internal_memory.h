/* SPDX-License-Identifier: Apache-2.0 */
/* internal_memory.h - memory of a connection: what is handed out is zeroed before it is used again or freed. */
#ifndef HOSTTRAIL_HTTP_INTERNAL_MEMORY_H
#define HOSTTRAIL_HTTP_INTERNAL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_MEMORY_MAX (8u << 20)	/* of heads and bodies of one connection together; what does not fit is left out, and said so */

struct memory {
	size_t used;
	bool failed;	/* malloc() did: -ENOMEM from then on */
};

struct arena_block;
struct arena {
	struct arena_block *blocks;	/* the newest first */
};

/* NULL: beyond HTTP_MEMORY_MAX, or no memory (then m->failed). */
void *arena_get(struct memory *m, struct arena *a, size_t n);
void arena_reset(struct memory *m, struct arena *a);	/* keeps a small block */
void arena_free(struct memory *m, struct arena *a);

/* Bytes that grow. Not counted as memory: every user has a bound of his own. */
struct zbuf {
	char *p;
	size_t n, cap;
};

bool zbuf_room(struct memory *m, struct zbuf *b, size_t n);	/* for n bytes behind it; false: no memory */
bool zbuf_add(struct memory *m, struct zbuf *b, const void *p, size_t n);	/* false: no memory */
void zbuf_drop(struct zbuf *b, size_t n);	/* takes n bytes off the front */
void zbuf_reset(struct zbuf *b);
void zbuf_free(struct zbuf *b);

#endif
