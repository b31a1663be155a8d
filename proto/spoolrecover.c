/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spoolrecover.c - what the writer does with a directory that a crash, a full disk or a bad disk
 * may have left behind. It can itself be killed at any instruction: then the next start does it again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "spool_internal.h"

#define BAD_NAMES_MAX 1000

/* Good frames that lie back to back. */
struct run {
	uint64_t at, bytes, first, last;
};

struct recovery {
	struct spool *s;
	unsigned chain;
	struct spool_chain *c;
	spool_found_fn found;
	spool_bad_fn bad;
	void *ctx;
	/* the segment being read */
	uint64_t name, next_name;	/* next_name: of the segment behind it; UINT64_MAX: none */
	bool newest, tail_bad, beyond;	/* beyond: it goes on with frames that the next segment has, too */
	bool full;			/* no more frames may go into it */
	struct segment_scan scan;
	struct segment_order order;
	struct run *runs;
	size_t nruns;
	uint64_t torn_at;		/* UINT64_MAX: not torn */
	const char *why;		/* the first fault; NULL: none */
};

static int run_add(struct recovery *r, uint64_t number)
{
	struct run *v = realloc(r->runs, (r->nruns + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	r->runs = v;
	v[r->nruns++] = (struct run){ r->scan.at, 0, number, number };
	return 0;
}

/* What the next segment's name claims is there: a start that was killed while it mended this one may have put it there. */
static bool belongs(const struct recovery *r, const struct frame_header *h)
{
	return !memcmp(h->stream, r->s->stream, sizeof(h->stream)) && h->chain == r->chain && h->number >= r->c->next &&
	       h->number < r->next_name && segment_order_ok(&r->order, h->number, r->scan.at);
}

static int good(struct recovery *r, const struct frame_header *h, const uint8_t *p, size_t n)
{
	struct run *last = r->nruns ? &r->runs[r->nruns - 1] : NULL;
	int k;

	if (!last || last->at + last->bytes != r->scan.at || last->last + 1 != h->number) {
		k = run_add(r, h->number);
		if (k < 0)
			return k;
		last = &r->runs[r->nruns - 1];
	}
	last->bytes += n;
	last->last = h->number;
	r->c->next = h->number + 1;
	segment_order_next(&r->order, h->number, r->scan.at + n);
	frame_hash(p, h, r->c->previous);
	if (r->newest && !r->full && ranges_join(r->c->ranges, &r->c->nranges, h->ranges, h->nranges) < 0)
		r->full = true;
	if (r->found)
		r->found(r->ctx, h);
	return 0;
}

static bool rest_is_zero(int fd, uint64_t at)
{
	uint8_t b[4096];
	ssize_t n;

	while ((n = pread(fd, b, sizeof(b), (off_t)at)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (b[i])
				return false;
		at += (uint64_t)n;
	}
	return n == 0;
}

/* Whether the rest is what a crash leaves of the last write, rather than damage. */
static bool torn(const struct recovery *r, int fault, uint64_t at)
{
	return r->newest && (fault == -EAGAIN || rest_is_zero(r->scan.fd, at));
}

/* Reads the whole segment into runs; faults are remembered, not mended yet. */
static int segment_read(struct recovery *r)
{
	struct frame_header h;
	const uint8_t *p;
	const char *why;
	size_t n;
	int k;

	for (;;) {
		uint64_t at = r->scan.at;

		k = segment_scan_frame(&r->scan, &h, &p, &n, &why);
		if (k == 0)
			return 0;
		if (k == 1 && belongs(r, &h)) {
			k = good(r, &h, p, n);
			if (k < 0)
				return k;
			segment_scan_skip(&r->scan, n);
			continue;
		}
		if (k == 1) {	/* whole, but not ours: another chain's, or a number that was there before */
			r->beyond |= h.number >= r->next_name;
			why = "a frame that does not belong here";
			segment_scan_skip(&r->scan, n);
		} else if (k != -EAGAIN && k != -EBADMSG) {
			return k;
		} else if (!segment_scan_resync(&r->scan, true)) {
			if (torn(r, k, at)) {
				r->torn_at = at;
				return 0;
			}
			r->tail_bad = true;
			r->why = r->why ? r->why : why;
			return 0;
		}
		r->why = r->why ? r->why : why;
	}
}

/* ---- setting aside */

static int keep_bad(struct recovery *r, char ret_name[64])
{
	char name[SEGMENT_NAME_MAX];
	struct stat a, b;

	segment_name(r->name, ".seg", name);
	if (fstat(r->scan.fd, &a) < 0)
		return -errno;
	for (unsigned i = 0; i < BAD_NAMES_MAX; i++) {
		snprintf(ret_name, 64, i ? "%020llu.%u.bad" : "%020llu.bad", (unsigned long long)r->name, i);
		if (linkat(r->c->dirfd, name, r->c->dirfd, ret_name, 0) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		/* From a start that was cut short: it is kept already. */
		if (fstatat(r->c->dirfd, ret_name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev)
			return 0;
	}
	return -EEXIST;
}

static int run_copy(struct recovery *r, const struct run *run, int to)
{
	_cleanup_free_ uint8_t *b = malloc(1 << 16);
	uint64_t at = run->at, left = run->bytes;
	int k = b ? 0 : -ENOMEM;

	while (!k && left) {
		size_t n = left < 1 << 16 ? left : 1 << 16;

		k = fsx_pread_all(r->scan.fd, b, n, (off_t)at);
		if (!k)
			k = fsx_write_all(to, b, n);
		at += n;
		left -= n;
	}
	if (!k && fsync(to) < 0)
		k = -errno;
	return k;
}

static int run_write(struct recovery *r, const struct run *run)
{
	_cleanup_close_ int to = -1;
	char tmp[SEGMENT_NAME_MAX], name[SEGMENT_NAME_MAX];
	struct stat st;
	int k;

	segment_name(run->first, ".tmp", tmp);
	segment_name(run->first, ".seg", name);
	if (fstat(r->scan.fd, &st) < 0)
		return -errno;
	to = openat(r->c->dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (to < 0)
		return -errno;
	k = fchmod(to, st.st_mode & 0777) < 0 ? -errno : run_copy(r, run, to);
	if (!k && renameat(r->c->dirfd, tmp, r->c->dirfd, name) < 0)
		k = -errno;
	if (k < 0)
		unlinkat(r->c->dirfd, tmp, 0);
	return k;
}

/* The damaged file gets a second name first; the run that has the segment's own name comes last and takes its place. */
static int salvage(struct recovery *r, char bad_name[64])
{
	char name[SEGMENT_NAME_MAX];
	bool replaced = false;
	int k = keep_bad(r, bad_name);

	if (!k && fsync(r->c->dirfd) < 0)
		k = -errno;
	for (size_t i = r->nruns; !k && i-- > 0;) {
		k = run_write(r, &r->runs[i]);
		replaced |= r->runs[i].first == r->name;
	}
	segment_name(r->name, ".seg", name);
	if (!k && !replaced && unlinkat(r->c->dirfd, name, 0) < 0)
		k = -errno;
	if (!k && fsync(r->c->dirfd) < 0)
		k = -errno;
	return k;
}

/* Says which numbers are missing: before, between and behind the runs; and at least that a copy was set aside. */
static void report(struct recovery *r, uint64_t expected, const char *bad_name)
{
	bool said = false;
	char path[128];

	if (!r->bad)
		return;
	snprintf(path, sizeof(path), "%s/%s", chain_name(r->chain), bad_name);
	for (size_t i = 0; i < r->nruns; i++) {
		if (r->runs[i].first > expected) {
			r->bad(r->ctx, r->chain, path, r->why, expected, r->runs[i].first - 1);
			said = true;
		}
		expected = r->runs[i].last + 1;
	}
	if (!r->newest && r->next_name > expected && (r->tail_bad || r->beyond))
		r->bad(r->ctx, r->chain, path, r->why, expected, r->next_name - 1);
	else if (r->tail_bad || !said)
		r->bad(r->ctx, r->chain, path, r->why, expected, expected - 1);
}

static int runs_keep(struct recovery *r)
{
	for (size_t i = 0; i < r->nruns; i++) {
		int k = segment_add(r->c, r->runs[i].first);

		if (k < 0)
			return k;
		r->c->v[r->c->n - 1].last = r->runs[i].last;
		r->c->v[r->c->n - 1].bytes = r->runs[i].bytes;
		r->c->bytes += r->runs[i].bytes;
	}
	return 0;
}

static int mend(struct recovery *r, uint64_t expected)
{
	char name[SEGMENT_NAME_MAX], bad_name[64];
	int k;

	segment_name(r->name, ".seg", name);
	if (r->why) {
		k = salvage(r, bad_name);
		if (k < 0)
			return k;
		report(r, expected, bad_name);
		r->full = true;
		return 0;
	}
	if (!r->nruns) {
		r->full = true;
		return unlinkat(r->c->dirfd, name, 0) < 0 ? -errno : 0;
	}
	if (r->torn_at != UINT64_MAX && (ftruncate(r->scan.fd, (off_t)r->torn_at) < 0 || fsync(r->scan.fd) < 0))
		return -errno;
	return 0;
}

static int segment_recover(struct recovery *r, uint64_t name, uint64_t next_name)
{
	char text[SEGMENT_NAME_MAX];
	_cleanup_close_ int fd = -1;
	uint64_t expected;
	int k;

	segment_name(name, ".seg", text);
	fd = openat(r->c->dirfd, text, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (name > r->c->next)
		r->c->next = name;
	expected = r->c->next;
	r->name = name;
	r->next_name = next_name;
	r->newest = next_name == UINT64_MAX;
	r->nruns = 0;
	r->torn_at = UINT64_MAX;
	r->why = NULL;
	r->tail_bad = r->beyond = r->full = false;
	r->c->nranges = 0;
	r->order = (struct segment_order){ name, 0 };
	segment_scan_start(&r->scan, fd);
	k = segment_read(r);
	if (!r->why && (r->nruns > 1 || (r->nruns && r->runs[0].first != name)))
		r->why = "numbers are missing";
	if (!k)
		k = mend(r, expected);
	return k ? k : runs_keep(r);
}

static int unlink_leftovers(struct spool_chain *c)
{
	_cleanup_free_ uint64_t *v = NULL;
	size_t n;
	int k = segment_list(c->dirfd, ".tmp", &v, &n);

	for (size_t i = 0; !k && i < n; i++) {
		char name[SEGMENT_NAME_MAX];

		segment_name(v[i], ".tmp", name);
		if (unlinkat(c->dirfd, name, 0) < 0)
			k = -errno;
	}
	return k;
}

/* The newest segment is written on, unless it was mended or its ranges are full. */
static int reopen_newest(struct spool_chain *c, bool full)
{
	char name[SEGMENT_NAME_MAX];

	if (!c->n || full) {
		c->nranges = 0;
		return 0;
	}
	segment_name(c->v[c->n - 1].first, ".seg", name);
	c->fd = openat(c->dirfd, name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	return c->fd < 0 ? -errno : 0;
}

int spool_recover(struct spool *s, unsigned chain, spool_found_fn found, spool_bad_fn bad, void *ctx)
{
	struct spool_chain *c = &s->chains[chain];
	struct recovery r = { .s = s, .chain = chain, .c = c, .found = found, .bad = bad, .ctx = ctx };
	_cleanup_free_ uint64_t *v = NULL;
	size_t n;
	int k = unlink_leftovers(c);

	if (!k)
		k = segment_list(c->dirfd, ".seg", &v, &n);
	for (size_t i = 0; !k && i < n; i++)
		k = segment_recover(&r, v[i], i + 1 < n ? v[i + 1] : UINT64_MAX);
	segment_scan_free(&r.scan);
	free(r.runs);
	return k ? k : reopen_newest(c, r.full);
}
