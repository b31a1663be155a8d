/* SPDX-License-Identifier: Apache-2.0 */
#include "gzip.h"

#include <errno.h>

#include <zlib.h>

int gzip_whole(const void *p, size_t n, struct buf *ret)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n };
	size_t room;
	int r = -ENOMEM;

	if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	room = deflateBound(&z, (uLong)n);
	if (buf_reserve(ret, room) == 0) {
		z.next_out = ret->p + ret->n;
		z.avail_out = (uInt)room;
		if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
			ret->n += room - z.avail_out;
			r = 0;
		}
	}
	deflateEnd(&z);
	return r;
}

int gunzip_whole(const void *p, size_t n, size_t max, struct buf *ret)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n };
	const size_t start = ret->n, room = 65536;
	int code = Z_OK, r = 0;

	if (n > UINT32_MAX)
		return -EFBIG;
	if (inflateInit2(&z, GZIP_BITS) != Z_OK)
		return -ENOMEM;
	while (code == Z_OK && !r) {
		r = ret->n - start > max ? -EFBIG : buf_reserve(ret, room);
		if (r < 0)
			break;
		z.next_out = ret->p + ret->n;
		z.avail_out = (uInt)room;
		code = inflate(&z, Z_NO_FLUSH);
		ret->n += room - z.avail_out;
	}
	if (!r && (code != Z_STREAM_END || z.avail_in))
		r = code == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	inflateEnd(&z);
	return r;
}
