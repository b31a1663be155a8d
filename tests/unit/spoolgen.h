/* SPDX-License-Identifier: Apache-2.0 */
/* spoolgen.h - a scratch spool, and frames to put into it. */
#ifndef TESTS_SPOOLGEN_H
#define TESTS_SPOOLGEN_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/keys.h"
#include "proto/spool.h"

static const uint8_t stream[16] = { 0xaa, 1 };
#define STREAM_HEX "aa010000000000000000000000000000"

static inline int no_sign(void *ctx, const void *p, size_t n, uint8_t sig[64])
{
	memset(sig, 0x5a, 64);
	return 0;
}

static uint64_t next_seq;	/* of ring 2, CPU 0 */

/* A frame of about `bytes` bytes that does not compress, settling one more sequence. */
static inline void a_frame(struct frame_header *h, unsigned chain, uint64_t number, const uint8_t previous[32], size_t bytes,
			   struct buf *out, uint8_t hash[32])
{
	uint8_t *raw = malloc(bytes + 1);

	memset(h, 0, sizeof(*h));
	memcpy(h->stream, stream, 16);
	memcpy(h->previous, previous, 32);
	h->chain = (uint8_t)chain;
	h->number = number;
	h->records = 1;
	h->first_time = 1000 + number;
	h->last_time = 1001 + number;
	h->nranges = 1;
	h->ranges[0] = (struct frame_range){ 2, 0, next_seq, next_seq };
	next_seq++;
	random_bytes(raw, bytes);
	buf_reset(out);
	if (frame_build(h, raw, bytes, no_sign, NULL, out, hash) < 0)
		abort();
	free(raw);
}

/* Appends n frames to a chain. 0 or the first error. */
static inline int put_frames(struct spool *s, unsigned chain, unsigned n, size_t bytes)
{
	struct buf out = { 0 };
	int r = 0;

	while (!r && n--) {
		struct frame_header h;
		uint8_t previous[32], hash[32];
		uint64_t number;

		spool_head(s, chain, &number, previous);
		a_frame(&h, chain, number, previous, bytes, &out, hash);
		r = spool_append(s, &h, out.p, out.n, hash);
	}
	buf_free(&out);
	return r;
}

static char scratch[64];

static inline void scratch_make(void)
{
	strcpy(scratch, "/tmp/test_spool.XXXXXX");
	if (!mkdtemp(scratch))
		abort();
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static inline void scratch_remove(void)
{
	nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *segment_path(const char *chain, uint64_t first, const char *suffix)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/" STREAM_HEX "/%s/%020llu%s", scratch, chain, (unsigned long long)first, suffix);
	return path;
}

static inline off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : st.st_size;
}

/* Overwrites n bytes at an offset with others. */
static inline void damage(const char *path, off_t at, size_t n)
{
	int fd = open(path, O_RDWR);

	for (size_t i = 0; i < n; i++) {
		uint8_t c = 0;

		if (pread(fd, &c, 1, at + (off_t)i) < 0)
			abort();
		c ^= 0x55;
		if (pwrite(fd, &c, 1, at + (off_t)i) != 1)
			abort();
	}
	close(fd);
}

static inline void append_bytes(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	close(fd);
}

#endif
