/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_remove.c - segments that are past.
 *
 * A note of the segment is put on disk, then its file goes: with the note it is gone, whatever happens. Its first line is its
 * hash: a start removes a segment that has a note only if it is the very one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal_format.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "proto/keys.h"

#define NOTE_MAX (256u << 20)
#define HASH_TEXT 64u

static int hash_segment(struct journal *j, uint32_t segment, uint64_t *ret_bytes, char ret_hex[65])
{
	_cleanup_close_ int fd = -1;
	char name[SEGMENT_NAME];
	uint8_t hash[32];
	struct stat st;
	void *p;

	journal_segment_name(segment, name);
	fd = openat(j->dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret_bytes = (uint64_t)st.st_size;
	if (!ret_hex)
		return 0;
	p = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
	if (p == MAP_FAILED)
		return -errno;
	sha256(p ? p : "", (size_t)st.st_size, hash);
	if (p)
		munmap(p, (size_t)st.st_size);
	hex_text(hash, 32, ret_hex);
	return 0;
}

int journal_oldest(struct journal *j, uint32_t *ret_segment, uint64_t *ret_bytes, char ret_sha256[65])
{
	_cleanup_free_ uint32_t *numbers = NULL;
	uint32_t last;
	size_t n;
	int r = journal_segments(j, &numbers, &n);

	pthread_mutex_lock(&j->lock);
	last = j->fd < 0 ? 0 : j->segment;
	pthread_mutex_unlock(&j->lock);
	if (!r && (n < 2 || numbers[0] >= last))
		r = -ENOENT;
	if (!r)
		r = hash_segment(j, numbers[0], ret_bytes, ret_sha256);
	if (!r)
		*ret_segment = numbers[0];
	return r;
}

/* ---- notes */

static void note_path(struct journal *j, uint32_t segment, char ret[4096])
{
	snprintf(ret, 4096, "%s/removed/%010u.txt", j->dir, segment);
}

static int drop_segment(struct journal *j, uint32_t segment)
{
	char name[SEGMENT_NAME];

	journal_segment_name(segment, name);
	if (unlinkat(j->dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return fsync(j->dirfd) < 0 ? -errno : 0;
}

int journal_remove(struct journal *j, uint32_t segment, const char *sha256, const char *text, size_t n)
{
	_cleanup_buf_ struct buf note = { 0 };
	char path[4096], hex[65];
	uint32_t oldest;
	uint64_t bytes;
	int r = journal_oldest(j, &oldest, &bytes, hex);

	if (!r && (oldest != segment || strcmp(hex, sha256)))
		r = -ESTALE;
	if (!r && mkdirat(j->dirfd, "removed", 0750) < 0 && errno != EEXIST)
		r = -errno;
	if (r < 0)
		return r;
	buf_addf(&note, "%s\n", sha256);
	if (buf_add(&note, text, n) < 0)
		return -ENOMEM;
	note_path(j, segment, path);
	r = fsync(j->dirfd) < 0 ? -errno : fsx_replace(path, note.p, note.n, 0440);
	if (!r)
		r = drop_segment(j, segment);
	if (r < 0)
		return r;
	pthread_mutex_lock(&j->lock);
	j->bytes -= bytes < j->bytes ? bytes : j->bytes;
	pthread_mutex_unlock(&j->lock);
	return 0;
}

static int is_note(const struct dirent *e)
{
	return strlen(e->d_name) == 14 && strspn(e->d_name, "0123456789") == 10 && !strcmp(e->d_name + 10, ".txt");
}

/* Numbers of the segments that have a note, ascending; free *ret. */
static int notes(struct journal *j, uint32_t **ret, size_t *ret_n)
{
	struct dirent **v;
	char path[4096];
	int n;

	snprintf(path, sizeof(path), "%s/removed", j->dir);
	n = scandir(path, &v, is_note, alphasort);
	if (n < 0 && errno != ENOENT)
		return -errno;
	*ret_n = n > 0 ? (size_t)n : 0;
	*ret = calloc(*ret_n + 1, sizeof(**ret));
	for (int i = 0; i < n; i++) {
		if (*ret)
			(*ret)[i] = (uint32_t)strtoul(v[i]->d_name, NULL, 10);
		free(v[i]);
	}
	if (n >= 0)
		free(v);
	return *ret ? 0 : -ENOMEM;
}

int journal_removed(struct journal *j, uint32_t after, journal_removed_fn fn, void *ctx)
{
	_cleanup_free_ uint32_t *numbers = NULL;
	size_t n;
	int r = notes(j, &numbers, &n);

	for (size_t i = 0; !r && i < n; i++) {
		_cleanup_buf_ struct buf text = { 0 };
		char path[4096];

		if (numbers[i] <= after)
			continue;
		note_path(j, numbers[i], path);
		r = fsx_read(path, NOTE_MAX, &text);
		if (!r && (text.n < HASH_TEXT + 1 || text.p[HASH_TEXT] != '\n'))
			log_warnx("%s is damaged", path);
		else if (!r)
			r = fn(ctx, numbers[i], buf_text(&text) + HASH_TEXT + 1, text.n - HASH_TEXT - 1);
	}
	return r;
}

static int finish(struct journal *j, uint32_t segment)
{
	_cleanup_buf_ struct buf text = { 0 };
	char path[4096], hex[65];
	uint64_t bytes;
	int r = hash_segment(j, segment, &bytes, hex);

	if (r == -ENOENT)
		return 0;
	note_path(j, segment, path);
	if (!r)
		r = fsx_read(path, NOTE_MAX, &text);
	if (!r && (text.n < HASH_TEXT || memcmp(text.p, hex, HASH_TEXT)))
		log_warnx("journal %010u.jnl was removed, and another one has its name: it stays", segment);
	else if (!r)
		r = drop_segment(j, segment);
	return r;
}

int journal_finish_removal(struct journal *j, uint32_t *ret_last)
{
	_cleanup_free_ uint32_t *numbers = NULL;
	size_t n;
	int r = notes(j, &numbers, &n);

	*ret_last = !r && n ? numbers[n - 1] : 0;
	for (size_t i = 0; !r && i < n; i++)
		r = finish(j, numbers[i]);
	return r;
}
