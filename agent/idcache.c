// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "decode.h"
#include "idcache.h"

struct key {
	uint64_t start;
	uint32_t tid, gen;
};

struct entry {
	struct ident ident;
	struct key key;
	size_t bytes;
	struct entry *prev, *next;	/* least recently used first */
	UT_hash_handle hh;
	uint32_t event_len;
	uint8_t data[] __attribute__((aligned(8)));	/* the event, then the texts */
};

struct idcache {
	struct entry *by_key, *lru, *latest;
	size_t bytes, max_bytes;
	uint64_t serial, evicted;
};

int idcache_new(size_t max_bytes, struct idcache **ret_c)
{
	struct idcache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->max_bytes = max_bytes;
	*ret_c = c;
	return 0;
}

static void drop(struct idcache *c, struct entry *e)
{
	if (c->latest == e)
		c->latest = NULL;
	HASH_DEL(c->by_key, e);
	DL_DELETE(c->lru, e);
	c->bytes -= e->bytes;
	free(e);
}

void idcache_free(struct idcache **c)
{
	if (!*c)
		return;
	while ((*c)->lru)
		drop(*c, (*c)->lru);
	free(*c);
	*c = NULL;
}

uint64_t idcache_serial(struct idcache *c)
{
	return ++c->serial;
}

static struct entry *find(struct idcache *c, const struct key *key)
{
	struct entry *e;

	HASH_FIND(hh, c->by_key, key, sizeof(*key), e);
	return e;
}

struct texts {
	char exe[PATH_MAX], cgroup[PATH_MAX];
	int nexe, ncgroup;
	bool deleted;
	int before;	/* bytes of exe that stand before its mount's path */
};

#define ELSEWHERE "..."

/* Anybody can make a mount that nobody can reach, and in it whatever name he likes: that is no whole path. */
static void begins_elsewhere(struct texts *t)
{
	int n = (int)strlen(ELSEWHERE);

	if (t->nexe <= 0 || (size_t)(t->nexe + n) > sizeof(t->exe))
		return;
	memmove(t->exe + n, t->exe, (size_t)t->nexe);
	memcpy(t->exe, ELSEWHERE, (size_t)n);
	t->nexe += n;
	t->before = n;
}

static void text_of_field(struct texts *t, const struct ht_field *f, const uint8_t *data)
{
	const struct ht_walk *w = (const void *)data;

	if (f->kind == HT_FIELD_WALK && f->role == HT_WALK_EXE && f->len >= sizeof(*w)) {
		t->nexe = walk_path(data, f->len, t->exe, sizeof(t->exe));
		t->deleted = w->flags & HT_WALK_F_DELETED;
		if ((w->flags & (HT_WALK_F_NOWHERE | HT_WALK_F_PSEUDO | HT_WALK_F_TRUNCATED)) == HT_WALK_F_NOWHERE)
			begins_elsewhere(t);
	} else if (f->kind == HT_FIELD_CGROUP) {
		t->ncgroup = cgroup_path(data, f->len, t->cgroup, sizeof(t->cgroup));
	}
}

static void texts_of(struct texts *t, const struct ht_ident *ev, uint32_t n)
{
	struct field_iter i;
	struct ht_field f;
	const uint8_t *data;

	t->nexe = t->ncgroup = 0;
	t->deleted = false;
	t->before = 0;
	fields_of_ident(ev, n, &i);
	while (field_next(&i, &f, &data))
		text_of_field(t, &f, data);
	if (t->nexe < 0)
		t->nexe = 0;
	if (t->ncgroup < 0)
		t->ncgroup = 0;
}

static struct entry *entry_of(const struct ht_ident *ev, uint32_t n, const struct texts *t)
{
	size_t bytes = sizeof(struct entry) + n + t->nexe + t->ncgroup;
	struct entry *e = calloc(1, bytes);
	char *text;

	if (!e)
		return NULL;
	e->bytes = bytes;
	e->event_len = n;
	memcpy(e->data, ev, n);
	memcpy(&e->ident.id, ev, sizeof(e->ident.id));
	text = (char *)e->data + n;
	memcpy(text, t->exe, t->nexe);
	memcpy(text + t->nexe, t->cgroup, t->ncgroup);
	e->ident.exe = (struct str){ text, t->nexe };
	e->ident.cgroup = (struct str){ text + t->nexe, t->ncgroup };
	e->ident.exe_file = (struct str){ text + t->before, (size_t)(t->nexe - t->before) };
	e->ident.exe_deleted = t->deleted;
	e->key = (struct key){ ev->h.start, ev->h.tid, ev->h.gen };
	return e;
}

struct ident *idcache_put(struct idcache *c, const struct ht_ident *ev, uint32_t n)
{
	struct texts t;
	struct entry *e, *old;

	if (n < sizeof(*ev) || ev->h.kind != HT_EV_IDENT || event_check(ev, n) < 0)
		return NULL;
	texts_of(&t, ev, n);
	e = entry_of(ev, n, &t);
	if (!e)
		return NULL;
	old = find(c, &e->key);
	if (old)
		drop(c, old);
	e->ident.serial = idcache_serial(c);
	HASH_ADD(hh, c->by_key, key, sizeof(e->key), e);
	DL_APPEND(c->lru, e);
	c->bytes += e->bytes;
	while (c->bytes > c->max_bytes && c->lru != e) {
		drop(c, c->lru);
		c->evicted++;
	}
	c->latest = e;
	return &e->ident;
}

struct ident *idcache_find(struct idcache *c, uint32_t tid, uint64_t start, uint32_t gen)
{
	struct key key = { start, tid, gen };
	struct entry *e = c->latest;

	if (e && !memcmp(&e->key, &key, sizeof(key)))
		return &e->ident;
	e = find(c, &key);
	if (!e)
		return NULL;
	DL_DELETE(c->lru, e);
	DL_APPEND(c->lru, e);
	c->latest = e;
	return &e->ident;
}

int idcache_each(const struct idcache *c, idcache_each_fn fn, void *ctx)
{
	const struct entry *e;
	int r;

	DL_FOREACH(c->lru, e) {
		r = fn(ctx, e->data, e->event_len);
		if (r)
			return r;
	}
	return 0;
}

void idcache_stats(const struct idcache *c, struct idcache_stats *ret_s)
{
	*ret_s = (struct idcache_stats){ c->bytes, c->max_bytes, HASH_COUNT(c->by_key), c->evicted };
}
