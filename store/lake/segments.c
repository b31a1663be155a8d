/* SPDX-License-Identifier: Apache-2.0 */
/* segments.c - Parquet files: written whole or not at all, read-only, known by their hash. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lake_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "shred.h"

#define DAMAGED ".damaged"	/* kept for people; sealer.c */

static int hash_file(int fd, uint64_t *ret_bytes, char ret_hex[65])
{
	uint8_t hash[32];
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return -errno;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	sha256(p, (size_t)st.st_size, hash);
	munmap(p, (size_t)st.st_size);
	hex_text(hash, 32, ret_hex);
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

/* On disk, read-only, under its name, and the folders that lead to it, too. */
static int settle_file(struct lake *l, const char *tmp, const char *path, const char *store, struct segment *s)
{
	_cleanup_close_ int fd = open(tmp, O_RDONLY | O_CLOEXEC);
	char folder[4096];
	int r;

	if (fd < 0)
		return -errno;
	r = hash_file(fd, &s->bytes, s->sha256);
	if (!r && (fchmod(fd, 0440) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0))
		r = -errno;
	snprintf(folder, sizeof(folder), "%s/%s/day=%s", l->dir, store, s->day);
	if (!r)
		r = fsx_sync_dir(folder);
	snprintf(folder, sizeof(folder), "%s/%s", l->dir, store);
	if (!r)
		r = fsx_sync_dir(folder);
	return r ? r : fsx_sync_dir(l->dir);
}

#define LOOK_ROWS 4096u		/* how often it is asked whether there is time */

struct writing {
	struct lake *l;
	struct parquet *p;
	struct shred *shred;
	uint64_t rows;
};

static int write_row(void *ctx, const struct scan_record *x)
{
	struct writing *w = ctx;

	if (w->rows++ % LOOK_ROWS == 0)
		parquet_thorough(w->p, !seal_is_behind(w->l));
	return __atomic_load_n(&w->l->stopping, __ATOMIC_RELAXED) ? -ECANCELED : shred_row(w->shred, x);
}

static int write_rows(struct lake *l, struct scan *scan, const char *path, uint64_t *ret_rows)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	_cleanup_(parquet_free) struct parquet *p = NULL;
	_cleanup_(shred_free) struct shred *shred = NULL;
	int r = fd < 0 ? -errno : parquet_new(fd, &p);

	if (!r)
		r = shred_new(p, &shred);
	if (!r)
		r = scan_each(scan, write_row, &(struct writing){ l, p, shred, 0 });
	return r ? r : shred_end(shred, ret_rows);
}

int segment_write(struct lake *l, struct scan *scan, const char *store, struct segment *s, char why[DUCK_WHY_MAX])
{
	char path[4096], tmp[4100];
	int r = scan_sort(scan);

	if (r < 0 || !scan->nrows)
		return r;
	s->first = scan->order[0].time / (int64_t)NS_PER_SEC;
	s->last = scan->order[scan->nrows - 1].time / (int64_t)NS_PER_SEC;
	snprintf(s->path, sizeof(s->path), "%s/day=%s/%016llx-%016llx.parquet", store, s->day, (unsigned long long)s->from,
		 (unsigned long long)s->to);
	snprintf(path, sizeof(path), "%s/%s/day=%s", l->dir, store, s->day);
	r = fsx_mkdirs(path, 0750);
	if (r < 0)
		return r;
	if (snprintf(path, sizeof(path), "%s/%s", l->dir, s->path) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	r = write_rows(l, scan, tmp, &s->rows);
	if (!r)
		r = settle_file(l, tmp, path, store, s);
	if (r < 0) {
		snprintf(why, DUCK_WHY_MAX, "cannot write %.800s: %s", path, strerror(-r));
		unlink(tmp);
		segment_drop(l, s);	/* it may have its name by now */
	}
	return r;
}

/* One that is in the manifest, and was to be made anew, stays. */
void segment_drop(struct lake *l, const struct segment *s)
{
	char path[4096];

	if (*s->path && !manifest_has_path(l->manifest, s->path) && snprintf(path, sizeof(path), "%s/%s", l->dir, s->path) < (int)sizeof(path))
		unlink(path);
}

int segment_check(struct lake *l, const struct segment *s, bool whole)
{
	_cleanup_close_ int fd = -1;
	uint64_t bytes;
	char path[4096], hash[65];
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "%s/%s", l->dir, s->path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size != s->bytes)
		return -EBADMSG;
	if (!whole)
		return 0;
	r = hash_file(fd, &bytes, hash);
	return r ? r : strcmp(hash, s->sha256) ? -EBADMSG : 0;
}

/* ---- what a crash left */

static void sweep_day(struct lake *l, const char *store, const char *day)
{
	char folder[4096], path[256 + UUID_TEXT + 256], full[8192];
	struct dirent *d;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%s/%s/%s", l->dir, store, day);
	dir = opendir(folder);
	while (dir && (d = readdir(dir))) {
		if (*d->d_name == '.' || strstr(d->d_name, DAMAGED))
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", store, day, d->d_name);
		if (manifest_has_path(l->manifest, path))
			continue;
		snprintf(full, sizeof(full), "%s/%s", l->dir, path);
		log_info("%s is in no manifest and is removed", full);
		unlink(full);
	}
	if (dir)
		closedir(dir);
	rmdir(folder);		/* if it is empty now */
}

static void sweep_store(struct lake *l, const char *store)
{
	char folder[4096];
	struct dirent *d;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%s/%s", l->dir, store);
	dir = opendir(folder);
	while (dir && (d = readdir(dir)))
		if (!strncmp(d->d_name, "day=", 4) && strlen(d->d_name) < 64)
			sweep_day(l, store, d->d_name);
	if (dir)
		closedir(dir);
}

void segment_sweep(struct lake *l)
{
	struct dirent *d;
	DIR *dir = opendir(l->dir);

	while (dir && (d = readdir(dir)))
		if (strlen(d->d_name) == UUID_TEXT - 1)
			sweep_store(l, d->d_name);
	if (dir)
		closedir(dir);
}
