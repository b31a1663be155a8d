/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pressure.h - who fills the rings of a class, by the tables that the probes keep while a ring is over a quarter full
 * (bpf/flood.bpf.h). What it tells is of the last such time: a ring that is read in time presses nobody. Not thread-safe.
 */
#ifndef HOSTTRAIL_PRESSURE_H
#define HOSTTRAIL_PRESSURE_H

#include "rings.h"

#define PRESSURE_SHOWN 5

struct pressure_share {
	uint64_t cgroup_id;
	uint32_t uid;		/* real, initial user namespace */
	unsigned percent;	/* of the bytes written in the last half ring or two while it was pressed */
	uint64_t bytes;
};

/* The largest first. How many; 0: no ring of the class was ever pressed, or there is no memory to add it up. */
unsigned pressure_shares(const struct rings *r, unsigned class, struct pressure_share ret_v[PRESSURE_SHOWN]);
/* The same over n tables, one a ring; NULL ones are passed by. */
unsigned pressure_of(const struct ht_principals *const *tables, unsigned n, struct pressure_share ret_v[PRESSURE_SHOWN]);

#endif
