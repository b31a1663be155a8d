/* SPDX-License-Identifier: Apache-2.0 */
#include "inflate.h"

#include <zlib.h>

#include "rules.h"

#define WINDOW 15
#define GZIP_OR_ZLIB 32		/* zlib finds out which */

static void *get(void *a, unsigned n, unsigned size)
{
	return api_arena_get(a, (size_t)n * size);
}

static void put(void *a, void *p)
{
}

bool inflate_readable(const struct http_head *h)
{
	struct str coding = api_field(h, "content-encoding");

	return !coding.p || str_among_nocase(coding, "identity gzip x-gzip deflate");
}

/* "deflate" is to be zlib's format, and from some servers is none: then it begins at once. */
static int bits_of(struct str coding, struct str body)
{
	bool zlib = body.n > 1 && (body.p[0] & 15) == 8 && ((unsigned char)body.p[0] * 256u + (unsigned char)body.p[1]) % 31 == 0;

	return str_is_nocase(coding, "deflate") && !zlib ? -WINDOW : WINDOW + GZIP_OR_ZLIB;
}

static struct str inflated(struct str body, int bits, size_t max, struct api_arena *a)
{
	z_stream z = { .zalloc = get, .zfree = put, .opaque = a, .next_in = (Bytef *)body.p, .avail_in = (unsigned)body.n };
	char *out = api_arena_get(a, max);

	if (!out || inflateInit2(&z, bits) != Z_OK)
		return (struct str){ 0 };
	z.next_out = (Bytef *)out;
	z.avail_out = (unsigned)max;
	inflate(&z, Z_SYNC_FLUSH);	/* whatever it answers: what came out is right */
	inflateEnd(&z);
	return z.avail_out < max ? (struct str){ out, max - z.avail_out } : (struct str){ 0 };
}

struct str inflate_body(const struct http_message *m, size_t max, struct api_arena *a)
{
	struct str coding = api_field(&m->head, "content-encoding"), body = m->body.prefix;

	if (!body.n || !inflate_readable(&m->head) || max > HTTP_BODY_MAX)
		return (struct str){ 0 };
	if (!coding.p || str_is_nocase(coding, "identity"))
		return str_first(body, max);
	return inflated(body, bits_of(coding, body), max, a);
}
