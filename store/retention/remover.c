/* SPDX-License-Identifier: Apache-2.0 */
#include "remover_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "removed.h"
#include "store/delivery/deliver.h"

#define ROUND_SECONDS 60

bool remover_stopping(struct remover *r)
{
	bool stop;

	pthread_mutex_lock(&r->lock);
	stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return stop;
}

static void clean_bucket(struct remover *r, const struct bucket *b)
{
	struct aged a = { .r = r, .bucket = b };
	int res;

	a.before = (retention_now(r->st->retention) - bucket_retention(b) * RETENTION_DAY_NS) / (int64_t)NS_PER_SEC;
	retention_bucket_target(bucket_name(b), a.target);
	res = aged_digests(&a);
	/* what a digest that stays names is not loose */
	if (!res && !a.left)
		res = aged_loose(&a);
	if (res < 0 && res != -EAGAIN && res != -ECANCELED)
		log_limited(LOG_LEVEL_WARN, res, "bucket %s: what is past cannot be removed", bucket_name(b));
}

static void clean_buckets(struct remover *r)
{
	const struct buckets *all = delivery_buckets(r->st->delivery);

	for (unsigned i = 0; all && buckets_at(all, i) && !remover_stopping(r); i++)
		if (bucket_is_local(buckets_at(all, i)) && bucket_retention(buckets_at(all, i)))
			clean_bucket(r, buckets_at(all, i));
}

static bool wait_for_round(struct remover *r)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ROUND_SECONDS;
	pthread_mutex_lock(&r->lock);
	while (!r->woken && !r->stop)
		if (pthread_cond_timedwait(&r->changed, &r->lock, &until))
			break;
	r->woken = false;
	stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return !stop;
}

static void *run(void *arg)
{
	struct remover *r = arg;

	do {
		int res;

		clean_buckets(r);
		res = trim_journal(r);
		if (res < 0 && res != -EAGAIN && res != -ECANCELED)
			log_limited(LOG_LEVEL_WARN, res, "the journal: what is past cannot be removed");
	} while (wait_for_round(r));
	return NULL;
}

int remover_start(struct store *st, struct remover **ret_r)
{
	struct remover *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	int res;

	if (!r)
		return -ENOMEM;
	r->st = st;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
	res = -pthread_create(&r->thread, NULL, run, r);
	if (res < 0) {
		free(r);
		return res;
	}
	*ret_r = r;
	return 0;
}

void remover_stop(struct remover *r)
{
	bool stopped;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	stopped = r->stop;
	r->stop = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	if (!stopped)
		pthread_join(r->thread, NULL);
}

void remover_free(struct remover **pr)
{
	struct remover *r = *pr;

	if (!r)
		return;
	remover_stop(r);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	removed_free(&r->oldest);
	free(r);
	*pr = NULL;
}

void remover_wake(struct remover *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->woken = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}
