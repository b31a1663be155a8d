/* SPDX-License-Identifier: Apache-2.0 */
/* spoolscan.c - segment names, and reading a segment frame by frame. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "spool_internal.h"

#define CHUNK (256 * 1024)
#define MUCH (CHUNK / 4)		/* a frame of this size is read alone, so that not half of the next one is moved afterwards */

void segment_name(uint64_t first, const char *suffix, char ret[SEGMENT_NAME_MAX])
{
	snprintf(ret, SEGMENT_NAME_MAX, "%020llu%s", (unsigned long long)first, suffix);
}

static bool name_parse(const char *name, const char *suffix, uint64_t *ret)
{
	char *end;

	if (strlen(name) != 24 || strcmp(name + 20, suffix) || strspn(name, "0123456789") != 20)
		return false;
	errno = 0;
	*ret = strtoull(name, &end, 10);
	return !errno && end == name + 20;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int list_read(DIR *d, const char *suffix, uint64_t **v, size_t *n)
{
	size_t max = 0;
	struct dirent *e;

	for (errno = 0; (e = readdir(d)); errno = 0) {
		uint64_t first;

		if (!name_parse(e->d_name, suffix, &first))
			continue;
		if (*n == max) {
			uint64_t *more = realloc(*v, (max ? max * 2 : 64) * sizeof(*more));

			if (!more)
				return -ENOMEM;
			*v = more;
			max = max ? max * 2 : 64;
		}
		(*v)[(*n)++] = first;
	}
	return -errno;
}

int segment_list(int dirfd, const char *suffix, uint64_t **ret_v, size_t *ret_n)
{
	_cleanup_free_ uint64_t *v = NULL;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0;

	if (!d) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	r = list_read(d, suffix, &v, &n);
	closedir(d);
	if (r < 0)
		return r;
	if (n)
		qsort(v, n, sizeof(*v), by_number);
	*ret_v = TAKE_PTR(v);
	*ret_n = n;
	return 0;
}

/* ---- scanning */

void segment_scan_start(struct segment_scan *s, int fd)
{
	s->fd = fd;
	s->at = s->from = 0;
	buf_reset(&s->b);
}

void segment_scan_free(struct segment_scan *s)
{
	buf_free(&s->b);
}

static const uint8_t *bytes_at(const struct segment_scan *s, size_t *ret_n)
{
	size_t gone = (size_t)(s->at - s->from);

	*ret_n = s->b.n - gone;
	return s->b.p ? s->b.p + gone : NULL;
}

static void forget(struct segment_scan *s)
{
	buf_reset(&s->b);
	s->from = s->at;
}

/* Tries to have `want` bytes from s->at on in memory; fewer at the end of the file. */
static int fill(struct segment_scan *s, size_t want)
{
	size_t have, room = want > MUCH ? want + FRAME_HEADER_MAX : CHUNK;

	bytes_at(s, &have);
	if (have >= want)
		return 0;
	buf_drop(&s->b, s->b.n - have);
	s->from = s->at;
	if (buf_reserve(&s->b, room - have) < 0)
		return -ENOMEM;
	while (s->b.n < want) {
		ssize_t n = pread(s->fd, s->b.p + s->b.n, room - s->b.n, (off_t)(s->from + s->b.n));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		s->b.n += (size_t)n;
	}
	return 0;
}

int segment_scan_header(struct segment_scan *s, struct frame_header *ret_h, size_t *ret_total)
{
	const uint8_t *p;
	size_t n;
	int r = fill(s, FRAME_HEADER_MAX);

	if (r < 0)
		return r;
	p = bytes_at(s, &n);
	if (!n)
		return 0;
	r = frame_peek(p, n, ret_h, ret_total);
	return r < 0 ? r : 1;
}

static int frame_here(struct segment_scan *s, struct frame_header *h, const uint8_t **ret_p, size_t *ret_n, const char **ret_why)
{
	size_t total, n;
	int r = segment_scan_header(s, h, &total);

	*ret_why = "not a frame, or over a limit";
	if (r <= 0)
		return r;
	r = fill(s, total);
	if (r < 0)
		return r;
	*ret_p = bytes_at(s, &n);
	*ret_n = total;
	r = (s->unhashed ? frame_intact : frame_check)(*ret_p, n, h, ret_why);
	return r < 0 ? r : 1;
}

/* The buffer may hold bytes that the writer has cut off and written anew since: whatever is not a
 * good frame is read again before it is believed. */
int segment_scan_frame(struct segment_scan *s, struct frame_header *ret_h, const uint8_t **ret_p, size_t *ret_n,
		       const char **ret_why)
{
	size_t have;
	int r;

	bytes_at(s, &have);
	r = frame_here(s, ret_h, ret_p, ret_n, ret_why);
	if (r == 1 || !have)
		return r;
	forget(s);
	return frame_here(s, ret_h, ret_p, ret_n, ret_why);
}

void segment_scan_skip(struct segment_scan *s, uint64_t bytes)
{
	size_t have;

	bytes_at(s, &have);
	s->at += bytes;
	if (bytes > have)
		forget(s);
}

static bool good_here(struct segment_scan *s)
{
	struct frame_header h;
	const uint8_t *p;
	const char *why;
	size_t n;

	return segment_scan_frame(s, &h, &p, &n, &why) == 1;
}

/* A header that survived says where the next frame begins. */
static bool hop(struct segment_scan *s)
{
	struct frame_header h;
	uint64_t from = s->at;
	size_t total;

	if (segment_scan_header(s, &h, &total) == 1) {
		segment_scan_skip(s, total);
		if (good_here(s))
			return true;
		s->at = from;
		forget(s);
	}
	return false;
}

static bool search(struct segment_scan *s)
{
	const uint8_t *p, *found;
	size_t n;

	segment_scan_skip(s, 1);
	while (fill(s, FRAME_MIN) == 0) {
		p = bytes_at(s, &n);
		if (n < FRAME_MIN)
			return false;
		found = memmem(p, n, "HTF1", 4);
		segment_scan_skip(s, found ? (uint64_t)(found - p) : n - 3);
		if (!found)
			continue;
		if (good_here(s))
			return true;
		segment_scan_skip(s, 1);
	}
	return false;
}

/* A writer writes frame after frame: once a later one is good, what is read here now is all that will ever be here. */
static bool good_by_now(struct segment_scan *s, uint64_t from)
{
	uint64_t found = s->at;

	s->at = from;
	forget(s);
	if (good_here(s))
		return true;
	s->at = found;
	forget(s);
	return false;
}

int segment_scan_resync(struct segment_scan *s, bool deep)
{
	uint64_t from = s->at;

	if (hop(s) || (deep && search(s)))
		return good_by_now(s, from) ? -EAGAIN : 1;
	s->at = from;
	forget(s);
	return 0;
}

bool segment_order_ok(const struct segment_order *o, uint64_t number, uint64_t at)
{
	return number >= o->expected && number - o->expected <= (at - o->at) / FRAME_MIN;
}
