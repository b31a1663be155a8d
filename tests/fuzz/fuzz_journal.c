/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal's last segment as a hostile or dying disk may leave it: a good segment of a few entries over which the input
 * is laid (offset and byte pairs, then a cut), or, when it begins with "HTJS", the input itself. It must open, scan without
 * an entry outside the file, recover to the same thing again, and take appends.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/fsx.h"
#include "store/journal.h"
#include "tests/helpers/storekit.h"

static char dir[64];
static uint8_t *good;
static size_t ngood;
static struct kit kit;

struct sum {
	unsigned n;
	journal_pos last;
};

static int on_entry(void *ctx, const struct journal_entry *e)
{
	struct sum *s = ctx;
	volatile uint8_t sink = 0;

	if (e->pos <= s->last || e->next <= e->pos || e->frame_len > FRAME_HEADER_MAX + FRAME_PAYLOAD_MAX)
		abort();
	for (size_t i = 0; i < e->header->header_len; i++)
		sink ^= e->frame[i];
	s->last = e->pos;
	s->n++;
	return 0;
}

static void path_of(const char *name, char ret[128])
{
	snprintf(ret, 128, "%s/%s", dir, name);
}

static void clear(void)
{
	char command[128];

	snprintf(command, sizeof(command), "%s/aside/0000000001-00000020.bad", dir);
	unlink(command);
	snprintf(command, sizeof(command), "%s/0000000002.jnl", dir);
	unlink(command);
}

static void write_segment(const void *p, size_t n)
{
	char path[128];
	int fd;

	path_of("0000000001.jnl", path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	close(fd);
}

static void set_up(void)
{
	struct journal *j;
	struct buf b = { 0 };
	char path[128];

	snprintf(dir, sizeof(dir), "/dev/shm/fuzz_journal.%d", (int)getpid());
	snprintf(path, sizeof(path), "%s.key", dir);
	if (kit_init(&kit, path, "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b", 1ll << 60, 1) < 0 || unlink(path) < 0 ||
	    journal_open(dir, 0, NULL, NULL, &j) < 0)
		abort();
	for (unsigned i = 0; i < 5; i++)
		if (kit_append(&kit, j, i * 3, 3, 1, 0) < 0)
			abort();
	journal_sync(j);
	journal_free(&j);
	path_of("0000000001.jnl", path);
	if (fsx_read(path, 1 << 20, &b) < 0)
		abort();
	good = b.p;
	ngood = b.n;
}

static void remove_all(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command)) {
		/* nothing to do about it */
	}
}

static struct sum scan(struct journal *j, bool bodies)
{
	struct sum s = { 0 };

	if (journal_scan(j, 0, bodies, on_entry, &s, NULL) < 0)
		abort();
	return s;
}

static void check(void)
{
	struct journal *j;
	struct sum a, b;

	if (journal_open(dir, 0, NULL, NULL, &j) < 0)
		abort();
	a = scan(j, true);
	scan(j, false);
	journal_free(&j);
	if (journal_open(dir, 0, NULL, NULL, &j) < 0)
		abort();
	b = scan(j, true);
	if (a.n != b.n || a.last != b.last)
		abort();
	if (kit_append(&kit, j, 0, 1, 2, 0) < 0 || journal_sync(j) < 0 || scan(j, true).n != b.n + 1)
		abort();
	journal_free(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes;
	size_t n = ngood;

	if (!good) {
		set_up();
		atexit(remove_all);
		n = ngood;
	}
	clear();
	if (size > 4 && !memcmp(data, "HTJS", 4)) {
		write_segment(data, size);
		check();
		return 0;
	}
	bytes = malloc(ngood);
	memcpy(bytes, good, ngood);
	if (size > 1)
		n = n * data[0] / 255;
	for (size_t i = 1; i + 2 < size; i += 3)
		bytes[(data[i] | data[i + 1] << 8) % ngood] = data[i + 2];
	write_segment(bytes, n);
	free(bytes);
	check();
	return 0;
}
