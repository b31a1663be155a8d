/* SPDX-License-Identifier: Apache-2.0 */
#include "tailmem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define USERS_MAX 3u

/* Pairs that one record can add. */
static const uint8_t most[ATTR__MAX] = {
	[ATTR_EVENT_ID] = 1, [ATTR_EVENT_NAME] = 1, [ATTR_READ_ONLY] = 1, [ATTR_USERNAME] = USERS_MAX,
	[ATTR_RESOURCE_TYPE] = RECORD_RESOURCES_MAX, [ATTR_RESOURCE_NAME] = RECORD_RESOURCES_MAX,
	[ATTR_EVENT_SOURCE] = 1, [ATTR_ACCESS_KEY] = 1,
};

static uint32_t pairs_cap(enum attr a, uint32_t cap)
{
	return most[a] == 1 ? cap : 2 * cap + most[a];
}

static size_t layout(struct tailmem *t, uintptr_t base)
{
	size_t at = 0;

#define PLACE(member, count) (member = (void *)(base + at), at += ((size_t)(count) * sizeof(*(member)) + 63) & ~(size_t)63)
	PLACE(t->time, t->cap);
	PLACE(t->pos, t->cap);
	PLACE(t->record, t->cap);
	PLACE(t->category, t->cap);
	for (enum attr a = 0; a < ATTR__MAX; a++) {
		t->attrs[a].cap = pairs_cap(a, t->cap);
		PLACE(t->attrs[a].hash, t->attrs[a].cap);
		PLACE(t->attrs[a].row, t->attrs[a].cap);
	}
#undef PLACE
	return at;
}

int tailmem_new(uint32_t cap, struct tailmem **ret_t)
{
	struct tailmem *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->refs = 1;
	t->cap = cap;
	t->memory_len = layout(t, 0);
	t->memory = mmap(NULL, t->memory_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->memory == MAP_FAILED) {
		free(t);
		return -ENOMEM;
	}
	layout(t, (uintptr_t)t->memory);
	*ret_t = t;
	return 0;
}

struct tailmem *tailmem_ref(struct tailmem *t)
{
	if (t)
		__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
	return t;
}

void tailmem_unref(struct tailmem *t)
{
	if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
		return;
	munmap(t->memory, t->memory_len);
	free(t);
}

bool tailmem_is_full(const struct tailmem *t)
{
	if (t->rows == t->cap)
		return true;
	for (enum attr a = 0; a < ATTR__MAX; a++)
		if (t->attrs[a].n + most[a] > t->attrs[a].cap)
			return true;
	return false;
}

static void add_pair(struct tailmem *t, const struct index *ix, enum attr a, uint32_t row, const void *p, size_t n)
{
	struct tail_pairs *pairs = &t->attrs[a];

	if (!n)
		return;
	pairs->hash[pairs->n] = index_hash(ix, p, n);
	pairs->row[pairs->n] = row;
	__atomic_store_n(&pairs->n, pairs->n + 1, __ATOMIC_RELEASE);
}

void tailmem_add(struct tailmem *t, const struct index *ix, const struct index_place *place, const struct record_summary *s)
{
	uint32_t row = t->rows;

	t->time[row] = s->time;
	t->pos[row] = place->pos;
	t->record[row] = place->record;
	t->category[row] = (uint8_t)s->category;
	add_pair(t, ix, ATTR_EVENT_ID, row, s->event_id, sizeof(s->event_id));
	add_pair(t, ix, ATTR_EVENT_NAME, row, s->event_name.p, s->event_name.n);
	add_pair(t, ix, ATTR_EVENT_SOURCE, row, s->event_source.p, s->event_source.n);
	add_pair(t, ix, ATTR_ACCESS_KEY, row, s->access_key.p, s->access_key.n);
	add_pair(t, ix, ATTR_READ_ONLY, row, s->read_only ? "true" : "false", s->read_only ? 4 : 5);
	for (unsigned i = 0; i < s->nusernames && i < USERS_MAX; i++)
		add_pair(t, ix, ATTR_USERNAME, row, s->usernames[i].p, s->usernames[i].n);
	for (unsigned i = 0; i < s->nresources && i < RECORD_RESOURCES_MAX; i++) {
		add_pair(t, ix, ATTR_RESOURCE_NAME, row, s->resource_names[i].p, s->resource_names[i].n);
		add_pair(t, ix, ATTR_RESOURCE_TYPE, row, s->resource_types[i].p, s->resource_types[i].n);
	}
	__atomic_store_n(&t->rows, row + 1, __ATOMIC_RELEASE);
}

struct best {
	struct index_key *v;
	unsigned n, max;
};

/* Keeps the greatest, in falling order, each once (a record may hold a value twice). Rows come newest first, so
 * that most are refused by the first comparison. */
static void best_offer(struct best *b, const struct index_key *k)
{
	unsigned at = b->n, moved;

	while (at && index_key_compare(k, &b->v[at - 1]) > 0)
		at--;
	if (at == b->max || (at && !index_key_compare(k, &b->v[at - 1])))
		return;
	if (b->n < b->max)
		b->n++;
	moved = b->n - 1 - at;
	memmove(&b->v[at + 1], &b->v[at], moved * sizeof(*b->v));
	b->v[at] = *k;
}

static void offer_row(const struct tailmem *t, const struct index_query *q, const struct index_key *before, uint32_t row,
		      struct best *b)
{
	struct index_key k = { t->time[row], { t->pos[row], t->record[row] } };

	if (k.time < q->from || k.time >= q->to || (before && index_key_compare(&k, before) >= 0))
		return;
	if (q->management_only && t->category[row] != CATEGORY_MANAGEMENT)
		return;
	best_offer(b, &k);
}

unsigned tailmem_find(const struct tailmem *t, const struct index_query *q, const struct index_key *before,
		      struct index_key *ret, unsigned max)
{
	uint32_t rows = __atomic_load_n(&t->rows, __ATOMIC_ACQUIRE);
	const struct tail_pairs *pairs = &t->attrs[q->attr];
	struct best b = { ret, 0, max };

	if (!q->by_attr) {
		for (uint32_t row = rows; row-- > 0;)
			offer_row(t, q, before, row, &b);
		return b.n;
	}
	for (uint32_t i = __atomic_load_n(&pairs->n, __ATOMIC_ACQUIRE); i-- > 0;)
		if (pairs->hash[i] == q->hash && pairs->row[i] < rows)
			offer_row(t, q, before, pairs->row[i], &b);
	return b.n;
}
