/* SPDX-License-Identifier: Apache-2.0 */
/* pins.h - bpffs, and the directory of one instance's pins in it. Paths are absolute; all return 0 or -errno. */
#ifndef HOSTTRAIL_PINS_H
#define HOSTTRAIL_PINS_H

#include <stddef.h>

#define PINS_ROOT "/sys/fs/bpf"
#define PINS_DIR_MAX 256

/* Mounts bpffs where it is missing and makes <root>/hosttrail/<instance>, both 0700; ret_dir gets the path. */
int pins_prepare(const char *instance, char ret_dir[PINS_DIR_MAX]);
int pins_again(const char *dir);	/* makes a directory that was prepared before, and the file system below it */
int pins_drop(const char *dir, const char *name);
int pins_put(const char *dir, const char *name, int fd);
int pins_get(const char *dir, const char *name);	/* descriptor */
/* Every pin goes, and the directory. What only they held ends with them. */
/* What is pinned in it; the directory stays. */
int pins_clear(const char *dir);
int pins_remove(const char *dir);

#endif
