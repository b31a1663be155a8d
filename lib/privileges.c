/* SPDX-License-Identifier: Apache-2.0 */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *p;
	char *end;

	*ret_uid = (uid_t)strtoul(name, &end, 10);
	if (!*end)
		return 0;
	p = getpwnam(name);
	if (!p)
		return -ENOENT;
	*ret_uid = p->pw_uid;
	*ret_gid = p->pw_gid;
	return 0;
}

static int find_group(const char *name, gid_t *ret_gid)
{
	const struct group *g;
	char *end;

	*ret_gid = (gid_t)strtoul(name, &end, 10);
	if (!*end)
		return 0;
	g = getgrnam(name);
	if (!g)
		return -ENOENT;
	*ret_gid = g->gr_gid;
	return 0;
}

int privileges_find(const char *user, const char *group, uid_t *ret_uid, gid_t *ret_gid)
{
	uid_t uid = 0;
	gid_t gid = 0;
	int r = find_user(user, &uid, &gid);

	if (!r && group && *group)
		r = find_group(group, &gid);
	if (r < 0)
		return r;
	if (!uid || !gid)
		return -EINVAL;
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

int privileges_drop(const char *user, const char *group)
{
	uid_t uid;
	gid_t gid;
	int r;

	if (geteuid() != 0)
		return 0;
	if (!user || !*user)
		return 1;
	r = privileges_find(user, group, &uid, &gid);
	if (r < 0)
		return r;
	if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	if (!setuid(0))
		return -EPERM;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
