// SPDX-License-Identifier: Apache-2.0
#include "pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/cleanup.h"

static int mount_bpffs(void)
{
	struct statfs s;

	if (statfs(PINS_ROOT, &s) < 0)
		return -errno;
	if (s.f_type == BPF_FS_MAGIC)
		return 0;
	if (mount("bpf", PINS_ROOT, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, "mode=700") < 0)
		return -errno;
	return 0;
}

static int make_dir(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	return chmod(path, 0700) < 0 ? -errno : 0;
}

int pins_prepare(const char *instance, char ret_dir[PINS_DIR_MAX])
{
	int n, r;

	if (!*instance || strchr(instance, '/') || instance[0] == '.')
		return -EINVAL;
	n = snprintf(ret_dir, PINS_DIR_MAX, PINS_ROOT "/hosttrail/%s", instance);
	if (n >= PINS_DIR_MAX)
		return -ENAMETOOLONG;
	r = mount_bpffs();
	if (!r)
		r = make_dir(PINS_ROOT "/hosttrail");
	return r ? r : make_dir(ret_dir);
}

int pins_again(const char *dir)
{
	int r = mount_bpffs();

	if (!r)
		r = make_dir(PINS_ROOT "/hosttrail");
	return r ? r : make_dir(dir);
}

int pins_drop(const char *dir, const char *name)
{
	char path[PINS_DIR_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return unlink(path) < 0 ? -errno : 0;
}

int pins_put(const char *dir, const char *name, int fd)
{
	char path[PINS_DIR_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

int pins_get(const char *dir, const char *name)
{
	char path[PINS_DIR_MAX + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static void dir_cleanup(DIR **d)
{
	if (*d)
		closedir(*d);
}

int pins_clear(const char *dir)
{
	_cleanup_(dir_cleanup) DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && unlinkat(dirfd(d), e->d_name, 0) < 0)
			return -errno;
	return 0;
}

int pins_remove(const char *dir)
{
	int r = pins_clear(dir);

	return r ? r : rmdir(dir) < 0 && errno != ENOENT ? -errno : 0;
}
