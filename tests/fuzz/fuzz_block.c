/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An index block as a hostile or dying disk may leave it. The input is laid over a good block (offset, byte), and all
 * checksums are made right again, so that what they guard is reached: every walk must end, within bounds, with falling keys.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/block.h"
#include "store/index_internal.h"
#include "lib/le.h"
#include "tests/fuzz/patched.h"
#include "tests/helpers/storekit.h"

#define ROWS 60
#define NAME "00000000.blk"

static char dir[64];
static uint8_t *good;
static size_t ngood;
static struct index *ix;

static void fill(struct tailmem *t)
{
	for (unsigned i = 0; i < ROWS; i++) {
		char name[16];
		const struct index_place place = { 100 + i / 7, i % 7 };
		struct record_summary s = { .time = 1000 + (i * 37) % 11, .read_only = i % 2, .category = i % 3 };

		snprintf(name, sizeof(name), "n%u", i % 5);
		s.event_name = s.event_source = (struct str){ name, strlen(name) };
		s.nusernames = 1;
		s.usernames[0] = s.event_name;
		s.event_id[0] = (uint8_t)i;
		tailmem_add(t, ix, &place, &s);
	}
	t->from = (struct index_place){ 1, 0 };
	t->to = (struct index_place){ 200, 0 };
}

static void set_up(void)
{
	struct tailmem *t;
	struct buf b = { 0 };

	snprintf(dir, sizeof(dir), "/dev/shm/fuzz_block.%d", (int)getpid());
	if (index_open(dir, 0, 100, NULL, NULL, &ix) < 0 || tailmem_new(100, &t) < 0)
		abort();
	fill(t);
	if (block_build(t, ix, &b) < 0)
		abort();
	tailmem_unref(t);
	good = b.p;
	ngood = b.n;
}

static void tear_down(void)
{
	char command[128];

	index_free(&ix);
	free(good);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command)) {
		/* nothing to do about it */
	}
}

static void walk(struct block *b, const struct index_query *q)
{
	struct block_walk w;
	struct index_key k, last;
	unsigned n = 0;
	int r = block_walk_start(b, q, &w);

	while (r > 0 && (r = block_walk_next(&w, &k)) > 0) {
		if (n++ > b->rows || k.time < q->from || k.time >= q->to)
			abort();
		if (n > 1 && q->has_before && index_key_compare(&k, &q->before) >= 0)
			abort();
		last = k;
	}
	(void)last;
}

static void walk_all(void)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	struct block *b;
	const char *why;

	if (block_open(dirfd, NAME, ix->check, &b, &why) == 0) {
		struct index_query q = { .from = INT64_MIN, .to = INT64_MAX };

		walk(b, &q);
		q.by_attr = true;
		for (q.attr = 0; q.attr < ATTR__MAX; q.attr++)
			for (unsigned i = 0; i < 6; i++) {
				char name[16];

				snprintf(name, sizeof(name), "n%u", i);
				q.hash = i < 5 ? index_hash(ix, name, strlen(name)) : index_hash(ix, "true", 4);
				walk(b, &q);
			}
		q = (struct index_query){ .from = 1003, .to = 1008, .has_before = true, .before = { 1006, { 104, 2 } } };
		walk(b, &q);
		block_unref(b);
	}
	close(dirfd);
}

/* Sections whose bounds are sane get the checksum of what they hold now. */
static void seal(uint8_t *p, size_t n)
{
	for (unsigned i = 0; i < BLOCK_SECTIONS; i++) {
		uint8_t *s = p + 64 + 16 * i;
		uint64_t at = get64(s);
		uint32_t len = get32(s + 8);

		if (at <= n && len <= n - at)
			put32(s + 12, crc32c(0, p + at, len));
	}
	put32(p + 1020, crc32c(0, p, 1020));
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
	walk_all();
	return 0;
}
