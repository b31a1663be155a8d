/* SPDX-License-Identifier: Apache-2.0 */
/* discover_internal.h - what discover.c (files, processes) and discover_roots.c (roots and their linker's caches) share. */
#ifndef HOSTTRAIL_TLS_DISCOVER_INTERNAL_H
#define HOSTTRAIL_TLS_DISCOVER_INTERNAL_H

#include <stdbool.h>
#include <sys/stat.h>

#include <uthash.h>

#include "discover.h"
#include "lib/buf.h"

#define WANTED (STATX_TYPE | STATX_INO | STATX_SIZE | STATX_CTIME | STATX_MNT_ID)

struct key {
	uint64_t dev, ino;
};

struct known {
	struct key key;
	UT_hash_handle hh;
};

struct tls_discovery {
	struct known *known;
	unsigned max;
	uint64_t memory_dev;	/* of memfds, which no list of mounts has */
	struct tls_discovery_stats stats;
};

/* One search: where it is, and who is told. */
struct search {
	struct tls_discovery *d;
	tls_discover_fn *fn;
	void *arg;
	uint32_t pid;
	int root;		/* what a cache's paths are looked up in */
	struct buf mounts;	/* mountinfo of the process and of this one, once they are asked for */
	bool have_mounts;
};

bool discover_may_block(const char *type);
/* The type of a mount, in a text as of /proc/PID/mountinfo. */
bool discover_type_in(const char *mounts, uint64_t mount, char *ret_type, size_t n);
/* false: it may be anything. */
bool discover_type_of(struct search *s, const struct statx *st, char *ret_type, size_t n);
/* 0, what fn returned, -ENOMEM. */
int discover_give(struct search *s, int at, const char *path);
int discover_search_process(struct search *s);
void discover_search_end(struct search *s);

#endif
