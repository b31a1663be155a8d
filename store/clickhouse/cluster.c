/* SPDX-License-Identifier: Apache-2.0 */
/* cluster.c - what waits for the cluster, as ingest and the witness see it; the parts, put together and taken apart. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cluster_internal.h"
#include "jobs.h"
#include "lease.h"
#include "replay.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "tables.h"

/* ---- keep.h's functions */

static int error(void *ctx, const char **ret_why)
{
	struct cluster *c = ctx;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (c->trouble && clock_boot() - c->trouble > TROUBLE_NS)
		r = -EHOSTUNREACH;
	pthread_mutex_unlock(&c->lock);
	*ret_why = "the store's cluster takes no frames";
	return r;
}

static int ready(void *ctx)
{
	const char *why;

	return error(ctx, &why);
}

/* What the cluster has is asked for a batch at once, when it is written. */
static int judge(void *ctx, const struct journal_origin *origin, const struct frame_header *h, const uint8_t hash[32],
		 struct chain_judgement *ret_j)
{
	if (h->number >= CHAIN_NUMBER_MAX || h->chain >= CHAIN__MAX)
		return -EDOM;
	*ret_j = (struct chain_judgement){ .verdict = CHAIN_NEXT, .number = h->number };
	memcpy(ret_j->hash, hash, 32);
	return 0;
}

static struct ch_frame *frame_new(const struct journal_origin *origin, int64_t received, uint16_t flags, const void *p, size_t n)
{
	struct ch_frame *f = malloc(sizeof(*f) + n);
	struct frame_header h;
	size_t total;

	if (!f)
		return NULL;
	memset(f, 0, sizeof(*f));
	f->origin = *origin;
	f->received = received;
	f->flags = flags;
	f->n = n;
	memcpy(f->bytes, p, n);
	if (frame_peek(p, n, &h, &total) < 0) {	/* ingest has checked it */
		free(f);
		return NULL;
	}
	memcpy(f->stream, h.stream, sizeof(f->stream));
	memcpy(f->previous, h.previous, sizeof(f->previous));
	f->chain = h.chain;
	f->number = h.number;
	f->records = h.records;
	frame_hash(p, &h, f->hash);
	return f;
}

static int append(void *ctx, const struct journal_origin *origin, int64_t received, uint16_t flags, const void *frame, size_t n,
		  journal_pos *ret_pos)
{
	struct pending *p = calloc(1, sizeof(*p));
	struct cluster *c = ctx;
	int r = 0;

	if (p)
		p->frame = frame_new(origin, received, flags, frame, n);
	if (!p || !p->frame) {
		free(p);
		return -ENOMEM;
	}
	pthread_mutex_lock(&c->lock);
	if (c->bytes + n > PENDING_BYTES || c->stopping) {
		r = -EAGAIN;
	} else {
		p->ticket = ++c->appended;
		*c->end = p;
		c->end = &p->next;
		c->bytes += n;
		c->records += p->frame->records;
		pthread_cond_signal(&c->work);
		*ret_pos = p->ticket;
	}
	pthread_mutex_unlock(&c->lock);
	if (r < 0) {
		free(p->frame);
		free(p);
	}
	return r;
}

static void commit(void *ctx, const struct chain_judgement *j)
{
}

static int sync_all(void *ctx)
{
	struct cluster *c = ctx;
	uint64_t target;
	int r;

	pthread_mutex_lock(&c->lock);
	target = c->appended;
	while (c->flushed < target && !c->stopping)
		pthread_cond_wait(&c->done, &c->lock);
	r = c->flushed < target ? -ECANCELED : 0;
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* Its own records are said by the thread that writes, too: they go with the next batch. */
static int sync_own(void *ctx)
{
	return 0;
}

static int heads(void *ctx, struct keep_heads *q)
{
	struct cluster *c = ctx;

	pthread_mutex_lock(&c->lock);
	q->next = c->asks;
	if (!c->asks)
		c->first_ask = c->appended + 1;
	c->asks = q;
	c->appended++;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
	return 1;
}

/* A store without state has no place for it; that it was refused is said by a record. */
static int aside(void *ctx, const char *what, const struct journal_origin *origin, const void *p, size_t n)
{
	return -EDQUOT;
}

static void count(void *ctx, uint64_t *ret_chains, uint64_t *ret_branches)
{
	*ret_chains = *ret_branches = 0;
}

static const struct keep_ops keep_ops = {
	.error = error, .ready = ready, .judge = judge, .append = append, .commit = commit, .sync = sync_all, .sync_own = sync_own,
	.heads = heads, .aside = aside, .count = count,
};

struct keep *cluster_keep(struct cluster *c)
{
	return &c->keep;
}

/* ---- statements */

int cluster_lines(struct cluster *c, struct ch_link *l, struct buf *sql, cluster_line_fn fn, void *ctx, char *why)
{
	const struct ch_statement st = { .sql = buf_text(sql), .fresh = TABLE_ROWS };
	_cleanup_free_ char *text = NULL;
	char *line, *rest;
	int r = sql->failed ? -ENOMEM : ch_ask(&c->ch, l, &st, why);

	if (r < 0)
		return r;
	rest = text = strdup(buf_text(&l->answer));
	if (!text)
		return -ENOMEM;
	while (!r && (line = strsep(&rest, "\n")))
		if (*line)
			r = fn(ctx, line);
	if (r == -EBADMSG)
		snprintf(why, CH_WHY_MAX, "the cluster's answer cannot be read");
	return r;
}

/* ---- life */

/* All stores over a cluster take each other's tokens. What a token says is where a page ended, which is no secret. */
static int token_key(struct cluster *c, uint8_t ret[32])
{
	_cleanup_buf_ struct buf text = { 0 };

	buf_addf(&text, "tokens of hosttrail's stores\n%s\n%s\n%s", c->ch.config.database, c->ch.config.user, c->ch.password);
	sha256(text.p, text.n, ret);
	return text.failed ? -ENOMEM : 0;
}

/* The same at every store, and as long as the cluster is the same. */
static void builtin_id(struct cluster *c)
{
	uint8_t hash[32];

	sha256(c->st->token_key, sizeof(c->st->token_key), hash);
	hash[6] = (uint8_t)(hash[6] & 0x0f) | 0x80;
	hash[8] = (uint8_t)(hash[8] & 0x3f) | 0x80;
	uuid_text(hash, c->store_id);
}

int cluster_open(struct store *st, const struct cluster_config *config, struct cluster **ret_c, char why[CH_WHY_MAX])
{
	struct cluster *c = calloc(1, sizeof(*c));
	pthread_condattr_t monotonic;
	int r;

	if (!c)
		return -ENOMEM;
	tables_init();
	c->st = st;
	c->config = *config;
	c->end = &c->first;
	c->keep = (struct keep){ .ops = &keep_ops, .ctx = c };
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->work, &monotonic);
	pthread_cond_init(&c->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = ch_open(&config->clickhouse, &c->ch, why);
	if (!r)
		r = token_key(c, st->token_key);
	builtin_id(c);
	if (!r)
		r = decoded_cache_new(0, &c->cache);
	if (!r)
		r = jobs_open(c, &c->jobs);
	if (!r)
		r = replay_new(c, &c->replay);
	if (!r)
		r = definitions_new(c, &c->definitions);
	if (!r)
		r = keeping_open(c);
	if (r < 0) {
		cluster_free(&c);
		return r;
	}
	*ret_c = c;
	return 0;
}

int cluster_start(struct cluster *c)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&c->flusher, NULL, cluster_flush, c);
	c->flusher_runs = !r;
	if (!r) {
		r = -pthread_create(&c->keeper, NULL, cluster_care, c);
		c->keeper_runs = !r;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

bool cluster_sleep(struct cluster *c, uint64_t ns)
{
	struct timespec until;
	uint64_t at;
	bool stopping;

	clock_gettime(CLOCK_MONOTONIC, &until);
	at = (uint64_t)until.tv_sec * NS_PER_SEC + (uint64_t)until.tv_nsec + ns;
	until.tv_sec = (time_t)(at / NS_PER_SEC);
	until.tv_nsec = (long)(at % NS_PER_SEC);
	pthread_mutex_lock(&c->lock);
	while (!c->stopping && pthread_cond_timedwait(&c->done, &c->lock, &until) != ETIMEDOUT)
		;
	stopping = c->stopping;
	pthread_mutex_unlock(&c->lock);
	return stopping;
}

void cluster_stop(struct cluster *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_broadcast(&c->work);
	pthread_cond_broadcast(&c->done);
	pthread_mutex_unlock(&c->lock);
	__atomic_store_n(&c->ch.stop_queries, true, __ATOMIC_RELAXED);
	jobs_close(&c->jobs);
	if (c->keeper_runs)
		pthread_join(c->keeper, NULL);
	if (c->flusher_runs)	/* writes what there is, once */
		pthread_join(c->flusher, NULL);
	c->flusher_runs = c->keeper_runs = false;
	definitions_end(c->definitions);
	days_end(&c->days);
}

void cluster_free(struct cluster **pc)
{
	struct cluster *c = *pc;
	struct pending *p;

	if (!c)
		return;
	cluster_stop(c);
	while ((p = c->first)) {
		c->first = p->next;
		free(p->frame);
		free(p);
	}
	definitions_free(&c->definitions);
	lease_free(&c->lease);
	replay_free(&c->replay);
	decoded_cache_free(&c->cache);
	ch_close(&c->ch);
	pthread_cond_destroy(&c->work);
	pthread_cond_destroy(&c->done);
	pthread_mutex_destroy(&c->lock);
	free(c);
	*pc = NULL;
}

struct cluster *cluster_of(struct store *st)
{
	return st->cluster;
}
