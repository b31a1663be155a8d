/* SPDX-License-Identifier: Apache-2.0 */
/* index_open.c - which blocks are there and good, and which stretches of the journal have none. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "index_internal.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "proto/keys.h"

static int add_missing(struct index *ix, const struct index_place *from, const struct index_place *to)
{
	struct stretch *more = reallocarray(ix->missing, ix->nmissing + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	more[ix->nmissing++] = (struct stretch){ *from, *to };
	ix->missing = more;
	return 0;
}

/* Out of the way, but not deleted: people may want to know what happened to the disk. One is kept per name. */
static void retire_file(struct index *ix, const char *name, const char *why)
{
	char bad[BLOCK_NAME + 8];

	snprintf(bad, sizeof(bad), "%.*s.bad", BLOCK_NAME, name);
	renameat(ix->dirfd, name, ix->dirfd, bad);
	if (ix->say)
		ix->say(ix->say_ctx, name, why);
}

void index_drop_block(struct index *ix, struct block *b, const char *why)
{
	bool there = false;

	pthread_mutex_lock(&ix->lock);
	for (size_t i = 0; i < ix->snap->nblocks; i++)
		there |= ix->snap->blocks[i] == b;
	if (there && add_missing(ix, &b->from, &b->to) == 0) {
		if (index_publish(ix, &(struct index_change){ .block_out = b }) == 0) {
			retire_file(ix, b->name, why);
			ix->records -= b->rows;
			ix->block_bytes -= b->map_len;
			pthread_cond_broadcast(&ix->changed);
		} else {
			ix->nmissing--;
		}
	}
	pthread_mutex_unlock(&ix->lock);
}

/* A lost or foreign key makes every block useless; they say so when they are opened. */
static int load_key(struct index *ix)
{
	_cleanup_buf_ struct buf b = { 0 };
	char path[4096];
	uint8_t key[16];
	int r;

	if (snprintf(path, sizeof(path), "%s/key", ix->dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = fsx_read(path, sizeof(key), &b);
	if (r == 0 && b.n == sizeof(key)) {
		memcpy(key, b.p, sizeof(key));
	} else if (r == 0 || r == -ENOENT || r == -E2BIG) {
		r = random_bytes(key, sizeof(key));
		if (!r)
			r = fsx_replace(path, key, sizeof(key), 0600);
	}
	if (r < 0)
		return r;
	ix->key = (struct siphash_key){ get64(key), get64(key + 8) };
	ix->check = index_hash(ix, "check", 5);
	return 0;
}

static int is_block(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 4 && n < BLOCK_NAME && !strcmp(e->d_name + n - 4, ".blk");
}

/* Takes one block in, if it continues what is there. Places ascend with names. */
static int take_block(struct index *ix, const char *name, journal_pos end)
{
	const char *why = NULL;
	struct block *b;
	int r;

	r = block_open(ix->dirfd, name, ix->check, &b, &why);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		retire_file(ix, name, why ? why : "cannot be opened");
		return 0;
	}
	if (b->to.pos > end)
		why = "stands for a stretch that the journal does not have";
	else if (place_compare(&b->from, &ix->done) < 0 || place_compare(&b->to, &b->from) < 0)
		why = "overlaps the block before";
	if (why) {
		retire_file(ix, name, why);
	} else {
		if (place_compare(&b->from, &ix->done) > 0)
			r = add_missing(ix, &ix->done, &b->from);
		ix->done = b->to;
		ix->records += b->rows;
		ix->block_bytes += b->map_len;
		if (!r)
			r = index_publish(ix, &(struct index_change){ .block_in = b });
	}
	block_unref(b);
	return r;
}

static int take_blocks(struct index *ix, journal_pos end)
{
	struct dirent **names;
	int n = scandir(ix->dir, &names, is_block, alphasort), r = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (!r)
			r = take_block(ix, names[i]->d_name, end);
		free(names[i]);
	}
	free(names);
	return r;
}

/* What was being written when the store before ended. */
static int delete_unfinished(struct index *ix)
{
	DIR *d = opendir(ix->dir);
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (strstr(e->d_name, ".tmp"))
			unlinkat(ix->dirfd, e->d_name, 0);
	closedir(d);
	return 0;
}

int index_open(const char *dir, journal_pos end, uint32_t tail_records,
	       void (*say)(void *ctx, const char *path, const char *why), void *ctx, struct index **ret_ix)
{
	_cleanup_(index_free) struct index *ix = calloc(1, sizeof(*ix));
	int r;

	if (!ix)
		return -ENOMEM;
	pthread_mutex_init(&ix->lock, NULL);
	pthread_cond_init(&ix->changed, NULL);
	ix->dirfd = -1;
	ix->tail_records = tail_records ? tail_records : INDEX_TAIL_RECORDS;
	ix->say = say;
	ix->say_ctx = ctx;
	ix->dir = strdup(dir);
	if (!ix->dir)
		return -ENOMEM;
	r = fsx_mkdirs(dir, 0750);
	if (r < 0)
		return r;
	ix->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ix->dirfd < 0)
		return -errno;
	r = delete_unfinished(ix);
	if (!r)
		r = load_key(ix);
	if (!r)
		r = take_blocks(ix, end);
	if (!r)
		r = index_take_dirs(ix);
	if (!r)
		r = index_start(ix);
	if (r < 0)
		return r;
	*ret_ix = TAKE_PTR(ix);
	return 0;
}
