/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h - a growable byte buffer that is reused, not freed, on the hot path.
 *
 * A buf may live on the stack as `struct buf b = {0}`; buf_free() releases it. After a
 * failed append (-ENOMEM, or -E2BIG past max) the content is as before and `failed` is set,
 * so that a run of appends may be checked once, at its end. Not thread-safe. */
#ifndef HOSTTRAIL_BUF_H
#define HOSTTRAIL_BUF_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	uint8_t *p;
	size_t n;	/* bytes used */
	size_t cap;
	size_t max;	/* 0: no limit */
	bool failed;
};

int buf_grow(struct buf *b, size_t more);	/* what buf_reserve() does where there is no room */
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_drop(struct buf *b, size_t n);		/* takes n bytes off the front */
void buf_reset(struct buf *b);			/* n = 0, failed = false; keeps memory */
void buf_free(struct buf *b);			/* also zeroes the struct (max too) */
const char *buf_text(struct buf *b);		/* NUL-terminated view; "" when memory fails */

/* Makes room for `more` bytes after n. */
static inline int buf_reserve(struct buf *b, size_t more)
{
	return more <= b->cap - b->n && (!b->max || b->n + more <= b->max) ? 0 : buf_grow(b, more);
}

static inline int buf_add(struct buf *b, const void *p, size_t n)
{
	int r = buf_reserve(b, n);

	if (r < 0)
		return r;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return 0;
}

static inline int buf_addc(struct buf *b, uint8_t c)
{
	int r = buf_reserve(b, 1);

	if (r < 0)
		return r;
	b->p[b->n++] = c;
	return 0;
}

static inline int buf_adds(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

#define _cleanup_buf_ __attribute__((cleanup(buf_free)))

#endif
