/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spoolread.c - the forwarder's end: follows a chain from segment to segment while the writer
 * appends, cuts back and deletes. It never waits; the caller asks again later.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "keys.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "spool_internal.h"

#define TICKS_NS 50000000		/* more than the coarsest tick of file times, 10 ms */
#define STUCK_NS (2 * NS_PER_SEC)

struct spool_reader {
	uint8_t stream[16];
	unsigned chain;
	char name[64];			/* "<stream hex>/<chain>" below base */
	int base, dir;			/* dir: -1 until the writer has made it */
	struct segment_scan scan;	/* fd -1: no segment open */
	uint64_t segment;		/* first number of the open one */
	struct segment_order order;
	bool final;			/* a later segment was there before this one was read to its end */
	uint64_t successor;
	uint64_t next;			/* smallest number still wanted */
	uint64_t skip;			/* bytes of the frame given last */
	uint64_t stuck_at, stuck_since;	/* a place where no good frame is, and since when (boot-time ns; 0: not) */
	struct timespec listed;		/* the directory's mtime when it was last listed, to no avail */
};

int spool_reader_open(const char *dir, const uint8_t stream[16], unsigned chain, uint64_t next, struct spool_reader **ret_r)
{
	_cleanup_(spool_reader_free) struct spool_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->dir = r->scan.fd = r->base = -1;
	r->scan.unhashed = true;	/* the store compares it */
	if (chain >= CHAIN__MAX)
		return -EINVAL;
	memcpy(r->stream, stream, sizeof(r->stream));
	hex_text(stream, 16, r->name);
	strcat(strcat(r->name, "/"), chain_name(chain));
	r->chain = chain;
	r->next = next;
	r->base = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->base < 0)
		return -errno;
	*ret_r = TAKE_PTR(r);
	return 0;
}

void spool_reader_free(struct spool_reader **pr)
{
	struct spool_reader *r = *pr;

	if (!r)
		return;
	cleanup_close(&r->scan.fd);
	cleanup_close(&r->dir);
	cleanup_close(&r->base);
	segment_scan_free(&r->scan);
	free(r);
	*pr = NULL;
}

/* ---- finding the segment */

/* 1: opened, 0: there is none of that name, -errno. */
static int segment_open(struct spool_reader *r, uint64_t first)
{
	char name[SEGMENT_NAME_MAX];
	int fd;

	segment_name(first, ".seg", name);
	fd = openat(r->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	cleanup_close(&r->scan.fd);
	segment_scan_start(&r->scan, fd);
	r->segment = first;
	r->order = (struct segment_order){ first, 0 };
	r->final = false;
	r->skip = r->stuck_since = 0;
	return 1;
}

/*
 * Whether the directory may hold names that were not there when it was last listed. *ret_mtime: its time, to be kept
 * if a listing now finds nothing. A time within the clock's last ticks is not worth keeping (0): what appears right after
 * the listing could bear the same.
 */
static int dir_changed(struct spool_reader *r, struct timespec *ret_mtime)
{
	struct timespec now;
	struct stat st;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (fstat(r->dir, &st) < 0)
		return -errno;
	*ret_mtime = st.st_mtim;
	if ((now.tv_sec - st.st_mtim.tv_sec) * (int64_t)NS_PER_SEC + now.tv_nsec - st.st_mtim.tv_nsec < TICKS_NS)
		*ret_mtime = (struct timespec){ 0 };
	return st.st_mtim.tv_sec != r->listed.tv_sec || st.st_mtim.tv_nsec != r->listed.tv_nsec;
}

static int choose(const struct spool_reader *r, const uint64_t *v, size_t n, uint64_t *ret_first)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (r->scan.fd >= 0) {		/* the one after the open one */
			if (v[i] <= r->segment)
				continue;
			*ret_first = v[i];
			return 1;
		}
		if (any && v[i] > r->next)	/* the last that begins at or before next, else the first */
			break;
		*ret_first = v[i];
		any = true;
	}
	return any;
}

/* 1: *ret_first is the segment to go on with, 0: there is none yet, -errno. */
static int find_segment(struct spool_reader *r, uint64_t *ret_first)
{
	_cleanup_free_ uint64_t *v = NULL;
	char name[SEGMENT_NAME_MAX];
	struct timespec mtime;
	struct stat st;
	size_t n;
	int k;

	/* Nearly always it is named after the number wanted next. */
	segment_name(r->next, ".seg", name);
	if ((r->scan.fd < 0 || r->segment < r->next) && fstatat(r->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		*ret_first = r->next;
		return 1;
	}
	k = dir_changed(r, &mtime);
	if (k <= 0)
		return k;
	k = segment_list(r->dir, ".seg", &v, &n);
	if (k < 0)
		return k;
	k = choose(r, v, n, ret_first);
	if (!k)
		r->listed = mtime;
	return k;
}

static int dir_open(struct spool_reader *r)
{
	if (r->dir >= 0)
		return 1;
	r->dir = openat(r->base, r->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dir >= 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

/* ---- frames */

static bool wanted(const struct spool_reader *r, const struct frame_header *h)
{
	return !memcmp(h->stream, r->stream, sizeof(h->stream)) && h->chain == r->chain;
}

/* Passes by what was acknowledged long ago without reading its payload. */
static int skip_old(struct spool_reader *r, struct frame_header *h)
{
	size_t total;

	while (segment_scan_header(&r->scan, h, &total) == 1 && wanted(r, h) && h->number < r->next) {
		struct stat st;

		if (fstat(r->scan.fd, &st) < 0)
			return -errno;
		if (r->scan.at + total > (uint64_t)st.st_size)
			return 0;
		segment_scan_skip(&r->scan, total);
		segment_order_next(&r->order, h->number, r->scan.at);
	}
	return 0;
}

/* The writer may just be writing here: time tells. */
static bool stuck(struct spool_reader *r)
{
	uint64_t now = clock_boot();

	if (!r->stuck_since || r->stuck_at != r->scan.at) {
		r->stuck_at = r->scan.at;
		r->stuck_since = now;
	}
	return now - r->stuck_since >= STUCK_NS;
}

/* 1: a frame that the caller wants. 0: nothing good here or at the end; *ret_why NULL if this is just the end.
 * -EBADMSG: something was passed over. -EAGAIN: look again. */
static int frame_next(struct spool_reader *r, const uint8_t **ret_p, size_t *ret_n, struct frame_header *h, const char **ret_why)
{
	int k = skip_old(r, h);

	*ret_why = NULL;
	if (!k)
		k = segment_scan_frame(&r->scan, h, ret_p, ret_n, ret_why);
	if (k == -EBADMSG || k == -EAGAIN) {
		k = segment_scan_resync(&r->scan, r->final || stuck(r));
		return k == 1 ? -EBADMSG : k;
	}
	if (k <= 0) {
		*ret_why = NULL;
		return k;
	}
	r->skip = *ret_n;
	r->stuck_since = 0;
	if (!wanted(r, h) || !segment_order_ok(&r->order, h->number, r->scan.at)) {
		*ret_why = "a frame that does not belong here";
		return -EBADMSG;
	}
	segment_order_next(&r->order, h->number, r->scan.at + *ret_n);
	if (h->number < r->next)
		return -EAGAIN;
	r->next = h->number + 1;
	return 1;
}

/*
 * The open segment has nothing more. A later one counts only if it was there before this one was read
 * to its end: what the writer appended in between would be lost otherwise.
 * 1: read on, 0: nothing yet, -EBADMSG: the segment ended badly (why says how), and the later one is open.
 */
static int go_on(struct spool_reader *r, const char *why)
{
	int k;

	if (r->scan.fd >= 0 && r->final) {
		k = segment_open(r, r->successor);
		r->final = false;
		if (k == 1 && why)
			return -EBADMSG;
		if (k)
			return k;
		r->listed = (struct timespec){ 0 };	/* gone already: look again */
	}
	k = dir_open(r);
	if (k == 1)
		k = find_segment(r, &r->successor);
	if (k <= 0)
		return k;
	if (r->scan.fd < 0)
		return segment_open(r, r->successor);
	r->final = true;
	return 1;
}

int spool_reader_next(struct spool_reader *r, const uint8_t **ret_p, size_t *ret_n, struct frame_header *ret_h, const char **ret_why)
{
	int k;

	for (;;) {
		*ret_why = NULL;
		if (r->scan.fd >= 0) {
			segment_scan_skip(&r->scan, r->skip);
			r->skip = 0;
			k = frame_next(r, ret_p, ret_n, ret_h, ret_why);
			if (k == -EAGAIN)
				continue;
			if (k)
				return k;
		}
		k = go_on(r, *ret_why);
		if (k <= 0)
			return k;
	}
}

uint64_t spool_reader_behind(struct spool_reader *r)
{
	_cleanup_free_ uint64_t *v = NULL;
	uint64_t bytes = 0;
	size_t n = 0;

	if (r->dir < 0 || segment_list(r->dir, ".seg", &v, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		char name[SEGMENT_NAME_MAX];
		struct stat st;

		segment_name(v[i], ".seg", name);
		if ((r->scan.fd >= 0 && v[i] < r->segment) || fstatat(r->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		bytes += (uint64_t)st.st_size;
		if (r->scan.fd >= 0 && v[i] == r->segment) {
			uint64_t read = r->scan.at + r->skip;

			bytes -= read < (uint64_t)st.st_size ? read : (uint64_t)st.st_size;
		}
	}
	return bytes;
}

static int by_stream(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

int spool_streams(const char *dir, uint8_t (*ret_streams)[16], unsigned max)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	if (!d)
		return -errno;
	while (n < max && (e = readdir(d)))
		if (!hex_parse(e->d_name, ret_streams[n], 16))
			n++;
	closedir(d);
	if (n)
		qsort(ret_streams, n, 16, by_stream);
	return (int)n;
}
