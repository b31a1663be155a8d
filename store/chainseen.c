/* SPDX-License-Identifier: Apache-2.0 */
#include "chainseen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#define RINGS_MAX 512			/* of one chain; more CPUs than that are not counted */

struct key {
	char host[40];
	uint8_t stream[16];
	uint8_t chain;
};

struct ring_seen {
	uint16_t cpu;
	uint8_t ring_class;
	uint64_t last;
};

struct seen {
	struct key key;
	uint64_t next;
	struct ring_seen *rings;
	unsigned nrings;
	UT_hash_handle hh;
};

struct chainseen {
	struct seen *table;
};

int chainseen_new(struct chainseen **ret_c)
{
	*ret_c = calloc(1, sizeof(**ret_c));
	return *ret_c ? 0 : -ENOMEM;
}

static void forget(struct chainseen *c, struct seen *s)
{
	HASH_DEL(c->table, s);
	free(s->rings);
	free(s);
}

void chainseen_free(struct chainseen **pc)
{
	struct seen *s, *next;

	if (!*pc)
		return;
	HASH_ITER(hh, (*pc)->table, s, next)
		forget(*pc, s);
	free(*pc);
	*pc = NULL;
}

static struct seen *find(struct chainseen *c, const char *host_id, const struct frame_header *h)
{
	struct key key;
	struct seen *s;

	memset(&key, 0, sizeof(key));
	memcpy(key.host, host_id, strnlen(host_id, sizeof(key.host)));
	memcpy(key.stream, h->stream, 16);
	key.chain = h->chain;
	HASH_FIND(hh, c->table, &key, sizeof(key), s);
	if (s)
		return s;
	if (HASH_COUNT(c->table) >= CHAINSEEN_MAX)
		forget(c, c->table);
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->key = key;
	s->next = h->number;
	HASH_ADD(hh, c->table, key, sizeof(key), s);
	return s;
}

static struct ring_seen *find_ring(struct seen *s, const struct frame_range *r)
{
	struct ring_seen *more;

	for (unsigned i = 0; i < s->nrings; i++)
		if (s->rings[i].ring_class == r->ring_class && s->rings[i].cpu == r->cpu)
			return &s->rings[i];
	if (s->nrings == RINGS_MAX)
		return NULL;
	more = reallocarray(s->rings, s->nrings + 1, sizeof(*more));
	if (!more)
		return NULL;
	s->rings = more;
	/* sequences begin at 0; a ring first heard of in the middle is taken as it comes */
	more[s->nrings] = (struct ring_seen){ .ring_class = r->ring_class, .cpu = r->cpu, .last = r->first - 1 };
	return &more[s->nrings++];
}

bool chainseen_frame(struct chainseen *c, const char *host_id, const struct frame_header *h, uint64_t *ret_first,
		     uint64_t *ret_last, uint64_t *ret_records)
{
	struct seen *s = find(c, host_id, h);
	bool gap;

	*ret_records = 0;
	if (!s || h->number < s->next)
		return false;
	gap = h->number > s->next;
	*ret_first = s->next;
	*ret_last = h->number - 1;
	for (unsigned i = 0; i < h->nranges; i++) {
		struct ring_seen *ring = find_ring(s, &h->ranges[i]);

		if (!ring)
			continue;
		if ((int64_t)(h->ranges[i].first - ring->last) > 1)
			*ret_records += h->ranges[i].first - ring->last - 1;
		if ((int64_t)(h->ranges[i].last - ring->last) > 0)
			ring->last = h->ranges[i].last;
	}
	s->next = h->number + 1;
	return gap;
}
