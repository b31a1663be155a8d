/* SPDX-License-Identifier: Apache-2.0 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "journal_format.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "lib/le.h"
#include "lib/log.h"
#include "proto/keys.h"

void journal_segment_name(uint32_t number, char ret[SEGMENT_NAME])
{
	snprintf(ret, SEGMENT_NAME, "%010u.jnl", number);
}

static void segment_header_make(uint32_t number, const uint8_t tag[8], uint8_t ret[SEGMENT_HEADER])
{
	memset(ret, 0, SEGMENT_HEADER);
	memcpy(ret, "HTJS", 4);
	put16(ret + 4, 1);
	put32(ret + 8, number);
	memcpy(ret + 16, tag, 8);
	put32(ret + 24, crc32c(0, ret, 24));
}

/* The segment appears under its name only with a whole header, so that a crash leaves none without a tag. */
static int segment_create(struct journal *j, uint32_t number, uint8_t ret_tag[8], int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	uint8_t header[SEGMENT_HEADER];
	char name[SEGMENT_NAME];
	int r;

	r = random_bytes(ret_tag, 8);
	if (r < 0)
		return r;
	journal_segment_name(number, name);
	segment_header_make(number, ret_tag, header);
	fd = openat(j->dirfd, "new.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	r = fsx_pwrite_all(fd, header, sizeof(header), 0);
	if (!r && (fsync(fd) < 0 || renameat(j->dirfd, "new.tmp", j->dirfd, name) < 0 || fsync(j->dirfd) < 0))
		r = -errno;
	if (r < 0) {
		unlinkat(j->dirfd, "new.tmp", 0);
		return r;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* After a failed sync the page cache may hold what the disk does not, and calls it clean: the next start would take
 * it for durable, and acknowledge its repeats. Nobody was promised it, so it is cut off. */
static int sync_failed(struct journal *j, int r)
{
	j->error = r;
	if (r == -ESTALE)
		log_errx("journal: the segment that is written to was removed or replaced: nothing more is acknowledged");
	if (ftruncate(j->fd, pos_offset(j->synced)) < 0)
		log_err(-errno, "journal: what could not be synced cannot be cut off");
	return r;
}

/* What is on disk under no name of ours is not kept: nobody would find it again. */
static int still_there(const struct journal *j, uint32_t segment, int fd)
{
	char name[SEGMENT_NAME];
	struct stat own, found;

	journal_segment_name(segment, name);
	if (fstat(fd, &own) < 0 || fstatat(j->dirfd, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	return own.st_ino == found.st_ino && own.st_dev == found.st_dev ? 0 : -ESTALE;
}

static int make_durable(const struct journal *j, uint32_t segment, int fd)
{
	return fdatasync(fd) < 0 ? -errno : still_there(j, segment, fd);
}

int journal_roll(struct journal *j, uint32_t number)
{
	uint8_t tag[8];
	int fd = -1, r;

	r = j->fd >= 0 ? make_durable(j, j->segment, j->fd) : 0;
	if (r < 0)
		return sync_failed(j, r);
	r = segment_create(j, number, tag, &fd);
	if (r < 0)
		return r;
	if (j->fd >= 0)
		close(j->fd);
	j->fd = fd;
	j->segment = number;
	memcpy(j->tag, tag, 8);
	j->tail = SEGMENT_HEADER;
	j->bytes += SEGMENT_HEADER;
	j->synced = make_pos(number, SEGMENT_HEADER);
	return 0;
}

static int journal_dirs(struct journal *j)
{
	j->dirfd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dirfd < 0)
		return -errno;
	if (mkdirat(j->dirfd, "aside", 0750) < 0 && errno != EEXIST)
		return -errno;
	j->asidefd = openat(j->dirfd, "aside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return j->asidefd < 0 ? -errno : 0;
}

int journal_open(const char *dir, uint32_t segment_bytes, journal_bad_fn bad, void *ctx, struct journal **ret_j)
{
	_cleanup_journal_ struct journal *j = calloc(1, sizeof(*j));
	pthread_condattr_t attr;
	int r;

	if (!j)
		return -ENOMEM;
	j->dirfd = j->asidefd = j->fd = -1;
	pthread_mutex_init(&j->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&j->changed, &attr);
	pthread_condattr_destroy(&attr);
	j->dir = strdup(dir);
	if (!j->dir)
		return -ENOMEM;
	j->segment_bytes = segment_bytes ? segment_bytes : JOURNAL_SEGMENT_BYTES;
	j->bad = bad;
	j->bad_ctx = ctx;
	r = fsx_mkdirs(dir, 0750);
	if (!r)
		r = journal_dirs(j);
	if (!r)
		r = journal_recover(j);
	if (r == -ENOSPC || r == -EDQUOT)
		j->tried = clock_boot();	/* what is there can be read; appending recovers first */
	else if (r < 0)
		return r;
	*ret_j = TAKE_PTR(j);
	return 0;
}

void journal_free(struct journal **j)
{
	struct journal *old = *j;

	if (!old)
		return;
	cleanup_close(&old->fd);
	cleanup_close(&old->asidefd);
	cleanup_close(&old->dirfd);
	pthread_cond_destroy(&old->changed);
	pthread_mutex_destroy(&old->lock);
	free(old->dir);
	free(old);
	*j = NULL;
}

static size_t entry_header_make(const struct journal *j, const struct journal_origin *o, int64_t received, uint16_t flags,
				const void *frame, size_t n, uint8_t *ret)
{
	size_t host = strnlen(o->host_id, sizeof(o->host_id) - 1), account = strnlen(o->account, sizeof(o->account) - 1);
	size_t region = strnlen(o->region, sizeof(o->region) - 1), at = ENTRY_FIXED;

	memcpy(ret, "HTJ1", 4);
	memcpy(ret + 4, j->tag, 8);
	put16(ret + 12, (uint16_t)(ENTRY_FIXED + host + account + region));
	put16(ret + 14, flags);
	put32(ret + 16, (uint32_t)n);
	put64(ret + 20, (uint64_t)received);
	memcpy(ret + 28, o->key, 32);
	ret[60] = (uint8_t)host;
	ret[61] = (uint8_t)account;
	ret[62] = (uint8_t)region;
	ret[63] = 0;
	put32(ret + 64, crc32c(0, frame, n));
	memcpy(ret + at, o->host_id, host);
	memcpy(ret + at + host, o->account, account);
	memcpy(ret + at + host + account, o->region, region);
	at += host + account + region;
	put32(ret + 68, crc32c(crc32c(0, ret, 68), ret + ENTRY_FIXED, at - ENTRY_FIXED));
	return at;
}

/* Writes at the tail. What a failed write left behind is cut off again; if even that fails, the
 * journal is refused until it is opened anew. */
static int write_entry(struct journal *j, const uint8_t *header, size_t header_len, const void *frame, size_t n)
{
	struct iovec v[2] = { { (void *)header, header_len }, { (void *)frame, n } };
	ssize_t done = pwritev(j->fd, v, 2, (off_t)j->tail);
	int r = done < 0 ? -errno : 0;

	if (!r && (size_t)done < header_len)
		r = fsx_pwrite_all(j->fd, header + done, header_len - (size_t)done, (off_t)j->tail + done);
	if (!r && (size_t)done < header_len + n) {
		size_t skip = (size_t)done > header_len ? (size_t)done - header_len : 0;

		r = fsx_pwrite_all(j->fd, (const uint8_t *)frame + skip, n - skip, (off_t)(j->tail + header_len + skip));
	}
	if (r < 0 && ftruncate(j->fd, (off_t)j->tail) < 0)
		j->error = r;
	return r;
}

static bool is_full(const struct journal *j, size_t n)
{
	return j->tail > SEGMENT_HEADER && j->tail + ENTRY_FIXED + n > j->segment_bytes;
}

/* Opening could not make the segment to append to, for lack of space. What it found is said already. */
static int recover_late(struct journal *j)
{
	journal_bad_fn bad = j->bad;
	uint64_t now = clock_boot();
	int r;

	if (now - j->tried < NS_PER_SEC)
		return -ENOSPC;
	j->tried = now;
	j->bad = NULL;
	r = journal_recover(j);
	j->bad = bad;
	return r;
}

static int append_locked(struct journal *j, const struct journal_origin *origin, int64_t received, uint16_t flags,
			 const void *frame, size_t n, journal_pos *ret_pos)
{
	uint8_t header[ENTRY_HEADER_MAX];
	size_t header_len;
	int r;

	while (!j->error && j->syncing && is_full(j, n))
		pthread_cond_wait(&j->changed, &j->lock);
	if (j->error)
		return j->error;
	if (j->fd < 0) {
		r = recover_late(j);
		if (r < 0)
			return r;
	}
	if (is_full(j, n)) {
		r = journal_roll(j, j->segment + 1);
		if (r < 0)
			return r;
	}
	header_len = entry_header_make(j, origin, received, flags, frame, n, header);
	r = write_entry(j, header, header_len, frame, n);
	if (r < 0)
		return r;
	*ret_pos = make_pos(j->segment, j->tail);
	j->tail += header_len + n;
	j->bytes += header_len + n;
	return 0;
}

int journal_append(struct journal *j, const struct journal_origin *origin, int64_t received, uint16_t flags,
		   const void *frame, size_t n, journal_pos *ret_pos)
{
	int r;

	if (n < FRAME_MIN || n > ENTRY_FRAME_MAX)
		return -EINVAL;
	pthread_mutex_lock(&j->lock);
	r = append_locked(j, origin, received, flags, frame, n, ret_pos);
	pthread_mutex_unlock(&j->lock);
	return r;
}

/* One thread syncs for all that wait; rolling to a new segment waits for it. */
int journal_sync(struct journal *j)
{
	journal_pos target;
	int r = 0;

	pthread_mutex_lock(&j->lock);
	target = make_pos(j->segment, j->tail);
	while (!j->error && j->synced < target && j->syncing)
		pthread_cond_wait(&j->changed, &j->lock);
	if (j->error) {
		r = j->error;
	} else if (j->synced < target) {
		uint32_t segment = j->segment;
		int fd = j->fd;

		target = make_pos(j->segment, j->tail);
		j->syncing = true;
		pthread_mutex_unlock(&j->lock);
		r = make_durable(j, segment, fd);
		pthread_mutex_lock(&j->lock);
		j->syncing = false;
		if (r < 0)
			sync_failed(j, r);
		else
			j->synced = target;
	}
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->lock);
	return r;
}

journal_pos journal_end(struct journal *j)
{
	journal_pos end;

	pthread_mutex_lock(&j->lock);
	end = j->synced;
	pthread_mutex_unlock(&j->lock);
	return end;
}

uint64_t journal_bytes(struct journal *j)
{
	uint64_t n;

	pthread_mutex_lock(&j->lock);
	n = j->bytes;
	pthread_mutex_unlock(&j->lock);
	return n;
}

int journal_error(struct journal *j)
{
	int r;

	pthread_mutex_lock(&j->lock);
	r = j->error;
	pthread_mutex_unlock(&j->lock);
	return r;
}

journal_pos journal_wait(struct journal *j, journal_pos seen, int timeout_ms)
{
	struct timespec until;
	journal_pos end;
	unsigned wakes;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&j->lock);
	wakes = j->wakes;
	while (j->synced <= seen && j->wakes == wakes)
		if (pthread_cond_timedwait(&j->changed, &j->lock, &until) == ETIMEDOUT)
			break;
	end = j->synced;
	pthread_mutex_unlock(&j->lock);
	return end;
}

void journal_wake(struct journal *j)
{
	pthread_mutex_lock(&j->lock);
	j->wakes++;
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->lock);
}
