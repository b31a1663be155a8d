/* SPDX-License-Identifier: Apache-2.0 */
/* privileges.h - from root to the user that a service runs as, for good. Before threads start; not thread-safe. */
#ifndef HOSTTRAIL_PRIVILEGES_H
#define HOSTTRAIL_PRIVILEGES_H

#include <sys/types.h>

/* A user and a group by name or number; an empty group is the user's own (a number has none:
 * -EINVAL). -ENOENT: no such name, -EINVAL: root. */
int privileges_find(const char *user, const char *group, uid_t *ret_uid, gid_t *ret_gid);
/* Started as root, becomes them: no other group, no way back, no new privileges. 1: stays root, for no user is named; 0, also where it was not
 * root; -errno: the caller must end. */
int privileges_drop(const char *user, const char *group);

#endif
