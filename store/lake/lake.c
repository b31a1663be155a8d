/* SPDX-License-Identifier: Apache-2.0 */
/* lake.c - the lake's parts, put together and taken apart. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lake_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "schema.h"
#include "worker.h"

/* The same whenever the manifest is made anew: it follows from who the store is. */
static void default_id(const struct lake *l, char ret[UUID_TEXT])
{
	char text[512];
	uint8_t hash[32];
	int n = snprintf(text, sizeof(text), "event data store of %s %s ", l->st->account, l->st->region);

	memcpy(text + n, l->st->token_key, sizeof(l->st->token_key));
	sha256(text, (size_t)n + sizeof(l->st->token_key), hash);
	hash[6] = (uint8_t)(hash[6] & 0x0f) | 0x80;
	hash[8] = (uint8_t)(hash[8] & 0x3f) | 0x80;
	uuid_text(hash, ret);
}

/* The built-in one, found again or made. */
static int find_default(void *ctx, const struct event_store *e, const char *selectors)
{
	struct lake *l = ctx;

	if (e->builtin)
		memcpy(l->default_id, e->id, sizeof(l->default_id));
	return 0;
}

static int ensure_default(struct lake *l)
{
	struct event_store e = { .name = BUILTIN_NAME, .status = STORE_ENABLED, .retention_days = BUILTIN_DAYS, .protected = true,
				 .builtin = true, .created = clock_wall(), .updated = clock_wall() };
	int r = manifest_stores(l->manifest, find_default, l);

	if (r < 0 || *l->default_id)
		return r;
	default_id(l, e.id);
	memcpy(l->default_id, e.id, sizeof(e.id));
	return manifest_store_add(l->manifest, &e, "", 0);
}

/* Whether it can be used at all. */
static void try_engine(struct lake *l)
{
	schema_init();
	if (workers_begin(l, l->fault) == 0) {
		*l->fault = '\0';
		return;
	}
	log_warnx("no lake: the engine, libduckdb.so, cannot be used (%s); lookups and ingest work without", l->fault);
}

struct ids {
	char v[64][UUID_TEXT];
	unsigned n;
};

static int take_id(void *ctx, const struct event_store *e, const char *selectors)
{
	struct ids *i = ctx;

	if (i->n < ARRAY_SIZE(i->v))
		memcpy(i->v[i->n++], e->id, UUID_TEXT);
	return 0;
}

/* Segments leave the manifest, so that they are swept away and sealed again. */
static int rebuild(struct lake *l)
{
	struct ids ids = { .n = 0 };
	int r = manifest_stores(l->manifest, take_id, &ids);

	for (unsigned i = 0; r >= 0 && i < ids.n; i++) {
		log_info("event data store %s is made anew from the journal", ids.v[i]);
		r = manifest_reset(l->manifest, ids.v[i]);
	}
	return r;
}

static int make_dirs(struct lake *l)
{
	char path[4096];
	int r;

	if (asprintf(&l->dir, "%s/lake", l->config.dir) < 0)
		l->dir = NULL;
	if (!l->dir || !(l->data_dir = strdup(l->config.dir)))
		return -ENOMEM;
	if (strchr(l->dir, '\''))
		return -EINVAL;		/* it stands in SQL */
	snprintf(path, sizeof(path), "%s/results", l->dir);
	r = fsx_mkdirs(path, 0750);
	return r;
}

/* What it held of the built-in event data store follows from the journal; others are gone, and it says so. */
static int open_manifest(struct lake *l)
{
	char path[4096], aside[4200];
	int r;

	snprintf(path, sizeof(path), "%s/lake.db", l->data_dir);
	r = manifest_open(path, &l->manifest);
	if (r != -EBADMSG)
		return r;
	snprintf(aside, sizeof(aside), "%s.damaged-%lld", path, (long long)(clock_wall() / (int64_t)NS_PER_SEC));
	if (rename(path, aside) < 0)
		return -errno;
	log_errx("%s is damaged and is kept as %s: event data stores but the built-in one are gone, its segments are sealed anew", path, aside);
	return manifest_open(path, &l->manifest);
}

int lake_open(struct store *st, const struct lake_config *c, struct lake **ret_l)
{
	struct lake *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;
	int r;

	if (!l)
		return -ENOMEM;
	l->st = st;
	l->config = *c;
	pthread_mutex_init(&l->lock, NULL);
	/* a clock that is set must neither end waiting nor make it last */
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_cond_init(&l->wanted, &attr);
	pthread_condattr_destroy(&attr);
	r = make_dirs(l);
	if (!r)
		r = open_manifest(l);
	if (!r)
		r = ensure_default(l);
	if (!r && c->rebuild)
		r = rebuild(l);
	if (!r)
		r = manifest_queries_broken(l->manifest, "The store was started anew while the query ran.");
	if (!r)
		r = manifest_queries_size(l->manifest, &l->results);
	if (!r)
		try_engine(l);
	if (!r && !*l->fault)
		segment_sweep(l);
	if (r < 0)
		lake_free(&l);
	else
		*ret_l = l;
	return r;
}

int lake_start(struct lake *l)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int r;

	if (lake_fault(l))
		return 0;
	l->at_once = cpus < 1 ? 1 : cpus > SEAL_AT_ONCE ? SEAL_AT_ONCE : (unsigned)cpus;
	r = -pthread_create(&l->sealer, NULL, sealer_run, l);
	l->sealer_runs = !r;
	if (!r) {
		r = -pthread_create(&l->watcher, NULL, query_watch, l);
		l->watcher_runs = !r;
	}
	return r;
}

static bool stop(struct lake *l)
{
	bool ended;

	pthread_mutex_lock(&l->lock);
	__atomic_store_n(&l->stopping, true, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&l->changed);
	pthread_cond_broadcast(&l->wanted);
	pthread_mutex_unlock(&l->lock);
	ended = queries_end(l);
	if (ended && l->watcher_runs)
		pthread_join(l->watcher, NULL);
	if (l->sealer_runs)
		pthread_join(l->sealer, NULL);
	l->watcher_runs &= !ended;
	l->sealer_runs = false;
	return ended;
}

bool lake_free(struct lake **pl)
{
	struct lake *l = *pl;
	struct keepsake *k;
	struct grave *g;

	if (!l)
		return true;
	if (!stop(l))
		return false;
	while ((g = l->graves)) {
		l->graves = g->next;
		free(g);
	}
	while ((k = l->keepsakes)) {
		l->keepsakes = k->next;
		free(k);
	}
	workers_free(l);
	manifest_free(&l->manifest);
	pthread_cond_destroy(&l->changed);
	pthread_cond_destroy(&l->wanted);
	pthread_mutex_destroy(&l->lock);
	free(l->dir);
	free(l->data_dir);
	free(l);
	*pl = NULL;
	return true;
}

const char *lake_fault(const struct lake *l)
{
	return *l->fault ? l->fault : NULL;
}
