/* SPDX-License-Identifier: Apache-2.0 */
#include "repeats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "lib/cleanup.h"
#include "proto/keys.h"
#include "tables.h"

#define CONDITIONS_MAX 256	/* of one question; a statement has 256 KiB at most */
#define FRAMES "FROM " TABLE_ALL " WHERE kind = 1 AND eventtime = toDateTime(0)"

struct place {
	char host[64];
	uint8_t stream[16], chain;
	uint64_t number;
} __attribute__((packed));

struct known {
	struct place place;
	unsigned n;
	uint8_t (*hashes)[32];
	UT_hash_handle hh;
};

struct repeats {
	struct known *table;
};

int repeats_new(struct repeats **ret_l)
{
	*ret_l = calloc(1, sizeof(**ret_l));
	return *ret_l ? 0 : -ENOMEM;
}

static void repeats_clear(struct repeats *l)
{
	struct known *k, *next;

	HASH_ITER(hh, l->table, k, next) {
		HASH_DEL(l->table, k);
		free(k->hashes);
		free(k);
	}
}

void repeats_free(struct repeats **l)
{
	if (*l)
		repeats_clear(*l);
	free(*l);
	*l = NULL;
}

/* ---- what is known */

static struct known *find(struct repeats *l, const struct place *p)
{
	struct known *k;

	HASH_FIND(hh, l->table, p, sizeof(*p), k);
	return k;
}

static bool has(const struct known *k, const uint8_t hash[32])
{
	for (unsigned i = 0; k && i < k->n; i++)
		if (!memcmp(k->hashes[i], hash, 32))
			return true;
	return false;
}

static int learn(struct repeats *l, const struct place *p, const uint8_t hash[32])
{
	struct known *k = find(l, p);
	void *more;

	if (has(k, hash))
		return 0;
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return -ENOMEM;
		k->place = *p;
		HASH_ADD(hh, l->table, place, sizeof(k->place), k);
	}
	more = realloc(k->hashes, (k->n + 1) * sizeof(*k->hashes));
	if (!more)
		return -ENOMEM;
	k->hashes = more;
	memcpy(k->hashes[k->n++], hash, 32);
	return 0;
}

static struct place place_of(const struct ch_frame *f, uint64_t number)
{
	struct place p = { .chain = f->chain, .number = number };

	snprintf(p.host, sizeof(p.host), "%s", f->origin.host_id);
	memcpy(p.stream, f->stream, sizeof(p.stream));
	return p;
}

/* ---- answers */

static bool unhex(const char *p, size_t n, uint8_t *ret, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";

	if (n != 2 * bytes)
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *at = memchr(digits, p[i], 16);

		if (!at)
			return false;
		ret[i / 2] = (uint8_t)(ret[i / 2] << 4 | (at - digits));
	}
	return true;
}

static bool decimal(const char *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	if (!n || n > 19)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(p[i] - '0');
	}
	*ret = v;
	return true;
}

/* Fields of one line; how many there are, at most max. */
static unsigned split(const char *p, const char *end, struct str *ret, unsigned max)
{
	unsigned n = 0;

	for (;;) {
		const char *tab = memchr(p, '\t', (size_t)(end - p)), *stop = tab ? tab : end;

		if (n == max)
			return max + 1;
		ret[n++] = (struct str){ p, (size_t)(stop - p) };
		if (!tab)
			return n;
		p = tab + 1;
	}
}

static int read_line(struct repeats *l, const char *p, const char *end)
{
	struct place place = { .host = "" };
	struct str f[5];
	uint8_t hash[32];
	uint64_t chain, number;

	if (split(p, end, f, 5) != 5 || f[0].n >= sizeof(place.host) || !unhex(f[1].p, f[1].n, place.stream, 16) ||
	    !decimal(f[2].p, f[2].n, &chain) || chain > UINT8_MAX || !decimal(f[3].p, f[3].n, &number) || !unhex(f[4].p, f[4].n, hash, 32))
		return -EBADMSG;
	memcpy(place.host, f[0].p, f[0].n);
	place.chain = (uint8_t)chain;
	place.number = number;
	return learn(l, &place, hash);
}

int repeats_read(struct repeats *l, const char *text, size_t n)
{
	const char *p = text, *end = text + n;
	int r = 0;

	while (!r && p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));

		if (!stop)
			return -EBADMSG;	/* cut short */
		r = read_line(l, p, stop);
		p = stop + 1;
	}
	return r;
}

static int malformed(char *why)
{
	snprintf(why, CH_WHY_MAX, "the cluster's answer cannot be read");
	return -EBADMSG;
}

/* ---- questions */

/* (account, host, stream, chain) = (...) in the order of the primary key. */
static void add_chain(struct buf *sql, const char *account, const char *host, const uint8_t stream[16], int chain)
{
	char text[33];

	hex_text(stream, 16, text);
	buf_adds(sql, "account = ");
	ch_quote(sql, account, strlen(account));
	buf_adds(sql, " AND host = ");
	ch_quote(sql, host, strlen(host));
	buf_addf(sql, " AND stream = '%s'", text);
	if (chain >= 0)
		buf_addf(sql, " AND chain = %d", chain);
}

static bool follows(const struct ch_frame *a, const struct ch_frame *b)
{
	return b && b->number == a->number + 1 && b->chain == a->chain && !memcmp(a->stream, b->stream, 16) &&
	       !strcmp(a->origin.host_id, b->origin.host_id);
}

/* One question for the next frames; *f is where the one after it begins. */
static void question(struct buf *sql, const struct ch_frame **f)
{
	unsigned n = 0;

	buf_adds(sql, "SELECT host, stream, chain, number, hash " FRAMES " AND (");
	while (*f && n < CONDITIONS_MAX) {
		const struct ch_frame *first = *f, *last = first;

		while (follows(last, last->next))
			last = last->next;
		buf_adds(sql, n++ ? " OR (" : "(");
		add_chain(sql, first->origin.account, first->origin.host_id, first->stream, first->chain);
		buf_addf(sql, " AND number BETWEEN %" PRIu64 " AND %" PRIu64 ")", first->number ? first->number - 1 : 0, last->number);
		*f = last->next;
	}
	buf_adds(sql, ") FORMAT TabSeparated");
}

int repeats_load(struct repeats *l, struct ch *ch, struct ch_link *link, const struct ch_frame *frames, char why[CH_WHY_MAX])
{
	int r = 0;

	repeats_clear(l);
	while (!r && frames) {
		_cleanup_buf_ struct buf sql = { 0 };
		struct ch_statement st = { .fresh = TABLE_ROWS };

		question(&sql, &frames);
		st.sql = buf_text(&sql);
		r = sql.failed ? -ENOMEM : ch_ask(ch, link, &st, why);
		if (!r)
			r = repeats_read(l, (const char *)link->answer.p, link->answer.n);
		if (r == -EBADMSG)
			return malformed(why);
	}
	return r;
}

/* ---- judging */

int repeats_judge(struct repeats *l, const struct ch_frame *f, struct chain_judgement *ret_j, bool *ret_alone)
{
	struct place at = place_of(f, f->number), before = place_of(f, f->number - 1);
	struct known *there = find(l, &at), *previous = f->number ? find(l, &before) : NULL;
	struct chain_judgement j = { .verdict = CHAIN_NEXT, .number = f->number };
	bool continues = has(previous, f->previous);

	memcpy(j.hash, f->hash, 32);
	*ret_alone = false;
	if (has(there, f->hash)) {
		j.verdict = CHAIN_DUPLICATE;
		*ret_j = j;
		return 0;
	}
	j.branch = there != NULL;
	if (there && !(continues && previous->n > 1)) {	/* else it goes on with a branch that was said */
		j.verdict = CHAIN_FORK;
		memcpy(j.expected, there->hashes[0], 32);
	} else if (!there && previous && !continues) {
		j.verdict = CHAIN_BROKEN;
		memcpy(j.expected, previous->hashes[0], 32);
	}
	*ret_alone = !there && !previous && f->number > 0;
	*ret_j = j;
	return learn(l, &at, f->hash);
}

int repeats_around(struct ch *ch, struct ch_link *link, const struct ch_frame *f, struct chain_judgement *j, char why[CH_WHY_MAX])
{
	_cleanup_buf_ struct buf sql = { 0 };
	struct ch_statement st = { .fresh = TABLE_ROWS };
	uint64_t below, last, above;
	struct str v[3];
	const char *end;
	int r;

	buf_addf(&sql, "SELECT countIf(number < %" PRIu64 "), maxIf(number, number < %" PRIu64 "), countIf(number > %" PRIu64 ") " FRAMES " AND ", f->number,
		 f->number, f->number);
	add_chain(&sql, f->origin.account, f->origin.host_id, f->stream, f->chain);
	buf_adds(&sql, " FORMAT TabSeparated");
	st.sql = buf_text(&sql);
	r = sql.failed ? -ENOMEM : ch_ask(ch, link, &st, why);
	if (r < 0)
		return r;
	end = memchr(buf_text(&link->answer), '\n', link->answer.n);
	if (!end || split((const char *)link->answer.p, end, v, 3) != 3 || !decimal(v[0].p, v[0].n, &below) || !decimal(v[1].p, v[1].n, &last) ||
	    !decimal(v[2].p, v[2].n, &above))
		return malformed(why);
	j->verdict = above ? CHAIN_FILL : CHAIN_GAP;
	j->first_missing = below ? last + 1 : 0;
	return 0;
}

/* ---- heads */

static int take_heads(struct keep_heads *asks, const char *text, size_t n)
{
	const char *p = text, *end = text + n;

	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		uint8_t stream[16], hash[32];
		uint64_t chain, number;
		struct str f[5];

		if (!stop || split(p, stop, f, 5) != 5 || !unhex(f[1].p, f[1].n, stream, 16) || !decimal(f[2].p, f[2].n, &chain) ||
		    chain >= CHAIN__MAX || !decimal(f[3].p, f[3].n, &number) || !unhex(f[4].p, f[4].n, hash, 32))
			return -EBADMSG;
		for (struct keep_heads *q = asks; q; q = q->next) {
			if (strlen(q->host_id) != f[0].n || memcmp(q->host_id, f[0].p, f[0].n) || memcmp(q->stream, stream, 16))
				continue;
			q->known[chain] = (struct chain_head){ .known = true, .next = number + 1 };
			memcpy(q->known[chain].last, hash, 32);
		}
		p = stop + 1;
	}
	return 0;
}

int repeats_heads(struct ch *ch, struct ch_link *link, struct keep_heads *asks, char why[CH_WHY_MAX])
{
	struct keep_heads *q = asks;
	int r = 0;

	while (!r && q) {
		_cleanup_buf_ struct buf sql = { 0 };
		struct ch_statement st = { .fresh = TABLE_ROWS };

		/* of a fork, the branch that came first */
		buf_adds(&sql, "SELECT host, stream, chain, max(number), argMax(hash, (number, -received)) " FRAMES " AND (");
		for (unsigned n = 0; q && n < CONDITIONS_MAX; n++, q = q->next) {
			buf_adds(&sql, n ? " OR (" : "(");
			add_chain(&sql, q->account, q->host_id, q->stream, -1);
			buf_addc(&sql, ')');
		}
		buf_adds(&sql, ") GROUP BY host, stream, chain FORMAT TabSeparated");
		st.sql = buf_text(&sql);
		r = sql.failed ? -ENOMEM : ch_ask(ch, link, &st, why);
		if (!r && take_heads(asks, (const char *)link->answer.p, link->answer.n) < 0)
			return malformed(why);
	}
	return r;
}

/* ---- copies */

int repeats_copies(struct ch *ch, struct ch_link *link, const struct ch_server *home, const struct ch_frame *f, uint64_t batch, unsigned *ret_n,
		   char why[CH_WHY_MAX])
{
	_cleanup_buf_ struct buf sql = { 0 };
	struct ch_statement st = { .timeout_ms = 10000 };
	struct ch_server *s;
	unsigned n = 0, asked = 0;
	int r = 0;

	buf_adds(&sql, "SELECT count() FROM " TABLE_ROWS " WHERE kind = 1 AND eventtime = toDateTime(0) AND ");
	add_chain(&sql, f->origin.account, f->origin.host_id, f->stream, f->chain);
	buf_addf(&sql, " AND number = %" PRIu64 " AND batch = %" PRIu64, f->number, batch);
	st.sql = buf_text(&sql);
	if (sql.failed)
		return -ENOMEM;
	while ((s = ch_pick_beside(ch, home, asked))) {
		r = ch_send(ch, link, s, &st, why);
		if (r == -EHOSTUNREACH)
			ch_shun(s);	/* the next pick passes over it */
		else
			asked++;
		n += !r && strtoul(buf_text(&link->answer), NULL, 10) > 0;
	}
	*ret_n = n;
	return asked ? 0 : r ? r : -EHOSTUNREACH;
}
