/* SPDX-License-Identifier: Apache-2.0 */
#include "logfile.h"

#include <errno.h>
#include <stdlib.h>

#include <zlib.h>

#include "gzip.h"

#include "lib/cleanup.h"
#include "proto/keys.h"

#define ROOM (64u << 10)

struct logfile {
	z_stream z;
	struct hasher *hasher;
	struct logfile_end end;
};

static int deflate_all(struct logfile *f, const void *p, size_t n, int flush)
{
	struct buf *out = &f->end.gz;
	int r;

	f->z.next_in = (Bytef *)(uintptr_t)p;
	f->z.avail_in = (uInt)n;
	do {
		if (buf_reserve(out, ROOM) < 0)
			return -ENOMEM;
		f->z.next_out = out->p + out->n;
		f->z.avail_out = (uInt)(out->cap - out->n);
		r = deflate(&f->z, flush);
		out->n = out->cap - f->z.avail_out;
	} while (f->z.avail_out == 0 && r == Z_OK);
	return r == Z_STREAM_ERROR ? -EINVAL : 0;
}

static int write_text(struct logfile *f, const void *p, size_t n, int flush)
{
	int r = hasher_add(f->hasher, p, n);

	f->end.bytes += n;
	return r < 0 ? r : deflate_all(f, p, n, flush);
}

int logfile_new(struct logfile **ret_f)
{
	struct logfile *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	if (deflateInit2(&f->z, GZIP_LEVEL, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(f);
		return -ENOMEM;
	}
	r = hasher_new(&f->hasher);
	if (!r)
		r = hasher_start(f->hasher);
	if (!r)
		r = write_text(f, "{\"Records\":[", 12, Z_NO_FLUSH);
	if (r < 0)
		logfile_free(&f);
	else
		*ret_f = f;
	return r;
}

void logfile_free(struct logfile **pf)
{
	struct logfile *f = *pf;

	if (!f)
		return;
	deflateEnd(&f->z);
	hasher_free(&f->hasher);
	buf_free(&f->end.gz);
	free(f);
	*pf = NULL;
}

int logfile_add(struct logfile *f, const void *json, size_t n, int64_t time)
{
	int r = f->end.records ? write_text(f, ",", 1, Z_NO_FLUSH) : 0;

	if (!r)
		r = write_text(f, json, n, Z_NO_FLUSH);
	if (!f->end.records || time < f->end.oldest)
		f->end.oldest = time;
	if (!f->end.records || time > f->end.newest)
		f->end.newest = time;
	f->end.records++;
	return r;
}

uint64_t logfile_bytes(const struct logfile *f)
{
	return f->end.bytes;
}

int logfile_finish(struct logfile *f, struct logfile_end *ret_e)
{
	int r = write_text(f, "]}", 2, Z_FINISH);

	if (!r)
		r = hasher_end(f->hasher, f->end.sha256);
	if (r < 0)
		return r;
	*ret_e = f->end;
	memset(&f->end.gz, 0, sizeof(f->end.gz));
	return 0;
}
