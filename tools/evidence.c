/* SPDX-License-Identifier: Apache-2.0 */
#include "evidence.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/cleanup.h"
#include "proto/frame.h"
#include "proto/keys.h"

#define HOST_ID_MAX 64

struct link {			/* one frame, as far as the chain needs it */
	uint64_t number;
	uint32_t records;
	uint8_t hash[32], previous[32];
};

struct chain_key {
	char host_id[HOST_ID_MAX];
	uint8_t stream[16];
	uint32_t chain;
};

struct chain_links {
	struct chain_key key;
	struct link *v;
	size_t n, cap;
	uint64_t faults, acknowledged;	/* acknowledged: frames before this number must be there */
	uint64_t removed;		/* frames before this number are removed, 0: none are */
	uint8_t removed_hash[32];	/* of the last of them */
	UT_hash_handle hh;
};

struct trusted {
	char host_id[HOST_ID_MAX];
	uint8_t key[32];
	UT_hash_handle hh;
};

struct evidence {
	bool whole;
	evidence_fault_fn fault;
	void *ctx;
	struct chain_links *chains, *current;	/* current: its faults are counted too */
	struct trusted *trusted;
	uint64_t frames, records, faults;
};

int evidence_new(bool whole, evidence_fault_fn fault, void *ctx, struct evidence **ret_e)
{
	struct evidence *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->whole = whole;
	e->fault = fault;
	e->ctx = ctx;
	*ret_e = e;
	return 0;
}

void evidence_free(struct evidence **e)
{
	struct chain_links *c, *next_chain;
	struct trusted *t, *next_trusted;

	if (!*e)
		return;
	HASH_ITER(hh, (*e)->chains, c, next_chain) {
		HASH_DEL((*e)->chains, c);
		free(c->v);
		free(c);
	}
	HASH_ITER(hh, (*e)->trusted, t, next_trusted) {
		HASH_DEL((*e)->trusted, t);
		free(t);
	}
	free(*e);
	*e = NULL;
}

void evidence_fault(struct evidence *e, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	e->faults++;
	if (e->current)
		e->current->faults++;
	e->fault(e->ctx, text);
}

int evidence_trust(struct evidence *e, const char *host_id, const uint8_t key[32])
{
	struct trusted *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	snprintf(t->host_id, sizeof(t->host_id), "%s", host_id);
	memcpy(t->key, key, 32);
	HASH_ADD_STR(e->trusted, host_id, t);
	return 0;
}

static struct chain_links *chain_of(struct evidence *e, const char *host_id, const uint8_t stream[16], unsigned chain)
{
	struct chain_key key = { .chain = chain };
	struct chain_links *c;

	snprintf(key.host_id, sizeof(key.host_id), "%s", host_id);
	memcpy(key.stream, stream, 16);
	HASH_FIND(hh, e->chains, &key, sizeof(key), c);
	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->key = key;
	HASH_ADD(hh, e->chains, key, sizeof(c->key), c);
	return c;
}

static int add_link(struct chain_links *c, const struct link *l)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		struct link *v = reallocarray(c->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		c->v = v;
		c->cap = cap;
	}
	c->v[c->n++] = *l;
	return 0;
}

static void name_of(const char *host_id, const uint8_t stream[16], unsigned chain, uint64_t number, char ret[160])
{
	char hex[33];

	hex_text(stream, 16, hex);
	snprintf(ret, 160, "host %.40s stream %.8s %s frame %llu", host_id, hex, chain_name(chain) ? chain_name(chain) : "?",
		 (unsigned long long)number);
}

int evidence_add(struct evidence *e, const char *host_id, const uint8_t key[32], const void *frame, size_t n)
{
	struct frame_header h;
	const char *why = "";
	struct chain_links *c;
	struct trusted *t;
	char name[160];
	struct link l;

	e->frames++;
	if (frame_check(frame, n, &h, &why) < 0) {
		evidence_fault(e, "host %.40s: a frame of %zu bytes is not whole: %s", host_id, n, *why ? why : "too short");
		return 0;
	}
	name_of(host_id, h.stream, h.chain, h.number, name);
	HASH_FIND_STR(e->trusted, host_id, t);
	if (t && memcmp(t->key, key, 32))
		evidence_fault(e, "%s: the store names another key than this host's", name);
	if (frame_verify(frame, &h, t ? t->key : key) < 0) {
		evidence_fault(e, "%s: its signature is not of the host's key", name);
		return 0;
	}
	e->records += h.kind == FRAME_BATCH ? h.records : 0;
	l = (struct link){ .number = h.number, .records = h.kind == FRAME_BATCH ? h.records : 0 };
	memcpy(l.previous, h.previous, 32);
	frame_hash(frame, &h, l.hash);
	c = chain_of(e, host_id, h.stream, h.chain);
	return c && !add_link(c, &l) ? 1 : -ENOMEM;
}

int evidence_acknowledged(struct evidence *e, const char *host_id, const uint8_t stream[16], unsigned chain, uint64_t next)
{
	struct chain_links *c = chain_of(e, host_id, stream, chain);

	if (!c)
		return -ENOMEM;
	c->acknowledged = next;
	return 0;
}

int evidence_removed(struct evidence *e, const char *host_id, const uint8_t stream[16], unsigned chain, uint64_t number, const uint8_t hash[32])
{
	struct chain_links *c = chain_of(e, host_id, stream, chain);

	if (!c)
		return -ENOMEM;
	if (number >= c->removed) {
		c->removed = number + 1;
		memcpy(c->removed_hash, hash, 32);
	}
	return 0;
}

static int link_order(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return memcmp(x->hash, y->hash, 32);
}

/* The frames v[from..) of one number; how many there are. */
static size_t same_number(const struct chain_links *c, size_t from)
{
	size_t n = 1;

	while (from + n < c->n && c->v[from + n].number == c->v[from].number)
		n++;
	return n;
}

static bool is_hash_of(const struct link *v, size_t n, const uint8_t hash[32])
{
	for (size_t i = 0; i < n; i++)
		if (!memcmp(v[i].hash, hash, 32))
			return true;
	return false;
}

/* A chain's first frame that we have: number 0 has no predecessor, and another is a gap when we asked for all. */
static void check_first(struct evidence *e, const struct chain_links *c)
{
	static const uint8_t none[32];
	const struct link *l = &c->v[0];
	char name[160];

	name_of(c->key.host_id, c->key.stream, c->key.chain, l->number, name);
	if (l->number > c->removed && e->whole)
		evidence_fault(e, "%s: frames %llu to %llu before it are missing", name, (unsigned long long)c->removed,
			       (unsigned long long)l->number - 1);
	if (l->number && l->number == c->removed && memcmp(l->previous, c->removed_hash, 32))
		evidence_fault(e, "%s: it does not follow from the frame before it, which was removed", name);
	if (!l->number && memcmp(l->previous, none, 32))
		evidence_fault(e, "%s: the first frame claims a predecessor", name);
}

static void check_step(struct evidence *e, const struct chain_links *c, size_t before, size_t nbefore, size_t at, size_t n)
{
	const struct link *p = &c->v[before];
	char name[160];

	name_of(c->key.host_id, c->key.stream, c->key.chain, c->v[at].number, name);
	if (c->v[at].number <= c->removed && c->v[at].number != p->number + 1)
		return;		/* what came late lies behind what was removed */
	if (c->v[at].number != p->number + 1) {
		evidence_fault(e, "%s: frames %llu to %llu before it are missing", name, (unsigned long long)p->number + 1,
			       (unsigned long long)c->v[at].number - 1);
		return;
	}
	for (size_t i = at; i < at + n; i++)
		if (!is_hash_of(p, nbefore, c->v[i].previous))
			evidence_fault(e, "%s: it does not follow from the frame before it", name);
}

static void check_chain(struct evidence *e, struct chain_links *c)
{
	size_t before = 0, nbefore = 0, n;
	char name[160];

	qsort(c->v, c->n, sizeof(*c->v), link_order);
	e->current = c;
	for (size_t at = 0; at < c->n; at += n) {
		n = same_number(c, at);
		name_of(c->key.host_id, c->key.stream, c->key.chain, c->v[at].number, name);
		for (size_t i = at + 1; i < at + n; i++)
			if (memcmp(c->v[i].hash, c->v[i - 1].hash, 32))
				evidence_fault(e, "%s: there are different frames of this number", name);
		if (at)
			check_step(e, c, before, nbefore, at, n);
		else
			check_first(e, c);
		before = at;
		nbefore = n;
	}
	e->current = NULL;
}

/* A chain that was cut short is whole by itself; its sender knows how far it went. */
static void check_end(struct evidence *e, struct chain_links *c)
{
	uint64_t next = c->n ? c->v[c->n - 1].number + 1 : 0;
	char name[160];

	if (next < c->removed)
		next = c->removed;
	if (next >= c->acknowledged)
		return;
	e->current = c;
	name_of(c->key.host_id, c->key.stream, c->key.chain, c->acknowledged - 1, name);
	evidence_fault(e, "%s: frames %llu to %llu were acknowledged by the store, and are not there", name, (unsigned long long)next,
		       (unsigned long long)c->acknowledged - 1);
	e->current = NULL;
}

void evidence_finish(struct evidence *e, evidence_chain_fn fn)
{
	struct chain_links *c, *next;

	HASH_ITER(hh, e->chains, c, next) {
		struct evidence_chain out = { .host_id = c->key.host_id, .chain = c->key.chain, .frames = c->n };

		if (c->n)
			check_chain(e, c);
		check_end(e, c);
		if (!c->n)
			continue;
		memcpy(out.stream, c->key.stream, 16);
		out.first = c->v[0].number;
		out.last = c->v[c->n - 1].number;
		out.faults = c->faults;
		for (size_t i = 0; i < c->n; i++)
			out.records += c->v[i].records;
		fn(e->ctx, &out);
	}
}

void evidence_totals(const struct evidence *e, uint64_t *ret_frames, uint64_t *ret_records, uint64_t *ret_faults)
{
	*ret_frames = e->frames;
	*ret_records = e->records;
	*ret_faults = e->faults;
}
