/* SPDX-License-Identifier: Apache-2.0 */
#include "fsx.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "cleanup.h"

#define ROOM_PART 20
#define ROOM_MAX (4ull << 30)

int fsx_write_all(int fd, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n) {
		ssize_t r = write(fd, at, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		at += r;
		n -= (size_t)r;
	}
	return 0;
}

int fsx_pwrite_all(int fd, const void *p, size_t n, off_t where)
{
	const uint8_t *at = p;

	while (n) {
		ssize_t r = pwrite(fd, at, n, where);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		at += r;
		where += r;
		n -= (size_t)r;
	}
	return 0;
}

int fsx_pread_all(int fd, void *p, size_t n, off_t where)
{
	uint8_t *at = p;

	while (n) {
		ssize_t r = pread(fd, at, n, where);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -ENODATA;
		at += r;
		where += r;
		n -= (size_t)r;
	}
	return 0;
}

static int parent_of(const char *path, char ret[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	if (!slash)
		strcpy(ret, ".");
	else if (n == 0)
		strcpy(ret, "/");
	else {
		memcpy(ret, path, n);
		ret[n] = '\0';
	}
	return 0;
}

int fsx_sync_dir(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int fsx_replace(const char *path, const void *p, size_t n, mode_t mode)
{
	char tmp[PATH_MAX], dir[PATH_MAX];
	int fd, r;

	r = parent_of(path, dir);
	if (r < 0)
		return r;
	if (snprintf(tmp, sizeof(tmp), "%s.tmp.%d", path, (int)getpid()) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = fsx_write_all(fd, p, n);
	if (!r && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	if (close(fd) < 0 && !r)
		r = -errno;
	if (!r && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(tmp);
		return r;
	}
	return fsx_sync_dir(dir);
}

int fsx_read(const char *path, size_t max, struct buf *out)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t start = out->n;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;
		int r = buf_reserve(out, 65536);

		if (r < 0)
			return r;
		n = read(fd, out->p + out->n, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		out->n += (size_t)n;
		if (out->n - start > max) {
			out->n = start;
			return -E2BIG;
		}
	}
}

int fsx_mkdirs(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, n + 1);
	for (char *c = part + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return -errno;
		*c = '/';
	}
	if (mkdir(part, mode) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

bool fsx_has_room(const char *path, uint64_t n)
{
	struct statvfs s;
	uint64_t part;

	if (statvfs(path, &s) < 0)
		return true;
	part = (uint64_t)s.f_blocks * s.f_frsize / ROOM_PART;
	return (uint64_t)s.f_bavail * s.f_frsize > n + (part < ROOM_MAX ? part : ROOM_MAX);
}

bool fsx_is_open(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_mode & (S_IROTH | S_IWOTH);
}
