/* SPDX-License-Identifier: Apache-2.0 */
#include "digester.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "digestfile.h"
#include "digestkeys.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/keys.h"
#include "store/delivery/gzip.h"

#define AT_ONCE_NS (NS_PER_SEC / 2)	/* after a long rest there are many, and log files wait meanwhile */

struct digesting {
	struct delivery *d;
	const struct trail *t;
	const struct span *s;
	bool last;		/* the span is over */
	bool more;
};

/* Two rows at once would be large on the stack. */
struct rows {
	struct digest_row row, previous;
};

static void rows_free(struct rows **r)
{
	if (!*r)
		return;
	buf_free(&(*r)->row.body);
	buf_free(&(*r)->previous.body);
	free(*r);
	*r = NULL;
}

static int on_log(void *ctx, const struct log_row *r)
{
	digestfile_add(ctx, r);
	return 0;
}

static int seal(struct digesting *g, struct digestfile *f, struct digest_row *row, const struct digest_row *previous,
		const struct digest_key *key)
{
	_cleanup_buf_ struct buf json = { 0 }, text = { 0 };
	uint8_t hash[32];
	int r = digestfile_finish(f, row, previous, &json);

	if (r < 0)
		return r;
	sha256(json.p, json.n, hash);
	hex_text(hash, 32, row->hash);
	r = digestfile_to_sign(row, previous, &text);
	if (!r)
		r = digest_key_sign(key, text.p, text.n, row->signature);
	return r < 0 ? r : gzip_whole(json.p, json.n, &row->body);
}

/* The digest of a chain up to `end`, over the log files delivered before `before`. */
static int make(struct digesting *g, const struct chain_row *c, int64_t end, int64_t before)
{
	_cleanup_(rows_free) struct rows *rows = calloc(1, sizeof(*rows));
	const struct layout name = { g->t->prefix, c->account, c->region, end };
	struct ledger *l = delivery_ledger(g->d);
	struct digest_key *key = NULL;
	struct digestfile f = { 0 };
	struct digest_row *row;
	int r;

	if (!rows)
		return -ENOMEM;
	row = &rows->row;
	row->chain = c->id;
	row->trail = c->trail;
	row->begin = c->until;
	row->end = end;
	memcpy(row->account, c->account, sizeof(row->account));
	memcpy(row->region, c->region, sizeof(row->region));
	memcpy(row->bucket, g->t->bucket, sizeof(row->bucket));
	layout_digest_key(&name, g->t->name, delivery_store(g->d)->region, row->key);
	r = c->last ? ledger_digest_get(l, c->last, &rows->previous) : 0;
	if (!r)
		r = digest_key_for(l, delivery_dir(g->d), row->begin, end, delivery_key_seconds(g->d), &key);
	if (!r) {
		memcpy(row->fingerprint, digest_key_fingerprint(key), sizeof(row->fingerprint));
		r = ledger_logs_due(l, c, before, on_log, &f);
	}
	if (!r)
		r = seal(g, &f, row, c->last ? &rows->previous : NULL, key);
	if (!r)
		r = ledger_digest_plan(l, row, before);
	digest_key_free(&key);
	buf_free(&f.logs);
	return r;
}

static int count_log(void *ctx, const struct log_row *r)
{
	*(bool *)ctx = true;
	return 1;
}

static int on_chain(void *ctx, const struct chain_row *c)
{
	struct digesting *g = ctx;
	int64_t now = clock_wall(), seconds = now / (int64_t)NS_PER_SEC, end = c->until + delivery_digest_seconds(g->d);
	const int64_t ended = g->s->ended / (int64_t)NS_PER_SEC;
	bool left = false;
	int r;

	if (end <= seconds && (!g->last || end <= ended)) {
		g->more = true;
		return make(g, c, end, end * (int64_t)NS_PER_SEC);
	}
	if (!g->last)
		return 0;
	r = ledger_logs_due(delivery_ledger(g->d), c, INT64_MAX, count_log, &left);
	if (r < 0 || (!left && c->until >= ended))
		return r < 0 ? r : 0;
	end = seconds + 1;		/* the second that has begun belongs to it */
	return make(g, c, end > c->until ? end : c->until + 1, INT64_MAX);
}

/* Where a chain of this account and region begins: not before the last digest's end, whose name would come again. */
static int open_home(struct digesting *g)
{
	const struct store *st = delivery_store(g->d);
	struct ledger *l = delivery_ledger(g->d);
	int64_t latest, from = clock_wall() / (int64_t)NS_PER_SEC;
	int r = ledger_digest_latest(l, st->account, st->region, &latest);

	if (latest > from)
		from = latest;
	return r < 0 ? r : ledger_chain_open(l, g->s, st->account, st->region, from);
}

static int first_chain(void *ctx, const struct chain_row *c)
{
	*(struct chain_row *)ctx = *c;
	return 1;
}

static int run(struct digesting *g)
{
	const uint64_t enough = clock_boot() + AT_ONCE_NS;
	struct ledger *l = delivery_ledger(g->d);
	struct chain_row home;
	int r;

	if (!g->t->validation)
		return ledger_chains_close(l, g->s->id, g->t->prefix);
	r = ledger_chains(l, g->s->id, first_chain, &home);
	if (!r)
		r = open_home(g);
	do {
		g->more = false;
		if (r >= 0)
			r = ledger_chains(l, g->s->id, on_chain, g);
	} while (r >= 0 && g->more && clock_boot() < enough);
	return r < 0 ? r : 0;
}

static int fill(struct digesting *g)
{
	struct chain_row home;
	struct ledger *l = delivery_ledger(g->d);
	int r = g->t->validation ? ledger_chains(l, g->s->id, first_chain, &home) : 0;

	return r > 0 ? ledger_chains_fill(l, g->s, home.until) : r;
}

int digester_due(struct delivery *d, const struct trail *t, const struct span *s)
{
	struct digesting g = { .d = d, .t = t, .s = s };
	int r = run(&g);

	return r < 0 ? r : fill(&g);
}

int digester_end(struct delivery *d, const struct trail *t, const struct span *s)
{
	struct digesting g = { .d = d, .t = t, .s = s, .last = true };
	int r = fill(&g);

	if (!r)
		r = run(&g);
	return !r && g.more ? -EAGAIN : r;
}
