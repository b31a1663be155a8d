/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flush.c - the thread that writes: takes what waits, leaves out what the cluster has, and inserts the rest, one block for
 * each shard. A block's bytes do not change between attempts, so that the servers know a repeat; whether one is there that
 * nobody answered for, is asked before it is sent again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cluster_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "store/siphash.h"
#include "store/witness.h"
#include "tables.h"

#define ASK_LINGER_NS (20 * NS_PER_MS)
#define RETRY_NS (100 * NS_PER_MS)
#define RETRY_MAX_NS (2 * NS_PER_SEC)
#define AROUND_MAX 64			/* gaps of a batch of which is said what is missing */
#define DAY_SECONDS 86400

struct block {
	struct buf rows;
	uint64_t batch;
	const struct ch_frame *frame;	/* one of it; NULL: the block is empty */
	const struct ch_server *home;	/* to which it was sent first: its shard's other servers are asked then, and no others. NULL: to none */
	bool doubted;			/* it may be there */
	bool done;
};

struct flight {
	struct ch_frame *frames;
	struct keep_heads *asks;
	bool judged, answered;
	struct block *blocks;
	unsigned nblocks;
	uint64_t frames_new, records, duplicates;
};

struct flusher {
	struct cluster *c;
	struct ch_link link;
	struct repeats *repeats;
	struct rowmaker maker;
	struct membership *in;		/* while a batch's rows are made */
	char why[CH_WHY_MAX];
};

/* ---- what a batch is */

static void blocks_free(struct flight *b)
{
	for (unsigned i = 0; i < b->nblocks; i++)
		buf_free(&b->blocks[i].rows);
	free(b->blocks);
	b->blocks = NULL;
	b->nblocks = 0;
}

static void flight_free(struct flight *b)
{
	struct ch_frame *f;

	while ((f = b->frames)) {
		b->frames = f->next;
		free(f);
	}
	blocks_free(b);
}

/* Locked. The first frames, in their order, and all questions. */
static void take(struct cluster *c, struct flight *ret_b)
{
	struct ch_frame **end = &ret_b->frames;
	uint64_t records = 0;
	size_t bytes = 0;
	struct pending *p;

	while ((p = c->first) && (!bytes || (bytes + p->frame->n <= BATCH_BYTES && records + p->frame->records <= BATCH_RECORDS))) {
		bytes += p->frame->n;
		records += p->frame->records;
		*end = p->frame;
		end = &p->frame->next;
		c->first = p->next;
		free(p);
	}
	if (!c->first)
		c->end = &c->first;
	c->bytes -= bytes;
	c->records -= records;
	ret_b->asks = TAKE_PTR(c->asks);
}

/* Locked. Everything before the first that waits is there. */
static void finish(struct cluster *c)
{
	c->flushed = c->first ? c->first->ticket - 1 : c->appended;
	if (c->asks && c->first_ask <= c->flushed)
		c->flushed = c->first_ask - 1;
	pthread_cond_broadcast(&c->done);
}

/* Locked. Inserts are few: each makes a part on every replica, which has to be merged. */
static bool is_due(const struct cluster *c, uint64_t last, uint64_t *ret_wait)
{
	uint64_t linger = (uint64_t)c->config.linger_ns, gone = clock_boot() - last;

	if (!c->first && !c->asks)
		return false;
	if (c->asks && linger > ASK_LINGER_NS)
		linger = ASK_LINGER_NS;
	if (c->stopping || gone >= linger || c->bytes >= BATCH_BYTES || c->records >= BATCH_RECORDS)
		return true;
	*ret_wait = linger - gone;
	return false;
}

static void wait_for_work(struct cluster *c, uint64_t ns)
{
	struct timespec until;
	uint64_t at;

	if (!ns) {
		pthread_cond_wait(&c->work, &c->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	at = (uint64_t)until.tv_sec * NS_PER_SEC + (uint64_t)until.tv_nsec + ns;
	until.tv_sec = (time_t)(at / NS_PER_SEC);
	until.tv_nsec = (long)(at % NS_PER_SEC);
	pthread_cond_timedwait(&c->work, &c->lock, &until);
}

/* ---- judging, and what it gives to say */

static void say(struct cluster *c, const struct ch_frame *f, const struct chain_judgement *j)
{
	const struct witness_subject about = { &f->origin, f->stream, f->chain, f->number };
	struct frame_header h = { .chain = f->chain, .number = f->number };
	struct ingest_fault fault = { .origin = &f->origin, .header = &h, .hash = f->hash, .expected = j->expected };

	memcpy(h.stream, f->stream, sizeof(h.stream));
	if (j->verdict == CHAIN_FORK || j->verdict == CHAIN_BROKEN) {
		fault.why = j->verdict == CHAIN_FORK ? "another frame has this number" : "the frame before this one is not the one that it names";
		witness_chain_broken(c->st->witness, &fault);
	} else if (j->verdict == CHAIN_GAP && j->first_missing < f->number) {
		const struct witness_loss l = { .first_number = j->first_missing, .last_number = f->number - 1, .cause = "missingFrames",
						.first_seen = f->received };
		struct witness_subject missing = about;

		missing.number = j->first_missing;
		witness_records_lost(c->st->witness, &missing, &l);
	} else if (j->verdict == CHAIN_FILL) {
		witness_gap_filled(c->st->witness, &about, f->number);
	}
}

static void say_decoded(struct cluster *c, const struct ch_frame *f, const struct decoded *d)
{
	struct witness_subject about = { &f->origin, f->stream, f->chain, f->number };
	const struct witness_loss l = { .first_number = d->tombstone.first, .last_number = d->tombstone.last, .counted = true,
					.records = d->tombstone.records, .cause = "tombstone", .detail = d->tombstone.cause, .first_seen = f->received };

	if (d->state == DECODED_MISMATCH)
		witness_host_mismatch(c->st->witness, &about, d->why, d->reader ? reader_host(d->reader)->host_id : NULL);
	if (d->state == DECODED_TOMBSTONE) {
		about.number = l.first_number;
		witness_records_lost(c->st->witness, &about, &l);
	}
}

/* What is there to say is said when all of it is known, so once. */
static int judge(struct flusher *w, struct flight *b)
{
	struct cluster *c = w->c;
	unsigned around = 0;
	int r;

	b->duplicates = 0;
	r = repeats_load(w->repeats, &c->ch, &w->link, b->frames, w->why);

	for (struct ch_frame *f = b->frames; !r && f; f = f->next) {
		bool alone;

		r = repeats_judge(w->repeats, f, &f->judged, &alone);
		if (!r && alone && !(f->flags & JOURNAL_OWN) && around++ < AROUND_MAX)
			r = repeats_around(&c->ch, &w->link, f, &f->judged, w->why);
		f->drop = f->judged.verdict == CHAIN_DUPLICATE;
		b->duplicates += f->drop;
		if (f->judged.verdict == CHAIN_FORK || f->judged.branch)
			f->flags |= JOURNAL_FORK;
	}
	for (struct ch_frame *f = b->frames; !r && f; f = f->next)
		if (!(f->flags & JOURNAL_OWN))
			say(c, f, &f->judged);
	return r;
}

/* ---- rows */

static unsigned shard_of(const struct ch_frame *f, unsigned nshards)
{
	uint8_t hash[32];

	/* by what all stores know alike */
	sha256(f->origin.host_id, strlen(f->origin.host_id), hash);
	return (unsigned)(frame_key(hash) % nshards);
}

static int decode(struct cluster *c, const struct ch_frame *f, struct decoded **ret_d)
{
	_cleanup_free_ struct frame_header *h = malloc(sizeof(*h));
	struct journal_entry e = { .received = f->received, .flags = f->flags, .origin = f->origin, .frame = f->bytes, .frame_len = f->n };
	size_t total;

	if (!h || frame_peek(f->bytes, f->n, h, &total) < 0)
		return -ENOMEM;
	e.header = h;
	return decoded_make(c->cache, &e, ret_d);
}

static int add_frame(struct flusher *w, struct flight *b, const struct ch_frame *f, uint16_t day)
{
	struct block *block = &b->blocks[shard_of(f, b->nblocks)];
	struct decoded *d;
	int r = decode(w->c, f, &d);

	if (r < 0)
		return r;
	r = rows_add(&w->maker, f, d, w->in, block->batch, day, &block->rows);
	block->frame = f;
	b->frames_new++;
	b->records += d->records;
	if (!r)
		say_decoded(w->c, f, d);
	decoded_release(w->c->cache, d);
	return r;
}

static int build(struct flusher *w, struct flight *b)
{
	uint16_t day = (uint16_t)(clock_wall() / (int64_t)NS_PER_SEC / DAY_SECONDS);
	int r = 0;

	w->in = definitions_membership(w->c->definitions, w->why);
	if (!w->in)
		return -EHOSTUNREACH;
	blocks_free(b);
	b->frames_new = b->records = 0;
	b->nblocks = w->c->ch.nshards;
	b->blocks = calloc(b->nblocks, sizeof(*b->blocks));
	if (!b->blocks)
		r = -ENOMEM;
	for (unsigned i = 0; !r && i < b->nblocks; i++)
		r = random_bytes(&b->blocks[i].batch, sizeof(b->blocks[i].batch));
	for (const struct ch_frame *f = b->frames; !r && f; f = f->next)
		if (!f->drop)
			r = add_frame(w, b, f, day);
	membership_put(w->in);
	return r;
}

/* ---- inserting */

static unsigned wanted(const struct cluster *c)
{
	return c->config.clickhouse.quorum > 1 ? c->config.clickhouse.quorum : 1;
}

/* It may be there from an attempt that nobody answered, or that only some replicas have seen. */
static int look(struct flusher *w, struct block *b)
{
	unsigned n;
	int r = repeats_copies(&w->c->ch, &w->link, b->home, b->frame, b->batch, &n, w->why);

	b->done = !r && n >= wanted(w->c);
	return r;
}

static int send_block(struct flusher *w, struct block *b, unsigned shard)
{
	struct cluster *c = w->c;
	_cleanup_buf_ struct buf sql = { 0 };
	char settings[128] = "";
	struct ch_statement st = { .body = b->rows.p, .n = b->rows.n, .settings = settings, .timeout_ms = 60000 };
	struct ch_server *s = b->home ? ch_pick_beside(&c->ch, b->home, 0) : ch_pick(&c->ch, shard, 0);
	int r;

	if (!s) {
		snprintf(w->why, sizeof(w->why), "no server of shard %u answers", shard);
		return -EHOSTUNREACH;
	}
	b->home = s;
	tables_insert(&sql);
	st.sql = buf_text(&sql);
	if (wanted(c) > 1)
		snprintf(settings, sizeof(settings), "&insert_quorum=%u&insert_quorum_timeout=5000", wanted(c));
	r = ch_send(&c->ch, &w->link, s, &st, w->why);
	if (r == -EHOSTUNREACH)
		ch_shun(s);
	/* a server that refuses may have written all the same; one that knows the block again says yes, however many have it */
	if (r < 0 || (b->doubted && wanted(c) > 1)) {
		b->doubted = true;
		return r < 0 ? r : -EAGAIN;
	}
	b->done = true;
	return 0;
}

static int insert(struct flusher *w, struct block *b, unsigned shard)
{
	int r = 0;

	if (!b->frame || b->done)
		return 0;
	if (b->doubted)
		r = look(w, b);
	if (!r && !b->done)
		r = send_block(w, b, shard);
	if (r == -EAGAIN)
		r = look(w, b);
	if (!r && !b->done) {
		snprintf(w->why, sizeof(w->why), "fewer than %u replicas of shard %u have the rows", wanted(w->c), shard);
		r = -EAGAIN;
	}
	return r;
}

/* Goes on where the last attempt ended. */
static int attempt(struct flusher *w, struct flight *b)
{
	struct cluster *c = w->c;
	int r = 0;

	if (!ch_pick(&c->ch, CH_ANY_SHARD, 0))
		r = ch_prepare(&c->ch, &w->link, w->why);
	if (!r && !b->answered) {
		r = repeats_heads(&c->ch, &w->link, b->asks, w->why);
		b->answered = !r;
	}
	if (!r && !__atomic_load_n(&c->ch.numbered, __ATOMIC_ACQUIRE)) {
		snprintf(w->why, sizeof(w->why), "a shard has not been seen yet: until then nobody can say which rows are whose");
		r = -EHOSTUNREACH;
	}
	if (!r && !b->judged) {
		r = judge(w, b);
		if (!r)
			r = build(w, b);
		b->judged = !r;
	}
	for (unsigned i = 0; !r && i < b->nblocks; i++)
		r = insert(w, &b->blocks[i], i);
	return r;
}

/* ---- the thread */

/* since: when what failed was begun. */
static void trouble(struct cluster *c, uint64_t since, int r, const char *why)
{
	pthread_mutex_lock(&c->lock);
	if (!c->trouble)
		c->trouble = since;
	c->stats.failures++;
	snprintf(c->why, sizeof(c->why), "%s", why);
	pthread_mutex_unlock(&c->lock);
	log_limited(LOG_LEVEL_WARN, r, "clickhouse: %s", why);
}

static void count_batch(struct cluster *c, const struct flight *b)
{
	c->trouble = 0;
	c->stats.frames += b->frames_new;
	c->stats.records += b->records;
	c->stats.duplicates += b->duplicates;
	for (unsigned i = 0; i < b->nblocks; i++) {
		c->stats.inserts += b->blocks[i].frame != NULL;
		c->stats.rows_bytes += b->blocks[i].rows.n;
	}
}

static bool is_stopping(struct cluster *c)
{
	bool stopping;

	pthread_mutex_lock(&c->lock);
	stopping = c->stopping;
	pthread_mutex_unlock(&c->lock);
	return stopping;
}

/* Until it is done or, when the store ends, has failed once more: what is not written then was never acknowledged. */
static int settle(struct flusher *w, struct flight *b)
{
	uint64_t pause = RETRY_NS, begun;
	int r;

	for (;;) {
		begun = clock_boot();
		r = attempt(w, b);
		if (!r || is_stopping(w->c))
			return r;
		trouble(w->c, begun, r, w->why);
		cluster_sleep(w->c, pause);
		pause = pause * 2 < RETRY_MAX_NS ? pause * 2 : RETRY_MAX_NS;
	}
}

static int one_round(struct flusher *w, uint64_t *last)
{
	struct cluster *c = w->c;
	struct flight b = { 0 };
	int r;

	take(c, &b);
	pthread_mutex_unlock(&c->lock);
	*last = clock_boot();
	r = settle(w, &b);
	pthread_mutex_lock(&c->lock);
	if (!r) {
		count_batch(c, &b);
		finish(c);
	}
	flight_free(&b);
	return r;
}

void *cluster_flush(void *arg)
{
	struct flusher w = { .c = arg };
	struct cluster *c = arg;
	uint64_t last = 0, ns;
	int r = repeats_new(&w.repeats);

	pthread_mutex_lock(&c->lock);
	while (!r) {
		ns = 0;
		if (is_due(c, last, &ns))
			r = one_round(&w, &last);
		else if (c->stopping)
			break;
		else
			wait_for_work(c, ns);
	}
	pthread_mutex_unlock(&c->lock);
	repeats_free(&w.repeats);
	rowmaker_free(&w.maker);
	ch_link_free(&w.link);
	return NULL;
}
