/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge.c - small segments of a day become one.
 *
 * A merged file stands for the stretch from the first one's beginning to the last one's end. The old files stay until every
 * query that began before the merge has ended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lake_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "query.h"

#define FAN_IN 8			/* so many of one size become one of the next */
#define ROWS_MAX 400000ull		/* of a merged segment */

int grave_add(struct lake *l, const char *path)
{
	struct grave *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;	/* the next start sweeps it */
	snprintf(g->path, sizeof(g->path), "%s", path);
	pthread_mutex_lock(&l->lock);
	g->generation = ++l->generation;
	pthread_mutex_unlock(&l->lock);
	g->next = l->graves;
	l->graves = g;
	return 0;
}

void graves_dig(struct lake *l)
{
	uint64_t oldest = query_oldest(l);
	char path[4096];

	for (struct grave **p = &l->graves, *g; (g = *p);) {
		if (g->generation > oldest) {
			p = &g->next;
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", l->dir, g->path);
		unlink(path);
		*p = g->next;
		free(g);
	}
}

/* Segments of one day, side by side, each smaller than `limit`. apart: something between it and the one before was removed. */
static size_t run_length(const struct segment *s, const bool *apart, size_t n, uint64_t limit)
{
	uint64_t rows = 0;
	size_t i;

	for (i = 0; i < n && s[i].rows < limit && !strcmp(s[i].day, s[0].day) && rows + s[i].rows <= ROWS_MAX && !(i && apart[i]); i++)
		rows += s[i].rows;
	return i;
}

static bool day_is_over(const char *day)
{
	char iso[21];

	clock_iso(clock_wall() / (int64_t)NS_PER_SEC - 600, iso);
	return strncmp(day, iso, 10) < 0;
}

static bool find_run(const struct segment *s, const bool *apart, size_t n, size_t *ret_at, size_t *ret_n)
{
	static const uint64_t limits[] = { 1000, 8000, 64000 };

	for (unsigned k = 0; k < ARRAY_SIZE(limits); k++)
		for (size_t i = 0; i < n; i++) {
			size_t run = run_length(s + i, apart + i, n - i, limits[k]);

			if (run < FAN_IN && (run < 2 || !day_is_over(s[i].day)))
				continue;
			*ret_at = i;
			*ret_n = run;
			return true;
		}
	return false;
}

/* Those whose frames are damaged by now hold what nothing else does: they stay as they are, until the store is started again. */
static int keep_damaged(struct lake *l, const struct event_store *e, const struct segment *s, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t rows = 0;
		int r = seal_count(l, e, &s[i], &rows);
		struct keepsake *k = !r && rows != s[i].rows ? calloc(1, sizeof(*k)) : NULL;

		if (r < 0)
			return r;
		if (!k)
			continue;
		log_warnx("segment %s holds %llu records, of which the journal has %llu now: it is not merged", s[i].path,
			  (unsigned long long)s[i].rows, (unsigned long long)rows);
		memcpy(k->store, e->id, sizeof(k->store));
		k->from = s[i].from;
		k->next = l->keepsakes;
		l->keepsakes = k;
		kept++;
	}
	return kept ? 0 : -EBADMSG;
}

/* 1: merged. From the journal, like everything: the rows come sorted, and no file is read that could be damaged. */
static int merge(struct lake *l, const struct event_store *e, const struct segment *s, size_t n)
{
	struct segment merged = { .from = s[0].from, .to = s[n - 1].to };
	uint64_t rows = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		rows += s[i].rows;
	r = seal_stretch(l, e, &merged, rows);
	if (r == -EBADMSG)
		return keep_damaged(l, e, s, n);
	for (size_t i = 0; i < n && !r; i++)
		if (strcmp(s[i].path, merged.path))
			grave_add(l, s[i].path);
	return r < 0 ? r : 1;
}

static bool is_keepsake(struct lake *l, const struct event_store *e, const struct segment *s)
{
	const struct keepsake *k;

	for (k = l->keepsakes; k && (k->from != s->from || strcmp(k->store, e->id)); k = k->next)
		;
	return k;
}

/* What was removed between two that stay must not come back with what they are merged into. */
static int find_holes(struct lake *l, const struct event_store *e, const struct segment *s, size_t n, bool **ret_apart)
{
	_cleanup_free_ journal_pos *holes = NULL;
	bool *apart = calloc(n + 1, sizeof(*apart));
	size_t nholes = 0, h = 0;
	int r = apart ? manifest_holes(l->manifest, e->id, &holes, &nholes) : -ENOMEM;

	if (r < 0) {
		free(apart);
		return r;
	}
	for (size_t i = 0; i < n; i++) {
		for (; h < nholes && holes[h] < s[i].from; h++)
			apart[i] = true;
		if (is_keepsake(l, e, &s[i]))
			apart[i] = apart[i + 1] = true;
	}
	*ret_apart = apart;
	return 0;
}

int merge_step(struct lake *l, const struct event_store *e)
{
	_cleanup_free_ struct segment *segments = NULL;
	_cleanup_free_ bool *apart = NULL;
	journal_pos sealed;
	size_t n, at, run, gone = 0;
	int r = manifest_segments(l->manifest, e->id, &segments, &n, &sealed);

	if (!r)
		r = find_holes(l, e, segments, n, &apart);
	/* not those that are about to go */
	while (!r && gone < n && retain_day_is_past(l, e, segments[gone].day))
		gone++;
	if (r < 0 || !find_run(segments + gone, apart + gone, n - gone, &at, &run))
		return r == -ENOENT ? 0 : r;
	if (!seal_can_again(l, &segments[gone + at + run - 1]))
		return 0;
	r = merge(l, e, segments + gone + at, run);
	if (r <= 0)
		return r;
	pthread_mutex_lock(&l->lock);
	l->stats.merges++;
	pthread_mutex_unlock(&l->lock);
	return 1;
}
