/* SPDX-License-Identifier: Apache-2.0 */
/* bucket_dir.c - a bucket that is a local directory: keys are paths, headers lie beside their object. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bucket_internal.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "lib/log.h"

#define DEPTH_MAX 16

/* Files are never changed again: nobody may write them. */
#define FILE_MODE 0440
#define DIR_MODE 0750

/* Hidden files are ours while they are written; no component may lead elsewhere. */
static bool is_key(const char *key)
{
	size_t n = strlen(key), suffix = strlen(BUCKET_HEADERS);

	if (!n || n > 1024 || (n >= suffix && !strcmp(key + n - suffix, BUCKET_HEADERS)))
		return false;
	for (const char *c = key; c; c = strchr(c, '/') ? strchr(c, '/') + 1 : NULL)
		if (*c == '.' || *c == '/' || !*c)
			return false;
	return true;
}

static int say_errno(char *why, int r)
{
	return bucket_say(why, r, "%s", r == -EACCES || r == -EPERM || r == -EROFS ? "AccessDenied" :
				   r == -ENOSPC || r == -EDQUOT ? "the bucket's disk is full" : strerror(-r));
}

int dir_check(const struct bucket *b, char *why)
{
	int r = fsx_mkdirs(b->directory, DIR_MODE);

	if (!r && access(b->directory, R_OK | W_OK | X_OK) < 0)
		r = -errno;
	return r < 0 ? say_errno(why, r) : 0;
}

/* ---- whose it is */

#define MARK ".hosttrail-bucket"	/* nobody lists, reads or removes what begins with a dot */

int bucket_mark(const struct bucket *b, char ret[BUCKET_MARK_MAX])
{
	_cleanup_buf_ struct buf text = { 0 };
	char path[PATH_MAX];
	int r = b->directory ? 0 : -ENOENT;

	if (!r)
		snprintf(path, sizeof(path), "%s/" MARK, b->directory);
	if (!r)
		r = fsx_read(path, BUCKET_MARK_MAX - 1, &text);
	if (!r)
		snprintf(ret, BUCKET_MARK_MAX, "%s", buf_text(&text));
	return r;
}

void bucket_set_mark(const struct bucket *b)
{
	char path[PATH_MAX];
	int r = b->directory ? fsx_mkdirs(b->directory, DIR_MODE) : 0;

	if (b->directory)
		snprintf(path, sizeof(path), "%s/" MARK, b->directory);
	if (b->directory && !r)
		r = fsx_replace(path, b->name, strlen(b->name), FILE_MODE);
	if (r < 0)
		log_warn(r, "bucket %s cannot be marked", b->name);
}

bool bucket_is_empty(const struct bucket *b)
{
	DIR *d = b->directory ? opendir(b->directory) : NULL;
	struct dirent *e;
	bool empty = true;

	while (d && empty && (e = readdir(d)))
		empty = *e->d_name == '.';
	if (d)
		closedir(d);
	return empty;
}

/* ---- writing */

/* Makes the folders that are missing above path, each synced in the one above it. */
static int make_folders(char path[PATH_MAX], size_t root)
{
	struct stat s;

	for (char *slash = path + root; (slash = strchr(slash + 1, '/'));) {
		char *up;
		int r = 0;

		*slash = '\0';
		if (stat(path, &s) < 0) {
			if (mkdir(path, DIR_MODE) < 0 && errno != EEXIST)
				r = -errno;
			up = strrchr(path, '/');
			*up = '\0';
			if (!r)
				r = fsx_sync_dir(*path ? path : "/");
			*up = '/';
		}
		*slash = '/';
		if (r < 0)
			return r;
	}
	return 0;
}

/* One name for the unfinished file, so that the next attempt replaces what a killed one left. */
static int write_file(const char *path, const void *p, size_t n)
{
	const char *base = strrchr(path, '/') + 1;
	char tmp[PATH_MAX];
	int fd, r;

	if (snprintf(tmp, sizeof(tmp), "%.*s.%s.tmp", (int)(base - path), path, base) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	if (unlink(tmp) < 0 && errno != ENOENT)
		return -errno;
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (fd < 0)
		return -errno;
	r = fsx_write_all(fd, p, n);
	if (!r && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && !r)
		r = -errno;
	if (!r && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(tmp);
	return r;
}

static int write_headers(const struct object *o, const char *path)
{
	_cleanup_buf_ struct buf text = { 0 };
	char beside[PATH_MAX];

	if (!o->nmeta)
		return 0;
	for (unsigned i = 0; i < o->nmeta; i++)
		buf_addf(&text, "x-amz-meta-%s: %s\n", o->meta[i].name, o->meta[i].value);
	if (text.failed)
		return -ENOMEM;
	if (snprintf(beside, sizeof(beside), "%s" BUCKET_HEADERS, path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	return write_file(beside, text.p, text.n);
}

int dir_put(const struct bucket *b, const struct object *o, char *why)
{
	char path[PATH_MAX], *slash;
	int r = -EINVAL;

	if (is_key(o->key))
		r = snprintf(path, sizeof(path), "%s/%s", b->directory, o->key) < (int)sizeof(path) ? 0 : -ENAMETOOLONG;
	if (!r)
		r = fsx_mkdirs(b->directory, DIR_MODE);
	if (!r)
		r = make_folders(path, strlen(b->directory));
	if (!r)
		r = write_headers(o, path);
	if (!r)
		r = write_file(path, o->p, o->n);
	if (!r) {
		slash = strrchr(path, '/');
		*slash = '\0';
		r = fsx_sync_dir(path);
	}
	return r < 0 ? say_errno(why, r) : 0;
}

/* ---- removing */

static int unlink_file(const char *path)
{
	return unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR ? -errno : 0;
}

/* The object before its headers: none is seen without them. */
int dir_remove(const struct bucket *b, const char *key, char *why)
{
	char path[PATH_MAX], beside[PATH_MAX + sizeof(BUCKET_HEADERS)], *slash;
	size_t root = strlen(b->directory);
	int r = -EINVAL;

	if (is_key(key))
		r = snprintf(path, sizeof(path), "%s/%s", b->directory, key) < (int)sizeof(path) ? 0 : -ENAMETOOLONG;
	if (!r) {
		snprintf(beside, sizeof(beside), "%s" BUCKET_HEADERS, path);
		r = unlink_file(path);
	}
	if (!r)
		r = unlink_file(beside);
	/* the folders of the day, the month, the year, ... where nothing is left */
	while (!r && (slash = strrchr(path, '/')) && (size_t)(slash - path) > root) {
		*slash = '\0';
		if (rmdir(path) < 0)
			break;
	}
	return r < 0 ? say_errno(why, r) : 0;
}

/* ---- reading */

int dir_get(const struct bucket *b, const char *key, struct buf *body, struct buf *headers, char *why)
{
	char path[PATH_MAX];
	struct stat s;
	int r = -ENOENT;

	if (is_key(key) && snprintf(path, sizeof(path), "%s/%s", b->directory, key) < (int)sizeof(path) && stat(path, &s) == 0 &&
	    S_ISREG(s.st_mode))
		r = fsx_read(path, BUCKET_OBJECT_MAX, body);
	if (!r && strlen(path) + strlen(BUCKET_HEADERS) < sizeof(path)) {
		strcat(path, BUCKET_HEADERS);
		r = fsx_read(path, 65536, headers);
		if (r == -ENOENT)
			r = 0;
	}
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		return bucket_say(why, -ENOENT, "NoSuchKey");
	return r < 0 ? say_errno(why, r) : 0;
}

uint64_t dir_size(const struct bucket *b, const char *key)
{
	char path[PATH_MAX];
	struct stat s;

	if (!is_key(key) || snprintf(path, sizeof(path), "%s/%s", b->directory, key) >= (int)sizeof(path) || stat(path, &s) < 0)
		return 0;
	return (uint64_t)s.st_size;
}

struct listing {
	const char *prefix, *marker;
	bucket_list_fn fn;
	void *ctx;
	size_t root;			/* length of the bucket's own path and its slash */
	unsigned depth;
	char path[PATH_MAX];
};

/* S3 orders whole keys: a folder's come where its name with the slash does. */
static int compare_entries(const struct dirent **a, const struct dirent **b)
{
	size_t i = 0;
	const char *x = (*a)->d_name, *y = (*b)->d_name;
	int c, d;

	while (x[i] && x[i] == y[i])
		i++;
	c = x[i] ? (unsigned char)x[i] : (*a)->d_type == DT_DIR ? '/' : 0;
	d = y[i] ? (unsigned char)y[i] : (*b)->d_type == DT_DIR ? '/' : 0;
	return c - d;
}

static int is_shown(const struct dirent *e)
{
	size_t n = strlen(e->d_name), suffix = strlen(BUCKET_HEADERS);

	return e->d_name[0] != '.' && (e->d_type == DT_DIR || e->d_type == DT_REG) &&
	       !(n > suffix && !strcmp(e->d_name + n - suffix, BUCKET_HEADERS));
}

static int list_folder(struct listing *l);

static int list_file(struct listing *l)
{
	struct bucket_entry e = { .key = l->path + l->root };
	struct stat s;

	if (strncmp(e.key, l->prefix, strlen(l->prefix)) || strcmp(e.key, l->marker) <= 0 || stat(l->path, &s) < 0)
		return 0;
	e.bytes = (uint64_t)s.st_size;
	e.modified = s.st_mtime;
	return l->fn(l->ctx, &e);
}

/* Only folders in which a wanted key may lie. */
static bool is_wanted_folder(const struct listing *l)
{
	const char *key = l->path + l->root;
	size_t n = strlen(key), p = strlen(l->prefix);

	return !strncmp(key, l->prefix, n < p ? n : p) && strncmp(key, l->marker, n) >= 0;
}

static int list_entry(struct listing *l, const struct dirent *e)
{
	size_t n = strlen(l->path);
	bool folder = e->d_type == DT_DIR;
	int r = 0;

	if (n + strlen(e->d_name) + 2 > sizeof(l->path))
		return 0;
	sprintf(l->path + n, "%s%s", e->d_name, folder ? "/" : "");
	if (!folder)
		r = list_file(l);
	else if (l->depth < DEPTH_MAX && is_wanted_folder(l))
		r = list_folder(l);
	l->path[n] = '\0';
	return r;
}

static int list_folder(struct listing *l)
{
	struct dirent **v;
	int n = scandir(l->path, &v, is_shown, compare_entries), r = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	l->depth++;
	for (int i = 0; i < n; i++) {
		if (!r)
			r = list_entry(l, v[i]);
		free(v[i]);
	}
	free(v);
	l->depth--;
	return r;
}

int dir_list(const struct bucket *b, const char *prefix, const char *marker, bucket_list_fn fn, void *ctx)
{
	struct listing l = { .prefix = prefix, .marker = marker, .fn = fn, .ctx = ctx, .root = strlen(b->directory) + 1 };
	int r;

	if (snprintf(l.path, sizeof(l.path), "%s/", b->directory) >= (int)sizeof(l.path))
		return -ENAMETOOLONG;
	r = list_folder(&l);
	return r < 0 ? r : 0;
}
