/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_gather.c - the thread that enters blocks into hash directories, and compares with their checksums those that are there at a start.
 *
 * Sixteen blocks that are in none get one of the first level; sixteen of these are replaced by one of the second. So a rare value costs
 * a read for each 256 blocks, at most 15 for the rest of these, and a look into at most 15 blocks.
 * A new directory is on disk, synced, before the ones that it replaces are deleted; what a crash leaves is either of both, or a piece with
 * another name. Nothing waits for it: blocks that are in no directory are asked themselves.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "index_internal.h"
#include "lib/log.h"

#define RETRY_SECONDS 30
#define NICE 10		/* writing records and answering questions come first */

/* ---- which */

struct pick {
	struct block *blocks[HASHDIR_MEMBERS];
	unsigned n, level;
};

static int by_pointer(const void *a, const void *b)
{
	const struct block *x = *(struct block *const *)a, *y = *(struct block *const *)b;

	return x < y ? -1 : x > y;
}

static int by_place(const void *a, const void *b)
{
	return place_compare(&(*(struct block *const *)a)->from, &(*(struct block *const *)b)->from);
}

/* Blocks that are in no directory, by place; ret has room for all. */
static size_t loose_blocks(const struct snapshot *s, struct block **ret)
{
	struct block **taken = ret + s->nblocks;	/* the other half of ret */
	size_t ntaken = 0, n = 0;

	for (size_t i = 0; i < s->ndirs; i++)
		for (unsigned k = 0; k < s->dirs[i]->nmembers; k++)
			taken[ntaken++] = s->dirs[i]->members[k];
	qsort(taken, ntaken, sizeof(*taken), by_pointer);
	for (size_t i = 0; i < s->nblocks; i++)
		if (!bsearch(&s->blocks[i], taken, ntaken, sizeof(*taken), by_pointer))
			ret[n++] = s->blocks[i];
	qsort(ret, n, sizeof(*ret), by_place);
	return n;
}

static unsigned members_of(unsigned level)
{
	unsigned n = 1;

	while (level--)
		n *= HASHDIR_FAN;
	return n;
}

/* The larger ones first: each size divides the next, so that they make it up exactly. */
static bool pick_level(const struct snapshot *s, struct block *const *loose, size_t nloose, unsigned level, struct pick *p)
{
	unsigned want = members_of(level);

	p->n = 0;
	p->level = level;
	for (unsigned below = level - 1; below > 0; below--)
		for (size_t i = 0; i < s->ndirs; i++) {
			const struct hashdir *d = s->dirs[i];

			if (d->level != below || p->n + d->nmembers > want)
				continue;
			memcpy(p->blocks + p->n, d->members, d->nmembers * sizeof(*d->members));
			p->n += d->nmembers;
		}
	for (size_t i = 0; i < nloose && p->n < want; i++)
		p->blocks[p->n++] = loose[i];
	return p->n == want;
}

/* A reference to each block; p->n 0: nothing to do. Locked. */
static int pick(struct index *ix, struct pick *p)
{
	const struct snapshot *s = ix->snap;
	struct block **loose = reallocarray(NULL, 2 * s->nblocks + 1, sizeof(*loose));
	bool found = false;
	size_t n;

	p->n = 0;
	if (!loose)
		return -ENOMEM;
	n = loose_blocks(s, loose);
	for (unsigned level = HASHDIR_LEVELS; level > 0 && !found; level--)
		found = pick_level(s, loose, n, level, p);
	free(loose);
	if (!found)
		p->n = 0;
	qsort(p->blocks, p->n, sizeof(p->blocks[0]), by_place);
	for (unsigned i = 0; i < p->n; i++)
		block_ref(p->blocks[i]);
	return 0;
}

/* ---- made and taken in */

static bool all_there(const struct snapshot *s, const struct hashdir *d)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->nblocks; i++)
		n += hashdir_has(d, s->blocks[i]);
	return n == d->nmembers;
}

/* Blocks may have turned out to be damaged while it was made. */
static int take_in(struct index *ix, struct hashdir *d)
{
	int r = -ESTALE;

	pthread_mutex_lock(&ix->lock);
	if (all_there(ix->snap, d))
		r = index_publish(ix, &(struct index_change){ .dir_in = d });
	pthread_mutex_unlock(&ix->lock);
	if (r < 0)
		unlinkat(ix->dirfd, d->name, 0);
	return r == -ESTALE ? 0 : r;
}

static int gather(struct index *ix, const struct pick *p)
{
	struct block *bad = NULL;
	char name[HASHDIR_NAME];
	struct hashdir *d;
	const char *why;
	int r = hashdir_build(ix->dir, ix->check, p->blocks, p->n, p->level, &ix->stopping, name, &bad);

	if (r == -EBADMSG && bad) {
		index_drop_block(ix, bad, "a section is damaged");
		return 0;
	}
	if (!r)
		r = hashdir_open(ix->dirfd, name, ix->check, p->blocks, p->n, &d, &why);
	if (r < 0)
		return r;
	r = take_in(ix, d);
	hashdir_unref(d);
	return r;
}

static int gather_picked(struct index *ix, struct pick *p)
{
	int r;

	pthread_mutex_unlock(&ix->lock);
	r = gather(ix, p);
	for (unsigned i = 0; i < p->n; i++)
		block_unref(p->blocks[i]);
	pthread_mutex_lock(&ix->lock);
	return r;
}

/* What a lookup would have to do when it first comes to a block. Unlocks meanwhile. */
static void check_block(struct index *ix, struct block *b)
{
	pthread_mutex_unlock(&ix->lock);
	if (!block_check(b))
		index_drop_block(ix, b, "a section is damaged");
	pthread_mutex_lock(&ix->lock);
}

/* unchecked: blocks that were there at the start, but the last so many. */
static int work(struct index *ix, struct snapshot **start, size_t *unchecked)
{
	struct pick p;
	int r = pick(ix, &p);

	ix->gathering = r < 0 || p.n;
	if (r < 0)
		return r;
	if (p.n)
		return gather_picked(ix, &p);
	if (*unchecked) {
		check_block(ix, (*start)->blocks[--*unchecked]);
		return 0;
	}
	snapshot_unref(*start);
	*start = NULL;
	pthread_cond_wait(&ix->changed, &ix->lock);
	return 0;
}

void *index_gather(void *arg)
{
	struct index *ix = arg;
	struct snapshot *start = snapshot_get(ix, true);
	size_t unchecked = start->nblocks;
	int r;

	setpriority(PRIO_PROCESS, 0, NICE);	/* on Linux: of this thread */
	pthread_mutex_lock(&ix->lock);
	while (!ix->stopping) {
		r = work(ix, &start, &unchecked);
		if (r == -ECANCELED)
			break;
		if (r < 0 && r != ix->gather_error)
			log_warn(r, "cannot write a hash directory in %s, trying again; rare values take longer", ix->dir);
		ix->gather_error = r;
		if (r < 0)
			index_wait(ix, RETRY_SECONDS);
	}
	pthread_mutex_unlock(&ix->lock);
	snapshot_unref(start);
	return NULL;
}

void index_drop_dir(struct index *ix, struct hashdir *d, const char *why)
{
	bool there = false;

	pthread_mutex_lock(&ix->lock);
	for (size_t i = 0; i < ix->snap->ndirs; i++)
		there |= ix->snap->dirs[i] == d;
	if (there && index_publish(ix, &(struct index_change){ .dir_out = d }) == 0) {
		log_warn(0, "%s/%s: %s; it is made anew", ix->dir, d->name, why);
		pthread_cond_broadcast(&ix->changed);
	}
	pthread_mutex_unlock(&ix->lock);
}

/* ---- at the start */

static int is_dir(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 6 && n < HASHDIR_NAME && !strcmp(e->d_name + n - 4, ".dir");
}

/* The higher level first: where a crash left both, the others are what it replaces. */
static int by_level(const struct dirent **a, const struct dirent **b)
{
	int x = (*a)->d_name[strlen((*a)->d_name) - 5], y = (*b)->d_name[strlen((*b)->d_name) - 5];

	return x != y ? y - x : alphasort(a, b);
}

static int take_dir(struct index *ix, const char *name)
{
	struct hashdir *d = NULL;
	const char *why = NULL;
	bool known = false;
	int r = hashdir_open(ix->dirfd, name, ix->check, ix->snap ? ix->snap->blocks : NULL, ix->snap ? ix->snap->nblocks : 0, &d, &why);

	if (r == -ENOMEM)
		return r;
	for (size_t i = 0; !r && i < ix->snap->ndirs; i++)
		known |= hashdir_overlaps(d, ix->snap->dirs[i]);
	if (r == 0 && !known) {
		r = index_publish(ix, &(struct index_change){ .dir_in = d });
	} else {
		if (why)
			log_info("%s/%s is made anew: %s", ix->dir, name, why);
		unlinkat(ix->dirfd, name, 0);
		r = 0;
	}
	hashdir_unref(d);
	return r;
}

int index_take_dirs(struct index *ix)
{
	struct dirent **names;
	int n = scandir(ix->dir, &names, is_dir, by_level), r = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (!r)
			r = take_dir(ix, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return r;
}
