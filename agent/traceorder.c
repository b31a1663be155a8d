// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "traceorder.h"

/* What one batch was made into, until the last of its records is given. */
struct part {
	struct part *next;
	struct reader *reader;
	int64_t wall_offset;
	uint64_t number;
	unsigned left;
	uint8_t bytes[];
};

struct entry {
	uint64_t time;			/* boot-time ns */
	struct part *part;
	unsigned at;
};

struct traceorder {
	struct part *parts;
	uint64_t nparts;
	struct entry *entries;		/* not given yet */
	size_t nentries, entries_max;
};

static struct part *part_new(struct traceorder *o, const uint8_t *p, size_t n)
{
	struct part *part = malloc(sizeof(*part) + n);

	if (!part)
		return NULL;
	memset(part, 0, sizeof(*part));
	memcpy(part->bytes, p, n);
	part->number = o->nparts++;
	part->wall_offset = clock_wall_offset();
	part->next = o->parts;
	o->parts = part;
	return part;
}

static int list_entries(struct traceorder *o, struct part *part)
{
	unsigned n = reader_count(part->reader);
	struct record_summary sum;

	if (o->nentries + n > o->entries_max) {
		size_t max = (o->nentries + n) * 2;
		struct entry *more = reallocarray(o->entries, max, sizeof(*more));

		if (!more)
			return -ENOMEM;
		o->entries = more;
		o->entries_max = max;
	}
	for (; part->left < n; part->left++) {
		int r = reader_summary(part->reader, part->left, &sum);

		if (r < 0)
			return r;
		o->entries[o->nentries++] = (struct entry){ (uint64_t)(sum.time - part->wall_offset), part, part->left };
	}
	return 0;
}

int traceorder_take(struct traceorder *o, struct batch *b, const uint8_t stream[16])
{
	struct record_frame f = { .first_time = batch_first_time(b) };
	struct part *part;
	const uint8_t *p;
	const char *why;
	size_t n;
	int r;

	if (!batch_count(b))
		return 0;
	r = batch_finish(b, &p, &n);
	if (r < 0)
		return r;
	part = part_new(o, p, n);
	if (!part)
		return -ENOMEM;
	memcpy(f.stream, stream, sizeof(f.stream));
	f.wall_offset = part->wall_offset;
	r = reader_open(part->bytes, n, &f, &part->reader, &why);
	return r ?: list_entries(o, part);
}

static int by_time(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	if (x->part != y->part)
		return x->part->number < y->part->number ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static void free_parts(struct traceorder *o, bool all)
{
	struct part **at = &o->parts, *part;

	while ((part = *at)) {
		if (part->left && !all) {
			at = &part->next;
			continue;
		}
		*at = part->next;
		reader_free(&part->reader);
		free(part);
	}
}

void traceorder_give(struct traceorder *o, uint64_t until, traceorder_fn fn, void *ctx)
{
	size_t i;

	if (!o->nentries)
		return;
	qsort(o->entries, o->nentries, sizeof(*o->entries), by_time);
	for (i = 0; i < o->nentries && o->entries[i].time <= until; i++) {
		struct part *part = o->entries[i].part;

		fn(ctx, part->reader, o->entries[i].at);
		part->left--;
	}
	o->nentries -= i;
	memmove(o->entries, o->entries + i, o->nentries * sizeof(*o->entries));
	free_parts(o, false);
}

int traceorder_new(struct traceorder **ret_o)
{
	*ret_o = calloc(1, sizeof(**ret_o));
	return *ret_o ? 0 : -ENOMEM;
}

void traceorder_free(struct traceorder **o)
{
	if (!*o)
		return;
	free_parts(*o, true);
	free((*o)->entries);
	free(*o);
	*o = NULL;
}
