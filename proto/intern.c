/* SPDX-License-Identifier: Apache-2.0 */
#include "intern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HASH_NONFATAL_OOM 1
#define HASH_INITIAL_NUM_BUCKETS 1024U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 10U
#define uthash_nonfatal_oom(e) ((e)->index = UINT32_MAX)
#include <uthash.h>

#include "wire.h"

#define SLAB_ENTRIES 1024

struct intern_entry {
	UT_hash_handle hh;
	uint32_t index;
};

struct intern_slab {
	struct intern_slab *next;
	unsigned n;
	struct intern_entry entries[SLAB_ENTRIES];
};

struct intern_chunk {
	struct intern_chunk *next;
	size_t n;
	uint8_t bytes[INTERN_CHUNK];
};

static inline uint64_t fold(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Names are chosen by whoever is traced: without the secret seed they could be chosen to collide. */
static inline unsigned hash_bytes(uint64_t seed, const uint8_t *p, size_t n)
{
	uint64_t h = seed ^ (uint64_t)n * 0x9e3779b97f4a7c15ull, w = 0;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&w, p, 8);
		h = fold(h ^ w, seed | 0xa0761d6478bd6421ull);
	}
	w = 0;
	memcpy(&w, p, n);
	h = fold(h ^ w, 0xe7037ed1a0b428dbull);
	return (unsigned)(h ^ h >> 32);
}

int intern_init(struct intern *t, unsigned field, uint32_t max)
{
	memset(t, 0, sizeof(*t));
	t->field = (uint8_t)field;
	t->max = max;
	if (getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed))
		return -EIO;
	return 0;
}

void intern_reset(struct intern *t)
{
	HASH_CLEAR(hh, t->head);
	t->count = 0;
	t->bytes = 0;
	t->slab = t->slabs;
	if (t->slab)
		t->slab->n = 0;
	t->chunk = t->chunks;
	if (t->chunk)
		t->chunk->n = 0;
}

void intern_free(struct intern *t)
{
	struct intern_slab *s = t->slabs;
	struct intern_chunk *c = t->chunks;

	intern_reset(t);
	while (s) {
		struct intern_slab *next = s->next;

		free(s);
		s = next;
	}
	while (c) {
		struct intern_chunk *next = c->next;

		free(c);
		c = next;
	}
	memset(t, 0, sizeof(*t));
}

/* A free entry; it is taken only when the caller counts it. */
static struct intern_entry *entry_room(struct intern *t)
{
	if (t->slab && t->slab->n < SLAB_ENTRIES)
		return &t->slab->entries[t->slab->n];
	if (!t->slab || !t->slab->next) {
		struct intern_slab *s = malloc(sizeof(*s));

		if (!s)
			return NULL;
		s->next = NULL;
		if (t->slab)
			t->slab->next = s;
		else
			t->slabs = s;
		s->n = 0;
		t->slab = s;
		return s->entries;
	}
	t->slab = t->slab->next;
	t->slab->n = 0;
	return t->slab->entries;
}

static uint8_t *chunk_room(struct intern *t, size_t n)
{
	struct intern_chunk *c;

	if (t->chunk && INTERN_CHUNK - t->chunk->n >= n)
		return t->chunk->bytes + t->chunk->n;
	c = t->chunk ? t->chunk->next : NULL;
	if (!c) {
		c = malloc(sizeof(*c));
		if (!c)
			return NULL;
		c->next = NULL;
		if (t->chunk)
			t->chunk->next = c;
		else
			t->chunks = c;
	}
	c->n = 0;
	t->chunk = c;
	return c->bytes;
}

static int64_t append(struct intern *t, const void *p, size_t n, unsigned hash, const void **ret_p)
{
	struct intern_entry *e;
	uint8_t *at, *key;
	size_t len = 1 + wire_varint_len(n) + n;

	if (len > INTERN_CHUNK || t->count >= t->max)
		return -E2BIG;
	e = entry_room(t);
	at = chunk_room(t, len);
	if (!e || !at)
		return -ENOMEM;
	key = wire_varint(wire_tag(at, t->field, WIRE_BYTES), n);
	memcpy(key, p, n);
	e->index = t->count;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, t->head, key, n, hash, e);
	if (e->index == UINT32_MAX)
		return -ENOMEM;
	t->slab->n++;
	t->chunk->n += len;
	t->bytes += len;
	*ret_p = key;
	return t->count++;
}

int64_t intern_add(struct intern *t, const void *p, size_t n)
{
	const void *at;

	return intern_put(t, p, n, &at);
}

int64_t intern_put(struct intern *t, const void *p, size_t n, const void **ret_p)
{
	struct intern_entry *e;
	unsigned hash;

	if (n > INTERN_CHUNK)
		return -E2BIG;
	hash = hash_bytes(t->seed, p, n);
	HASH_FIND_BYHASHVALUE(hh, t->head, p, n, hash, e);
	if (!e)
		return append(t, p, n, hash, ret_p);
	*ret_p = e->hh.key;
	return e->index;
}

int intern_write(const struct intern *t, struct buf *out)
{
	const struct intern_chunk *c = t->chunks;
	int r;

	if (!t->count)
		return 0;
	for (;; c = c->next) {
		r = buf_add(out, c->bytes, c->n);
		if (r < 0 || c == t->chunk)
			return r;
	}
}
