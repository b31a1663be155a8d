/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idcache.h - identities as the kernel sent them, by (tid, task start, generation).
 *
 * The answer for a generation is that generation's or none: never another one's. Bounded in bytes; the
 * least recently used go first and are counted (the caller then asks the kernel to send identities again).
 * Event bytes are checked here. Not thread-safe.
 */
#ifndef HOSTTRAIL_IDCACHE_H
#define HOSTTRAIL_IDCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "proto/record.h"

#define FIRST_PID_NAMESPACE 0xeffffffcu	/* PROC_PID_INIT_INO: its number on every kernel */

struct ident {
	struct ht_ident id;
	struct str exe, cgroup;		/* paths as text, owned by the cache */
	struct str exe_file;		/* exe, or the part of it that its mount has, where that is in no namespace: there exe begins with "..." */
	bool exe_deleted;
	/* stands for this very content; the user of the cache changes it (idcache_serial) when a name or hash of it becomes known */
	uint64_t serial;
	uint64_t world, hashes;		/* the user's: what the serial was made for */
	bool hashed;
};

struct idcache;

int idcache_new(size_t max_bytes, struct idcache **ret_c);
void idcache_free(struct idcache **c);
/* An HT_EV_IDENT entry of n bytes. The identity as kept; NULL: malformed, or no memory. */
struct ident *idcache_put(struct idcache *c, const struct ht_ident *ev, uint32_t n);
struct ident *idcache_find(struct idcache *c, uint32_t tid, uint64_t start, uint32_t gen);
uint64_t idcache_serial(struct idcache *c);	/* a fresh one, from 1 */
/* Every identity as the event that brought it (least recently used first): for keeping them across a restart. */
typedef int (*idcache_each_fn)(void *ctx, const void *event, uint32_t n);
int idcache_each(const struct idcache *c, idcache_each_fn fn, void *ctx);

struct idcache_stats {
	size_t bytes, max_bytes;
	uint64_t identities, evicted;
};
void idcache_stats(const struct idcache *c, struct idcache_stats *ret_s);

#endif
