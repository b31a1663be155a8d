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

struct snapshot *snapshot_get(struct index *ix)
{
	struct snapshot *s;

	pthread_mutex_lock(&ix->lock);
	s = ix->snap;
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
	for (size_t i = 0; i < s->nblocks; i++)
		block_unref(s->blocks[i]);
	free(s);
}

/* See index_internal.h. */
int index_publish(struct index *ix, const struct block *without, struct block *added)
{
	struct snapshot *old = ix->snap, *s = calloc(1, sizeof(*s) + ((old ? old->nblocks : 0) + 1) * sizeof(s->blocks[0]));

	if (!s)
		return -ENOMEM;
	s->refs = 1;
	s->tails[0] = tailmem_ref(ix->tail);
	s->tails[1] = tailmem_ref(ix->sealing);
	for (size_t i = 0; old && i < old->nblocks; i++)
		if (old->blocks[i] != without)
			s->blocks[s->nblocks++] = block_ref(old->blocks[i]);
	if (added)
		s->blocks[s->nblocks++] = block_ref(added);
	ix->snap = s;
	snapshot_unref(old);
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
	return r < 0 ? r : block_open(ix->dirfd, name, ix->check, ret_b, &why);
}

static void wait_seconds(struct index *ix, int seconds)
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
		wait_seconds(ix, SEAL_RETRY_SECONDS);
		return;
	}
	ix->sealing = NULL;
	if (index_publish(ix, NULL, b) < 0) {
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

/* What a lookup would have to do when it first comes to a block, which over hundreds of blocks is long. Unlocks meanwhile. */
static void check_block(struct index *ix, struct block *b)
{
	pthread_mutex_unlock(&ix->lock);
	if (!block_check(b))
		index_drop_block(ix, b, "a section is damaged");
	pthread_mutex_lock(&ix->lock);
}

static void *seal_thread(void *arg)
{
	struct index *ix = arg;
	struct snapshot *snap = snapshot_get(ix);
	size_t unchecked = snap->nblocks;

	pthread_mutex_lock(&ix->lock);
	while (!ix->stopping) {
		if (ix->sealing) {
			seal(ix);
		} else if (unchecked) {
			check_block(ix, snap->blocks[--unchecked]);
		} else {
			snapshot_unref(TAKE_PTR(snap));
			pthread_cond_wait(&ix->changed, &ix->lock);
		}
	}
	pthread_mutex_unlock(&ix->lock);
	snapshot_unref(snap);
	return NULL;
}

int index_start(struct index *ix)
{
	int r = tailmem_new(ix->tail_records, &ix->tail);

	if (!r) {
		ix->tail->from = ix->tail->to = ix->done;
		r = index_publish(ix, NULL, NULL);
	}
	if (!r)
		r = -pthread_create(&ix->sealer, NULL, seal_thread, ix);
	ix->sealer_runs = !r;
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
	r = index_publish(ix, NULL, NULL);
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
	if (!r)
		tailmem_add(ix->tail, ix, place, s);
	return r;
}

void index_progress(struct index *ix, const struct index_place *next)
{
	pthread_mutex_lock(&ix->lock);
	ix->tail->to = *next;
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
	}
	pthread_mutex_unlock(&ix->lock);
	return r;
}

/* The tail is turned so that it begins where the missing stretch does. Locked. */
static int begin_missing(struct index *ix)
{
	int r = 0;

	ix->resume = ix->done;
	if (ix->tail->rows)
		r = turn(ix, &ix->missing[0].from);
	else
		ix->tail->from = ix->tail->to = ix->missing[0].from;
	if (!r)
		ix->in_missing = true;
	return r;
}

int index_todo(struct index *ix, struct index_place *ret_from, struct index_place *ret_to)
{
	int r = 0;

	pthread_mutex_lock(&ix->lock);
	*ret_from = ix->done;
	*ret_to = (struct index_place){ UINT64_MAX, 0 };
	if (ix->nmissing) {
		r = begin_missing(ix);
		*ret_from = ix->missing[0].from;
		*ret_to = ix->missing[0].to;
	}
	pthread_mutex_unlock(&ix->lock);
	return r;
}

void index_stop(struct index *ix)
{
	pthread_mutex_lock(&ix->lock);
	ix->stopping = true;
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
	};
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
