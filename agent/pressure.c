// SPDX-License-Identifier: Apache-2.0
#include "pressure.h"

#include <string.h>

static uint64_t newest_window(const struct ht_principals *t)
{
	uint64_t newest = 0;

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

/* Keeps the largest, in order. One principal has a slot in the table of each ring. */
static void keep(struct pressure_share *v, unsigned *n, const struct ht_principal *p, uint64_t bytes)
{
	struct pressure_share s = { .cgroup_id = p->cgroup_id, .uid = p->uid, .bytes = bytes };
	unsigned at = 0;

	for (unsigned i = 0; i < *n; i++)
		if (v[i].cgroup_id == s.cgroup_id && v[i].uid == s.uid) {
			s.bytes += v[i].bytes;
			memmove(&v[i], &v[i + 1], (--*n - i) * sizeof(*v));
			break;
		}
	while (at < *n && v[at].bytes >= s.bytes)
		at++;
	if (at == PRESSURE_SHOWN)
		return;
	if (*n == PRESSURE_SHOWN)
		--*n;
	memmove(&v[at + 1], &v[at], (*n - at) * sizeof(*v));
	v[at] = s;
	++*n;
}

/* The table changes while it is read: a slot that gets another owner meanwhile is passed by. */
static uint64_t add_table(const struct ht_principals *t, struct pressure_share *v, unsigned *n)
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
		keep(v, n, &p, bytes);
	}
	return sum + recent_bytes(&t->others, window);
}

unsigned pressure_shares(const struct rings *r, unsigned class, struct pressure_share ret_v[PRESSURE_SHOWN])
{
	uint64_t sum = 0;
	unsigned n = 0;

	for (unsigned g = 0; g < rings_ngroups(r); g++) {
		const struct ht_principals *t = rings_principals(r, class, g);

		if (t)
			sum += add_table(t, ret_v, &n);
	}
	for (unsigned i = 0; i < n; i++)
		ret_v[i].percent = (unsigned)(ret_v[i].bytes * 100 / sum);
	return n;
}
