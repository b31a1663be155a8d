/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deliver_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "store/follow.h"

#define ROUND_MS 500

bool delivery_stopping(const struct delivery *d)
{
	return __atomic_load_n(&d->stop, __ATOMIC_RELAXED);
}

/* ---- threads */

static void wait_for_news(struct worker *w)
{
	int64_t ms = w->d->config.interval_ms / 4;
	struct timespec until;

	if (ms > ROUND_MS)
		ms = ROUND_MS;
	if (ms < 20)
		ms = 20;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * (int64_t)NS_PER_MS;
	until.tv_sec += until.tv_nsec / (int64_t)NS_PER_SEC;
	until.tv_nsec %= (int64_t)NS_PER_SEC;
	pthread_mutex_lock(&w->d->lock);
	while (!w->woken && !delivery_stopping(w->d))
		if (pthread_cond_timedwait(&w->d->news, &w->d->lock, &until))
			break;
	w->woken = false;
	pthread_mutex_unlock(&w->d->lock);
}

static const struct {
	bool (*round)(struct worker *w);
	int (*take)(struct worker *w, struct decoded *d, int64_t time);
} kinds[] = {
	[TO_BUCKET] = { delivery_round, gather_into_file },
	[TO_GROUP] = { feed_round, feed_take },
	[TO_HOOK] = { hook_round, hook_take },
};

static void *run(void *arg)
{
	struct worker *w = arg;

	while (!delivery_stopping(w->d) && kinds[w->kind].round(w))
		wait_for_news(w);
	feed_clear(w);
	hook_clear(w);
	batch_clear(&w->batch);
	selectors_free(&w->selectors);
	buf_free(&w->selectors_text);
	buf_free(&w->json);
	buf_free(&w->text);
	__atomic_store_n(&w->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static void reap(struct worker **list, bool all)
{
	for (struct worker **at = list; *at;) {
		struct worker *w = *at;

		if (!all && !__atomic_load_n(&w->ended, __ATOMIC_ACQUIRE)) {
			at = &w->next;
			continue;
		}
		pthread_join(w->thread, NULL);
		*at = w->next;
		free(w);
	}
}

static int start_worker(struct delivery *d, int64_t id, enum worker_kind kind)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->d = d;
	w->id = id;
	w->kind = kind;
	w->take = kinds[kind].take;
	r = -pthread_create(&w->thread, NULL, run, w);
	if (r < 0) {
		free(w);
		return r;
	}
	w->next = d->workers;
	d->workers = w;
	return 0;
}

/* Locked. */
static int wake(struct delivery *d, int64_t id, enum worker_kind kind)
{
	struct worker *w;

	for (w = d->workers; w && (w->id != id || w->kind != kind); w = w->next)
		;
	if (w)
		w->woken = true;
	return w || !d->running || delivery_stopping(d) ? 0 : start_worker(d, id, kind);
}

void delivery_changed(struct delivery *d, int64_t trail)
{
	struct feed f;
	bool feeds = ledger_feed(d->ledger, trail, &f) == 0;
	int r;

	pthread_mutex_lock(&d->lock);
	reap(&d->workers, false);
	r = wake(d, trail, TO_BUCKET);
	if (!r && feeds)
		r = wake(d, trail, TO_GROUP);
	pthread_cond_broadcast(&d->news);
	pthread_mutex_unlock(&d->lock);
	if (r < 0)
		log_err(r, "cannot start a trail's delivery");
}

static int start_trail(void *ctx, const struct trail *t)
{
	delivery_changed(ctx, t->id);
	return 0;
}

int delivery_new(struct store *st, const struct delivery_config *config, struct buckets *buckets, struct buckets *groups,
		 struct buckets *hooks, struct delivery **ret_d)
{
	struct delivery *d = calloc(1, sizeof(*d));
	pthread_condattr_t attr;
	int r;

	if (!d) {
		buckets_free(&buckets);
		buckets_free(&groups);
		buckets_free(&hooks);
		return -ENOMEM;
	}
	d->st = st;
	d->config = *config;
	d->buckets = buckets;
	d->groups = groups;
	d->hooks = hooks;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->news, &attr);
	pthread_condattr_destroy(&attr);
	d->dir = strdup(config->dir);
	r = !d->dir ? -ENOMEM : config->ship ? ledger_open_shared(config->ship, config->ship_ctx, &d->ledger) : ledger_open(config->dir, &d->ledger);
	if (r < 0)
		delivery_free(&d);
	else
		*ret_d = d;
	return r;
}

int delivery_start(struct delivery *d)
{
	int r = 0;

	pthread_mutex_lock(&d->lock);
	__atomic_store_n(&d->stop, false, __ATOMIC_RELAXED);
	d->running = true;
	for (unsigned i = 0; buckets_at(d->hooks, i) && !r; i++)
		r = wake(d, i, TO_HOOK);
	pthread_mutex_unlock(&d->lock);
	return r < 0 ? r : ledger_trails(d->ledger, true, start_trail, d);
}

static void each_kind(struct delivery *d, void (*fn)(struct buckets *b))
{
	fn(d->buckets);
	fn(d->groups);
	fn(d->hooks);
}

void delivery_stop(struct delivery *d)
{
	struct worker *workers;

	if (!d)
		return;
	__atomic_store_n(&d->stop, true, __ATOMIC_RELAXED);
	each_kind(d, buckets_stop);
	pthread_mutex_lock(&d->lock);
	d->running = false;
	workers = TAKE_PTR(d->workers);	/* no one starts another: stop is set */
	pthread_cond_broadcast(&d->news);
	pthread_mutex_unlock(&d->lock);
	reap(&workers, true);
	each_kind(d, buckets_go);	/* who asks for an object is answered, also by a store that delivers no more */
}

void delivery_end(struct delivery *d)
{
	if (!d)
		return;
	delivery_stop(d);
	each_kind(d, buckets_stop);
}

void delivery_free(struct delivery **pd)
{
	struct delivery *d = *pd;

	if (!d)
		return;
	delivery_stop(d);
	ledger_free(&d->ledger);
	buckets_free(&d->buckets);
	buckets_free(&d->groups);
	buckets_free(&d->hooks);
	pthread_cond_destroy(&d->news);
	pthread_mutex_destroy(&d->lock);
	free(d->dir);
	free(d);
	*pd = NULL;
}

int delivery_needs(struct delivery *d, journal_pos *ret_pos)
{
	journal_pos pos;
	int r = ledger_needs(d->ledger, &pos);

	for (unsigned i = 0; buckets_at(d->hooks, i) && !r; i++) {
		struct index_place place = { 0 };

		r = ledger_hook(d->ledger, bucket_name(buckets_at(d->hooks, i)), follow_end(d->st), &place);
		if (!r && place.pos < pos)
			pos = place.pos;
	}
	if (!r)
		*ret_pos = pos;
	return r;
}

void delivery_counts(struct delivery *d, struct delivery_counts *ret_c)
{
	*ret_c = (struct delivery_counts){
		.files = __atomic_load_n(&d->counts.files, __ATOMIC_RELAXED), .records = __atomic_load_n(&d->counts.records, __ATOMIC_RELAXED),
		.digests = __atomic_load_n(&d->counts.digests, __ATOMIC_RELAXED), .failures = __atomic_load_n(&d->counts.failures, __ATOMIC_RELAXED),
	};
	pthread_mutex_lock(&d->lock);
	for (struct worker *w = d->workers; w; w = w->next)
		ret_c->failing += __atomic_load_n(&w->failures, __ATOMIC_RELAXED) > 0;
	pthread_mutex_unlock(&d->lock);
}

struct ledger *delivery_ledger(const struct delivery *d)
{
	return d->ledger;
}

const struct buckets *delivery_buckets(const struct delivery *d)
{
	return d->buckets;
}

const struct store *delivery_store(const struct delivery *d)
{
	return d->st;
}

const char *delivery_dir(const struct delivery *d)
{
	return d->dir;
}

int64_t delivery_key_seconds(const struct delivery *d)
{
	return d->config.key_ms / 1000;
}

int64_t delivery_digest_seconds(const struct delivery *d)
{
	return d->config.digest_ms / 1000 ? d->config.digest_ms / 1000 : 1;
}

/* arn:<partition>:logs:<region>:<account>:log-group:<name>[:*] */
const struct bucket *delivery_group(const struct delivery *d, const char *arn)
{
	static const char mark[] = ":log-group:";
	const char *at = strncmp(arn, "arn:", 4) ? NULL : strstr(arn, mark);
	char name[LAYOUT_GROUP_MAX + 1];
	size_t n;

	if (!at || !strstr(arn, ":logs:"))
		return NULL;
	at += sizeof(mark) - 1;
	n = strlen(at);
	if (n > 2 && !strcmp(at + n - 2, ":*"))
		n -= 2;
	if (n >= sizeof(name))
		return NULL;
	memcpy(name, at, n);
	name[n] = '\0';
	return buckets_find(d->groups, name);
}
