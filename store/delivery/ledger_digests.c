/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_digests.c - chains, digests, and the keys that sign them. */
#include <errno.h>
#include <string.h>

#include "ledger_internal.h"

/* ---- chains */

int ledger_chain_open(struct ledger *l, const struct span *s, const char *account, const char *region, int64_t from)
{
	struct query q;

	query_begin(&q, l, "INSERT OR IGNORE INTO chains (span, trail, account, region, until) VALUES (?, ?, ?, ?, ?)");
	bind_int(&q, s->id);
	bind_int(&q, s->trail);
	bind_text(&q, account);
	bind_text(&q, region);
	bind_int(&q, from);
	return query_end(&q);
}

int ledger_chains_fill(struct ledger *l, const struct span *s, int64_t from)
{
	struct query q;

	query_begin(&q, l, "INSERT OR IGNORE INTO chains (span, trail, account, region, until)"
			   " SELECT DISTINCT span, trail, account, region, ?1 FROM logs WHERE span = ?2");
	bind_int(&q, from);
	bind_int(&q, s->id);
	return query_end(&q);
}

int ledger_chains_close(struct ledger *l, int64_t span, const char *prefix)
{
	static const char *const statements[] = {
		"INSERT OR IGNORE INTO loose (bucket, prefix) SELECT DISTINCT bucket, ?2 FROM logs WHERE span = ?1 AND delivered > 0 AND digest = 0",
		"DELETE FROM logs WHERE span = ?1 AND delivered > 0 AND digest = 0 AND ?2 IS NOT NULL",
		"DELETE FROM chains WHERE span = ?1 AND ?2 IS NOT NULL",
	};
	struct query q;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < 3 && !r; i++) {
		query_next(&q, l, statements[i]);
		bind_int(&q, span);
		bind_text(&q, prefix);
		r = query_close(&q);
	}
	if (!r)
		r = ledger_stretch_loose(l, span);
	return ledger_commit(l, r);
}

int ledger_chains(struct ledger *l, int64_t span, ledger_chain_fn fn, void *ctx)
{
	struct chain_row c = { 0 };
	int r = 0;

	while (!r) {
		struct query q;

		query_begin(&q, l, "SELECT id, span, trail, account, region, until, last FROM chains WHERE span = ? AND id > ?"
				   " ORDER BY id LIMIT 1");
		bind_int(&q, span);
		bind_int(&q, c.id);
		if (query_row(&q)) {
			c.id = read_int(&q);
			c.span = read_int(&q);
			c.trail = read_int(&q);
			read_text(&q, c.account, sizeof(c.account));
			read_text(&q, c.region, sizeof(c.region));
			c.until = read_int(&q);
			c.last = read_int(&q);
		}
		r = query_end_one(&q);
		if (r == -ENOENT)
			return 0;
		if (!r)
			r = fn(ctx, &c);
	}
	return r;
}

/* ---- digests */

#define COLUMNS "id, chain, trail, account, region, bucket, key, hash, fingerprint, signature, begin, end, delivered, removed, body"

static int one_digest(struct query *q, struct digest_row *d)
{
	if (query_row(q)) {
		d->id = read_int(q);
		d->chain = read_int(q);
		d->trail = read_int(q);
		read_text(q, d->account, sizeof(d->account));
		read_text(q, d->region, sizeof(d->region));
		read_text(q, d->bucket, sizeof(d->bucket));
		read_text(q, d->key, sizeof(d->key));
		read_text(q, d->hash, sizeof(d->hash));
		read_text(q, d->fingerprint, sizeof(d->fingerprint));
		read_text(q, d->signature, sizeof(d->signature));
		d->begin = read_int(q);
		d->end = read_int(q);
		d->delivered = read_int(q);
		d->removed = read_int(q);
		buf_reset(&d->body);
		read_blob(q, &d->body);
	}
	return query_end_one(q);
}

int ledger_digest_get(struct ledger *l, int64_t id, struct digest_row *ret_r)
{
	struct query q;

	query_begin(&q, l, "SELECT " COLUMNS " FROM digests WHERE id = ?");
	bind_int(&q, id);
	return one_digest(&q, ret_r);
}

int ledger_digest_latest(struct ledger *l, const char *account, const char *region, int64_t *ret_end)
{
	struct query q;

	query_begin(&q, l, "SELECT coalesce(max(end), 0) FROM digests WHERE account = ? AND region = ?");
	bind_text(&q, account);
	bind_text(&q, region);
	*ret_end = query_row(&q) ? read_int(&q) : 0;
	return query_end(&q);
}

static int add_digest(struct ledger *l, const struct digest_row *d, int64_t *ret_id)
{
	struct query q;
	int r;

	query_next(&q, l, "INSERT INTO digests (chain, trail, account, region, bucket, key, hash, fingerprint, signature, begin, end, body)"
			  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	bind_int(&q, d->chain);
	bind_int(&q, d->trail);
	bind_text(&q, d->account);
	bind_text(&q, d->region);
	bind_text(&q, d->bucket);
	bind_text(&q, d->key);
	bind_text(&q, d->hash);
	bind_text(&q, d->fingerprint);
	bind_text(&q, d->signature);
	bind_int(&q, d->begin);
	bind_int(&q, d->end);
	bind_blob(&q, d->body.p, d->body.n);
	r = query_close(&q);
	*ret_id = sqlite3_last_insert_rowid(l->db);
	return r;
}

int ledger_digest_plan(struct ledger *l, const struct digest_row *d, int64_t before)
{
	struct query q;
	int64_t id;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	r = add_digest(l, d, &id);
	if (!r) {
		query_next(&q, l, "UPDATE logs SET digest = ? WHERE span = (SELECT span FROM chains WHERE id = ?) AND account = ? AND region = ?"
				  " AND delivered > 0 AND delivered < ? AND digest = 0");
		bind_int(&q, id);
		bind_int(&q, d->chain);
		bind_text(&q, d->account);
		bind_text(&q, d->region);
		bind_int(&q, before);
		r = query_close(&q);
	}
	if (!r) {
		query_next(&q, l, "UPDATE chains SET last = ?, until = ? WHERE id = ?");
		bind_int(&q, id);
		bind_int(&q, d->end);
		bind_int(&q, d->chain);
		r = query_close(&q);
	}
	return ledger_commit(l, r);
}

int ledger_digest_next(struct ledger *l, int64_t trail, struct digest_row *ret_r)
{
	struct query q;

	query_begin(&q, l, "SELECT " COLUMNS " FROM digests WHERE trail = ? AND delivered = 0 ORDER BY id LIMIT 1");
	bind_int(&q, trail);
	return one_digest(&q, ret_r);
}

/* It names its log files from now on, the ledger need not. */
int ledger_digest_delivered(struct ledger *l, int64_t id, int64_t now)
{
	struct query q;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	query_next(&q, l, "UPDATE digests SET delivered = ?, body = NULL WHERE id = ?");
	bind_int(&q, now);
	bind_int(&q, id);
	r = query_close(&q);
	if (!r) {
		query_next(&q, l, "DELETE FROM logs WHERE digest = ?");
		bind_int(&q, id);
		r = query_close(&q);
	}
	if (!r) {
		query_next(&q, l, "UPDATE trails SET digested = ?, digest_error = '' WHERE id = (SELECT trail FROM digests WHERE id = ?)");
		bind_int(&q, now);
		bind_int(&q, id);
		r = query_close(&q);
	}
	return ledger_commit(l, r);
}

int ledger_digests(struct ledger *l, int64_t trail, int64_t after, unsigned max, ledger_digest_fn fn, void *ctx)
{
	struct digest_row d = { .id = after };
	int r = 0;

	while (!r && max--) {
		struct query q;

		query_begin(&q, l, "SELECT " COLUMNS " FROM digests WHERE id > ?1 AND (?2 = 0 OR trail = ?2) ORDER BY id LIMIT 1");
		bind_int(&q, d.id);
		bind_int(&q, trail);
		r = one_digest(&q, &d);
		if (!r)
			r = fn(ctx, &d);
	}
	buf_free(&d.body);
	return r == -ENOENT ? 0 : r;
}

/* ---- those that are removed */

int ledger_digest_aged(struct ledger *l, const char *bucket, int64_t after, int64_t end, struct digest_row *ret_r)
{
	struct query q;

	query_begin(&q, l, "SELECT " COLUMNS " FROM digests WHERE id > ? AND bucket = ? AND end < ? AND removed = 0 ORDER BY id LIMIT 1");
	bind_int(&q, after);
	bind_text(&q, bucket);
	bind_int(&q, end);
	return one_digest(&q, ret_r);
}

int ledger_digest_removed(struct ledger *l, int64_t id, int64_t now)
{
	struct query q;

	query_begin(&q, l, "UPDATE digests SET removed = ? WHERE id = ?");
	bind_int(&q, now);
	bind_int(&q, id);
	return query_end(&q);
}

bool ledger_knows(struct ledger *l, const char *bucket, const char *key)
{
	struct query q;
	bool there;

	query_begin(&q, l, "SELECT 1 FROM logs WHERE bucket = ?1 AND key = ?2 UNION ALL"
			   " SELECT 1 FROM digests WHERE bucket = ?1 AND key = ?2 AND removed = 0 LIMIT 1");
	bind_text(&q, bucket);
	bind_text(&q, key);
	there = query_row(&q);
	return query_end(&q) < 0 || there;
}

/* ---- keys */

static int one_key(struct query *q, struct key_row *k)
{
	_cleanup_buf_ struct buf der = { .max = sizeof(k->der) };
	if (query_row(q)) {
		read_text(q, k->fingerprint, sizeof(k->fingerprint));
		read_blob(q, &der);
		k->from = read_int(q);
		k->to = read_int(q);
		if (der.n)
			memcpy(k->der, der.p, der.n);
		k->der_len = (unsigned)der.n;
	}
	return query_end_one(q);
}

int ledger_key_add(struct ledger *l, const struct key_row *k)
{
	struct query q;

	query_begin(&q, l, "INSERT INTO keys (fingerprint, der, begin, end) VALUES (?, ?, ?, ?)");
	bind_text(&q, k->fingerprint);
	bind_blob(&q, k->der, k->der_len);
	bind_int(&q, k->from);
	bind_int(&q, k->to);
	return query_end(&q);
}

int ledger_keys(struct ledger *l, int64_t from, int64_t to, ledger_key_fn fn, void *ctx)
{
	struct key_row k;
	int r = 0;

	for (int64_t skip = 0; !r; skip++) {
		struct query q;

		query_begin(&q, l, "SELECT fingerprint, der, begin, end FROM keys WHERE begin <= ? AND end >= ? ORDER BY begin, rowid LIMIT 1 OFFSET ?");
		bind_int(&q, to);
		bind_int(&q, from);
		bind_int(&q, skip);
		r = one_key(&q, &k);
		if (!r)
			r = fn(ctx, &k);
	}
	return r == -ENOENT ? 0 : r;
}
