/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cage.h - what a process that runs strangers' SQL may do, once and for all its threads to come: read the lake's files, compute, and use the
 * descriptors that it has. It opens nothing for writing, makes no sockets and no processes, executes nothing, signals nobody, maps no new code,
 * and sees no file outside the lake's directory (where the kernel has Landlock). It ends with the thread that made it.
 *
 * Threads: one, before there are others.
 */
#ifndef HOSTTRAIL_STORE_LAKE_CAGE_H
#define HOSTTRAIL_STORE_LAKE_CAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* dir: what it may read. memory: bytes beyond those that it has, after which an allocation fails. *ret_files: the kernel holds it to dir.
 * 0 or -errno: it is not to be used. */
int cage_enter(const char *dir, uint64_t memory, bool *ret_files);
/* Before: it dies with its parent, is the first to go when memory is short, and keeps no descriptor above `last`. -ESRCH: the parent is gone. */
int cage_prepare(pid_t parent, int last);

#endif
