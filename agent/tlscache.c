// SPDX-License-Identifier: Apache-2.0
/*
 * glibc's format, alone or behind that of old libraries: a head of 48 bytes ("glibc-ld.so.cache1.1", the number of entries), then
 * entries of 24 bytes (flags, where the name stands, where the path stands, ...), then texts. Places count from the head.
 */
#include "tlscache.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/fsx.h"

#define CACHE "/etc/ld.so.cache"
#define CACHE_MAX (16u << 20)
#define MAGIC "glibc-ld.so.cache1.1"
#define OLD_MAGIC "ld.so-1.7.0"
#define OLD_HEAD 16		/* the magic, and the number of entries of 12 bytes */
#define HEAD 48
#define ENTRY 24
#define PATH_AT 8		/* in an entry */

static uint32_t word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Where the head stands; n: nowhere. */
static size_t find_head(const uint8_t *p, size_t n)
{
	size_t at = 0;

	if (n >= OLD_HEAD && !memcmp(p, OLD_MAGIC, strlen(OLD_MAGIC))) {
		at = OLD_HEAD + 12 * (size_t)word(p + OLD_HEAD - 4);
		at = (at + 7) & ~(size_t)7;
	}
	return at < n && n - at >= HEAD && !memcmp(p + at, MAGIC, strlen(MAGIC)) ? at : n;
}

int tlscache_read(const void *bytes, size_t n, tlscache_fn fn, void *ctx)
{
	const uint8_t *p = bytes;
	size_t at = find_head(p, n), count;
	int r = 0;

	if (at == n)
		return -EBADMSG;
	p += at;
	n -= at;
	count = word(p + 20);
	if (count > (n - HEAD) / ENTRY)
		return -EBADMSG;
	for (size_t i = 0; i < count && !r; i++) {
		size_t where = word(p + HEAD + i * ENTRY + PATH_AT);
		const char *path, *name;

		if (where >= n || !memchr(p + where, 0, n - where))
			return -EBADMSG;
		path = (const char *)p + where;
		name = strrchr(path, '/');
		r = fn(ctx, path, name ? name + 1 : path);
	}
	return r;
}

int tlscache_each(tlscache_fn fn, void *ctx)
{
	_cleanup_buf_ struct buf b = { 0 };
	int r = fsx_read(CACHE, CACHE_MAX, &b);

	return r < 0 ? r : tlscache_read(b.p, b.n, fn, ctx);
}
