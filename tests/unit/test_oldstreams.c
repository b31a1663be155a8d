// SPDX-License-Identifier: Apache-2.0
/* Spools of ended streams: what is acknowledged goes, what is not or was set aside stays. */
#include "agent/writer_internal.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], cursor_path[96];
static const uint8_t old[16] = { 0xaa }, now[16] = { 0xbb };
static const struct spool_limits limits = { .bytes = { 1 << 30, 1 << 30, 1 << 30 } };

static int no_sign(void *ctx, const void *p, size_t n, uint8_t sig[64])
{
	memset(sig, 0, 64);
	return 0;
}

static void make_stream(const uint8_t stream[16], unsigned frames)
{
	struct spool *s = NULL;
	struct buf b = { 0 };

	must(spool_open(dir, stream, &limits, NULL, NULL, NULL, &s) == 0);
	for (unsigned i = 0; i < frames; i++) {
		static struct frame_header h;
		uint8_t hash[32];

		memset(&h, 0, sizeof(h));
		memcpy(h.stream, stream, 16);
		h.chain = CHAIN_DATA;
		spool_head(s, CHAIN_DATA, &h.number, h.previous);
		buf_reset(&b);
		ok_int(frame_build(&h, "x", 1, no_sign, NULL, &b, hash), 0);
		ok_int(spool_append(s, &h, b.p, b.n, hash), 0);
	}
	ok_int(spool_sync(s), 0);
	spool_free(&s);
	buf_free(&b);
}

static bool there(const char *rest)
{
	char path[160];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, rest);
	return !stat(path, &st);
}

static void acknowledge(uint64_t next)
{
	struct cursor *c = NULL;

	must(cursor_open(cursor_path, true, &c) == 0);
	ok_int(cursor_set(c, old, CHAIN_DATA, next), 0);
	ok_int(cursor_sync(c), 0);
	cursor_free(&c);
}

static void trim(void)
{
	static struct writer w;

	memset(&w, 0, sizeof(w));
	w.config.spool_dir = dir;
	memcpy(w.config.stream, now, 16);
	w.config.limits = limits;
	must(cursor_open(cursor_path, false, &w.cursor) == 0);
	trim_old_streams(&w);
	cursor_free(&w.cursor);
}

static void setup(void)
{
	char command[128];

	strcpy(dir, "/tmp/hosttrail-old-XXXXXX");
	ok(mkdtemp(dir) != NULL);
	snprintf(cursor_path, sizeof(cursor_path), "%s.cursor", dir);
	snprintf(command, sizeof(command), "rm -f %s", cursor_path);
	ok(system(command) == 0);
	make_stream(old, 3);
	make_stream(now, 3);
}

static void teardown(void)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s %s", dir, cursor_path);
	ok(system(command) == 0);
}

static void acknowledged_goes(void)
{
	setup();
	acknowledge(2);
	trim();
	ok(there("aa000000000000000000000000000000/data/00000000000000000000.seg"));
	acknowledge(3);
	trim();
	ok(!there("aa000000000000000000000000000000"));
	ok(there("bb000000000000000000000000000000/data/00000000000000000000.seg"));
	teardown();
}

static void set_aside_stays(void)
{
	char path[160];

	setup();
	snprintf(path, sizeof(path), "%s/aa000000000000000000000000000000/data/00000000000000000009.bad", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	acknowledge(3);
	trim();
	ok(!there("aa000000000000000000000000000000/data/00000000000000000000.seg"));
	ok(there("aa000000000000000000000000000000/data/00000000000000000009.bad"));
	teardown();
}

static const struct tap_case cases[] = { CASE(acknowledged_goes), CASE(set_aside_stays) };
TAP_MAIN(cases)
