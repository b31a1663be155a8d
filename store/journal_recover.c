/* SPDX-License-Identifier: Apache-2.0 */
/* journal_recover.c - what opening finds on disk: segments, the torn tail, what is kept aside. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "journal_format.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int open_dir(int dirfd, DIR **ret_d)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	*ret_d = d;
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool segment_number(const char *name, uint32_t *ret)
{
	unsigned long long v = 0;
	int i;

	for (i = 0; i < 10; i++) {
		if (!isdigit((unsigned char)name[i]))
			return false;
		v = v * 10 + (unsigned)(name[i] - '0');
	}
	if (strcmp(name + 10, ".jnl") || v == 0 || v > UINT32_MAX - 1)
		return false;
	*ret = (uint32_t)v;
	return true;
}

int journal_segments(struct journal *j, uint32_t **ret, size_t *ret_n)
{
	_cleanup_(close_dir) DIR *d = NULL;
	_cleanup_free_ uint32_t *v = NULL;
	size_t n = 0, cap = 0;
	struct dirent *e;
	uint32_t number;
	int r = open_dir(j->dirfd, &d);

	if (r < 0)
		return r;
	while ((e = readdir(d))) {
		if (!segment_number(e->d_name, &number))
			continue;
		if (n == cap) {
			uint32_t *more = reallocarray(v, cap = cap ? cap * 2 : 64, sizeof(*v));

			if (!more)
				return -ENOMEM;
			v = more;
		}
		v[n++] = number;
	}
	if (n)
		qsort(v, n, sizeof(*v), compare_numbers);
	*ret = TAKE_PTR(v);
	*ret_n = n;
	return 0;
}

/* Sizes of the files in a directory, together. */
static uint64_t dir_bytes(int dirfd)
{
	_cleanup_(close_dir) DIR *d = NULL;
	struct dirent *e;
	uint64_t sum = 0;
	struct stat st;

	if (open_dir(dirfd, &d) < 0)
		return 0;
	while ((e = readdir(d)))
		if (!fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	return sum;
}

static void say_bad(struct journal *j, uint32_t segment, uint64_t offset, uint64_t n, const char *why, const char *aside)
{
	if (j->bad)
		j->bad(j->bad_ctx, make_pos(segment, offset), n, why, aside);
}

/* Where the last whole entry of a segment ends; damage before it stays in place (scans skip it). */
static uint64_t good_end(const struct segment_map *m)
{
	uint64_t at = SEGMENT_HEADER, good = SEGMENT_HEADER;

	while (at < m->n) {
		struct journal_entry e;
		size_t total = 0;

		if (segment_entry(m, at, true, &e, &total) == ENTRY_OK)
			good = at = at + total;
		else
			at = total ? at + total : segment_resync(m, at + 1);
	}
	return good;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && !memcmp(p, p + 1, n - 1));
}

/* What lies behind the last whole entry: an append that was cut short is simply cut; anything else might
 * once have been acknowledged and is kept aside first. */
static int keep_tail(struct journal *j, const struct segment_map *m, uint64_t good)
{
	struct journal_entry e;
	size_t total = 0;
	char path[4096];
	int r;

	if (segment_entry(m, good, true, &e, &total) == ENTRY_SHORT || is_zero(m->p + good, m->n - good)) {
		say_bad(j, m->number, good, m->n - good, "a torn last entry was cut", NULL);
		return 0;
	}
	r = journal_keep(j, m->number, good, m->p + good, m->n - good, path);
	say_bad(j, m->number, good, m->n - good, "the end of the segment is damaged", r < 0 ? NULL : path);
	return r;
}

static int recover_last(struct journal *j, uint32_t number)
{
	_cleanup_close_ int fd = -1;
	struct segment_map m = { 0 };
	char name[SEGMENT_NAME];
	uint64_t good;
	int r;

	r = segment_map_open(j, number, 0, &m);
	if (r == -EBADMSG) {
		j->synced = make_pos(number, SEGMENT_HEADER);
		say_bad(j, number, 0, 0, "the segment's header is damaged; it is left out", NULL);
		return journal_roll(j, number + 1);
	}
	if (r < 0)
		return r;
	good = good_end(&m);
	j->synced = make_pos(number, good);
	if (good < m.n)
		r = keep_tail(j, &m, good);
	memcpy(j->tag, m.tag, 8);
	segment_map_close(&m);
	if (r < 0)
		return r;
	journal_segment_name(number, name);
	fd = openat(j->dirfd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)good) < 0 || fsync(fd) < 0)
		return -errno;
	j->fd = TAKE_FD(fd);
	j->segment = number;
	j->tail = good;
	return 0;
}

int journal_recover(struct journal *j)
{
	_cleanup_free_ uint32_t *numbers = NULL;
	uint32_t gone;
	size_t n;
	int r;

	unlinkat(j->dirfd, "new.tmp", 0);
	j->aside_bytes = dir_bytes(j->asidefd);
	r = journal_finish_removal(j, &gone);
	if (!r)
		r = journal_segments(j, &numbers, &n);
	if (r < 0)
		return r;
	/* a number that was used is never used again */
	r = n ? recover_last(j, numbers[n - 1]) : journal_roll(j, gone + 1);
	if (r < 0)
		return r;
	j->bytes = dir_bytes(j->dirfd);
	return 0;
}

int journal_aside(struct journal *j, const char *what, const struct journal_origin *origin, int64_t received,
		  const void *p, size_t n)
{
	_cleanup_close_ int fd = -1;
	char name[160];
	bool fits;
	int r;

	pthread_mutex_lock(&j->lock);
	fits = j->aside_bytes + n <= JOURNAL_ASIDE_BYTES;
	if (fits)
		j->aside_bytes += n;
	pthread_mutex_unlock(&j->lock);
	if (!fits)
		return -EDQUOT;
	snprintf(name, sizeof(name), "%019lld-%.32s-%.63s.frame", (long long)received, what, origin->host_id);
	for (char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
			*c = '_';
	fd = openat(j->asidefd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	r = fsx_write_all(fd, p, n);
	if (r < 0)
		unlinkat(j->asidefd, name, 0);
	return r;
}
