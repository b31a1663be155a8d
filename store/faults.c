/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "lib/log.h"

struct queued {
	enum fault_kind kind;
	struct journal_origin origin;
	uint8_t stream[16];
	unsigned chain;
	uint64_t number, first_missing;
	journal_pos pos;
	uint8_t hash[32], expected[32];
	bool has_hash, has_expected;
	char why[160];
};

/* As it lies in <dir>/gaps too: the file is only ever read by the same build on the same machine; another size is
 * refused by the version in its head. */
struct gap {
	struct journal_origin origin;
	uint8_t stream[16];
	uint32_t chain;
	uint32_t counted, said;
	uint64_t first, last, records;
	int64_t since;
};

struct gaps_head {
	char magic[8];
	uint32_t size, crc;
	uint64_t upto;
};

struct faults {
	struct witness *witness;
	char *path;
	unsigned gap_seconds;
	struct gap *gaps;
	size_t ngaps;			/* written by the tailer only; read by any */
	bool changed;
	journal_pos upto;		/* faults of frames before it are said, or lie in gaps */
	struct gap filled;		/* frames that came after they were said to be lost; last 0: none */
	pthread_mutex_t lock;
	struct queued *queue;
	unsigned nqueued;
	uint64_t dropped;
};

static int load_gaps(struct faults *f)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct gaps_head head;
	int r = fsx_read(f->path, sizeof(head) + FAULTS_GAPS_MAX * sizeof(struct gap), &b);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (b.n < sizeof(head) || (b.n - sizeof(head)) % sizeof(struct gap))
		return 0;
	memcpy(&head, b.p, sizeof(head));
	if (memcmp(head.magic, "HTGAPS2", 8) || head.size != sizeof(struct gap) ||
	    head.crc != crc32c(0, b.p + sizeof(head), b.n - sizeof(head)))
		return 0;
	f->upto = head.upto;
	f->ngaps = (b.n - sizeof(head)) / sizeof(struct gap);
	memcpy(f->gaps, b.p + sizeof(head), f->ngaps * sizeof(struct gap));
	return 0;
}

static void save_gaps(struct faults *f)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct gaps_head head = { "HTGAPS2", sizeof(struct gap), crc32c(0, f->gaps, f->ngaps * sizeof(struct gap)), f->upto };
	int r;

	buf_add(&b, &head, sizeof(head));
	buf_add(&b, f->gaps, f->ngaps * sizeof(struct gap));
	r = b.failed ? -ENOMEM : fsx_replace(f->path, b.p, b.n, 0640);
	if (r < 0)
		log_limited(LOG_LEVEL_WARN, r, "cannot keep the list of gaps in %s", f->path);
	f->changed = r < 0;
}

int faults_open(const char *dir, struct witness *w, unsigned gap_seconds, struct faults **ret_f)
{
	struct faults *f = calloc(1, sizeof(*f));
	int r = -ENOMEM;

	if (!f)
		return -ENOMEM;
	pthread_mutex_init(&f->lock, NULL);
	f->witness = w;
	f->gap_seconds = gap_seconds;
	f->queue = calloc(FAULTS_QUEUE_MAX, sizeof(*f->queue));
	f->gaps = calloc(FAULTS_GAPS_MAX, sizeof(*f->gaps));
	if (f->queue && f->gaps && asprintf(&f->path, "%s/gaps", dir) >= 0)
		r = load_gaps(f);
	if (r < 0) {
		faults_free(&f);
		return r;
	}
	*ret_f = f;
	return 0;
}

void faults_free(struct faults **pf)
{
	struct faults *f = *pf;

	if (!f)
		return;
	if (f->changed)
		save_gaps(f);
	pthread_mutex_destroy(&f->lock);
	free(f->queue);
	free(f->gaps);
	free(f->path);
	free(f);
	*pf = NULL;
}

static void fill_queued(struct queued *q, enum fault_kind kind, const struct ingest_fault *fault)
{
	memset(q, 0, sizeof(*q));
	q->kind = kind;
	q->origin = *fault->origin;
	memcpy(q->stream, fault->header->stream, 16);
	q->chain = fault->header->chain;
	q->number = fault->header->number;
	q->first_missing = fault->first_missing;
	q->pos = fault->pos;
	q->has_hash = fault->hash;
	if (fault->hash)
		memcpy(q->hash, fault->hash, 32);
	q->has_expected = fault->expected;
	if (fault->expected)
		memcpy(q->expected, fault->expected, 32);
	snprintf(q->why, sizeof(q->why), "%s", fault->why ? fault->why : "");
}

void faults_push(struct faults *f, enum fault_kind kind, const struct ingest_fault *fault)
{
	pthread_mutex_lock(&f->lock);
	if (f->nqueued < FAULTS_QUEUE_MAX)
		fill_queued(&f->queue[f->nqueued++], kind, fault);
	else
		f->dropped++;
	pthread_mutex_unlock(&f->lock);
}

static bool is_of(const struct gap *g, const struct witness_subject *s)
{
	return g->chain == s->chain && !memcmp(g->stream, s->stream, 16) && !strcmp(g->origin.host_id, s->origin->host_id);
}

static void remove_gap(struct faults *f, size_t i)
{
	memmove(&f->gaps[i], &f->gaps[i + 1], (f->ngaps - i - 1) * sizeof(*f->gaps));
	__atomic_store_n(&f->ngaps, f->ngaps - 1, __ATOMIC_RELAXED);
	f->changed = true;
}

static int say_lost(struct faults *f, const struct gap *g)
{
	const struct witness_subject s = { &g->origin, g->stream, g->chain, g->first };
	const struct witness_loss l = {
		.first_number = g->first, .last_number = g->last, .counted = g->counted, .records = g->records,
		.cause = "missingFrames", .first_seen = g->since,
	};

	return f->witness ? witness_records_lost(f->witness, &s, &l) : 0;
}

static struct gap *add_gap(struct faults *f, const struct witness_subject *s, uint64_t first, uint64_t last, int64_t now)
{
	struct gap *g;

	if (f->ngaps == FAULTS_GAPS_MAX) {	/* the oldest is not waited for any longer */
		if (!f->gaps[0].said)
			say_lost(f, &f->gaps[0]);
		remove_gap(f, 0);
	}
	g = &f->gaps[f->ngaps];
	memset(g, 0, sizeof(*g));
	g->origin = *s->origin;
	memcpy(g->stream, s->stream, 16);
	g->chain = s->chain;
	g->first = first;
	g->last = last;
	g->since = now;
	__atomic_store_n(&f->ngaps, f->ngaps + 1, __ATOMIC_RELAXED);
	f->changed = true;
	return g;
}

static void say_filled(struct faults *f)
{
	const struct gap *g = &f->filled;
	const struct witness_subject s = { &g->origin, g->stream, g->chain, g->first };

	if (g->since && f->witness)
		witness_gap_filled(f->witness, &s, g->last);
	f->filled.since = 0;
}

/* A run of frames is said as one. */
static void note_filled(struct faults *f, const struct witness_subject *s, int64_t now)
{
	struct gap *g = &f->filled;

	if (g->since && (!is_of(g, s) || s->number != g->last + 1))
		say_filled(f);
	if (!g->since) {
		g->origin = *s->origin;
		memcpy(g->stream, s->stream, 16);
		g->chain = s->chain;
		g->first = s->number;
		g->since = now;
	}
	g->last = s->number;
}

/* A frame came late: what is left of its gap is one gap less, or two smaller ones whose sizes nobody knows. */
static void fill_gap(struct faults *f, const struct witness_subject *s, int64_t now)
{
	for (size_t i = 0; i < f->ngaps; i++) {
		struct gap *g = &f->gaps[i], old = *g;

		if (!is_of(g, s) || s->number < g->first || s->number > g->last)
			continue;
		remove_gap(f, i);
		if (s->number > old.first)
			add_gap(f, s, old.first, s->number - 1, old.since)->said = old.said;
		if (s->number < old.last)
			add_gap(f, s, s->number + 1, old.last, old.since)->said = old.said;
		if (old.said)
			note_filled(f, s, now);
		return;
	}
}

static void work_on(struct faults *f, const struct queued *q, int64_t now)
{
	const struct witness_subject s = { &q->origin, q->stream, q->chain, q->number };
	struct frame_header h = { .chain = (uint8_t)q->chain, .number = q->number };
	const struct ingest_fault fault = {
		.origin = &q->origin, .header = &h, .hash = q->has_hash ? q->hash : NULL,
		.expected = q->has_expected ? q->expected : NULL, .why = q->why,
	};

	memcpy(h.stream, q->stream, 16);
	switch (q->kind) {
	case FAULT_CHAIN_BROKEN:
		if (f->witness)
			witness_chain_broken(f->witness, &fault);
		break;
	case FAULT_HOST_MISMATCH:
		if (f->witness)
			witness_host_mismatch(f->witness, &s, q->why, NULL);
		break;
	case FAULT_GAP:
		if (q->first_missing < q->number)
			add_gap(f, &s, q->first_missing, q->number - 1, now);
		break;
	case FAULT_FILLED:
		fill_gap(f, &s, now);
		break;
	}
	if (q->pos >= f->upto && q->pos && !faults_dropped(f)) {	/* what was dropped is to be found again at the next start */
		f->upto = q->pos + 1;
		f->changed = true;
	}
}

unsigned faults_work(struct faults *f, int64_t now_ns)
{
	struct queued q;
	unsigned said = 0;
	bool more;

	do {
		pthread_mutex_lock(&f->lock);
		more = f->nqueued > 0;
		if (more) {
			q = f->queue[0];
			memmove(f->queue, f->queue + 1, --f->nqueued * sizeof(q));
		}
		pthread_mutex_unlock(&f->lock);
		if (more)
			work_on(f, &q, now_ns);
	} while (more);
	say_filled(f);
	for (size_t i = 0; i < f->ngaps; i++) {
		if (f->gaps[i].said || now_ns - f->gaps[i].since < (int64_t)f->gap_seconds * (int64_t)NS_PER_SEC)
			continue;
		if (say_lost(f, &f->gaps[i]) < 0)
			break;
		f->gaps[i].said = f->changed = true;
		said++;
	}
	if (f->changed)
		save_gaps(f);
	return said;
}

void faults_count_gap(struct faults *f, const struct witness_subject *s, uint64_t first, uint64_t last, uint64_t records)
{
	for (size_t i = 0; i < f->ngaps; i++) {
		struct gap *g = &f->gaps[i];

		if (!is_of(g, s) || g->first != first || g->last != last || g->counted)
			continue;
		g->counted = true;
		g->records = records;
		f->changed = true;
	}
}

bool faults_explain(struct faults *f, const struct witness_subject *s, uint64_t first, uint64_t last)
{
	bool said = false;

	for (size_t i = 0; i < f->ngaps;) {
		struct gap *g = &f->gaps[i];

		if (is_of(g, s) && g->first >= first && g->last <= last) {
			said |= g->said;
			remove_gap(f, i);
		} else {
			i++;
		}
	}
	return !said;
}

journal_pos faults_upto(const struct faults *f)
{
	return f->upto;
}

uint64_t faults_pending(struct faults *f)
{
	return __atomic_load_n(&f->ngaps, __ATOMIC_RELAXED);
}

uint64_t faults_dropped(struct faults *f)
{
	uint64_t n;

	pthread_mutex_lock(&f->lock);
	n = f->dropped;
	pthread_mutex_unlock(&f->lock);
	return n;
}
