// SPDX-License-Identifier: Apache-2.0
/*
 * probes_left.c - what lies in rings, merge slots and counters of pins that are replaced: kept open, so that the worker can say what nobody
 * will read.
 *
 * The pins go before the new probes are loaded, and with them the old programs, so that by the time the worker looks (the new
 * ones are attached) nothing is written there any more. Of another layout of entries only the first word of the counters is
 * known to mean the same: how many numbers were given out (bpf/event.h).
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "probes_internal.h"

static void forget(struct probes_left *l)
{
	l->counters = l->counters_each = l->fds.ncpu = 0;
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < HT_GROUPS_MAX; g++)
			cleanup_close(&l->fds.ring[c][g]);
	cleanup_close(&l->fds.shared);
	cleanup_close(&l->fds.principals);
	cleanup_close(&l->fds.settled);
	cleanup_close(&l->fds.counters);
}

void probes_left_begin(struct probes_left *l)
{
	memset(l, 0, sizeof(*l));
	l->fds.counters = l->fds.shared = l->fds.principals = l->fds.settled = -1;
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < HT_GROUPS_MAX; g++)
			l->fds.ring[c][g] = -1;
}

static bool take_rings(const char *dir, struct probes_left *l)
{
	char name[32];

	l->fds.shared = pins_get(dir, "shared");
	l->fds.principals = pins_get(dir, "principals");
	l->fds.settled = pins_get(dir, "settled");
	if (l->fds.shared < 0 || l->fds.principals < 0 || l->fds.settled < 0)
		return false;
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < l->fds.ngroups; g++) {
			probes_ring_name(name, c, g);
			l->fds.ring[c][g] = pins_get(dir, name);
			if (l->fds.ring[c][g] < 0)
				return false;
		}
	return true;
}

static bool take_counters(const char *dir, struct probes_left *l)
{
	struct bpf_map_info info = {};
	__u32 n = sizeof(info);

	l->fds.counters = pins_get(dir, "counters");
	if (l->fds.counters < 0 || bpf_obj_get_info_by_fd(l->fds.counters, &info, &n) < 0)
		return false;
	l->counters = info.max_entries;
	l->counters_each = info.value_size;
	return l->counters && l->counters_each >= sizeof(uint64_t) && l->fds.ncpu && l->counters % l->fds.ncpu == 0;
}

void probes_left_take(struct probes *p, const struct meta *old)
{
	struct probes_left *l = &p->left;

	l->fds.ncpu = old->ncpu;
	l->fds.ngroups = old->ngroups;
	memcpy(l->fds.ring_bytes, old->ring_bytes, sizeof(l->fds.ring_bytes));
	memcpy(l->fds.stream, old->stream, sizeof(l->fds.stream));
	l->readable = old->version == HT_EVENT_VERSION && old->ngroups && old->ngroups <= HT_GROUPS_MAX;
	if (!take_counters(p->dir, l) || (l->readable && !take_rings(p->dir, l)))
		forget(l);
}

const struct probes_left *probes_left(const struct probes *p)
{
	return p->left.counters ? &p->left : NULL;
}

void probes_left_end(struct probes *p)
{
	forget(&p->left);
}
