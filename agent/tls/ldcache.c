// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "ldcache.h"

#define OLD_MAGIC "ld.so-1.7.0"
#define NEW_MAGIC "glibc-ld.so.cache1.1"
#define OLD_HEAD 16	/* magic, padding, number of entries */
#define OLD_ENTRY 12
#define NEW_HEAD 48
#define NEW_ENTRY 24	/* flags, name, path, OS version, hardware */
#define FLAG_MASK 0xff00
#define FLAG_X86_64 0x0300

static uint32_t number(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Text at an offset, if it ends inside. */
static const char *text_at(const uint8_t *p, size_t n, uint32_t offset)
{
	if (offset >= n || !memchr(p + offset, 0, n - offset))
		return NULL;
	return (const char *)p + offset;
}

/* Skips the older format; the newer one begins behind it, 8-aligned. */
static int skip_old(const uint8_t **p, size_t *n)
{
	size_t size;

	if (*n < OLD_HEAD || memcmp(*p, OLD_MAGIC, sizeof(OLD_MAGIC) - 1))
		return 0;
	size = OLD_HEAD + (size_t)number(*p + 12) * OLD_ENTRY;
	size = (size + 7) & ~(size_t)7;
	if (size > *n)
		return -EBADMSG;
	*p += size;
	*n -= size;
	return 0;
}

int ldcache_each(const uint8_t *p, size_t n, ldcache_fn *fn, void *arg)
{
	uint32_t count;
	int r = skip_old(&p, &n);

	if (r < 0 || n < NEW_HEAD || memcmp(p, NEW_MAGIC, sizeof(NEW_MAGIC) - 1))
		return -EBADMSG;
	count = number(p + 20);
	if (count > (n - NEW_HEAD) / NEW_ENTRY)
		return -EBADMSG;
	for (uint32_t i = 0; !r && i < count; i++) {
		const uint8_t *e = p + NEW_HEAD + (size_t)i * NEW_ENTRY;
		const char *name = text_at(p, n, number(e + 4)), *path = text_at(p, n, number(e + 8));

		if ((number(e) & FLAG_MASK) == FLAG_X86_64 && name && path && path[0] == '/')
			r = fn(name, path, arg);
	}
	return r;
}
