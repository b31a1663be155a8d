/* SPDX-License-Identifier: Apache-2.0 */
/* index.c - the writer's side: tails, sealing, and which stretches of the journal are missing. */
#include "index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "index_internal.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "lib/log.h"

#define SEAL_RETRY_SECONDS 2

struct snapshot *snapshot_get(struct index *ix, bool partial)
{
	struct snapshot *s;

	pthread_mutex_lock(&ix->lock);
	s = partial || !ix->nmissing ? ix->snap : NULL;
	if (s)
		__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&ix->lock);
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	tailmem_unref(s->tails[0]);
	tailmem_unref(s->tails[1]);
	for (size_t i = 0; i < s->ndirs; i++)
		hashdir_unref(s->dirs[i]);
	for (size_t i = 0; i < s->nblocks; i++)
		block_unref(s->blocks[i]);
	free(s);
}

static bool stays(const struct hashdir *d, const struct index_change *c)
{
	return d != c->dir_out && !(c->block_out && hashdir_has(d, c->block_out)) && !(c->dir_in && hashdir_overlaps(d, c->dir_in));
}

static void take_over(struct snapshot *s, const struct snapshot *old, const struct index_change *c)
{
	for (size_t i = 0; i < old->nblocks; i++)
		if (old->blocks[i] != c->block_out)
			s->blocks[s->nblocks++] = block_ref(old->blocks[i]);
	for (size_t i = 0; i < old->ndirs; i++)
		if (stays(old->dirs[i], c))
			s->dirs[s->ndirs++] = hashdir_ref(old->dirs[i]);
}

static void delete_dirs(struct index *ix, const struct snapshot *old, const struct snapshot *now)
{
	for (size_t i = 0, k = 0; i < old->ndirs; i++) {
		if (k < now->ndirs && now->dirs[k] == old->dirs[i])
			k++;
		else
			unlinkat(ix->dirfd, old->dirs[i]->name, 0);
	}
}

/* See index_internal.h. */
int index_publish(struct index *ix, const struct index_change *change)
{
	static const struct snapshot none;
	static const struct index_change nothing;
	const struct snapshot *old = ix->snap ? ix->snap : &none;
	const struct index_change *c = change ? change : &nothing;
	struct snapshot *s = calloc(1, sizeof(*s) + (old->nblocks + 1 + old->ndirs + 1) * sizeof(void *));

	if (!s)
		return -ENOMEM;
	s->refs = 1;
	s->dirs = (struct hashdir **)(s->blocks + old->nblocks + 1);
	s->tails[0] = tailmem_ref(ix->tail);
	s->tails[1] = tailmem_ref(ix->sealing);
	take_over(s, old, c);
	delete_dirs(ix, old, s);
	if (c->block_in)
		s->blocks[s->nblocks++] = block_ref(c->block_in);
	if (c->dir_in)
		s->dirs[s->ndirs++] = hashdir_ref(c->dir_in);
	snapshot_unref(ix->snap);
	ix->snap = s;
	return 0;
}

/* The file first, then the map of it; an empty tail makes an empty block, so that its stretch counts as done. */
static int write_block(struct index *ix, const struct tailmem *t, struct block **ret_b)
{
	_cleanup_buf_ struct buf bytes = { 0 };
	char name[BLOCK_NAME], path[4096];
	const char *why = "";
	int r;

	r = block_build(t, ix, &bytes);
	if (r < 0)
		return r;
	block_name(&t->from, name);
	if (snprintf(path, sizeof(path), "%s/%s", ix->dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = fsx_replace(path, bytes.p, bytes.n, 0640);
	if (!r)
		r = block_open(ix->dirfd, name, ix->check, ret_b, &why);
	if (!r)
		block_trust(*ret_b);
	return r;
}

void index_wait(struct index *ix, int seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	while (!ix->stopping && pthread_cond_timedwait(&ix->changed, &ix->lock, &until) != ETIMEDOUT)
		;
}

/* Until it is written: the records are in the journal and in memory meanwhile. Locked. */
static void seal(struct index *ix)
{
	struct tailmem *t = ix->sealing;
	struct block *b = NULL;
	int r;

	pthread_mutex_unlock(&ix->lock);
	r = write_block(ix, t, &b);
	pthread_mutex_lock(&ix->lock);
	if (r < 0) {
		if (r != ix->seal_error)
			log_warn(r, "cannot write an index block in %s, trying again", ix->dir);
		ix->seal_error = r;
		index_wait(ix, SEAL_RETRY_SECONDS);
		return;
	}
	ix->sealing = NULL;
	if (index_publish(ix, &(struct index_change){ .block_in = b }) < 0) {
		ix->sealing = t;
		ix->seal_error = -ENOMEM;
	} else {
		ix->seal_error = 0;
		ix->records += b->rows;
		ix->block_bytes += b->map_len;
		tailmem_unref(t);
	}
	block_unref(b);
	pthread_cond_broadcast(&ix->changed);
}

static void *seal_thread(void *arg)
{
	struct index *ix = arg;

	pthread_mutex_lock(&ix->lock);
	while (!ix->stopping) {
		if (ix->sealing)
			seal(ix);
		else
			pthread_cond_wait(&ix->changed, &ix->lock);
	}
	pthread_mutex_unlock(&ix->lock);
	return NULL;
}

int index_start(struct index *ix)
{
	int r = tailmem_new(ix->tail_records, &ix->tail);

	if (!r) {
		ix->tail->from = ix->tail->to = ix->next = ix->done;
		r = index_publish(ix, NULL);
	}
	if (!r)
		r = -pthread_create(&ix->sealer, NULL, seal_thread, ix);
	ix->sealer_runs = !r;
	if (!r) {
		ix->gathering = true;
		r = -pthread_create(&ix->gatherer, NULL, index_gather, ix);
		ix->gatherer_runs = !r;
	}
	return r;
}

/* Hands the full tail over and begins an empty one at `from`. Locked; waits while the one before is written. */
static int turn(struct index *ix, const struct index_place *from)
{
	struct tailmem *fresh;
	int r;

	while (ix->sealing && !ix->stopping)
		pthread_cond_wait(&ix->changed, &ix->lock);
	if (ix->stopping)
		return -ECANCELED;
	r = tailmem_new(ix->tail_records, &fresh);
	if (r < 0)
		return r;
	fresh->from = fresh->to = *from;
	ix->sealing = ix->tail;
	ix->tail = fresh;
	r = index_publish(ix, NULL);
	if (r < 0) {
		ix->tail = ix->sealing;
		ix->sealing = NULL;
		tailmem_unref(fresh);
		return r;
	}
	pthread_cond_broadcast(&ix->changed);
	return 0;
}

int index_add(struct index *ix, const struct index_place *place, const struct record_summary *s)
{
	int r = 0;

	if (tailmem_is_full(ix->tail)) {
		pthread_mutex_lock(&ix->lock);
		ix->tail->to = *place;
		r = turn(ix, place);
		pthread_mutex_unlock(&ix->lock);
	}
	if (r < 0)
		return r;
	tailmem_add(ix->tail, ix, place, s);
	ix->next = (struct index_place){ place->pos, place->record + 1 };
	return 0;
}

void index_progress(struct index *ix, const struct index_place *next)
{
	pthread_mutex_lock(&ix->lock);
	ix->tail->to = ix->next = *next;
	if (!ix->in_missing)
		ix->done = *next;
	pthread_mutex_unlock(&ix->lock);
}

/* A missing stretch is sealed into blocks of its own, which end where the next good block begins. */
int index_flush(struct index *ix)
{
	int r;

	pthread_mutex_lock(&ix->lock);
	if (ix->in_missing)
		ix->tail->to = ix->missing[0].to;
	r = turn(ix, ix->in_missing ? &ix->resume : &ix->tail->to);
	while (!r && ix->sealing && !ix->stopping)
		pthread_cond_wait(&ix->changed, &ix->lock);
	if (!r && ix->sealing)
		r = -ECANCELED;
	if (!r && ix->in_missing) {
		ix->nmissing--;
		memmove(ix->missing, ix->missing + 1, ix->nmissing * sizeof(*ix->missing));
		ix->in_missing = false;
		ix->next = ix->resume;
	}
	pthread_mutex_unlock(&ix->lock);
	return r;
}

/* The tail is turned so that it begins where the missing stretch does. Locked. */
static int begin_missing(struct index *ix)
{
	const struct index_place resume = ix->next;
	int r = 0;

	ix->tail->to = resume;
	if (ix->tail->rows)
		r = turn(ix, &ix->missing[0].from);
	else
		ix->tail->from = ix->tail->to = ix->missing[0].from;
	if (!r) {
		ix->in_missing = true;
		ix->resume = resume;
		ix->next = ix->missing[0].from;
	}
	return r;
}

int index_todo(struct index *ix, struct index_place *ret_from, struct index_place *ret_to)
{
	int r = 0;

	pthread_mutex_lock(&ix->lock);
	if (ix->nmissing && !ix->in_missing)
		r = begin_missing(ix);
	*ret_from = ix->next;
	*ret_to = ix->in_missing ? ix->missing[0].to : (struct index_place){ UINT64_MAX, 0 };
	pthread_mutex_unlock(&ix->lock);
	return r;
}

void index_stop(struct index *ix)
{
	pthread_mutex_lock(&ix->lock);
	__atomic_store_n(&ix->stopping, true, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&ix->changed);
	pthread_mutex_unlock(&ix->lock);
}

void index_stats(struct index *ix, struct index_stats *ret_s)
{
	pthread_mutex_lock(&ix->lock);
	*ret_s = (struct index_stats){
		.tail_records = __atomic_load_n(&ix->tail->rows, __ATOMIC_RELAXED) + (ix->sealing ? ix->sealing->rows : 0),
		.blocks = ix->snap->nblocks,
		.block_bytes = ix->block_bytes,
		.done = ix->in_missing ? ix->resume : ix->done,
		.seal_error = ix->seal_error,
		.rebuilding = ix->nmissing > 0,
		.gathering = ix->gathering,
		.gather_error = ix->gather_error,
		.directories = ix->snap->ndirs,
		.loose_blocks = ix->snap->nblocks,
	};
	for (size_t i = 0; i < ix->snap->ndirs; i++) {
		ret_s->directory_bytes += ix->snap->dirs[i]->bytes;
		ret_s->loose_blocks -= ix->snap->dirs[i]->nmembers;
	}
	ret_s->records = ix->records + ret_s->tail_records;
	pthread_mutex_unlock(&ix->lock);
}

uint64_t index_hash(const struct index *ix, const void *p, size_t n)
{
	return siphash(&ix->key, p, n);
}

int index_key_compare(const struct index_key *a, const struct index_key *b)
{
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return place_compare(&a->place, &b->place);
}

void index_free(struct index **pix)
{
	struct index *ix = *pix;

	if (!ix)
		return;
	index_stop(ix);
	if (ix->sealer_runs)
		pthread_join(ix->sealer, NULL);
	if (ix->gatherer_runs)
		pthread_join(ix->gatherer, NULL);
	snapshot_unref(ix->snap);
	tailmem_unref(ix->tail);
	tailmem_unref(ix->sealing);
	cleanup_close(&ix->dirfd);
	pthread_cond_destroy(&ix->changed);
	pthread_mutex_destroy(&ix->lock);
	free(ix->missing);
	free(ix->dir);
	free(ix);
	*pix = NULL;
}
