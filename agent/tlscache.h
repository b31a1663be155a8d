/* SPDX-License-Identifier: Apache-2.0 */
/* tlscache.h - the dynamic linker's cache of libraries (/etc/ld.so.cache): what programs will load by name. */
#ifndef HOSTTRAIL_TLSCACHE_H
#define HOSTTRAIL_TLSCACHE_H

#include <stddef.h>

/* Each entry's path, and its last part; stops when fn answers something else than 0. 0, what fn answered, or -errno (-EBADMSG: no cache
 * in glibc's format). A file may be told more than once. */
typedef int (*tlscache_fn)(void *ctx, const char *path, const char *name);
int tlscache_each(tlscache_fn fn, void *ctx);
/* The same of a cache's bytes. */
int tlscache_read(const void *p, size_t n, tlscache_fn fn, void *ctx);

#endif
