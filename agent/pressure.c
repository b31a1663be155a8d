// SPDX-License-Identifier: Apache-2.0
#include "pressure.h"

#include <stdlib.h>

static uint64_t newest_window(const struct ht_principals *t)
{
	uint64_t newest = t->others.window;

	for (unsigned i = 0; i < HT_PRINCIPALS; i++)
		if (t->slot[i].window > newest)
			newest = t->slot[i].window;
	return newest;
}

static uint64_t recent_bytes(const struct ht_principal *p, uint64_t window)
{
	if (p->window == window)
		return p->bytes + p->before;
	return p->window + 1 == window ? p->bytes : 0;
}

static void add_share(struct pressure_share *all, unsigned *n, const struct ht_principal *p, uint64_t bytes)
{
	unsigned i = 0;

	while (i < *n && (all[i].cgroup_id != p->cgroup_id || all[i].uid != p->uid))
		i++;
	if (i == *n)
		all[(*n)++] = (struct pressure_share){ .cgroup_id = p->cgroup_id, .uid = p->uid };
	all[i].bytes += bytes;
}

/* The table changes while it is read: a slot that gets another owner meanwhile is passed by. */
static uint64_t add_table(const struct ht_principals *t, struct pressure_share *all, unsigned *n)
{
	uint64_t window = newest_window(t), sum = 0;

	for (unsigned i = 0; i < HT_PRINCIPALS; i++) {
		const struct ht_principal *slot = &t->slot[i];
		uint64_t tag = __atomic_load_n(&slot->tag, __ATOMIC_ACQUIRE), bytes;
		struct ht_principal p = *slot;

		bytes = recent_bytes(&p, window);
		if (!(tag & 1) || p.call || !bytes || __atomic_load_n(&slot->tag, __ATOMIC_ACQUIRE) != tag)
			continue;
		sum += bytes;
		add_share(all, n, &p, bytes);
	}
	return sum + recent_bytes(&t->others, window);
}

static int larger(const void *a, const void *b)
{
	uint64_t x = ((const struct pressure_share *)a)->bytes, y = ((const struct pressure_share *)b)->bytes;

	return (x < y) - (x > y);
}

/* All are added up before the largest are chosen: one that is small in each ring may be large in all. */
unsigned pressure_of(const struct ht_principals *const *tables, unsigned n, struct pressure_share ret_v[PRESSURE_SHOWN])
{
	struct pressure_share *all = calloc((size_t)n * HT_PRINCIPALS, sizeof(*all));
	unsigned found = 0, shown;
	uint64_t sum = 0;

	if (!all)
		return 0;
	for (unsigned i = 0; i < n; i++)
		if (tables[i])
			sum += add_table(tables[i], all, &found);
	qsort(all, found, sizeof(*all), larger);
	shown = found < PRESSURE_SHOWN ? found : PRESSURE_SHOWN;
	for (unsigned i = 0; i < shown; i++) {
		ret_v[i] = all[i];
		ret_v[i].percent = (unsigned)(all[i].bytes * 100 / sum);
	}
	free(all);
	return shown;
}

unsigned pressure_shares(const struct rings *r, unsigned class, struct pressure_share ret_v[PRESSURE_SHOWN])
{
	const struct ht_principals *tables[HT_GROUPS_MAX];
	unsigned n = rings_ngroups(r);

	for (unsigned g = 0; g < n; g++)
		tables[g] = rings_principals(r, class, g);
	return pressure_of(tables, n, ret_v);
}
