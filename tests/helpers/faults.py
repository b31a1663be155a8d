# SPDX-License-Identifier: Apache-2.0
"""A disk that fails where a test wants it to, for one program: a library laid over it. The store has no such door."""
import os
import subprocess

SOURCE = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The file holds: call, part of a path, how many segments have their names before, which one from then on, how many, what: an errno, or 0: the program
 * is killed before it, -1: after it. */
struct rule {
	char call[16], part[64];
	int segments, from, count, what;
	long written;		/* of the file: a new rule counts anew */
};

static int seen, segments;
static long last_written;

static int read_rule(struct rule *ret)
{
	char text[256] = "";
	struct stat st;
	long fd = syscall(SYS_openat, AT_FDCWD, getenv("FAULT_FILE"), O_RDONLY | O_CLOEXEC);
	long n = fd < 0 ? -1 : syscall(SYS_read, fd, text, sizeof(text) - 1);

	if (fd >= 0 && fstat((int)fd, &st) == 0)
		ret->written = st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	if (fd >= 0)
		syscall(SYS_close, fd);
	return n > 0 && sscanf(text, "%15s %63s %d %d %d %d", ret->call, ret->part, &ret->segments, &ret->from, &ret->count, &ret->what) == 6;
}

static void die(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
	pause();
}

/* The errno that it fails with; 0: none; -1: the program ends when it is done. */
static int fault(const char *call, const char *path)
{
	struct rule r;
	int n;

	if (!read_rule(&r) || strcmp(r.call, call) || !strstr(path, r.part) || __atomic_load_n(&segments, __ATOMIC_RELAXED) < r.segments)
		return 0;
	if (__atomic_exchange_n(&last_written, r.written, __ATOMIC_RELAXED) != r.written)
		__atomic_store_n(&seen, 0, __ATOMIC_RELAXED);
	n = __atomic_add_fetch(&seen, 1, __ATOMIC_RELAXED);
	if (n < r.from || n >= r.from + r.count)
		return 0;
	if (!r.what)
		die();
	return r.what;
}

static const char *path_of(int fd, char ret[PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, ret, PATH_MAX - 1);
	ret[n > 0 ? n : 0] = '\0';
	return ret;
}

#define FAULTY(type, call, path, real)				\
	int f = fault(call, path);				\
	type r;							\
								\
	if (f > 0) {						\
		errno = f;					\
		return -1;					\
	}							\
	r = (type)(real);					\
	if (f < 0)						\
		die();						\
	return r

ssize_t write(int fd, const void *p, size_t n)
{
	char path[PATH_MAX];
	FAULTY(ssize_t, "write", path_of(fd, path), syscall(SYS_write, fd, p, n));
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	char path[PATH_MAX];
	FAULTY(ssize_t, "pwrite", path_of(fd, path), syscall(SYS_pwrite64, fd, p, n, at));
}

static int sync_of(int fd, long number)
{
	char path[PATH_MAX];
	struct stat st;
	FAULTY(int, fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? "syncdir" : "sync", path_of(fd, path), syscall(number, fd));
}

int fsync(int fd)
{
	return sync_of(fd, SYS_fsync);
}

int fdatasync(int fd)
{
	return sync_of(fd, SYS_fdatasync);
}

static int rename_of(const char *from, const char *to)
{
	FAULTY(int, "rename", to, syscall(SYS_rename, from, to));
}

int rename(const char *from, const char *to)
{
	int r = rename_of(from, to);

	if (!r && strstr(to, ".parquet"))
		__atomic_add_fetch(&segments, 1, __ATOMIC_RELAXED);
	return r;
}

int unlink(const char *path)
{
	FAULTY(int, "unlink", path, syscall(SYS_unlink, path));
}

int mkdir(const char *path, mode_t mode)
{
	FAULTY(int, "mkdir", path, syscall(SYS_mkdir, path, mode));
}

static int open_of(const char *path, int flags, mode_t mode)
{
	FAULTY(int, "open", path, syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

#define OPEN(name, more)					\
int name(const char *path, int flags, ...)			\
{								\
	va_list ap;						\
	mode_t mode = 0;					\
								\
	va_start(ap, flags);					\
	if (flags & (O_CREAT | __O_TMPFILE))			\
		mode = va_arg(ap, mode_t);			\
	va_end(ap);						\
	return open_of(path, flags | (more), mode);		\
}
OPEN(open, 0)
OPEN(open64, O_LARGEFILE)
"""
KILLED, KILLED_AFTER, FOR_EVER = 0, -1, 1 << 30


class Faults:
    """environ: what the program must be started with."""

    def __init__(self, d):
        self.file, library, source = (os.path.join(d, "faults" + end) for end in ("", ".so", ".c"))
        with open(source, "w") as f:
            f.write(SOURCE)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-U_FORTIFY_SOURCE", "-o", library, source], check=True)
        self.environ = {"LD_PRELOAD": library, "FAULT_FILE": self.file, "ASAN_OPTIONS": "verify_asan_link_order=0"}
        self.end()

    def begin(self, call, part, what, at=1, count=FOR_EVER, segments=0):
        """call: write, pwrite, sync, syncdir, rename, unlink, mkdir, open, of paths with this part; what: an errno, KILLED or KILLED_AFTER; at: the
        how many-th; segments: so many have their names before."""
        self.put("%s %s %d %d %d %d\n" % (call, part, segments, at, count, what))

    def end(self):
        self.put("")

    def put(self, text):
        with open(self.file + ".new", "w") as f:
            f.write(text)
        os.rename(self.file + ".new", self.file)
