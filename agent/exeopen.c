// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exeopen.h"
#include "exes.h"
#include "lib/cleanup.h"

/* Opening a device or a pipe can block or act: look first through a descriptor that cannot. */
static int open_file(const char *path)
{
	_cleanup_close_ int at = open(path, O_PATH | O_CLOEXEC);
	char self[64];
	struct stat st;
	int fd;

	if (at < 0)
		return -errno;
	if (fstat(at, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOATIME);
	if (fd < 0)
		fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int open_checked(struct probes *p, const char *path, const struct ht_exe *exe)
{
	_cleanup_close_ int fd = open_file(path);
	struct ht_exe found;
	int r;

	if (fd < 0)
		return fd;
	r = probes_exe_of_fd(p, fd, &found);
	if (r < 0)
		return r;
	if (!exe_same(&found, exe))
		return -ESTALE;
	return TAKE_FD(fd);
}

int exe_open(struct probes *p, uint32_t pid, const char *path, const struct ht_exe *exe)
{
	char proc[64];
	int fd;

	snprintf(proc, sizeof(proc), "/proc/%u/exe", pid);
	fd = open_checked(p, proc, exe);
	if (fd < 0 && path && path[0] == '/')
		fd = open_checked(p, path, exe);
	return fd;
}
