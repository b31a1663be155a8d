/* SPDX-License-Identifier: Apache-2.0 */
/* ldcache.h - the dynamic linker's cache (/etc/ld.so.cache): which libraries programs get by which names. A container's is hostile.
 * The format of glibc 2.2 and later (glibc-ld.so.cache1.1), alone or behind the older one. */
#ifndef HOSTTRAIL_TLS_LDCACHE_H
#define HOSTTRAIL_TLS_LDCACHE_H

#include <stddef.h>
#include <stdint.h>

/* One library of this machine's 64-bit programs: "libssl.so.3", "/lib/x86_64-linux-gnu/libssl.so.3". Not 0 stops. */
typedef int ldcache_fn(const char *name, const char *path, void *arg);

/* 0, what fn returned, or -EBADMSG: no cache. An entry that points outside is passed over. */
int ldcache_each(const uint8_t *p, size_t n, ldcache_fn *fn, void *arg);

#endif
