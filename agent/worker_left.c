// SPDX-License-Identifier: Apache-2.0
/*
 * worker_left.c - what was lost when the rings of another build were replaced (probes_left.c), as RecordsLost with that cause.
 *
 * A class's loss is the numbers that its counters gave out and no frame of that stream settled, by the state that the earlier agent left;
 * for merged entries as many calls as they stand for, and calls that waited in merge slots without a number. Where the state
 * does not tell, it is the entries that still lie there. It is said by the worker that begins the new stream.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "decode.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "own.h"
#include "proto/keys.h"
#include "worker_internal.h"

struct left {
	uint64_t entries[HT_CLASS__MAX];	/* that wait in the rings */
	uint64_t more[HT_CLASS__MAX];		/* calls beyond those: merged entries stand for several, and merge slots */
	uint64_t first[HT_CLASS__MAX];		/* boot-time ns of the oldest entry; 0: none */
	uint64_t open[HT_CLASS__MAX];		/* numbers that are not settled */
	bool settled;				/* those are known */
};

/* ---- entries ---------------------------------------------------------------------------------- */

static uint64_t stands_for(const struct ht_call *e, uint32_t n)
{
	const uint8_t *data;
	struct ht_repeat r;
	struct field_iter i;
	struct ht_field f;

	if (event_check(e, n) < 0)
		return 1;
	fields_of_call(e, n, &i);
	while (field_next(&i, &f, &data))
		if (f.kind == HT_FIELD_REPEAT && f.len == sizeof(r)) {
			memcpy(&r, data, sizeof(r));
			return r.count ?: 1;
		}
	return 1;
}

static void count_entries(struct rings *rings, struct left *l)
{
	const struct ht_event *e;
	uint32_t n;

	rings_snapshot(rings);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		while ((e = rings_next(rings, c, &n))) {
			if (e->kind != HT_EV_CALL)
				continue;
			if (!l->entries[c]++ || e->time < l->first[c])
				l->first[c] = e->time;
			l->more[c] += stands_for((const struct ht_call *)e, n) - 1;
		}
}

static int read_rings(const struct worker *w, struct left *l)
{
	_cleanup_(rings_free) struct rings *rings = NULL;
	int r = rings_open(&w->left, &rings);

	if (r < 0)
		return r;
	count_entries(rings, l);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned cpu = 0; cpu < w->left.ncpu; cpu++) {
			const volatile struct ht_counters *n = rings_counters(rings, c, cpu);

			l->more[c] += counters_merged_waiting(n, 1);
		}
	return 0;
}

/* ---- numbers ------------------------------------------------------------------------------------ */

static void count_open(const struct worker *w, const struct settle *s, const uint8_t *counters, struct left *l)
{
	uint32_t classes = w->setup.left.counters / w->left.ncpu;

	for (unsigned c = 0; c < HT_CLASS__MAX && c < classes; c++)
		for (unsigned cpu = 0; cpu < w->left.ncpu; cpu++) {
			const uint8_t *at = counters + (size_t)(c * w->left.ncpu + cpu) * w->setup.left.counters_each;

			l->open[c] += settle_open_below(s, c, cpu, *(const volatile uint64_t *)at);
		}
	l->settled = true;
}

static int read_numbers(const struct worker *w, struct left *l)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (size_t)w->setup.left.counters * w->setup.left.counters_each;
	const uint8_t *previous = writer_previous(w->writer);
	const struct buf *b = writer_previous_settled(w->writer);
	_cleanup_(settle_free) struct settle *s = NULL;
	void *counters;
	int r;

	if (!previous || memcmp(previous, w->setup.left.stream, 16) || !b->n)
		return 0;
	r = settle_new(w->left.ncpu, &s) ?: settle_load(s, b->p, b->n);
	if (r < 0)
		return r == -EBADMSG || r == -EINVAL ? 0 : r;
	n = (n + page - 1) / page * page;
	counters = mmap(NULL, n, PROT_READ, MAP_SHARED, w->left.counters, 0);
	if (counters == MAP_FAILED)
		return -errno;
	count_open(w, s, counters, l);
	munmap(counters, n);
	return 0;
}

/* ---- saying it ------------------------------------------------------------------------------------ */

static int say(struct worker *w, const struct left *l)
{
	char stream[33];
	int r = 0;

	hex_text(w->setup.left.stream, 16, stream);
	for (unsigned c = 0; c < HT_CLASS__MAX && !r; c++) {
		struct own_replaced o = { .stream = stream, .ring_class = c, .first_time = l->first[c], .last_time = w->started };

		o.count = (l->settled ? l->open[c] : l->entries[c]) + l->more[c];
		if (o.count)
			r = own_replaced(w->pipeline, &o);
	}
	return r;
}

static int say_unknown(struct worker *w)
{
	struct own_replaced o = { .ring_class = HT_CLASS__MAX, .count = UINT64_MAX, .last_time = w->started };

	return own_replaced(w->pipeline, &o);
}

static void close_left(struct worker *w)
{
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < HT_GROUPS_MAX; g++)
			cleanup_close(&w->left.ring[c][g]);
	cleanup_close(&w->left.counters);
	cleanup_close(&w->left.shared);
	cleanup_close(&w->left.principals);
	cleanup_close(&w->left.settled);
}

int worker_left(struct worker *w)
{
	bool first = writer_first_frame(w->writer), known = w->setup.left.counters && w->left.counters >= 0;
	struct left l = { 0 };
	int r = 0;

	if (first && known) {
		if (w->setup.left.readable)
			r = read_rings(w, &l);
		if (!r)
			r = read_numbers(w, &l);
		known = l.settled || w->setup.left.readable;
	}
	if (!r && first && known)
		r = say(w, &l);
	else if (!r && first && w->setup.replaced[0])
		r = say_unknown(w);
	close_left(w);
	return r;
}
