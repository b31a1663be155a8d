/* SPDX-License-Identifier: Apache-2.0 */
/* index_query.c - a query's way through blocks and tails: several sorted sources, merged newest first. */
#include <errno.h>
#include <stdlib.h>

#include "index_internal.h"

#define TAIL_CHUNK 64u

/* One block being walked, or one tail asked for its next few. */
struct source {
	struct index_key head;
	bool is_tail;
	struct block_walk walk;
	struct tailmem *tail;
	struct index_key chunk[TAIL_CHUNK];
	unsigned n, at;
};

struct index_cursor {
	struct index *ix;
	struct index_query q;
	struct snapshot *snap;
	struct block **order;		/* by greatest time, falling; borrowed from snap */
	size_t norder, opened, expected;	/* of order; expected: blocks that the disk was asked for */
	bool asked_dirs;
	struct source **sources;
	size_t nsources;
};

/* Something between these times may be an answer. */
static bool is_asked_for(const struct index_query *q, int64_t min_time, int64_t max_time)
{
	return max_time >= q->from && min_time < q->to && !(q->has_before && min_time > q->before.time);
}

static int compare_blocks(const void *a, const void *b)
{
	const struct block *x = *(struct block *const *)a, *y = *(struct block *const *)b;

	return x->max_time < y->max_time ? 1 : x->max_time > y->max_time ? -1 : 0;
}

static int tail_next(struct source *s, const struct index_query *q)
{
	if (s->at == s->n) {
		struct index_key before = s->head;

		if (s->n < TAIL_CHUNK)
			return 0;
		s->n = tailmem_find(s->tail, q, &before, s->chunk, TAIL_CHUNK);
		s->at = 0;
	}
	if (s->at == s->n)
		return 0;
	s->head = s->chunk[s->at++];
	return 1;
}

static int source_next(struct index_cursor *c, struct source *s)
{
	int r = s->is_tail ? tail_next(s, &c->q) : block_walk_next(&s->walk, &s->head);

	if (r == -EBADMSG) {
		index_drop_block(c->ix, s->walk.block, "a section is damaged");
		return -EAGAIN;
	}
	return r;
}

/* Keeps a source that has something; 0 or -errno. */
static int keep_source(struct index_cursor *c, struct source *s)
{
	struct source **more, *copy;

	more = reallocarray(c->sources, c->nsources + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	c->sources = more;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *s;
	c->sources[c->nsources++] = copy;
	return 0;
}

static int open_tail(struct index_cursor *c, struct tailmem *t)
{
	struct source s = { .is_tail = true, .tail = t };
	int r;

	if (!t)
		return 0;
	s.n = tailmem_find(t, &c->q, c->q.has_before ? &c->q.before : NULL, s.chunk, TAIL_CHUNK);
	r = tail_next(&s, &c->q);
	return r <= 0 ? r : keep_source(c, &s);
}

static int open_block(struct index_cursor *c, struct block *b)
{
	struct source s = { 0 };
	int r = block_walk_start(b, &c->q, &s.walk);

	if (r == -EBADMSG) {
		index_drop_block(c->ix, b, "a section is damaged");
		return -EAGAIN;
	}
	if (r > 0)
		r = source_next(c, &s);
	return r <= 0 ? r : keep_source(c, &s);
}

static struct source *newest(struct index_cursor *c)
{
	struct source *best = NULL;

	for (size_t i = 0; i < c->nsources; i++)
		if (!best || index_key_compare(&c->sources[i]->head, &best->head) > 0)
			best = c->sources[i];
	return best;
}

static void remove_source(struct index_cursor *c, struct source *s)
{
	for (size_t i = 0; i < c->nsources; i++)
		if (c->sources[i] == s) {
			c->sources[i] = c->sources[--c->nsources];
			break;
		}
	free(s);
}

static int by_pointer(const void *a, const void *b)
{
	const struct block *x = *(struct block *const *)a, *y = *(struct block *const *)b;

	return x < y ? -1 : x > y;
}

/* The members of d that do not have the value, appended to v. */
static size_t without_value(struct index_cursor *c, struct hashdir *d, struct block **v)
{
	struct hashdir_set may;
	size_t n = 0;

	if (hashdir_find(d, c->q.attr, c->q.hash, &may) < 0) {
		index_drop_dir(c->ix, d, "a bucket is damaged");
		return 0;
	}
	for (unsigned i = 0; i < d->nmembers; i++)
		if (!hashdir_in(&may, i))
			v[n++] = d->members[i];
	return n;
}

/* Leaves out the blocks that do not have the value, by the directories, which are read together. */
static int ask_dirs(struct index_cursor *c)
{
	const struct snapshot *s = c->snap;
	struct block **v = reallocarray(NULL, s->nblocks + 1, sizeof(*v));
	size_t n = 0, kept = c->opened;

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < s->ndirs; i++)
		if (is_asked_for(&c->q, s->dirs[i]->min_time, s->dirs[i]->max_time))
			hashdir_expect(s->dirs[i], c->q.attr, c->q.hash);
	for (size_t i = 0; i < s->ndirs; i++)
		if (is_asked_for(&c->q, s->dirs[i]->min_time, s->dirs[i]->max_time))
			n += without_value(c, s->dirs[i], v + n);
	qsort(v, n, sizeof(*v), by_pointer);
	for (size_t i = c->opened; i < c->norder; i++)
		if (!bsearch(&c->order[i], v, n, sizeof(*v), by_pointer))
			c->order[kept++] = c->order[i];
	c->norder = kept;
	free(v);
	return 0;
}

/* A value that the newest block does not have enough of: which others do? */
static int leave_out(struct index_cursor *c)
{
	if (!c->q.by_attr || c->asked_dirs || !c->opened)
		return 0;
	c->asked_dirs = true;
	return ask_dirs(c);
}

/* What is still to be looked through, ever more: their pages are asked for together, not one after the other. */
static void expect_more(struct index_cursor *c)
{
	size_t upto = 2 * c->opened + 4;

	if (c->opened < c->expected || !c->opened)
		return;
	for (c->expected = c->opened; c->expected < upto && c->expected < c->norder; c->expected++)
		block_expect(c->order[c->expected], &c->q);
}

static bool may_be_newer(const struct index_cursor *c, const struct source *best)
{
	return c->opened < c->norder && (!best || c->order[c->opened]->max_time >= best->head.time);
}

static int open_next(struct index_cursor *c)
{
	int r = leave_out(c);

	if (r < 0 || c->opened == c->norder)
		return r;
	expect_more(c);
	return open_block(c, c->order[c->opened++]);
}

int index_cursor_next(struct index_cursor *c, struct index_key *ret_k)
{
	struct source *best = newest(c);
	int r;

	/* a block is opened only when it could hold something newer than the newest at hand */
	while (may_be_newer(c, best)) {
		r = open_next(c);
		if (r < 0)
			return r;
		best = newest(c);
	}
	if (!best)
		return 0;
	*ret_k = best->head;
	r = source_next(c, best);
	if (r == 0)
		remove_source(c, best);
	return r < 0 ? r : 1;
}

int index_cursor_open(struct index *ix, const struct index_query *q, struct index_cursor **ret_c)
{
	_cleanup_index_cursor_ struct index_cursor *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->ix = ix;
	c->q = *q;
	c->snap = snapshot_get(ix, q->partial);
	if (!c->snap)
		return -EAGAIN;
	c->order = reallocarray(NULL, c->snap->nblocks + 1, sizeof(*c->order));
	if (!c->order)
		return -ENOMEM;
	for (size_t i = 0; i < c->snap->nblocks; i++)
		if (is_asked_for(q, c->snap->blocks[i]->min_time, c->snap->blocks[i]->max_time))
			c->order[c->norder++] = c->snap->blocks[i];
	qsort(c->order, c->norder, sizeof(*c->order), compare_blocks);
	r = open_tail(c, c->snap->tails[0]);
	if (!r)
		r = open_tail(c, c->snap->tails[1]);
	if (r < 0)
		return r;
	*ret_c = c;
	c = NULL;
	return 0;
}

unsigned index_cursor_opened(const struct index_cursor *c)
{
	return (unsigned)c->opened;
}

void index_cursor_free(struct index_cursor **pc)
{
	struct index_cursor *c = *pc;

	if (!c)
		return;
	for (size_t i = 0; i < c->opened; i++)
		block_forget(c->order[i]);
	for (size_t i = 0; i < c->nsources; i++)
		free(c->sources[i]);
	free(c->sources);
	free(c->order);
	snapshot_unref(c->snap);
	free(c);
	*pc = NULL;
}
