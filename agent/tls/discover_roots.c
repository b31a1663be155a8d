// SPDX-License-Identifier: Apache-2.0
/* discover_roots.c - the roots that processes live in, and the libraries that the linker's cache of each names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "discover_internal.h"
#include "ldcache.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "plan.h"

#define ROOTS_MAX 4096

/* Inside the root, on its own file system, whatever links say. */
static int open_in_root(int root, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static int give_library(const char *name, const char *path, void *arg)
{
	struct search *s = arg;
	_cleanup_close_ int at = -1;

	if (!tls_plan_name(name))
		return 0;
	at = open_in_root(s->root, path);
	return at < 0 ? 0 : discover_give(s, at, path);
}

/* The linker's cache of the root, open for reading; -ENOENT: there is none that can be read without waiting. */
static int open_cache(struct search *s)
{
	_cleanup_close_ int at = -1;
	char self[64], type[32];
	struct statx st;
	int fd;

	if (statx(s->root, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, WANTED, &st) < 0)
		return -ENOENT;
	if (!discover_type_of(s, &st, type, sizeof(type)) || discover_may_block(type)) {
		s->d->stats.left_out++;
		return -ENOENT;
	}
	at = open_in_root(s->root, "/etc/ld.so.cache");
	if (at < 0 || statx(at, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0 || !S_ISREG(st.stx_mode))
		return -ENOENT;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -ENOENT : fd;
}

/* Libraries that the linker's cache of a root names. */
static int search_cache(struct search *s)
{
	_cleanup_(buf_free) struct buf cache = { 0 };
	_cleanup_close_ int fd = open_cache(s);
	char self[64];
	int r;

	if (fd < 0)
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fsx_read(self, TLS_CACHE_MAX, &cache) < 0)
		return 0;
	r = ldcache_each(cache.p, cache.n, give_library, s);
	return r == -EBADMSG ? 0 : r;
}

/* ---- one root at a time, for who has somebody else read the cache */

/* Whatever mounts lead there: as a service we may have mounts of our own. */
static bool own_root(int root)
{
	struct statx a, b;

	return !statx(root, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, WANTED, &a) &&
	       !statx(AT_FDCWD, "/", AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, WANTED, &b) && a.stx_dev_major == b.stx_dev_major &&
	       a.stx_dev_minor == b.stx_dev_minor && a.stx_ino == b.stx_ino;
}

int tls_discover_root(struct tls_discovery *d, uint32_t pid, int *ret_root, int *ret_cache)
{
	_cleanup_(discover_search_end) struct search s = { .d = d, .pid = pid, .root = -1 };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/root", pid);
	s.root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s.root < 0 || own_root(s.root))
		return -ENOENT;
	fd = open_cache(&s);
	if (fd < 0)
		return fd;
	*ret_cache = fd;
	*ret_root = TAKE_FD(s.root);
	return 0;
}

int tls_discover_library(struct tls_discovery *d, uint32_t pid, int root, const char *path, tls_discover_fn *fn, void *arg)
{
	_cleanup_(discover_search_end) struct search s = { .d = d, .fn = fn, .arg = arg, .pid = pid, .root = -1 };
	_cleanup_close_ int at = open_in_root(root, path);

	return at < 0 ? 0 : discover_give(&s, at, path);
}

#define ROOT_OF_FILES (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED)
#define CACHED_TRIES 8	/* somebody mounted, or renamed, meanwhile; or it is not cached */

static int open_cached(int root, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = ROOT_OF_FILES };
	int fd = -1;

	for (unsigned i = 0; i < CACHED_TRIES && fd < 0; i++) {
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd < 0 && errno != EAGAIN)
			break;
	}
	return fd;
}

int tls_discover_path(struct tls_discovery *d, uint32_t pid, const char *path, tls_discover_fn *fn, void *arg)
{
	_cleanup_(discover_search_end) struct search s = { .d = d, .fn = fn, .arg = arg, .pid = pid, .root = -1 };
	_cleanup_close_ int at = -1;
	char root[64];

	snprintf(root, sizeof(root), "/proc/%u/root", pid);
	s.root = open(pid ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s.root < 0)
		return 0;
	at = open_cached(s.root, path);
	return at < 0 ? 0 : discover_give(&s, at, path);
}

/* The roots that were searched: a mount namespace may have several (chroot). */
struct roots {
	struct known *seen;
	unsigned n;
};

static bool root_is_new(struct roots *roots, int root)
{
	struct known *k;
	struct statx st;
	struct key key;

	if (statx(root, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) < 0 || roots->n == ROOTS_MAX)
		return false;
	key = (struct key){ makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino };
	HASH_FIND(hh, roots->seen, &key, sizeof(key), k);
	k = k ? NULL : calloc(1, sizeof(*k));
	if (!k)
		return false;
	k->key = key;
	HASH_ADD(hh, roots->seen, key, sizeof(k->key), k);
	roots->n++;
	return true;
}

static void roots_end(struct roots *roots)
{
	struct known *k, *next;

	HASH_ITER(hh, roots->seen, k, next) {
		HASH_DEL(roots->seen, k);
		free(k);
	}
}

static int search_root(struct search *s, struct roots *roots, const char *path)
{
	s->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0 || !root_is_new(roots, s->root))
		return 0;
	return search_cache(s);
}

static int search_one(struct tls_discovery *d, uint32_t pid, struct roots *roots, tls_discover_fn *fn, void *arg)
{
	_cleanup_(discover_search_end) struct search s = { .d = d, .fn = fn, .arg = arg, .pid = pid, .root = -1 };
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%u/root", pid);
	r = search_root(&s, roots, pid ? path : "/");
	return r || !pid ? r : discover_search_process(&s);
}

int tls_discover_host(struct tls_discovery *d, tls_discover_fn *fn, void *arg)
{
	_cleanup_(roots_end) struct roots roots = { 0 };
	struct dirent *e;
	DIR *proc;
	int r = search_one(d, 0, &roots, fn, arg);

	if (r)
		return r;
	proc = opendir("/proc");
	if (!proc)
		return -errno;
	while (!r && (e = readdir(proc))) {
		unsigned long pid = strtoul(e->d_name, NULL, 10);

		if (pid && pid <= UINT32_MAX)
			r = search_one(d, (uint32_t)pid, &roots, fn, arg);
	}
	closedir(proc);
	return r;
}
