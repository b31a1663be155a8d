/* SPDX-License-Identifier: Apache-2.0 */
#include "decoded.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "hosttrail.pb-c.h"
#include "lib/cleanup.h"

struct decoded_cache {
	pthread_mutex_t lock;
	struct decoded *table;		/* in the order of last use, oldest first */
	size_t bytes, max;
	uint64_t hits, misses;
};

int decoded_cache_new(size_t max_bytes, struct decoded_cache **ret_c)
{
	struct decoded_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	c->max = max_bytes;
	*ret_c = c;
	return 0;
}

static void decoded_free(struct decoded *d)
{
	reader_free(&d->reader);
	buf_free(&d->raw);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static void uncache(struct decoded_cache *c, struct decoded *d)
{
	HASH_DEL(c->table, d);
	c->bytes -= d->cost;
	d->cached = false;
	if (!d->refs)
		decoded_free(d);
}

void decoded_cache_free(struct decoded_cache **pc)
{
	struct decoded_cache *c = *pc;
	struct decoded *d, *next;

	if (!c)
		return;
	HASH_ITER(hh, c->table, d, next)
		uncache(c, d);
	pthread_mutex_destroy(&c->lock);
	free(c);
	*pc = NULL;
}

static bool same(const char *claimed, const char *bound)
{
	return claimed && !strcmp(claimed, bound);
}

static void judge_batch(struct decoded *d, const struct frame_header *h)
{
	const struct record_host *host = reader_host(d->reader);

	d->state = DECODED_MALFORMED;
	if (reader_count(d->reader) != h->records) {
		d->why = "the header says another number of records";
	} else if (!same(host->host_id, d->origin.host_id) || !same(host->account, d->origin.account) ||
		   !same(host->region, d->origin.region)) {
		d->state = DECODED_MISMATCH;
		d->why = "the batch claims another host, account or region than its certificate";
	} else {
		d->state = DECODED_RECORDS;
		d->records = h->records;
	}
}

static void read_tombstone(struct decoded *d)
{
	Hosttrail__V1__Tombstone *t = hosttrail__v1__tombstone__unpack(NULL, d->raw.n, d->raw.p);

	d->state = DECODED_MALFORMED;
	d->why = "malformed tombstone";
	if (!t)
		return;
	if (t->last_number >= t->first_number) {
		d->state = DECODED_TOMBSTONE;
		d->why = NULL;
		d->tombstone.first = t->first_number;
		d->tombstone.last = t->last_number;
		d->tombstone.records = t->records;
		snprintf(d->tombstone.cause, sizeof(d->tombstone.cause), "%s", t->cause);
	}
	if (t->host && (!same(t->host->host_id, d->origin.host_id) || !same(t->host->account, d->origin.account) ||
			!same(t->host->region, d->origin.region))) {
		d->state = DECODED_MISMATCH;
		d->why = "the tombstone claims another host, account or region than its certificate";
	}
	hosttrail__v1__tombstone__free_unpacked(t, NULL);
}

static int decode(struct decoded *d, const struct journal_entry *e)
{
	const struct frame_header *h = e->header;
	struct record_frame frame = { .first_time = h->first_time, .wall_offset = h->wall_offset };
	int r;

	memcpy(frame.stream, h->stream, sizeof(frame.stream));
	d->state = DECODED_MALFORMED;
	r = frame_payload(e->frame, h, &d->raw);
	if (r == -EBADMSG)
		d->why = "the payload cannot be decompressed";
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	if (h->kind == FRAME_TOMBSTONE) {
		read_tombstone(d);
		return 0;
	}
	r = reader_open(d->raw.p, d->raw.n, &frame, &d->reader, &d->why);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	judge_batch(d, h);
	return 0;
}

/* What it holds in memory, about: the bytes, and the reader's tables over them. */
static size_t cost_of(const struct decoded *d)
{
	return sizeof(*d) + d->raw.cap + (d->reader ? reader_cost(d->reader) : 0);
}

/* Locked. Another thread may have been quicker: then ours stays outside and lives as long as its user. */
static void offer(struct decoded_cache *c, struct decoded *d)
{
	struct decoded *there, *next;

	HASH_FIND(hh, c->table, &d->pos, sizeof(d->pos), there);
	if (there || d->cost > c->max)
		return;
	HASH_ADD(hh, c->table, pos, sizeof(d->pos), d);
	d->cached = true;
	c->bytes += d->cost;
	HASH_ITER(hh, c->table, there, next) {
		if (c->bytes <= c->max)
			break;
		if (there != d)
			uncache(c, there);
	}
}

static int make(const struct journal_entry *e, struct decoded **ret_d)
{
	struct decoded *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	pthread_mutex_init(&d->lock, NULL);
	d->refs = 1;
	d->pos = e->pos;
	d->next = e->next;
	d->received = e->received;
	d->flags = e->flags;
	d->origin = e->origin;
	d->chain = e->header->chain;
	d->number = e->header->number;
	r = decode(d, e);
	if (r < 0) {
		decoded_free(d);
		return r;
	}
	d->cost = cost_of(d);
	*ret_d = d;
	return 0;
}

int decoded_make(struct decoded_cache *c, const struct journal_entry *e, struct decoded **ret_d)
{
	int r = make(e, ret_d);

	if (r < 0)
		return r;
	pthread_mutex_lock(&c->lock);
	offer(c, *ret_d);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

int decoded_read(struct decoded_cache *c, struct journal *j, journal_pos pos, bool share, struct decoded **ret_d)
{
	_cleanup_buf_ struct buf frame = { 0 };
	_cleanup_free_ struct frame_header *header = malloc(sizeof(*header));
	struct journal_entry e;
	size_t total;
	int r;

	if (!header)
		return -ENOMEM;
	r = journal_read(j, pos, &frame, &e);
	if (r < 0)
		return r;
	if (frame_peek(e.frame, e.frame_len, header, &total) < 0 || total != e.frame_len)
		return -EBADMSG;
	e.header = header;
	return share ? decoded_make(c, &e, ret_d) : make(&e, ret_d);
}

/* To the young end of the table's order. */
static void touch(struct decoded_cache *c, struct decoded *d)
{
	HASH_DEL(c->table, d);
	HASH_ADD(hh, c->table, pos, sizeof(d->pos), d);
}

int decoded_get(struct decoded_cache *c, struct journal *j, journal_pos pos, struct decoded **ret_d)
{
	struct decoded *d;

	pthread_mutex_lock(&c->lock);
	HASH_FIND(hh, c->table, &pos, sizeof(pos), d);
	if (d) {
		d->refs++;
		touch(c, d);
		c->hits++;
	} else {
		c->misses++;
	}
	pthread_mutex_unlock(&c->lock);
	if (d) {
		*ret_d = d;
		return 0;
	}
	return decoded_read(c, j, pos, true, ret_d);
}

void decoded_release(struct decoded_cache *c, struct decoded *d)
{
	bool last;

	if (!d)
		return;
	pthread_mutex_lock(&c->lock);
	last = --d->refs == 0 && !d->cached;
	pthread_mutex_unlock(&c->lock);
	if (last)
		decoded_free(d);
}

void decoded_lock(struct decoded *d)
{
	pthread_mutex_lock(&d->lock);
}

void decoded_unlock(struct decoded *d)
{
	pthread_mutex_unlock(&d->lock);
}

void decoded_cache_stats(struct decoded_cache *c, uint64_t *ret_bytes, uint64_t *ret_hits, uint64_t *ret_misses)
{
	pthread_mutex_lock(&c->lock);
	*ret_bytes = c->bytes;
	*ret_hits = c->hits;
	*ret_misses = c->misses;
	pthread_mutex_unlock(&c->lock);
}
