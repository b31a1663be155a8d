/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's writer: appending, recovery from what crashes and disks do, budgets, full disks. */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "gen/hosttrail.pb-c.h"
#include "tests/tap.h"
#include "tests/unit/spoolgen.h"

static struct spool_limits limits = { .bytes = { 1 << 30, 1 << 30, 1 << 30 } };

struct found {
	unsigned settled[256];		/* how often each sequence is */
	uint64_t records;
	unsigned n, nbad;
	uint64_t numbers[4096];
	struct {
		unsigned chain;
		uint64_t first, last;
		char path[200], why[100];
	} bad[16];
};

static void on_found(void *ctx, const struct frame_header *h)
{
	struct found *f = ctx;

	if (h->chain == CHAIN_DATA && f->n < 4096)
		f->numbers[f->n++] = h->number;
	f->records += h->records;
	for (unsigned i = 0; i < h->nranges; i++)
		for (uint64_t q = h->ranges[i].first; q <= h->ranges[i].last && q < 256; q++)
			f->settled[q]++;
}

static void on_bad(void *ctx, unsigned chain, const char *path, const char *why, uint64_t first, uint64_t last)
{
	struct found *f = ctx;

	if (f->nbad == 16)
		return;
	f->bad[f->nbad].chain = chain;
	f->bad[f->nbad].first = first;
	f->bad[f->nbad].last = last;
	snprintf(f->bad[f->nbad].path, sizeof(f->bad[0].path), "%s", path);
	snprintf(f->bad[f->nbad++].why, sizeof(f->bad[0].why), "%s", why);
}

static struct spool *open_spool(struct found *f)
{
	struct spool *s = NULL;

	memset(f, 0, sizeof(*f));
	return spool_open(scratch, stream, &limits, on_found, on_bad, f, &s) ? NULL : s;
}

static uint64_t head_of(const struct spool *s, unsigned chain)
{
	uint8_t previous[32];
	uint64_t number;

	spool_head(s, chain, &number, previous);
	return number;
}

/* The numbers first..last without those missing[0]..missing[1]. */
static bool found_are(const struct found *f, uint64_t first, uint64_t last, uint64_t gap_first, uint64_t gap_last)
{
	unsigned i = 0;

	for (uint64_t n = first; n <= last; n++) {
		if (n >= gap_first && n <= gap_last)
			continue;
		if (i == f->n || f->numbers[i++] != n)
			return false;
	}
	return i == f->n;
}

static void append_and_reopen(void)
{
	uint8_t a[32], b[32];
	struct found f;
	struct spool *s;
	struct stat st;
	uint64_t n;

	scratch_make();
	umask(077);
	s = open_spool(&f);
	must(s && head_of(s, CHAIN_DATA) == 0);
	ok_int(put_frames(s, CHAIN_DATA, 10, 1000), 0);
	ok_int(put_frames(s, CHAIN_CONTROL, 3, 100), 0);
	ok(spool_dirty(s));
	ok_int(spool_sync(s), 0);
	ok(!spool_dirty(s) && spool_bytes(s, CHAIN_DATA) > 10000 && spool_bytes(s, CHAIN_TLS) == 0);
	spool_head(s, CHAIN_DATA, &n, a);
	spool_free(&s);
	ok(!stat(segment_path("data", 0, ".seg"), &st) && (st.st_mode & 0777) == 0640);
	snprintf(scratch + strlen(scratch), 40, "/%s", STREAM_HEX);
	ok(!stat(scratch, &st) && (st.st_mode & 0777) == 0750);
	*strrchr(scratch, '/') = '\0';
	s = open_spool(&f);
	must(s && found_are(&f, 0, 9, 1, 0) && !f.nbad);
	spool_head(s, CHAIN_DATA, &n, b);
	ok(n == 10 && !memcmp(a, b, 32) && head_of(s, CHAIN_CONTROL) == 3);
	ok_int(put_frames(s, CHAIN_DATA, 1, 1000), 0);
	spool_free(&s);
	s = open_spool(&f);
	must(s && found_are(&f, 0, 10, 1, 0));
	spool_free(&s);
	scratch_remove();
}

/* The group comes from a directory with the set-group-ID bit. */
static void group_is_inherited(void)
{
	struct found f;
	struct spool *s;
	struct stat st;
	char dir[256];

	if (geteuid() != 0)
		skip("needs root to give a directory to another group");
	scratch_make();
	must(!chown(scratch, 0, 64100) && !chmod(scratch, 02750));
	s = open_spool(&f);
	must(s && !put_frames(s, CHAIN_DATA, 1, 10));
	spool_free(&s);
	ok(!stat(segment_path("data", 0, ".seg"), &st) && st.st_gid == 64100 && (st.st_mode & 0777) == 0640);
	*strrchr(strcpy(dir, segment_path("data", 0, ".seg")), '/') = '\0';
	ok(!stat(dir, &st) && st.st_gid == 64100 && (st.st_mode & 07777) == 02750);
	scratch_remove();
}

static void wrong_number(void)
{
	struct frame_header h;
	struct buf out = { 0 };
	uint8_t zero[32] = { 0 }, hash[32];
	struct found f;
	struct spool *s;

	scratch_make();
	s = open_spool(&f);
	must(s);
	a_frame(&h, CHAIN_DATA, 1, zero, 10, &out, hash);
	ok_int(spool_append(s, &h, out.p, out.n, hash), -EINVAL);
	ok_int(head_of(s, CHAIN_DATA), 0);
	spool_free(&s);
	buf_free(&out);
	scratch_remove();
}

static void segments_rotate_and_trim(void)
{
	struct found f;
	struct spool *s;

	scratch_make();
	limits.segment_bytes = 5000;
	s = open_spool(&f);
	must(s && !put_frames(s, CHAIN_DATA, 20, 1000));	/* four to a segment */
	ok(size_of(segment_path("data", 4, ".seg")) > 4000 && size_of(segment_path("data", 16, ".seg")) > 4000);
	ok_int(spool_trim(s, CHAIN_DATA, 3), 0);
	ok(size_of(segment_path("data", 0, ".seg")) > 0);
	ok_int(spool_trim(s, CHAIN_DATA, 4), 0);
	ok(size_of(segment_path("data", 0, ".seg")) < 0 && size_of(segment_path("data", 4, ".seg")) > 0);
	ok_int(spool_trim(s, CHAIN_DATA, 1000), 0);
	ok(size_of(segment_path("data", 12, ".seg")) < 0 && size_of(segment_path("data", 16, ".seg")) > 0);
	ok_int(spool_bytes(s, CHAIN_DATA), size_of(segment_path("data", 16, ".seg")));
	spool_free(&s);
	s = open_spool(&f);
	must(s && found_are(&f, 16, 19, 1, 0));
	ok_int(head_of(s, CHAIN_DATA), 20);
	spool_free(&s);
	limits.segment_bytes = 0;
	scratch_remove();
}

/* A last frame that a crash cut short, at every length, or that is only zeros yet. */
static void torn_tail(void)
{
	struct found f;
	struct spool *s;
	off_t two, three;
	const char *path;

	scratch_make();
	s = open_spool(&f);
	must(s && !put_frames(s, CHAIN_DATA, 2, 50));
	path = segment_path("data", 0, ".seg");
	two = size_of(path);
	for (unsigned i = 1;; i += 7) {
		must(!put_frames(s, CHAIN_DATA, 1, 50));
		spool_free(&s);
		three = size_of(path);
		if (two + (off_t)i >= three)
			break;
		must(!truncate(path, two + (off_t)i));
		s = open_spool(&f);
		must(s && found_are(&f, 0, 1, 1, 0) && !f.nbad && head_of(s, CHAIN_DATA) == 2);
		must(size_of(path) == two);
	}
	must(!truncate(path, two) && !truncate(path, two + 5000));
	s = open_spool(&f);
	must(s && found_are(&f, 0, 1, 1, 0) && !f.nbad && size_of(path) == two);
	ok_int(put_frames(s, CHAIN_DATA, 1, 50), 0);
	spool_free(&s);
	must(!truncate(path, 10));		/* nothing whole is left */
	s = open_spool(&f);
	must(s && !f.n && !f.nbad && head_of(s, CHAIN_DATA) == 0 && size_of(path) < 0);
	ok_int(put_frames(s, CHAIN_DATA, 1, 50), 0);
	spool_free(&s);
	scratch_remove();
}

/* Damage in the middle: the segment is kept as .bad, all other frames stay, the missing number is said. */
static void corrupt_middle(unsigned segment_bytes, uint64_t bad_number, off_t frame_offset)
{
	struct found f;
	struct spool *s;
	uint64_t first = segment_bytes ? bad_number / 4 * 4 : 0;
	off_t frame, was;
	char bad[300];

	scratch_make();
	limits.segment_bytes = segment_bytes;
	s = open_spool(&f);
	must(s && !put_frames(s, CHAIN_DATA, 12, 1000));
	spool_free(&s);
	was = size_of(segment_path("data", first, ".seg"));
	frame = was / (segment_bytes ? 4 : 12);
	damage(segment_path("data", first, ".seg"), frame * (off_t)(bad_number - first) + frame_offset, 3);
	s = open_spool(&f);
	must(s);
	ok(found_are(&f, 0, 11, bad_number, bad_number));
	must(f.nbad == 1);
	ok(f.bad[0].chain == CHAIN_DATA && f.bad[0].first == bad_number && f.bad[0].last == bad_number);
	snprintf(bad, sizeof(bad), "%s/" STREAM_HEX "/%s", scratch, f.bad[0].path);
	ok_int(size_of(bad), was);
	ok_int(head_of(s, CHAIN_DATA), 12);
	ok_int(put_frames(s, CHAIN_DATA, 3, 1000), 0);
	spool_free(&s);
	s = open_spool(&f);		/* said once; nothing is left to mend */
	must(s && found_are(&f, 0, 14, bad_number, bad_number) && !f.nbad);
	ok_int(put_frames(s, CHAIN_DATA, 1, 1000), 0);
	spool_free(&s);
	limits.segment_bytes = 0;
	scratch_remove();
}

static void corrupt_payload(void)
{
	corrupt_middle(0, 5, 700);
	corrupt_middle(5000, 5, 700);
	corrupt_middle(5000, 4, 700);
	corrupt_middle(5000, 7, 700);
}

static void corrupt_header(void)
{
	corrupt_middle(0, 5, 0);	/* magic */
	corrupt_middle(0, 5, 104);	/* payload length */
	corrupt_middle(0, 0, 4);
	corrupt_middle(5000, 4, 12);	/* stream */
	corrupt_middle(5000, 7, 28);	/* number */
}

/* Garbage behind the last good frame: how much is missing cannot be known, and that is said. */
static void corrupt_end(void)
{
	struct found f;
	struct spool *s;
	uint8_t noise[9000];

	scratch_make();
	s = open_spool(&f);
	must(s && !put_frames(s, CHAIN_DATA, 3, 1000));
	spool_free(&s);
	memset(noise, 0x33, sizeof(noise));
	append_bytes(segment_path("data", 0, ".seg"), noise, sizeof(noise));
	s = open_spool(&f);
	must(s && found_are(&f, 0, 2, 1, 0) && f.nbad == 1);
	ok(f.bad[0].first == 3 && f.bad[0].last == 2 && head_of(s, CHAIN_DATA) == 3);
	ok_int(put_frames(s, CHAIN_DATA, 2, 1000), 0);
	spool_free(&s);
	s = open_spool(&f);
	must(s && found_are(&f, 0, 4, 1, 0) && !f.nbad);
	spool_free(&s);
	scratch_remove();
}

/* The end of a segment that is not the newest is not torn: later frames were written, so it was whole once. */
static void cut_old_segment(void)
{
	struct found f;
	struct spool *s;

	scratch_make();
	limits.segment_bytes = 5000;
	s = open_spool(&f);
	must(s && !put_frames(s, CHAIN_DATA, 12, 1000));
	spool_free(&s);
	must(!truncate(segment_path("data", 4, ".seg"), size_of(segment_path("data", 4, ".seg")) - 2000));
	s = open_spool(&f);
	must(s && found_are(&f, 0, 11, 6, 7) && f.nbad == 1);
	ok(f.bad[0].first == 6 && f.bad[0].last == 7 && head_of(s, CHAIN_DATA) == 12);
	spool_free(&s);
	limits.segment_bytes = 0;
	scratch_remove();
}

/* A second damage of a segment that was set aside before does not overwrite the first copy. */
static void bad_copies_are_kept(void)
{
	struct found f;
	struct spool *s;

	scratch_make();
	s = open_spool(&f);
	must(s && !put_frames(s, CHAIN_DATA, 12, 1000));
	spool_free(&s);
	damage(segment_path("data", 0, ".seg"), size_of(segment_path("data", 0, ".seg")) / 12 * 8 + 500, 1);
	s = open_spool(&f);
	must(s && f.nbad == 1);
	spool_free(&s);
	damage(segment_path("data", 0, ".seg"), 500, 1);
	s = open_spool(&f);
	must(s && f.nbad == 1 && f.bad[0].first == 0 && f.n == 10);
	spool_free(&s);
	ok(size_of(segment_path("data", 0, ".bad")) > 0 && size_of(segment_path("data", 0, ".1.bad")) > 0);
	scratch_remove();
}

/* A start that was killed while it was setting a segment aside: the next one finishes the work. */
static void salvage_is_taken_up(void)
{
	struct found f;
	struct spool *s;
	char tmp[256], bad[256], seg[256];

	scratch_make();
	s = open_spool(&f);
	must(s && !put_frames(s, CHAIN_DATA, 12, 1000));
	spool_free(&s);
	snprintf(seg, sizeof(seg), "%s", segment_path("data", 0, ".seg"));
	snprintf(bad, sizeof(bad), "%s", segment_path("data", 0, ".bad"));
	snprintf(tmp, sizeof(tmp), "%s", segment_path("data", 6, ".tmp"));
	damage(seg, size_of(seg) / 12 * 5 + 700, 3);
	must(!link(seg, bad));		/* so far it came, and to half of the second run */
	close(open(tmp, O_WRONLY | O_CREAT, 0640));
	append_bytes(tmp, "HTF1 half", 9);
	s = open_spool(&f);
	must(s && found_are(&f, 0, 11, 5, 5) && f.nbad == 1 && f.bad[0].first == 5 && f.bad[0].last == 5);
	ok(size_of(tmp) < 0 && size_of(bad) > 12000 && size_of(segment_path("data", 0, ".1.bad")) < 0);
	spool_free(&s);
	/* the second run is there already, the first has not taken the segment's place yet */
	must(!unlink(seg) && !link(bad, seg));
	s = open_spool(&f);
	must(s && found_are(&f, 0, 11, 5, 5) && f.nbad == 1 && head_of(s, CHAIN_DATA) == 12);
	spool_free(&s);
	s = open_spool(&f);
	must(s && found_are(&f, 0, 11, 5, 5) && !f.nbad);
	spool_free(&s);
	scratch_remove();
}

/* Frames of a foreign stream or chain, or an older number again, are not taken in. */
static void foreign_frames(void)
{
	struct frame_header h;
	struct buf out = { 0 };
	uint8_t zero[32] = { 0 }, hash[32];
	struct found f;
	struct spool *s;

	scratch_make();
	s = open_spool(&f);
	must(s && !put_frames(s, CHAIN_DATA, 2, 100));
	spool_free(&s);
	a_frame(&h, CHAIN_TLS, 2, zero, 100, &out, hash);
	append_bytes(segment_path("data", 0, ".seg"), out.p, out.n);
	a_frame(&h, CHAIN_DATA, 1, zero, 100, &out, hash);
	append_bytes(segment_path("data", 0, ".seg"), out.p, out.n);
	a_frame(&h, CHAIN_DATA, 1ull << 60, zero, 100, &out, hash);
	append_bytes(segment_path("data", 0, ".seg"), out.p, out.n);
	s = open_spool(&f);
	must(s && found_are(&f, 0, 1, 2, 0) && f.nbad == 1);
	ok_str(f.bad[0].why, "a frame that does not belong here");
	ok_int(head_of(s, CHAIN_DATA), 2);
	spool_free(&s);
	buf_free(&out);
	scratch_remove();
}

/* ---- budgets */

static void tombstone(struct spool *s, const struct spool_drop_plan *plan)
{
	Hosttrail__V1__Tombstone t = HOSTTRAIL__V1__TOMBSTONE__INIT;
	struct frame_header h = { .chain = CHAIN_DATA, .kind = FRAME_TOMBSTONE, .records = (uint32_t)plan->records,
				  .first_time = plan->first_time, .last_time = plan->last_time, .nranges = plan->nranges };
	uint8_t raw[200], hash[32];
	struct buf out = { 0 };
	size_t n;

	t.first_number = plan->first_number;
	t.last_number = plan->last_number;
	t.records = plan->records;
	n = hosttrail__v1__tombstone__pack(&t, raw);
	memcpy(h.stream, stream, 16);
	memcpy(h.ranges, plan->ranges, sizeof(h.ranges));
	spool_head(s, CHAIN_DATA, &h.number, h.previous);
	must(!frame_build(&h, raw, n, no_sign, NULL, &out, hash) && !spool_append(s, &h, out.p, out.n, hash));
	buf_free(&out);
}

/* Over budget again and again: every sequence that ever was written is settled by exactly one frame that is left. */
static void drop_under_budget(void)
{
	struct spool_drop_plan *plan = malloc(sizeof(*plan));
	struct found f;
	struct spool *s;
	unsigned drops = 0;
	int r;

	scratch_make();
	limits.segment_bytes = 5000;
	limits.bytes[CHAIN_DATA] = 12000;
	s = open_spool(&f);
	must(s);
	next_seq = 0;
	for (unsigned i = 0; i < 60; i++) {
		must(!put_frames(s, CHAIN_DATA, 1, 1000));
		while ((r = spool_plan_drop(s, CHAIN_DATA, plan)) == 1) {
			tombstone(s, plan);
			must(!tap_failed && !spool_drop(s, CHAIN_DATA, plan));
			must(++drops < 100);
		}
		must(r == 0);
		ok(spool_bytes(s, CHAIN_DATA) <= 12000);
	}
	ok(drops > 10);
	spool_free(&s);
	s = open_spool(&f);
	must(s && f.records == 60 && f.n < 20);
	for (unsigned i = 0; i < 60; i++)
		ok_int(f.settled[i], 1);
	spool_free(&s);
	limits.segment_bytes = 0;
	limits.bytes[CHAIN_DATA] = 1 << 30;
	free(plan);
	scratch_remove();
}

/* What the store has is not counted lost. */
static void drop_skips_acknowledged(void)
{
	struct spool_drop_plan *plan = malloc(sizeof(*plan));
	struct found f;
	struct spool *s;

	scratch_make();
	limits.segment_bytes = 5000;
	limits.bytes[CHAIN_DATA] = 4000;
	s = open_spool(&f);
	next_seq = 0;
	must(s && !put_frames(s, CHAIN_DATA, 6, 1000));
	ok_int(spool_trim(s, CHAIN_DATA, 3), 0);
	ok_int(spool_plan_drop(s, CHAIN_DATA, plan), 1);
	ok(plan->first_number == 3 && plan->last_number == 3 && plan->records == 1 && plan->ranges[0].first == 3);
	spool_free(&s);
	limits.segment_bytes = 0;
	limits.bytes[CHAIN_DATA] = 1 << 30;
	free(plan);
	scratch_remove();
}

static bool one_range(const struct spool_drop_plan *plan)
{
	return plan->nranges == 1 && plan->ranges[0].first == plan->first_number && plan->ranges[0].last == plan->last_number;
}

/* One segment only: it is closed, so that the tombstone goes into another. */
static void drop_the_only_segment(void)
{
	struct spool_drop_plan *plan = malloc(sizeof(*plan));
	struct found f;
	struct spool *s;

	scratch_make();
	limits.bytes[CHAIN_DATA] = 1000;
	s = open_spool(&f);
	next_seq = 0;
	must(s && !put_frames(s, CHAIN_DATA, 3, 1000));
	must(spool_plan_drop(s, CHAIN_DATA, plan) == 1 && one_range(plan));
	ok_int(spool_drop(s, CHAIN_DATA, plan), -EINVAL);	/* the tombstone first */
	tombstone(s, plan);
	ok_int(spool_drop(s, CHAIN_DATA, plan), 0);
	ok_int(spool_plan_drop(s, CHAIN_DATA, plan), 0);
	spool_free(&s);
	s = open_spool(&f);
	must(s && f.n == 1 && head_of(s, CHAIN_DATA) == 4);
	spool_free(&s);
	limits.bytes[CHAIN_DATA] = 1 << 30;
	free(plan);
	scratch_remove();
}

/* A segment is closed before its frames settle more ranges than a tombstone's header holds. */
static void ranges_fit_a_tombstone(void)
{
	struct spool_drop_plan *plan = malloc(sizeof(*plan));
	struct buf out = { 0 };
	uint8_t zero[32] = { 0 };
	struct found f;
	struct spool *s;

	scratch_make();
	limits.bytes[CHAIN_DATA] = 0;
	s = open_spool(&f);
	must(s);
	for (unsigned i = 0; i < 40; i++) {
		struct frame_header h;
		uint8_t hash[32];

		a_frame(&h, CHAIN_DATA, i, zero, 10, &out, hash);
		spool_head(s, CHAIN_DATA, &h.number, h.previous);
		h.nranges = 15;
		for (uint16_t k = 0; k < 15; k++)
			h.ranges[k] = (struct frame_range){ 2, k, i * 10, i * 10 + 3 };
		buf_reset(&out);
		must(!frame_build(&h, "x", 1, no_sign, NULL, &out, hash) && !spool_append(s, &h, out.p, out.n, hash));
	}
	ok(size_of(segment_path("data", 13, ".seg")) > 0 && size_of(segment_path("data", 26, ".seg")) > 0);
	must(spool_plan_drop(s, CHAIN_DATA, plan) == 1);
	ok(plan->last_number == 12 && plan->nranges == 13 * 15);
	spool_free(&s);
	s = open_spool(&f);	/* found again when the segment is taken up after a start */
	must(s && !put_frames(s, CHAIN_DATA, 1, 10));
	spool_free(&s);
	limits.bytes[CHAIN_DATA] = 1 << 30;
	buf_free(&out);
	free(plan);
	scratch_remove();
}

/* ---- a full disk */

/* Nothing of a frame that did not fit is left; when there is room again, the chain goes on. */
static void full_disk(void)
{
	struct found f;
	struct spool *s;
	char filler[100];
	uint64_t head, bytes;
	off_t size;
	int fd, r;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		skip("needs root to mount a small tmpfs");
	scratch_make();
	if (mount("hosttrail-test", scratch, "tmpfs", 0, "size=256k"))
		skip("tmpfs cannot be mounted here");
	s = open_spool(&f);
	must(s);
	snprintf(filler, sizeof(filler), "%s/filler", scratch);
	fd = open(filler, O_WRONLY | O_CREAT, 0600);
	must(fd >= 0 && !posix_fallocate(fd, 0, 100 << 10));
	while ((r = put_frames(s, CHAIN_DATA, 1, 5000)) == 0)
		;
	ok_int(r, -ENOSPC);
	head = head_of(s, CHAIN_DATA);
	bytes = spool_bytes(s, CHAIN_DATA);
	size = size_of(segment_path("data", 0, ".seg"));
	ok(head > 5 && bytes == (uint64_t)size);
	ok_int(put_frames(s, CHAIN_DATA, 1, 5000), -ENOSPC);
	ok_int(put_frames(s, CHAIN_CONTROL, 1, 70000), -ENOSPC);	/* a new segment that stays empty goes again */
	ok(head_of(s, CHAIN_CONTROL) == 0 && size_of(segment_path("control", 0, ".seg")) < 0);
	ok(head_of(s, CHAIN_DATA) == head && size_of(segment_path("data", 0, ".seg")) == size && spool_sync(s) == 0);
	must(!ftruncate(fd, 0));
	close(fd);
	ok_int(put_frames(s, CHAIN_DATA, 3, 5000), 0);
	ok_int(put_frames(s, CHAIN_CONTROL, 1, 5000), 0);
	spool_free(&s);
	s = open_spool(&f);
	ok(s && found_are(&f, 0, head + 2, 1, 0) && !f.nbad);
	spool_free(&s);
	umount2(scratch, MNT_DETACH);
	rmdir(scratch);
}

/* Killed at random bytes: whatever prefix of the file is left, what was whole in it is there, in order, and the chain goes on. */
static void random_cuts(void)
{
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct found f;
		struct spool *s;
		off_t size, cut;
		uint64_t left;

		srand(seed);
		scratch_make();
		limits.segment_bytes = 20000;
		s = open_spool(&f);
		must(s && !put_frames(s, CHAIN_DATA, 1 + (unsigned)rand() % 40, (size_t)(rand() % 3000)));
		left = head_of(s, CHAIN_DATA);
		spool_free(&s);
		for (uint64_t first = left; first-- > 0;) {	/* the newest segment */
			size = size_of(segment_path("data", first, ".seg"));
			if (size < 0)
				continue;
			cut = rand() % (size + 1);
			must(!truncate(segment_path("data", first, ".seg"), cut));
			break;
		}
		s = open_spool(&f);
		must(s && !f.nbad && f.n <= left && (f.n == 0 || found_are(&f, 0, f.n - 1, 1, 0)));
		must(head_of(s, CHAIN_DATA) == f.n);
		left = f.n;
		must(!put_frames(s, CHAIN_DATA, 5, 100));
		spool_free(&s);
		s = open_spool(&f);
		must(s && found_are(&f, 0, left + 4, 1, 0));
		spool_free(&s);
		scratch_remove();
	}
	limits.segment_bytes = 0;
}

static const struct tap_case cases[] = {
	CASE(append_and_reopen), CASE(group_is_inherited), CASE(wrong_number), CASE(segments_rotate_and_trim), CASE(torn_tail),
	CASE(corrupt_payload), CASE(corrupt_header), CASE(corrupt_end), CASE(cut_old_segment), CASE(bad_copies_are_kept),
	CASE(salvage_is_taken_up), CASE(foreign_frames), CASE(drop_under_budget), CASE(drop_skips_acknowledged), CASE(drop_the_only_segment),
	CASE(ranges_fit_a_tombstone), CASE(random_cuts), CASE(full_disk),
};
TAP_MAIN(cases)
