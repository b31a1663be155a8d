/* SPDX-License-Identifier: Apache-2.0 */
/* procfs.h - what /proc says of a process: of any, its parent and start; of ourselves, all that a record shows.
 * Start times are boot-time ns, rounded down to a clock tick (10 ms): /proc tells no more. Thread-safe. */
#ifndef HOSTTRAIL_PROCFS_H
#define HOSTTRAIL_PROCFS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

#define PROCFS_NS 8			/* user, mnt, pid, net, uts, ipc, cgroup, time */

struct procfs_self {
	uint32_t pid, parent_pid, session;
	uint64_t start, parent_start;	/* parent_start 0: it cannot be seen, or is the kernel */
	uint32_t uids[4], gids[4];	/* real, saved, effective, fs */
	uint32_t ns[PROCFS_NS];		/* inode numbers; 0: this kernel has none */
	uint64_t cap_effective;
	char executable[PATH_MAX];	/* "" when it cannot be read */
	bool deleted;			/* its file is gone */
	char cgroup[PATH_MAX];		/* of the unified hierarchy, or "" */
};

/* What a file of /proc/<pid> holds, replacing what is in b. 0 or -errno. */
int procfs_read(uint32_t pid, const char *name, struct buf *b);
/* What files hold, as texts that end with a 0. A stat that makes no sense is -EBADMSG; what is missing from others is "", 0, UINT32_MAX. */
int procfs_stat_of(const char *stat, uint32_t *ret_parent, uint64_t *ret_start);
void procfs_cgroup_of(const char *cgroup, char ret_path[PATH_MAX]);	/* in the unified hierarchy */
uint64_t procfs_capabilities_of(const char *status);
uint32_t procfs_euid_of(const char *status);
/* Parent and start of a process. 0 or -errno; -EBADMSG: the line makes no sense. b is room to read into. */
int procfs_stat(uint32_t pid, struct buf *b, uint32_t *ret_parent, uint64_t *ret_start);
/* This process, as it is now. What cannot be read is left empty. */
void procfs_self(struct procfs_self *ret_s);

#endif
