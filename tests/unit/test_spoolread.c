/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's reader beside a living writer: growth, partial writes, cuts, rotation, deletion, damage. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/tap.h"
#include "tests/unit/spoolgen.h"

static struct spool_limits limits = { .bytes = { 1 << 30, 1 << 30, 1 << 30 } };

static struct spool *writer(void)
{
	struct spool *s = NULL;

	return spool_open(scratch, stream, &limits, NULL, NULL, NULL, &s) ? NULL : s;
}

static struct spool_reader *reader(uint64_t next)
{
	struct spool_reader *r = NULL;

	return spool_reader_open(scratch, stream, CHAIN_DATA, next, &r) ? NULL : r;
}

/* Number of the next frame; -1 nothing yet; -2 something bad was passed over. */
static long long next(struct spool_reader *r)
{
	struct frame_header h;
	const uint8_t *p;
	const char *why;
	size_t n;
	int k = spool_reader_next(r, &p, &n, &h, &why);

	if (k == -EBADMSG)
		return why ? -2 : -3;
	if (k < 1)
		return k == 0 ? -1 : k * 100;
	return frame_check(p, n, &h, &why) ? -4 : (long long)h.number;
}

static void follows_growth(void)
{
	struct spool_reader *r;
	struct spool *s;

	scratch_make();
	r = reader(0);
	must(r && next(r) == -1);	/* the directory is not there yet */
	s = writer();
	must(s && next(r) == -1);
	must(!put_frames(s, CHAIN_CONTROL, 2, 100) && next(r) == -1);
	for (unsigned i = 0; i < 100; i++) {
		must(!put_frames(s, CHAIN_DATA, 1, i * 37));
		ok_int(next(r), i);
		ok_int(next(r), -1);
	}
	ok(spool_reader_behind(r) == 0);
	must(!put_frames(s, CHAIN_DATA, 5, 100));
	ok(spool_reader_behind(r) > 500);
	for (unsigned i = 100; i < 105; i++)
		ok_int(next(r), i);
	ok_int(next(r), -1);
	spool_reader_free(&r);
	spool_free(&s);
	scratch_remove();
}

static void starts_anywhere(void)
{
	struct spool_reader *r;
	struct spool *s;

	scratch_make();
	limits.segment_bytes = 5000;
	s = writer();
	must(s && !put_frames(s, CHAIN_DATA, 20, 1000));
	for (unsigned from = 0; from <= 20; from++) {
		r = reader(from);
		must(r != NULL);
		for (unsigned i = from; i < 20; i++)
			ok_int(next(r), i);
		ok_int(next(r), -1);
		spool_reader_free(&r);
	}
	must(!spool_trim(s, CHAIN_DATA, 9));
	r = reader(3);			/* behind what is left: a gap, not an end */
	must(r && next(r) == 8);
	spool_reader_free(&r);
	spool_free(&s);
	limits.segment_bytes = 0;
	scratch_remove();
}

/* Every step of rotation, trim and drop while the reader stands anywhere: nothing is given twice, nothing left out but what was deleted. */
static void rotation_and_deletion(void)
{
	struct spool_reader *r;
	struct spool *s;
	long long last = -1;
	uint64_t trimmed = 0;

	scratch_make();
	limits.segment_bytes = 3000;
	s = writer();
	r = reader(0);
	must(s && r);
	srand(7);
	for (unsigned i = 0; i < 2000; i++) {
		unsigned what = (unsigned)rand() % 10;

		if (what < 5)
			must(!put_frames(s, CHAIN_DATA, 1 + (unsigned)rand() % 3, (size_t)(rand() % 900)));
		if (what == 5 && last >= 0) {
			uint64_t to = (uint64_t)last + (uint64_t)(rand() % 8);

			must(!spool_trim(s, CHAIN_DATA, to));
			trimmed = to > trimmed ? to : trimmed;
		}
		if (what > 5) {
			long long n = next(r);

			if (n == -1)
				continue;
			ok(n > last && (n == last + 1 || (uint64_t)n <= trimmed));
			last = n;
		}
	}
	ok(last > 300);
	spool_reader_free(&r);
	spool_free(&s);
	limits.segment_bytes = 0;
	scratch_remove();
}

/* The open segment is deleted under the reader: it reads on in it, then in the next. */
static void deleted_under_it(void)
{
	struct spool_reader *r;
	struct spool *s;

	scratch_make();
	limits.segment_bytes = 5000;
	s = writer();
	must(s && !put_frames(s, CHAIN_DATA, 12, 1000));
	r = reader(0);
	must(r && next(r) == 0);
	must(!spool_trim(s, CHAIN_DATA, 8));
	for (unsigned i = 1; i < 4; i++)
		ok_int(next(r), i);
	ok_int(next(r), 8);
	spool_reader_free(&r);
	spool_free(&s);
	limits.segment_bytes = 0;
	scratch_remove();
}

/* File times move in ticks: a segment may appear after a listing and leave the directory's time as it was. */
static void a_segment_within_the_same_tick(void)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	char folder[256], hidden[300], name[256];
	struct spool_reader *r;
	struct spool *s;
	struct stat st;

	scratch_make();
	limits.segment_bytes = 5000;
	s = writer();
	must(s && !put_frames(s, CHAIN_DATA, 12, 1000));
	snprintf(folder, sizeof(folder), "%s", segment_path("data", 0, ".seg"));
	*strrchr(folder, '/') = '\0';
	snprintf(name, sizeof(name), "%s", segment_path("data", 8, ".seg"));
	snprintf(hidden, sizeof(hidden), "%s/hidden", folder);
	must(!unlink(segment_path("data", 4, ".seg")) && !rename(name, hidden));
	r = reader(0);
	for (unsigned i = 0; i < 4; i++)
		ok_int(next(r), i);
	must(!rename(hidden, name) && !rename(name, hidden));
	ok_int(next(r), -1);
	must(!stat(folder, &st) && !rename(hidden, name));
	times[1] = st.st_mtim;
	must(!utimensat(AT_FDCWD, folder, times, 0));
	ok_int(next(r), 8);
	spool_reader_free(&r);
	spool_free(&s);
	limits.segment_bytes = 0;
	scratch_remove();
}

/* A frame that is half written, then cut back by the writer and written anew with other bytes. */
static void partial_and_rewritten(void)
{
	struct frame_header h;
	struct buf a = { 0 }, b = { 0 };
	uint8_t zero[32] = { 0 }, hash[32];
	struct spool_reader *r;
	struct spool *s;
	const char *path;
	off_t size;

	scratch_make();
	s = writer();
	must(s && !put_frames(s, CHAIN_DATA, 1, 100));
	path = segment_path("data", 0, ".seg");
	size = size_of(path);
	r = reader(0);
	must(r && next(r) == 0);
	a_frame(&h, CHAIN_DATA, 1, zero, 3000, &a, hash);
	a_frame(&h, CHAIN_DATA, 1, zero, 2000, &b, hash);
	for (size_t n = 1; n < a.n; n += 97) {
		append_bytes(path, a.p, n);
		ok_int(next(r), -1);
		must(!truncate(path, size));
	}
	append_bytes(path, a.p, a.n - 1);
	ok_int(next(r), -1);
	must(!truncate(path, size));
	append_bytes(path, b.p, b.n);
	ok_int(next(r), 1);
	ok_int(next(r), -1);
	spool_reader_free(&r);
	spool_free(&s);
	buf_free(&a);
	buf_free(&b);
	scratch_remove();
}

/* A damaged frame is said and passed over; those behind it come. */
static void damaged_middle(off_t offset)
{
	struct spool_reader *r;
	struct spool *s;
	long long got;

	scratch_make();
	limits.segment_bytes = 5000;
	s = writer();
	must(s && !put_frames(s, CHAIN_DATA, 12, 1000));
	damage(segment_path("data", 4, ".seg"), size_of(segment_path("data", 4, ".seg")) / 4 + offset, 4);
	r = reader(0);
	must(r != NULL);
	for (unsigned i = 0; i < 5; i++)
		ok_int(next(r), i);
	got = next(r);
	ok(got == -2 || got == -3);
	for (unsigned i = 6; i < 12; i++)
		ok_int(next(r), i);
	ok_int(next(r), -1);
	spool_reader_free(&r);
	spool_free(&s);
	limits.segment_bytes = 0;
	scratch_remove();
}

static void damaged(void)
{
	damaged_middle(0);
	damaged_middle(40);
	damaged_middle(104);
	damaged_middle(600);
}

/* The end of a closed segment is gone. */
static void cut_segment(void)
{
	struct spool_reader *r;
	struct spool *s;

	scratch_make();
	limits.segment_bytes = 5000;
	s = writer();
	must(s && !put_frames(s, CHAIN_DATA, 12, 1000));
	must(!truncate(segment_path("data", 4, ".seg"), size_of(segment_path("data", 4, ".seg")) - 10));
	r = reader(4);
	must(r && next(r) == 4 && next(r) == 5 && next(r) == 6);
	ok_int(next(r), -2);
	ok_int(next(r), 8);
	spool_reader_free(&r);
	spool_free(&s);
	limits.segment_bytes = 0;
	scratch_remove();
}

/* A frame in a frame: bytes of a payload that look like one are not taken for one while the outer one
 * is being written, nor can they throw the reader far ahead once it is damaged. */
static void frame_in_frame(void)
{
	struct frame_header h;
	struct buf inner = { 0 }, outer = { 0 };
	uint8_t zero[32] = { 0 }, hash[32];
	struct spool_reader *r;
	struct spool *s;
	const char *path;
	long long got;

	scratch_make();
	s = writer();
	must(s && !put_frames(s, CHAIN_DATA, 1, 100));
	path = segment_path("data", 0, ".seg");
	a_frame(&h, CHAIN_DATA, 1ull << 60, zero, 50, &inner, hash);
	a_frame(&h, CHAIN_DATA, 1, zero, 1000, &outer, hash);
	memcpy(outer.p + 300, inner.p, inner.n);
	append_bytes(path, outer.p, outer.n);	/* whole, but its checksum does not hold */
	r = reader(0);
	must(r && next(r) == 0);
	ok_int(next(r), -1);
	spool_free(&s);
	s = writer();				/* the writer's recovery is not fooled either */
	must(s && !put_frames(s, CHAIN_DATA, 1, 100));
	ok_int(got = next(r), -2);
	while (got == -2)
		got = next(r);
	ok_int(got, 1);
	spool_reader_free(&r);
	spool_free(&s);
	buf_free(&inner);
	buf_free(&outer);
	scratch_remove();
}

/* Two processes: all that one writes the other reads, in order, whole. */
static void two_processes(void)
{
	struct spool_reader *r;
	unsigned got = 0, status = 0;
	pid_t pid;

	scratch_make();
	limits.segment_bytes = 30000;
	pid = fork();
	if (pid == 0) {
		struct spool *s = writer();

		_exit(!s || put_frames(s, CHAIN_DATA, 1500, 500) ? 1 : 0);
	}
	r = reader(0);
	must(pid > 0 && r);
	for (unsigned idle = 0; got < 1500 && idle < 20000;) {
		long long n = next(r);

		if (n == -1) {
			idle++;
			usleep(500);
			continue;
		}
		must(n == got);
		got++;
	}
	ok_int(got, 1500);
	ok(waitpid(pid, (int *)&status, 0) == pid && status == 0);
	spool_reader_free(&r);
	limits.segment_bytes = 0;
	scratch_remove();
}

static void streams(void)
{
	uint8_t v[4][16], other[16] = { 1 };
	struct spool *s;

	scratch_make();
	ok_int(spool_streams(scratch, v, 4), 0);
	must(!spool_open(scratch, stream, &limits, NULL, NULL, NULL, &s));
	spool_free(&s);
	must(!spool_open(scratch, other, &limits, NULL, NULL, NULL, &s));
	spool_free(&s);
	must(spool_streams(scratch, v, 4) == 2);
	ok(!memcmp(v[0], other, 16) && !memcmp(v[1], stream, 16));
	ok_int(spool_streams(scratch, v, 1), 1);
	ok_int(spool_streams("/nonexistent", v, 4), -ENOENT);
	scratch_remove();
}

static const struct tap_case cases[] = {
	CASE(follows_growth), CASE(starts_anywhere), CASE(rotation_and_deletion), CASE(deleted_under_it), CASE(a_segment_within_the_same_tick),
	CASE(partial_and_rewritten), CASE(damaged), CASE(cut_segment), CASE(frame_in_frame), CASE(two_processes), CASE(streams),
};
TAP_MAIN(cases)
