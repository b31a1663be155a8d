// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "seqset.h"

void seqset_free(struct seqset *s)
{
	free(s->above);
	memset(s, 0, sizeof(*s));
}

/* Index of the first range whose last number is at least seq. */
static unsigned find(const struct seqset *s, uint64_t seq)
{
	unsigned lo = 0, hi = s->n;

	if (hi && s->above[hi - 1].last < seq)
		return hi;
	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (s->above[mid].last < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int grow(struct seqset *s)
{
	unsigned cap = s->cap ? s->cap * 2 : 16;
	struct seq_range *p;

	if (s->n < s->cap)
		return 0;
	p = realloc(s->above, cap * sizeof(*p));
	if (!p)
		return -ENOMEM;
	s->above = p;
	s->cap = cap;
	return 0;
}

static void take_out(struct seqset *s, unsigned from, unsigned to)
{
	memmove(s->above + from, s->above + to, (s->n - to) * sizeof(*s->above));
	s->n -= to - from;
}

/* Ranges that `next` has reached go into it. */
static void absorb(struct seqset *s)
{
	unsigned i = 0;

	while (i < s->n && s->above[i].first <= s->next) {
		if (s->above[i].last >= s->next)
			s->next = s->above[i].last + 1;
		i++;
	}
	if (i)
		take_out(s, 0, i);
}

static int add_above(struct seqset *s, uint64_t first, uint64_t last)
{
	unsigned at = find(s, first ? first - 1 : 0), to = at;
	int r;

	while (to < s->n && s->above[to].first <= last + 1)
		to++;
	if (to > at) {			/* touches ranges [at,to): they become one */
		if (s->above[at].first < first)
			first = s->above[at].first;
		if (s->above[to - 1].last > last)
			last = s->above[to - 1].last;
		s->above[at] = (struct seq_range){ first, last };
		take_out(s, at + 1, to);
		return 0;
	}
	r = grow(s);
	if (r < 0)
		return r;
	memmove(s->above + at + 1, s->above + at, (s->n - at) * sizeof(*s->above));
	s->above[at] = (struct seq_range){ first, last };
	s->n++;
	return 0;
}

int seqset_add(struct seqset *s, uint64_t first, uint64_t last)
{
	if (first > last || last == UINT64_MAX)
		return -EINVAL;
	if (last < s->next)
		return 0;
	if (first > s->next)
		return add_above(s, first, last);
	s->next = last + 1;
	if (s->n)
		absorb(s);
	return 0;
}

bool seqset_has(const struct seqset *s, uint64_t seq)
{
	unsigned i;

	if (seq < s->next)
		return true;
	if (!s->n)
		return false;
	i = find(s, seq);
	return i < s->n && s->above[i].first <= seq;
}

uint64_t seqset_missing(const struct seqset *s, uint64_t limit)
{
	uint64_t have = 0;

	if (limit <= s->next)
		return 0;
	for (unsigned i = 0; i < s->n && s->above[i].first < limit; i++) {
		uint64_t last = s->above[i].last < limit ? s->above[i].last : limit - 1;

		have += last - s->above[i].first + 1;
	}
	return limit - s->next - have;
}

bool seqset_gap(const struct seqset *s, uint64_t from, uint64_t limit, struct seq_range *ret_gap)
{
	uint64_t at = from > s->next ? from : s->next;
	unsigned i = find(s, at);

	if (i < s->n && s->above[i].first <= at)
		at = s->above[i++].last + 1;
	if (at >= limit)
		return false;
	ret_gap->first = at;
	ret_gap->last = (i < s->n && s->above[i].first < limit ? s->above[i].first : limit) - 1;
	return true;
}
