// SPDX-License-Identifier: Apache-2.0
/* procscan.c - proctab_scan(): the processes that were there before the first event, from /proc. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/procfs.h"
#include "proctab.h"

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static uint32_t read_number(uint32_t pid, const char *name, struct buf *b)
{
	if (procfs_read(pid, name, b) < 0)
		return UINT32_MAX;
	return (uint32_t)strtoul(buf_text(b), NULL, 10);
}

static uint32_t read_euid(uint32_t pid, struct buf *b)
{
	return procfs_read(pid, "status", b) < 0 ? UINT32_MAX : procfs_euid_of(buf_text(b));
}

static int read_exe(uint32_t pid, proctab_exe_fn exe_of, void *ctx, char *out, size_t max)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, out, max);
	if (n < 0 && exe_of)
		n = exe_of(ctx, pid, out, max);
	return n < 0 ? 0 : (int)n;
}

static int scan_one(struct proctab *t, uint32_t pid, proctab_exe_fn exe_of, void *ctx, struct buf *b)
{
	char exe[PROCTAB_TEXT_MAX];
	struct proc p = { .key.pid = pid };
	uint32_t ignored;
	int r = procfs_stat(pid, b, &p.parent.pid, &p.key.start);

	if (r < 0 || !p.key.start)
		return r ?: -ESRCH;
	if (p.parent.pid)	/* its start time makes its pid a key; 0 when it is gone, or is the kernel */
		procfs_stat(p.parent.pid, b, &ignored, &p.parent.start);
	p.euid = read_euid(pid, b);
	p.loginuid = read_number(pid, "loginuid", b);
	p.audit_session = read_number(pid, "sessionid", b);
	p.exe = (struct str){ exe, read_exe(pid, exe_of, ctx, exe, sizeof(exe)) };
	if (!procfs_read(pid, "cmdline", b))
		p.argv = (struct str){ (const char *)b->p, b->n };
	return proctab_put(t, &p);
}

int proctab_scan(struct proctab *t, proctab_exe_fn exe_of, void *ctx)
{
	_cleanup_(close_dir) DIR *d = opendir("/proc");
	_cleanup_buf_ struct buf b = { 0 };
	struct dirent *e;
	int n = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		char *end;
		unsigned long pid = strtoul(e->d_name, &end, 10);

		if (!pid || *end || pid > INT32_MAX)
			continue;
		n += scan_one(t, (uint32_t)pid, exe_of, ctx, &b) == 0;
	}
	return n;
}
