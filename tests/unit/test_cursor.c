/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/spool.h"
#include "tests/tap.h"

static const uint8_t one[16] = { 1 }, two[16] = { 2 };
static char path[64];

static void fresh(void)
{
	strcpy(path, "/tmp/test_cursor.XXXXXX");
	close(mkstemp(path));
	unlink(path);
}

static uint64_t at(const struct cursor *c, const uint8_t stream[16], unsigned chain)
{
	uint64_t next;

	return cursor_get(c, stream, chain, &next) ? next : UINT64_MAX;
}

static void set_and_read_back(void)
{
	struct cursor *w, *r;

	fresh();
	must(!cursor_open(path, false, &r));		/* not there yet: empty */
	ok(at(r, one, 0) == UINT64_MAX);
	must(!cursor_open(path, true, &w));
	ok_int(cursor_set(w, one, CHAIN_DATA, 5), 0);
	ok_int(cursor_set(w, two, CHAIN_TLS, 1ull << 60), 0);
	ok_int(cursor_set(w, two, 3, 1), -EINVAL);
	ok_int(cursor_reload(r), 0);
	ok(at(r, one, CHAIN_DATA) == UINT64_MAX);	/* not synced yet */
	ok_int(cursor_sync(w), 0);
	ok_int(cursor_reload(r), 0);
	ok(at(r, one, CHAIN_DATA) == 5 && at(r, two, CHAIN_TLS) == 1ull << 60 && at(r, one, CHAIN_CONTROL) == UINT64_MAX);
	ok_int(cursor_sync(r), -EBADF);
	ok_int(cursor_forget(w, two), 0);
	ok_int(cursor_forget(w, two), -ENOENT);
	ok_int(cursor_set(w, one, CHAIN_DATA, 9), 0);
	ok_int(cursor_sync(w), 0);
	cursor_free(&w);
	must(!cursor_open(path, true, &w));
	ok(at(w, one, CHAIN_DATA) == 9 && at(w, two, CHAIN_TLS) == UINT64_MAX);
	cursor_free(&w);
	cursor_free(&r);
	unlink(path);
}

static void full(void)
{
	uint8_t stream[16] = { 0 };
	struct cursor *c;

	fresh();
	must(!cursor_open(path, true, &c));
	for (unsigned i = 0; i < CURSOR_ENTRIES_MAX; i++) {
		stream[0] = (uint8_t)i;
		ok_int(cursor_set(c, stream, 0, i), 0);
	}
	ok_int(cursor_set(c, stream, 1, 0), -ENOSPC);
	ok_int(cursor_sync(c), 0);
	cursor_free(&c);
	must(!cursor_open(path, false, &c));
	ok(at(c, stream, 0) == CURSOR_ENTRIES_MAX - 1);
	cursor_free(&c);
	unlink(path);
}

/* A write that was torn anywhere leaves the state before it, or the one after. */
static void torn_writes(void)
{
	struct cursor *c;
	uint8_t *before, *after;
	struct stat st;
	int fd;

	fresh();
	must(!cursor_open(path, true, &c));
	for (unsigned i = 1; i <= 4; i++)
		must(!cursor_set(c, one, 0, i) && !cursor_set(c, two, 1, 10 * i) && !cursor_sync(c));
	fd = open(path, O_RDWR);
	must(fd >= 0 && !fstat(fd, &st));
	before = calloc(1, (size_t)st.st_size);
	after = calloc(1, (size_t)st.st_size);
	must(pread(fd, before, (size_t)st.st_size, 0) == st.st_size);
	must(!cursor_set(c, one, 0, 5) && !cursor_set(c, two, 1, 50) && !cursor_sync(c));
	cursor_free(&c);
	must(pread(fd, after, (size_t)st.st_size, 0) == st.st_size);
	for (off_t cut = 0; cut <= st.st_size; cut++) {
		uint64_t a;

		if (cut && before[cut - 1] == after[cut - 1])
			continue;
		must(pwrite(fd, after, (size_t)cut, 0) == cut);
		must(pwrite(fd, before + cut, (size_t)(st.st_size - cut), cut) == st.st_size - cut);
		must(!cursor_open(path, false, &c));
		a = at(c, one, 0);
		ok((a == 4 || a == 5) && at(c, two, 1) == 10 * a);
		cursor_free(&c);
	}
	must(pwrite(fd, "junk", 4, 0) == 4 && pwrite(fd, "junk", 4, 12288) == 4);
	ok_int(cursor_open(path, true, &c), -EBADMSG);
	close(fd);
	free(before);
	free(after);
	unlink(path);
}

/* In the steady state the same file is written in place: no other name, no other inode, no growth. */
static void in_place(void)
{
	struct cursor *c;
	struct stat a, b;

	fresh();
	must(!cursor_open(path, true, &c));
	must(!cursor_set(c, one, 0, 1) && !cursor_sync(c) && !cursor_set(c, one, 0, 2) && !cursor_sync(c));
	must(!stat(path, &a));
	for (unsigned i = 3; i < 50; i++)
		must(!cursor_set(c, one, 0, i) && !cursor_sync(c));
	must(!stat(path, &b));
	ok(a.st_ino == b.st_ino && a.st_size == b.st_size);
	cursor_free(&c);
	unlink(path);
}

static const struct tap_case cases[] = { CASE(set_and_read_back), CASE(full), CASE(torn_writes), CASE(in_place) };
TAP_MAIN(cases)
