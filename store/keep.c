/* SPDX-License-Identifier: Apache-2.0 */
/* keep.c - frames are kept in the journal. */
#include "keep.h"

#include "lib/clock.h"

static int error(void *ctx, const char **ret_why)
{
	const struct keep *k = ctx;

	*ret_why = "the store's journal has failed";
	return journal_error(k->journal);
}

static int ready(void *ctx)
{
	return chains_ready(((struct keep *)ctx)->chains);
}

static int judge(void *ctx, const struct journal_origin *origin, const struct frame_header *h, const uint8_t hash[32],
		 struct chain_judgement *ret_j)
{
	return chains_judge(((struct keep *)ctx)->chains, origin->host_id, h, hash, ret_j);
}

static int append(void *ctx, const struct journal_origin *origin, int64_t received, uint16_t flags, const void *frame, size_t n,
		  journal_pos *ret_pos)
{
	return journal_append(((struct keep *)ctx)->journal, origin, received, flags, frame, n, ret_pos);
}

/* The place was reserved, so this fails only with the disk; the journal is the truth, and a hash that is missing here
 * costs at most a repeat that is stored twice. */
static void commit(void *ctx, const struct chain_judgement *j)
{
	chains_commit(((struct keep *)ctx)->chains, j);
}

static int sync_now(void *ctx)
{
	return journal_sync(((struct keep *)ctx)->journal);
}

static int heads(void *ctx, struct keep_heads *q)
{
	chains_heads(((struct keep *)ctx)->chains, q->host_id, q->stream, q->known);
	return 0;
}

static int aside(void *ctx, const char *what, const struct journal_origin *origin, const void *p, size_t n)
{
	return journal_aside(((struct keep *)ctx)->journal, what, origin, clock_wall(), p, n);
}

static void count(void *ctx, uint64_t *ret_chains, uint64_t *ret_branches)
{
	chains_count(((struct keep *)ctx)->chains, ret_chains, ret_branches);
}

static const struct keep_ops ops = {
	.error = error, .ready = ready, .judge = judge, .append = append, .commit = commit, .sync = sync_now, .sync_own = sync_now,
	.heads = heads, .aside = aside, .count = count,
};

void keep_journal(struct keep *k, struct journal *j, struct chains *c)
{
	*k = (struct keep){ .ops = &ops, .ctx = k, .journal = j, .chains = c };
}
