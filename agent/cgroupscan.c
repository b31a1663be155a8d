// SPDX-License-Identifier: Apache-2.0
#include "cgroupscan.h"

#include <errno.h>
#include <fts.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define ROOT_INO 1	/* of the hierarchy's root; a cgroup namespace's root has another number */

static bool is_root(const char *path)
{
	struct statfs fs;
	struct stat st;

	return !statfs(path, &fs) && (uint32_t)fs.f_type == CGROUP2_SUPER_MAGIC && !stat(path, &st) && st.st_ino == ROOT_INO;
}

void cgroupscan(cgroupscan_fn fn, void *ctx)
{
	char pure[] = "/sys/fs/cgroup", beside_v1[] = "/sys/fs/cgroup/unified";
	char *root[2] = { is_root(pure) ? pure : beside_v1, NULL };
	FTS *t = is_root(root[0]) ? fts_open(root, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL) : NULL;
	bool more = true;
	FTSENT *e;

	while (t && more && (e = fts_read(t)))
		if (e->fts_info == FTS_D && e->fts_level > 0)
			more = fn(ctx, e->fts_statp->st_ino, (struct str){ e->fts_path + strlen(root[0]), e->fts_pathlen - strlen(root[0]) });
	if (t)
		fts_close(t);
}
