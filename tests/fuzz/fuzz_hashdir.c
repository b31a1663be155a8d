/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash directory as a hostile or dying disk may leave it. The input is laid over a good one (offset, byte), and all checksums are made
 * right again, so that what they guard is reached: it opens or not, and every find ends, within bounds, and names only members.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/hashdir.h"
#include "store/index_internal.h"
#include "lib/fsx.h"
#include "lib/le.h"
#include "tests/fuzz/patched.h"
#include "tests/helpers/storekit.h"

#define BLOCKS 8u
#define ROWS 40u
#define NAME "0000000000000001-00000000.1.dir"

static char dir[64];
static int dirfd;
static uint8_t *good;
static size_t ngood;
static struct index *ix;
static struct block *blocks[BLOCKS];

static void fill(struct tailmem *t, unsigned at)
{
	for (unsigned i = 0; i < ROWS; i++) {
		char name[16];
		const struct index_place place = { 1000 * at + 100 + i, 0 };
		struct record_summary s = { .time = 1000 + i, .read_only = i % 2, .category = i % 3 };

		snprintf(name, sizeof(name), "n%u", i % 5 + at);
		s.event_name = s.event_source = (struct str){ name, strlen(name) };
		s.nusernames = 1;
		s.usernames[0] = s.event_name;
		s.event_id[0] = (uint8_t)i;
		s.event_id[1] = (uint8_t)at;
		tailmem_add(t, ix, &place, &s);
	}
	t->from = (struct index_place){ 1000 * at + 1, 0 };
	t->to = (struct index_place){ 1000 * at + 1001, 0 };
}

static int make_block(unsigned at)
{
	_cleanup_buf_ struct buf b = { 0 };
	char name[BLOCK_NAME], path[128];
	struct tailmem *t;
	const char *why;
	int r = tailmem_new(100, &t);

	if (r < 0)
		return r;
	fill(t, at);
	r = block_build(t, ix, &b);
	block_name(&t->from, name);
	tailmem_unref(t);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!r)
		r = fsx_replace(path, b.p, b.n, 0600);
	return r < 0 ? r : block_open(dirfd, name, ix->check, &blocks[at], &why);
}

static void set_up(void)
{
	char name[HASHDIR_NAME], path[128];
	struct buf b = { 0 };
	struct block *bad;
	bool stop = false;

	snprintf(dir, sizeof(dir), "/dev/shm/fuzz_hashdir.%d", (int)getpid());
	if (index_open(dir, 0, 100, NULL, NULL, &ix) < 0)
		abort();
	dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	for (unsigned i = 0; i < BLOCKS; i++)
		if (make_block(i) < 0)
			abort();
	if (hashdir_build(dir, ix->check, blocks, BLOCKS, 1, &stop, name, &bad) < 0)
		abort();
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (strcmp(name, NAME) || fsx_read(path, 1 << 20, &b) < 0)
		abort();
	good = b.p;
	ngood = b.n;
}

static void tear_down(void)
{
	char command[128];

	for (unsigned i = 0; i < BLOCKS; i++)
		block_unref(blocks[i]);
	close(dirfd);
	index_free(&ix);
	free(good);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command)) {
		/* nothing to do about it */
	}
}

static void find_one(const struct hashdir *d, enum attr attr, uint64_t hash)
{
	struct hashdir_set may;

	hashdir_expect(d, attr, hash);
	if (hashdir_find(d, attr, hash, &may) < 0)
		return;
	for (unsigned i = d->nmembers; i < HASHDIR_MEMBERS; i++)
		if (hashdir_in(&may, i))
			abort();
}

static void find_all(void)
{
	struct hashdir *d;
	const char *why;

	if (hashdir_open(dirfd, NAME, ix->check, blocks, BLOCKS, &d, &why) < 0)
		return;
	for (enum attr a = 0; a < ATTR__MAX; a++) {
		find_one(d, a, 0);
		find_one(d, a, UINT64_MAX);
		for (unsigned i = 0; i < 12; i++) {
			char name[16];

			snprintf(name, sizeof(name), "n%u", i);
			find_one(d, a, index_hash(ix, name, strlen(name)));
		}
	}
	hashdir_unref(d);
}

/* Tables and buckets whose bounds are sane get the checksum of what they hold now. */
static void seal_attr(uint8_t *p, size_t n, uint32_t entries, uint32_t bits, uint8_t *table, uint64_t *at)
{
	for (uint32_t i = 0; i < 1u << bits; i++) {
		uint8_t *bucket = table + HASHDIR_BUCKET * i;
		uint32_t from = get32(bucket), to = i + 1 < 1u << bits ? get32(bucket + HASHDIR_BUCKET) : entries;

		if (from <= to && *at + 4ull * to <= n)
			put32(bucket + 4, crc32c(0, p + *at + 4ull * from, 4ull * (to - from)));
	}
	*at += 4ull * entries;
}

static void seal(uint8_t *p, size_t n)
{
	uint64_t head = (uint64_t)HASHDIR_MEMBER * get32(p + 12), at, table = HASHDIR_HEADER + head;

	for (unsigned a = 0; a < ATTR__MAX; a++)
		head += get32(p + 28 + 8 * a) <= HASHDIR_BITS_MAX ? (uint64_t)HASHDIR_BUCKET << get32(p + 28 + 8 * a) : UINT32_MAX;
	at = HASHDIR_HEADER + head;
	for (unsigned a = 0; a < ATTR__MAX && at <= n; a++) {
		uint32_t bits = get32(p + 28 + 8 * a);

		seal_attr(p, n, get32(p + 24 + 8 * a), bits, p + table, &at);
		table += (uint64_t)HASHDIR_BUCKET << bits;
	}
	if (HASHDIR_HEADER + head <= n)
		put32(p + HASHDIR_HEADER - 8, crc32c(0, p + HASHDIR_HEADER, head));
	put32(p + HASHDIR_HEADER - 4, crc32c(0, p, HASHDIR_HEADER - 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[128];

	if (!good) {
		set_up();
		atexit(tear_down);
	}
	snprintf(path, sizeof(path), "%s/" NAME, dir);
	patched_write(path, good, ngood, data, size, seal);
	find_all();
	return 0;
}
