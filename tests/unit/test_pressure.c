// SPDX-License-Identifier: Apache-2.0
/* Who fills the rings of a class, added up over the tables of its rings. */
#include "agent/pressure.h"
#include "tests/tap.h"

static struct ht_principals a, b;
static const struct ht_principals *const tables[] = { &a, NULL, &b };
static struct pressure_share v[PRESSURE_SHOWN];

static void wrote(struct ht_principals *t, unsigned slot, uint32_t uid, uint64_t window, uint64_t bytes)
{
	t->slot[slot] = (struct ht_principal){ .tag = 1, .cgroup_id = 7, .uid = uid, .window = window, .bytes = bytes };
}

static void clear(void)
{
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
}

static void the_largest_first(void)
{
	clear();
	ok_int(pressure_of(tables, 3, v), 0);
	wrote(&a, 0, 1, 5, 100);
	wrote(&a, 1, 2, 5, 300);
	wrote(&a, 2, 3, 2, 900);	/* long ago */
	a.slot[3] = (struct ht_principal){ .tag = 1, .uid = 2, .call = 9, .window = 5, .bytes = 300 };	/* one call of user 2 */
	ok_int(pressure_of(tables, 3, v), 2);
	ok_int(v[0].uid, 2);
	ok_int(v[0].percent, 75);
	ok_int(v[1].uid, 1);
	ok_int(v[1].percent, 25);
}

/* One that is small in one ring and was passed by there may be the largest of all. */
static void small_here_large_there(void)
{
	clear();
	for (unsigned i = 0; i < PRESSURE_SHOWN; i++)
		wrote(&a, i, 10 + i, 1, 100);
	wrote(&a, PRESSURE_SHOWN, 99, 1, 50);
	wrote(&b, 0, 99, 1, 450);
	ok_int(pressure_of(tables, 3, v), PRESSURE_SHOWN);
	ok_int(v[0].uid, 99);
	ok_int(v[0].bytes, 500);
	ok_int(v[0].percent, 50);
}

/* Who has no slot counts in the whole, also when it wrote last. */
static void others_count(void)
{
	clear();
	wrote(&a, 0, 1, 4, 100);
	a.others.window = 5;
	a.others.bytes = 300;
	ok_int(pressure_of(tables, 3, v), 1);
	ok_int(v[0].percent, 25);
}

static const struct tap_case cases[] = { CASE(the_largest_first), CASE(small_here_large_there), CASE(others_count) };
TAP_MAIN(cases)
