/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hashdir_build.c - a hash directory from its members' columns of hashes.
 *
 * These are sorted, so that the hashes of one bucket are a run in each of them: the buckets are written one after the other, and
 * every column is read once, from its beginning to its end, a piece at a time: what is mapped is let go at once, for hundreds of columns at
 * once would be hundreds of MiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hashdir.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "lib/le.h"
#include "proto/frame.h"

#define BUCKET_MEAN 512u
#define PIECE 2048u			/* hashes */
#define EXPECT_BYTES (4u << 20)		/* of all members' columns together, that the disk is asked for */
#define OUT_ENTRIES (1u << 18)

struct column {
	const struct block *block;
	const uint64_t *from, *expected, *end;	/* mapped; from: behind the piece */
	uint64_t *piece;
	uint32_t at, n;			/* of the piece */
};

struct build {
	int fd;
	struct block *const *blocks;
	unsigned n;
	const bool *stop;
	struct column *columns;
	uint64_t *pieces;
	uint8_t header[HASHDIR_HEADER];
	struct buf head;		/* members and tables */
	uint8_t *out;			/* entries */
	uint32_t nout, out_cap;
	uint64_t written;		/* where in the file out belongs */
	uint32_t entries;		/* of the attribute at work */
};

static void build_free(struct build *b)
{
	cleanup_close(&b->fd);
	free(b->columns);
	free(b->pieces);
	free(b->out);
	buf_free(&b->head);
}

/* As it comes, not all of it when it is synced: other files' syncs need not wait for it. */
static int flush(struct build *b)
{
	size_t n = 4 * (size_t)b->nout;
	int r = fsx_pwrite_all(b->fd, b->out, n, (off_t)b->written);

	if (r < 0)
		return r;
	sync_file_range(b->fd, (off_t)b->written, (off_t)n, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	b->written += n;
	b->nout = 0;
	return 0;
}

static int make_room(struct build *b, uint32_t n)
{
	uint8_t *more;

	if (n <= b->out_cap - b->nout)
		return 0;
	more = reallocarray(b->out, b->nout + n + OUT_ENTRIES, 4);
	if (!more)
		return -ENOMEM;
	b->out = more;
	b->out_cap = b->nout + n + OUT_ENTRIES;
	return 0;
}

/* ---- columns */

static uint64_t begin_columns(struct build *b, enum attr attr)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < b->n; i++) {
		const struct block_section *s = &b->blocks[i]->sections[SECTION_ATTRS + 3 * (unsigned)attr];
		struct column *c = &b->columns[i];

		*c = (struct column){ .block = b->blocks[i], .from = (const uint64_t *)s->p, .piece = b->pieces + (size_t)i * PIECE };
		c->expected = c->from;
		c->end = c->from + s->n / 8;
		sum += s->n / 8;
	}
	return sum;
}

static void expect(struct column *c, size_t n)
{
	uintptr_t from = (uintptr_t)c->from & ~(uintptr_t)4095, end = (uintptr_t)c->block->map + c->block->map_len;

	if (c->from < c->expected)
		return;
	n = n < 65536 ? 65536 : n;
	c->expected = c->from + n / 8;
	madvise((void *)from, n < end - from ? n : end - from, MADV_WILLNEED);
}

/* false: the column is at its end. */
static bool next_piece(struct build *b, struct column *c)
{
	c->at = 0;
	c->n = (size_t)(c->end - c->from) < PIECE ? (uint32_t)(c->end - c->from) : PIECE;
	if (!c->n)
		return false;
	expect(c, EXPECT_BYTES / b->n);
	memcpy(c->piece, c->from, 8ull * c->n);
	c->from += c->n;
	madvise((void *)(uintptr_t)c->block->map, c->block->map_len, MADV_DONTNEED);
	return true;
}

/* Hashes of this bucket; false: this member has no more of them. */
static bool take_run(struct build *b, unsigned member, uint32_t bucket, uint32_t bits, int *r)
{
	struct column *c = &b->columns[member];
	uint64_t first = bits ? (uint64_t)bucket << (64 - bits) : 0, span = UINT64_MAX >> bits;
	uint32_t from = c->at;

	while (c->at < c->n && c->piece[c->at] - first <= span)
		c->at++;
	*r = make_room(b, c->at - from);
	if (*r < 0)
		return false;
	for (uint32_t i = from; i < c->at; i++)
		put32(b->out + 4 * (size_t)b->nout++, hashdir_rest(c->piece[i], bits) << HASHDIR_MEMBER_BITS | member);
	b->entries += c->at - from;
	return c->at == c->n && next_piece(b, c);
}

/* ---- the file */

static int write_bucket(struct build *b, uint32_t bucket, uint32_t bits)
{
	uint32_t start = b->nout;
	uint8_t v[HASHDIR_BUCKET];
	int r = 0;

	put32(v, b->entries);
	for (unsigned i = 0; i < b->n && !r; i++)
		while (take_run(b, i, bucket, bits, &r))
			;
	if (r < 0)
		return r;
	put32(v + 4, crc32c(0, b->out + 4 * (size_t)start, 4 * (size_t)(b->nout - start)));
	buf_add(&b->head, v, sizeof(v));
	return b->nout >= OUT_ENTRIES ? flush(b) : 0;
}

static uint32_t bits_for(uint64_t entries)
{
	uint32_t bits = 0;

	while (bits < HASHDIR_BITS_MAX && entries >> bits > BUCKET_MEAN)
		bits++;
	return bits;
}

static int write_attr(struct build *b, enum attr attr)
{
	uint64_t most = begin_columns(b, attr);
	uint32_t bits = bits_for(most);
	int r = most > UINT32_MAX ? -EOVERFLOW : 0;

	b->entries = 0;
	for (uint32_t i = 0; i < 1u << bits && !r; i++) {
		r = write_bucket(b, i, bits);
		if (!r && __atomic_load_n(b->stop, __ATOMIC_RELAXED))
			r = -ECANCELED;
	}
	if (!r && b->entries != most)
		r = -EBADMSG;		/* a column is not in order: it was made so */
	put32(b->header + 24 + 8 * (unsigned)attr, b->entries);
	put32(b->header + 28 + 8 * (unsigned)attr, bits);
	return r < 0 ? r : b->head.failed ? -ENOMEM : flush(b);
}

static int write_members(struct build *b)
{
	uint64_t head = HASHDIR_MEMBER * b->n;

	for (unsigned i = 0; i < b->n; i++) {
		uint8_t m[HASHDIR_MEMBER];

		put64(m, b->blocks[i]->from.pos);
		put32(m + 8, b->blocks[i]->from.record);
		put32(m + 12, b->blocks[i]->crc);
		buf_add(&b->head, m, sizeof(m));
	}
	for (enum attr a = 0; a < ATTR__MAX; a++)
		head += (uint64_t)HASHDIR_BUCKET << bits_for(begin_columns(b, a));
	b->written = HASHDIR_HEADER + head;
	return b->head.failed ? -ENOMEM : 0;
}

static int write_head(struct build *b, uint64_t check, unsigned level)
{
	uint8_t *h = b->header;
	int r;

	memcpy(h, "HTD1", 4);
	put32(h + 4, 1);
	put32(h + 8, level);
	put32(h + 12, b->n);
	put64(h + 16, check);
	put32(h + HASHDIR_HEADER - 8, crc32c(0, b->head.p, b->head.n));
	put32(h + HASHDIR_HEADER - 4, crc32c(0, h, HASHDIR_HEADER - 4));
	r = fsx_pwrite_all(b->fd, h, HASHDIR_HEADER, 0);
	return r < 0 ? r : fsx_pwrite_all(b->fd, b->head.p, b->head.n, HASHDIR_HEADER);
}

static int write_all(struct build *b, uint64_t check, unsigned level)
{
	int r;

	b->columns = calloc(b->n, sizeof(*b->columns));
	b->pieces = reallocarray(NULL, (size_t)b->n * PIECE, sizeof(*b->pieces));
	if (!b->columns || !b->pieces)
		return -ENOMEM;
	r = write_members(b);
	for (enum attr a = 0; a < ATTR__MAX && !r; a++)
		r = write_attr(b, a);
	if (!r)
		r = write_head(b, check, level);
	return r < 0 ? r : fsync(b->fd) < 0 ? -errno : 0;
}

/* What a directory says of a damaged column would be wrong for good. */
static int check_members(struct build *b, struct block **ret_bad)
{
	for (unsigned i = 0; i < b->n; i++) {
		if (__atomic_load_n(b->stop, __ATOMIC_RELAXED))
			return -ECANCELED;
		if (!block_check_hashes(b->blocks[i])) {
			*ret_bad = b->blocks[i];
			return -EBADMSG;
		}
	}
	return 0;
}

int hashdir_build(const char *dir, uint64_t check, struct block *const *blocks, unsigned n, unsigned level, const bool *stop,
		  char ret_name[HASHDIR_NAME], struct block **ret_bad)
{
	_cleanup_(build_free) struct build b = { .fd = -1, .blocks = blocks, .n = n, .stop = stop };
	char path[4096], temporary[4096 + 8];
	int r;

	snprintf(ret_name, HASHDIR_NAME, "%016llx-%08x.%u.dir", (unsigned long long)blocks[0]->from.pos, blocks[0]->from.record, level);
	if (snprintf(path, sizeof(path), "%s/%s", dir, ret_name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	r = check_members(&b, ret_bad);
	if (r < 0)
		return r;
	b.fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (b.fd < 0)
		return -errno;
	*ret_bad = NULL;
	r = write_all(&b, check, level);
	if (!r && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r < 0 ? r : fsx_sync_dir(dir);
}
