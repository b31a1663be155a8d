/* SPDX-License-Identifier: Apache-2.0 */
/* fsx.h - files whole or not at all. All return 0 or -errno unless said otherwise. Thread-safe. */
#ifndef HOSTTRAIL_FSX_H
#define HOSTTRAIL_FSX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"

/* Replaces dir/name: temporary file, fsync, rename, fsync of the directory. The old file stays on failure. */
int fsx_replace(const char *path, const void *p, size_t n, mode_t mode);
/* Whole file appended to out; -E2BIG past max. */
int fsx_read(const char *path, size_t max, struct buf *out);
int fsx_write_all(int fd, const void *p, size_t n);
int fsx_pwrite_all(int fd, const void *p, size_t n, off_t at);
int fsx_pread_all(int fd, void *p, size_t n, off_t at);	/* -ENODATA: shorter than n */
int fsx_mkdirs(const char *path, mode_t mode);		/* like mkdir -p */
int fsx_sync_dir(const char *path);
/* It is there, and everybody may read or write it. */
bool fsx_is_open(const char *path);
/* Would so many bytes more leave a twentieth of the disk that path lies on, but at most 4 GiB, free? True also where that cannot be told. */
bool fsx_has_room(const char *path, uint64_t n);

#endif
