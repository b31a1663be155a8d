/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discover.h - which files of this host are worth a plan (plan.h): libraries by their names, and executables.
 *
 * Sources: the linker's cache of this host and of every mount namespace that a process lives in (containers), executable mappings of
 * processes, their executables. Mapped files are opened through /proc/PID/map_files, so neither deletion nor mount namespaces matter.
 * A file is given once for each (device, inode), until it is forgotten; one of an image's layer once for all containers over it, because
 * a probe on it is one too.
 *
 * Nothing here waits for a file system that somebody's process serves: files on FUSE and on network file systems are left out, and
 * counted. What a container's cache names is looked up inside its root. Needs root. Not thread-safe.
 */
#ifndef HOSTTRAIL_TLS_DISCOVER_H
#define HOSTTRAIL_TLS_DISCOVER_H

#include <stdint.h>

#define TLS_DEV_OVERLAY UINT64_MAX

struct tls_found {
	uint64_t dev, ino;	/* as statx() says; on an overlay TLS_DEV_OVERLAY, and a number that all overlays over a layer share */
	uint32_t pid;		/* the process that led here; 0: this host's cache */
	const char *path;	/* for people: in that process' view, maybe deleted */
};

/* The descriptor (read-only) is closed after this returns; dup() it to keep it. Not 0 ends the search and is its result. */
typedef int tls_discover_fn(int fd, const struct tls_found *f, void *arg);

struct tls_discovery;

struct tls_discovery_stats {
	uint64_t given;		/* to fn */
	uint64_t left_out;	/* on a file system that may never answer */
	uint64_t full;		/* not given: `max` files are known */
};

int tls_discovery_new(unsigned max, struct tls_discovery **ret_d);	/* max: files known at a time. 0 or -ENOMEM */
void tls_discovery_free(struct tls_discovery **d);
const struct tls_discovery_stats *tls_discovery_stats(const struct tls_discovery *d);
void tls_discovery_forget(struct tls_discovery *d, uint64_t dev, uint64_t ino);	/* it is given again when it is met again */

/* Everything that is there now. 0, what fn returned, or -errno. A process that ends meanwhile is no error. */
int tls_discover_host(struct tls_discovery *d, tls_discover_fn *fn, void *arg);
/* A process' executable and what it has mapped. 0, what fn returned, or -ESRCH. */
int tls_discover_process(struct tls_discovery *d, uint32_t pid, tls_discover_fn *fn, void *arg);

/*
 * What a process has mapped from an address on, to that end or a nearer one if it has few mappings; path is for people. And a file by its path in the root of a process (0: ours), only as far as the kernel knows that
 * without asking anybody, as it does of what was used just now. 0, or what fn returned.
 */
int tls_discover_mapping(struct tls_discovery *d, uint32_t pid, uint64_t at, uint64_t end, const char *path, tls_discover_fn *fn, void *arg);
int tls_discover_path(struct tls_discovery *d, uint32_t pid, const char *path, tls_discover_fn *fn, void *arg);

/*
 * The root of a process and its linker's cache, if it is another one than ours and can be read without waiting: descriptors that are the
 * caller's. The cache is a stranger's. 0 or -ENOENT.
 */
#define TLS_CACHE_MAX (16u << 20)
int tls_discover_root(struct tls_discovery *d, uint32_t pid, int *ret_root, int *ret_cache);
/* A file inside that root, as it is there. As tls_discover_process(). */
int tls_discover_library(struct tls_discovery *d, uint32_t pid, int root, const char *path, tls_discover_fn *fn, void *arg);

#endif
