/* SPDX-License-Identifier: Apache-2.0 */
#include "gunzip.h"

#include <errno.h>

#include <zlib.h>

#define ROOM (64u << 10)
#define GZIP_BITS (15 + 16)

int gunzip_only(const void *p, size_t n, size_t max, struct buf *ret)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n };
	size_t start = ret->n;
	int code = Z_OK, r = 0;

	if (n > UINT32_MAX)
		return -EFBIG;
	if (inflateInit2(&z, GZIP_BITS) != Z_OK)
		return -ENOMEM;
	while (code == Z_OK && !r) {
		if (ret->n - start > max)
			r = -EFBIG;
		else if (buf_reserve(ret, ROOM) < 0)
			r = -ENOMEM;
		if (r < 0)
			break;
		z.next_out = ret->p + ret->n;
		z.avail_out = ROOM;
		code = inflate(&z, Z_NO_FLUSH);
		ret->n += ROOM - z.avail_out;
	}
	if (!r && code != Z_STREAM_END)
		r = code == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	if (!r && z.avail_in)
		r = -EOVERFLOW;
	inflateEnd(&z);
	return r;
}
