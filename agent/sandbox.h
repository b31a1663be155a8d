/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.h - takes a child's privileges away, for good. Each returns 0 or -errno; the caller ends on failure.
 */
#ifndef HOSTTRAIL_SANDBOX_H
#define HOSTTRAIL_SANDBOX_H

#include <sys/types.h>

/* Other ids, no groups, no capabilities (bounding set too), no_new_privs, not dumpable, no core; dies with the
 * parent, whose pid the caller knows (it may be gone already: -ESRCH). */
int sandbox_drop(uid_t uid, gid_t gid, pid_t parent);
/* No memory in any core, also not in one that a debugger takes (gcore): for whoever has plaintext or keys in it. Children inherit it. */
void sandbox_no_dumps(void);
/* Of the parent: not dumpable, so no core of it shows the key, and nobody but root reads its memory. */
int sandbox_guard(void);
/* System calls that the worker needs; any other kills it. After every descriptor is there. */
int sandbox_worker(void);
/* The planner's: memory, reading files that it was given, and answering. Any other call kills it. */
int sandbox_planner(void);
/* The resolver's: a list of what nobody needs who looks up names, refused with EPERM. */
int sandbox_resolver(void);

#endif
