/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: what comes back, what a torn or damaged disk leaves, what a full one does. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/le.h"
#include "tests/helpers/storekit.h"
#include "tests/tap.h"

#define HOST "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b"
#define SMALL 4096u

struct bad {
	unsigned n, aside;
	journal_pos pos;
	uint64_t bytes;
};

static char dir[64];
static struct kit kit;
static bool have_kit;

static void on_bad(void *ctx, journal_pos pos, uint64_t n, const char *why, const char *aside)
{
	struct bad *b = ctx;

	b->n++;
	b->aside += aside != NULL;
	b->pos = pos;
	b->bytes = n;
}

static void fresh_dir(void)
{
	char key[128], command[128];

	if (dir[0]) {
		snprintf(command, sizeof(command), "rm -rf %s", dir);
		if (system(command))
			return;
	}
	strcpy(dir, "/tmp/ht-journal-XXXXXX");
	if (!mkdtemp(dir))
		return;
	if (have_kit)
		kit_free(&kit);
	snprintf(key, sizeof(key), "%s/key", dir);
	ok_int(kit_init(&kit, key, HOST, 1700000000000000000, 1000), 0);
	have_kit = true;
}

static void clean(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ok_int(system(command), 0);
	dir[0] = '\0';
	kit_free(&kit);
	have_kit = false;
}

static struct journal *reopen(struct journal *j, uint32_t segment, struct bad *b)
{
	char path[128];

	journal_free(&j);
	snprintf(path, sizeof(path), "%s/j", dir);
	if (journal_open(path, segment, on_bad, b, &j) < 0)
		return NULL;
	return j;
}

/* n frames of three records each, numbered by their received time. */
static int put_frames(struct journal *j, unsigned n, int64_t first)
{
	int r = 0;

	for (unsigned i = 0; i < n && !r; i++)
		r = kit_append(&kit, j, i * 3, 3, first + i, (uint16_t)(i % 4));
	return r ? r : journal_sync(j);
}

struct seen {
	unsigned n;
	int64_t received[4096];
	journal_pos pos[4096], last_next;
	bool wrong;
};

static int on_entry(void *ctx, const struct journal_entry *e)
{
	struct seen *s = ctx;
	size_t total;
	static struct frame_header h;

	s->wrong |= strcmp(e->origin.host_id, HOST) || strcmp(e->origin.account, "000000000000") || strcmp(e->origin.region, "local") ||
		    memcmp(e->origin.key, kit.origin.key, 32) || e->header->records != 3 ||
		    frame_peek(e->frame, e->header->header_len, &h, &total) < 0 || total != e->frame_len;
	s->received[s->n] = e->received;
	s->last_next = e->next;
	s->pos[s->n++] = e->pos;
	return s->n == 4096;
}

static struct seen seen;

static unsigned scan(struct journal *j, journal_pos from, bool bodies)
{
	memset(&seen, 0, sizeof(seen));
	if (journal_scan(j, from, bodies, on_entry, &seen, NULL) < 0)
		return UINT32_MAX;
	return seen.n;
}

static void gives_back_what_it_got(void)
{
	struct journal *j = NULL;
	struct bad bad = { 0 };
	_cleanup_buf_ struct buf buf = { 0 };
	struct journal_entry e;
	journal_pos next = 0;

	fresh_dir();
	j = reopen(NULL, SMALL, &bad);
	must(j);
	ok_int(journal_end(j), 1ull << 32 | 32);
	ok_int(scan(j, 0, true), 0);
	ok_int(put_frames(j, 50, 100), 0);
	ok(journal_end(j) >> 32 > 1);	/* several segments */
	for (int again = 0; again < 2; again++) {
		ok_int(scan(j, 0, again), 50);
		ok(!seen.wrong);
		for (unsigned i = 0; i < 50; i++)
			ok_int(seen.received[i], 100 + i);
		for (unsigned i = 1; i < 50; i++)
			ok(seen.pos[i] > seen.pos[i - 1]);
	}
	ok_int(journal_read(j, seen.pos[17], &buf, &e), 0);
	ok_int(e.received, 117);
	ok_int(e.flags, 17 % 4);
	ok_int(journal_read(j, journal_end(j), &buf, &e), -ENOENT);
	ok_int(journal_read(j, seen.pos[17] + 1, &buf, &e), -EBADMSG);
	{
		journal_pos from = seen.pos[30];

		ok_int(scan(j, from, true), 20);
	}
	ok_int(journal_scan(j, 0, false, on_entry, &seen, &next), 0);
	ok_int(next, journal_end(j));
	j = reopen(j, SMALL, &bad);
	must(j);
	ok_int(scan(j, 0, true), 50);
	ok_int(put_frames(j, 5, 500), 0);
	ok_int(scan(j, next, true), 5);
	ok_int(bad.n, 0);
	journal_free(&j);
}

static void shows_only_what_is_synced(void)
{
	struct journal *j;
	struct bad bad = { 0 };

	fresh_dir();
	j = reopen(NULL, 0, &bad);
	must(j);
	ok_int(kit_append(&kit, j, 0, 3, 1, 0), 0);
	ok_int(scan(j, 0, true), 0);
	ok_int(journal_wait(j, journal_end(j), 20), journal_end(j));
	ok_int(journal_sync(j), 0);
	ok_int(scan(j, 0, true), 1);
	ok_int(journal_append(j, &kit.origin, 0, 0, "x", 1, &seen.pos[0]), -EINVAL);
	journal_free(&j);
}

static void cuts_a_torn_tail(void)
{
	struct journal *j;
	struct stat st;
	char path[128];

	for (unsigned cut = 1; cut < 900; cut += 7) {
		struct bad bad = { 0 };

		fresh_dir();
		j = reopen(NULL, 0, &bad);
		must(j);
		ok_int(put_frames(j, 10, 0), 0);
		scan(j, 0, false);
		journal_free(&j);
		snprintf(path, sizeof(path), "%s/j/0000000001.jnl", dir);
		must(!stat(path, &st));
		must(st.st_size - (off_t)cut > 40 && !truncate(path, st.st_size - cut));
		j = reopen(NULL, 0, &bad);
		must(j);
		ok(scan(j, 0, true) <= 9 && seen.n >= 7);
		ok_int(bad.n <= 1, 1);
		ok_int(bad.aside, 0);
		ok_int(put_frames(j, 2, 50), 0);
		ok(scan(j, 0, true) <= 11);
		ok_int(seen.received[seen.n - 1], 51);
		journal_free(&j);
		if (tap_failed)
			return;
	}
}

static void zeros_behind_the_end_are_cut(void)
{
	struct bad bad = { 0 };
	struct journal *j;
	struct stat st;
	char path[128];

	fresh_dir();
	j = reopen(NULL, 0, &bad);
	must(j);
	ok_int(put_frames(j, 3, 0), 0);
	journal_free(&j);
	snprintf(path, sizeof(path), "%s/j/0000000001.jnl", dir);
	must(!stat(path, &st) && !truncate(path, st.st_size + 5000));
	j = reopen(NULL, 0, &bad);
	must(j);
	ok_int(scan(j, 0, true), 3);
	ok_int(bad.n, 1);
	ok_int(journal_end(j) & 0xffffffff, st.st_size);
	journal_free(&j);
}

static int flip(const char *path, off_t at, unsigned n)
{
	int fd = open(path, O_RDWR);
	uint8_t c;

	for (unsigned i = 0; i < n; i++) {
		if (pread(fd, &c, 1, at + i) != 1)
			return -1;
		c ^= 0x55;
		if (pwrite(fd, &c, 1, at + i) != 1)
			return -1;
	}
	return close(fd);
}

static unsigned aside_files(void)
{
	char path[128];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/j/aside", dir);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* Damage anywhere in the middle costs the entries that it touches, and no others. */
static void skips_damage_and_keeps_a_copy(void)
{
	static const struct { unsigned at, n, lost; } cases[] = {
		{ 0, 1, 1 }, { 13, 1, 1 }, { 17, 2, 1 }, { 70, 4, 1 }, { 200, 1, 1 }, { 0, 600, 0 },
	};
	struct journal *j;
	char path[128];

	for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct bad bad = { 0 };
		journal_pos from, to;
		unsigned n;

		fresh_dir();
		j = reopen(NULL, 0, &bad);
		must(j);
		ok_int(put_frames(j, 20, 0), 0);
		scan(j, 0, false);
		from = seen.pos[8];
		to = seen.pos[9];
		snprintf(path, sizeof(path), "%s/j/0000000001.jnl", dir);
		must(!flip(path, (off_t)(from & 0xffffffff) + cases[c].at, cases[c].n));
		n = scan(j, 0, true);
		ok_int(bad.n, 1);
		ok_int(bad.aside, 1);
		ok_int(bad.pos, from);
		if (cases[c].lost) {
			ok_int(n, 19);
			ok_int(bad.bytes, to - from);
		}
		ok_int(seen.received[seen.n - 1], 19);
		ok(!seen.wrong);
		ok_int(aside_files(), 1);
		j = reopen(j, 0, &bad);
		must(j);
		ok_int(scan(j, 0, true), n);
		ok_int(aside_files(), 1);
		journal_free(&j);
	}
}

/* The last entry's payload is damaged: it may have been acknowledged, so its bytes are kept. */
static void keeps_a_damaged_end(void)
{
	struct bad bad = { 0 };
	struct journal *j;
	char path[128];

	fresh_dir();
	j = reopen(NULL, 0, &bad);
	must(j);
	ok_int(put_frames(j, 5, 0), 0);
	scan(j, 0, false);
	journal_free(&j);
	snprintf(path, sizeof(path), "%s/j/0000000001.jnl", dir);
	must(!flip(path, (off_t)(seen.pos[4] & 0xffffffff) + 200, 1));
	j = reopen(NULL, 0, &bad);
	must(j);
	ok_int(bad.n, 1);
	ok_int(bad.aside, 1);
	ok_int(aside_files(), 1);
	ok_int(scan(j, 0, true), 4);
	journal_free(&j);
}

/* The segment's header is damaged: its entries tell the tag; with the first entry damaged too it is left out, and
 * the next segment is used. */
static void survives_a_damaged_segment_header(void)
{
	struct bad bad = { 0 };
	struct journal *j;
	char path[128];

	fresh_dir();
	j = reopen(NULL, 0, &bad);
	must(j);
	ok_int(put_frames(j, 5, 0), 0);
	snprintf(path, sizeof(path), "%s/j/0000000001.jnl", dir);
	must(!flip(path, 16, 8));
	j = reopen(j, 0, &bad);
	must(j);
	ok_int(scan(j, 0, true), 5);
	ok_int(bad.n, 0);
	must(!flip(path, 34, 1));
	j = reopen(j, 0, &bad);
	must(j);
	ok(bad.n >= 1);
	ok_int(put_frames(j, 2, 70), 0);
	ok_int(scan(j, 0, true), 2);
	ok_int(journal_end(j) >> 32, 2);
	must(!access(path, F_OK));
	journal_free(&j);
}

/* A sender may put anything into a frame, an entry for another host too; behind a damage it must not be found. */
static void entries_inside_frames_are_no_entries(void)
{
	struct bad bad = { 0 };
	struct journal *j;
	uint8_t inner[4096];
	char path[128];
	journal_pos pos;
	int fd;

	fresh_dir();
	j = reopen(NULL, 0, &bad);
	must(j);
	ok_int(put_frames(j, 1, 0), 0);
	scan(j, 0, false);
	snprintf(path, sizeof(path), "%s/j/0000000001.jnl", dir);
	fd = open(path, O_RDONLY);
	must(pread(fd, inner, sizeof(inner), (off_t)(seen.pos[0] & 0xffffffff)) > 600);
	close(fd);
	memset(inner + 4, 0x11, 8);	/* they do not know the tag, but they can count */
	put32(inner + 68, crc32c(crc32c(0, inner, 68), inner + 72, get16(inner + 12) - 72u));
	ok_int(journal_append(j, &kit.origin, 1, 0, inner, sizeof(inner), &pos), 0);
	ok_int(put_frames(j, 1, 2), 0);
	must(!flip(path, (off_t)(pos & 0xffffffff) + 5, 1));
	ok_int(scan(j, 0, true), 2);
	ok_int(seen.received[1], 2);
	journal_free(&j);
}

static void a_full_disk_leaves_it_as_it_was(void)
{
	struct bad bad = { 0 };
	struct journal *j;
	char path[128];
	journal_pos end;
	unsigned n;
	int r = 0;

	if (geteuid() != 0)
		skip("mounting a small file system needs root");
	fresh_dir();
	snprintf(path, sizeof(path), "%s/j", dir);
	must(!mkdir(path, 0700));
	if (mount("none", path, "tmpfs", 0, "size=64k") < 0)
		skip("no tmpfs");
	j = reopen(NULL, 16384, &bad);
	ok(j != NULL);
	for (n = 0; j && n < 1000 && !r; n++) {
		r = kit_append(&kit, j, 0, 40, n, 0);
		if (!r)
			r = journal_sync(j);
	}
	ok_int(r, -ENOSPC);
	ok(n > 20);
	end = j ? journal_end(j) : 0;
	ok_int(scan(j, 0, true), n - 1);
	ok_int(kit_append(&kit, j, 0, 40, n, 0), -ENOSPC);
	ok_int(journal_error(j), 0);
	ok_int(mount("none", path, "tmpfs", MS_REMOUNT, "size=256k"), 0);
	ok_int(put_frames(j, 3, 5000), 0);
	ok_int(scan(j, end, true), 3);
	j = reopen(j, 16384, &bad);
	ok_int(scan(j, 0, true), n + 2);
	ok_int(bad.n, 0);
	journal_free(&j);
	ok_int(umount(path), 0);
}

static void copy_file(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "cp %s/%s %s/%s", dir, from, dir, to);
	ok_int(system(command), 0);
}

/* Removed, moved away, or another file put in its place. */
static void what_lies_under_no_name_is_not_kept(void)
{
	for (int how = 0; how < 3; how++) {
		struct bad bad = { 0 };
		struct journal *j;
		char name[128], other[128];

		fresh_dir();
		snprintf(name, sizeof(name), "%s/j/0000000001.jnl", dir);
		snprintf(other, sizeof(other), "%s/other", dir);
		j = reopen(NULL, 0, &bad);
		must(j);
		ok_int(put_frames(j, 3, 0), 0);
		if (how == 2)
			copy_file("j/0000000001.jnl", "other");
		ok_int(how == 0 ? unlink(name) : how == 1 ? rename(name, other) : rename(other, name), 0);
		ok_int(kit_append(&kit, j, 0, 3, 9, 0), 0);
		ok_int(journal_sync(j), -ESTALE);
		ok_int(kit_append(&kit, j, 0, 3, 10, 0), -ESTALE);
		ok_int(journal_error(j), -ESTALE);
		j = reopen(j, 0, &bad);
		must(j);
		ok_int(scan(j, 0, true), how == 2 ? 3 : 0);
		ok_int(put_frames(j, 2, 20), 0);
		ok_int(scan(j, 0, true), how == 2 ? 5 : 2);
		journal_free(&j);
	}
}

static void keeps_refused_bytes_within_bounds(void)
{
	struct bad bad = { 0 };
	struct journal *j;
	static uint8_t frame[1 << 20];

	fresh_dir();
	j = reopen(NULL, 0, &bad);
	must(j);
	ok_int(journal_aside(j, "bad/../signature", &kit.origin, 5, frame, 100), 0);
	ok_int(journal_aside(j, "other", &kit.origin, 5, frame, 100), 0);
	ok_int(aside_files(), 2);
	ok_int(journal_aside(j, "x", &kit.origin, 6, frame, JOURNAL_ASIDE_BYTES), -EDQUOT);
	journal_free(&j);
	clean();
}

static int count_notes(void *ctx, uint32_t segment, const char *text, size_t n)
{
	unsigned *count = ctx;

	++*count;
	ok(segment && n == 6 && !memcmp(text, "a note", 6));
	return 0;
}

static int first_entry(void *ctx, const struct journal_entry *e)
{
	*(journal_pos *)ctx = e->pos;
	return 1;
}

/* What is removed stays so: also when a kill left the file, but not when another file has its name. */
static void the_oldest_segments_can_go(void)
{
	struct journal *j = NULL;
	struct buf buf = { 0 };
	struct journal_entry e;
	char hash[65], path[128];
	uint32_t segment = 0;
	uint64_t bytes, all;
	unsigned notes = 0;
	journal_pos pos;

	fresh_dir();
	must(journal_open(dir, SMALL, NULL, NULL, &j) == 0);
	ok_int(journal_oldest(j, &segment, &bytes, hash), -ENOENT);
	for (unsigned i = 0; i < 40; i++)
		must(kit_append(&kit, j, i * 10, 10, 1000 + i, 0) == 0);
	must(journal_sync(j) == 0);
	all = journal_bytes(j);
	must(journal_oldest(j, &segment, &bytes, hash) == 0);
	ok_int(segment, 1);
	ok_int(journal_remove(j, 2, hash, "a note", 6), -ESTALE);
	hash[0] ^= 1;
	ok_int(journal_remove(j, 1, hash, "a note", 6), -ESTALE);
	hash[0] ^= 1;
	copy_file("0000000001.jnl", "kept");
	must(journal_remove(j, 1, hash, "a note", 6) == 0);
	ok_int(journal_bytes(j), all - bytes);
	snprintf(path, sizeof(path), "%s/0000000001.jnl", dir);
	ok(access(path, F_OK) < 0);
	ok_int(journal_read(j, (1ull << 32) + 32, &buf, &e), -ENOENT);
	ok_int(journal_scan(j, 0, true, first_entry, &pos, NULL), 1);
	ok_int(pos >> 32, 2);
	journal_free(&j);

	copy_file("kept", "0000000001.jnl");	/* as if it had been killed before that */
	must(journal_open(dir, SMALL, NULL, NULL, &j) == 0);
	ok(access(path, F_OK) < 0);
	ok_int(journal_removed(j, 0, count_notes, &notes), 0);
	ok_int(notes, 1);
	ok_int(journal_removed(j, 1, count_notes, &notes), 0);
	ok_int(notes, 1);
	journal_free(&j);

	copy_file("0000000002.jnl", "0000000001.jnl");	/* another one: not what was removed */
	must(journal_open(dir, SMALL, NULL, NULL, &j) == 0);
	ok(access(path, F_OK) == 0);
	journal_free(&j);
	buf_free(&buf);
}

/* Where all segments are lost, no number comes again that a note names. */
static void numbers_are_not_used_again(void)
{
	struct journal *j = NULL;
	char hash[65], command[128];
	uint32_t segment;
	uint64_t bytes;

	fresh_dir();
	must(journal_open(dir, SMALL, NULL, NULL, &j) == 0);
	for (unsigned i = 0; i < 40; i++)
		must(kit_append(&kit, j, i * 10, 10, 1000 + i, 0) == 0);
	must(journal_sync(j) == 0);
	must(journal_oldest(j, &segment, &bytes, hash) == 0 && journal_remove(j, segment, hash, "a note", 6) == 0);
	journal_free(&j);
	snprintf(command, sizeof(command), "rm %s/*.jnl", dir);
	ok_int(system(command), 0);
	must(journal_open(dir, SMALL, NULL, NULL, &j) == 0);
	ok_int(journal_end(j) >> 32, 2);
	journal_free(&j);
}

static const struct tap_case cases[] = {
	CASE(gives_back_what_it_got),
	CASE(shows_only_what_is_synced),
	CASE(cuts_a_torn_tail),
	CASE(zeros_behind_the_end_are_cut),
	CASE(skips_damage_and_keeps_a_copy),
	CASE(keeps_a_damaged_end),
	CASE(survives_a_damaged_segment_header),
	CASE(entries_inside_frames_are_no_entries),
	CASE(a_full_disk_leaves_it_as_it_was),
	CASE(what_lies_under_no_name_is_not_kept),
	CASE(the_oldest_segments_can_go),
	CASE(numbers_are_not_used_again),
	CASE(keeps_refused_bytes_within_bounds),
};
TAP_MAIN(cases)
