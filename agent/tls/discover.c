// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "discover_internal.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "plan.h"

#define MAPS_LINES_MAX (1U << 18)	/* of one process; the kernel allows 65530 mappings unless told otherwise */
#define SEARCHED_MAX 256		/* lines that are looked through for one address */
#define MOUNTINFO_MAX (4U << 20)

static uint64_t memory_device(void)
{
	_cleanup_close_ int fd = memfd_create("dev", MFD_CLOEXEC);
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) ? st.st_dev : 0;
}

int tls_discovery_new(unsigned max, struct tls_discovery **ret_d)
{
	struct tls_discovery *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->max = max;
	d->memory_dev = memory_device();
	*ret_d = d;
	return 0;
}

void tls_discovery_free(struct tls_discovery **d)
{
	struct known *k, *next;

	if (!*d)
		return;
	HASH_ITER(hh, (*d)->known, k, next) {
		HASH_DEL((*d)->known, k);
		free(k);
	}
	free(*d);
	*d = NULL;
}

const struct tls_discovery_stats *tls_discovery_stats(const struct tls_discovery *d)
{
	return &d->stats;
}

void tls_discovery_forget(struct tls_discovery *d, uint64_t dev, uint64_t ino)
{
	struct key key = { dev, ino };
	struct known *k;

	HASH_FIND(hh, d->known, &key, sizeof(key), k);
	if (!k)
		return;
	HASH_DEL(d->known, k);
	free(k);
}

/* 1: it is new and noted, 0: known, or no room for it. */
static int know(struct tls_discovery *d, struct key key)
{
	struct known *k;

	HASH_FIND(hh, d->known, &key, sizeof(key), k);
	if (k)
		return 0;
	if (HASH_COUNT(d->known) >= d->max) {
		d->stats.full++;
		return 0;
	}
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->key = key;
	HASH_ADD(hh, d->known, key, sizeof(k->key), k);
	return 1;
}

/* File systems whose server may be a hostile process, or gone. */
bool discover_may_block(const char *type)
{
	static const char *const types[] = { "fuse", "nfs", "cifs", "smb", "afs", "ceph", "coda", "glusterfs", "autofs", "lustre" };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		if (!strncmp(type, types[i], strlen(types[i])))
			return true;
	return false;
}

/* 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw */
bool discover_type_in(const char *mounts, uint64_t mount, char *ret_type, size_t n)
{
	for (const char *line = mounts, *end; *line; line = *end ? end + 1 : end) {
		const char *type;

		end = strchrnul(line, '\n');
		if (strtoull(line, NULL, 10) != mount)
			continue;
		type = memmem(line, (size_t)(end - line), " - ", 3);
		if (!type)
			return false;
		snprintf(ret_type, n, "%.*s", (int)strcspn(type + 3, " \n"), type + 3);
		return true;
	}
	return false;
}

/*
 * What kind of file system a file is on: "" one with a disk of its own, or memory. A process that was put into a root sees no mounts
 * outside it, so this process' are looked through too. false: it is in neither list, and may be anything.
 */
bool discover_type_of(struct search *s, const struct statx *st, char *ret_type, size_t n)
{
	char path[64];

	ret_type[0] = 0;
	if (st->stx_dev_major || makedev(0, st->stx_dev_minor) == s->d->memory_dev)
		return true;
	if (!s->have_mounts) {
		s->have_mounts = true;
		buf_reset(&s->mounts);
		snprintf(path, sizeof(path), "/proc/%u/mountinfo", s->pid);
		if (s->pid)
			fsx_read(path, MOUNTINFO_MAX, &s->mounts);
		fsx_read("/proc/self/mountinfo", MOUNTINFO_MAX, &s->mounts);
	}
	return discover_type_in(buf_text(&s->mounts), st->stx_mnt_id, ret_type, n);
}

/*
 * Who a file is. A file of a layer that several overlays show has a device in each, but the kernel probes the layer's: number, size and
 * time of change, which a copy does not keep, tell it.
 */
static struct key key_of(const struct statx *st, const char *type)
{
	struct key key = { makedev(st->stx_dev_major, st->stx_dev_minor), st->stx_ino };

	if (!strcmp(type, "overlay")) {
		key.dev = TLS_DEV_OVERLAY;
		key.ino ^= (uint64_t)st->stx_ctime.tv_sec << 34 ^ (uint64_t)st->stx_ctime.tv_nsec << 4 ^ st->stx_size << 20;
	}
	return key;
}

/*
 * What `at` (O_PATH, closed by the caller) refers to, if it is a file that is new and may be read without waiting. Attributes are asked of
 * the kernel alone: a FUSE server is not asked. 0, what fn returned, -ENOMEM.
 */
int discover_give(struct search *s, int at, const char *path)
{
	_cleanup_close_ int fd = -1;
	char self[64], type[32];
	struct statx st;
	struct key key;
	bool unknown;
	int r;

	if (statx(at, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, WANTED, &st) < 0 || !S_ISREG(st.stx_mode))
		return 0;
	unknown = !discover_type_of(s, &st, type, sizeof(type));
	key = key_of(&st, type);
	r = know(s->d, key);
	if (r <= 0)
		return r;
	if (unknown || discover_may_block(type)) {
		s->d->stats.left_out++;
		return 0;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		tls_discovery_forget(s->d, key.dev, key.ino);
		return 0;
	}
	s->d->stats.given++;
	return s->fn(fd, &(struct tls_found){ key.dev, key.ino, s->pid, path }, s->arg);
}

static int give_path(struct search *s, const char *proc, const char *path)
{
	_cleanup_close_ int at = open(proc, O_PATH | O_CLOEXEC);

	return at < 0 ? 0 : discover_give(s, at, path);
}

static bool worth_by_path(const char *path)
{
	const char *base = strrchr(path, '/');

	return tls_plan_mapped(base ? base + 1 : path);
}

/* A line of /proc/PID/maps: 7f00-7f10 r-xp 00001000 fd:01 1234    /usr/lib/libssl.so.3 (deleted) */
static int give_mapping(struct search *s, const char *line)
{
	unsigned long start, end, ino;
	char perms[8], proc[96];
	int name = 0;

	if (sscanf(line, "%lx-%lx %7s %*x %*x:%*x %lu %n", &start, &end, perms, &ino, &name) < 4 || !name || !ino || perms[2] != 'x')
		return 0;
	if (line[name] != '/' || !worth_by_path(line + name))
		return 0;
	snprintf(proc, sizeof(proc), "/proc/%u/map_files/%lx-%lx", s->pid, start, end);
	return give_path(s, proc, line + name);
}

static int give_mappings(struct search *s)
{
	_cleanup_free_ char *line = NULL;
	char path[64];
	size_t room = 0;
	ssize_t n;
	FILE *f;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%u/maps", s->pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	for (unsigned i = 0; !r && i < MAPS_LINES_MAX && (n = getline(&line, &room, f)) > 0; i++) {
		if (line[n - 1] == '\n')
			line[n - 1] = 0;
		r = give_mapping(s, line);
	}
	fclose(f);
	return r;
}

static int give_executable(struct search *s)
{
	char proc[64], path[PATH_MAX] = "";
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/%u/exe", s->pid);
	n = readlink(proc, path, sizeof(path) - 1);
	if (n <= 0)
		return 0; /* a kernel thread, or gone */
	path[n] = 0;
	return give_path(s, proc, path);
}

int discover_search_process(struct search *s)
{
	int r = give_executable(s);

	return r ? r : give_mappings(s);
}

void discover_search_end(struct search *s)
{
	buf_free(&s->mounts);
	if (s->root >= 0)
		close(s->root);
}

int tls_discover_process(struct tls_discovery *d, uint32_t pid, tls_discover_fn *fn, void *arg)
{
	_cleanup_(discover_search_end) struct search s = { .d = d, .fn = fn, .arg = arg, .pid = pid, .root = -1 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u", pid);
	if (!pid || access(path, F_OK) < 0)
		return -ESRCH;
	return discover_search_process(&s);
}

/* Where the mapping that begins there ends, or 0. Of many mappings not all are looked through: anybody can have as many. */
static uint64_t end_of_mapping(uint32_t pid, uint64_t at)
{
	_cleanup_free_ char *line = NULL;
	uint64_t begin, end, found = 0;
	char path[64];
	size_t room = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = fopen(path, "re");
	for (unsigned i = 0; f && !found && i < SEARCHED_MAX && getline(&line, &room, f) > 0; i++)
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &begin, &end) == 2 && begin == at)
			found = end;
	if (f)
		fclose(f);
	return found;
}

static int open_mapping(uint32_t pid, uint64_t at, uint64_t end)
{
	char proc[96];

	snprintf(proc, sizeof(proc), "/proc/%u/map_files/%" PRIx64 "-%" PRIx64, pid, at, end);
	return open(proc, O_PATH | O_CLOEXEC);
}

int tls_discover_mapping(struct tls_discovery *d, uint32_t pid, uint64_t at, uint64_t end, const char *path, tls_discover_fn *fn, void *arg)
{
	_cleanup_(discover_search_end) struct search s = { .d = d, .fn = fn, .arg = arg, .pid = pid, .root = -1 };
	_cleanup_close_ int fd = open_mapping(pid, at, end);

	if (fd < 0)
		fd = open_mapping(pid, at, end_of_mapping(pid, at));
	return fd < 0 ? 0 : discover_give(&s, fd, path);
}
