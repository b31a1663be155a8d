/* SPDX-License-Identifier: Apache-2.0 */
#include "procfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "fsx.h"

#define FILE_MAX (64 * 1024)
#define DELETED " (deleted)"

int procfs_read(uint32_t pid, const char *name, struct buf *b)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	buf_reset(b);
	return fsx_read(path, FILE_MAX, b);
}

/* Fields after the last ')': the name before it may hold anything. The parent is the second, the start the 20th. */
int procfs_stat(uint32_t pid, struct buf *b, uint32_t *ret_parent, uint64_t *ret_start)
{
	int r = procfs_read(pid, "stat", b);
	unsigned long long ticks;
	unsigned parent;
	const char *p;

	if (r < 0)
		return r;
	p = strrchr(buf_text(b), ')');
	if (!p || sscanf(p + 1, " %*c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
			 &parent, &ticks) != 2)
		return -EBADMSG;
	*ret_parent = parent;
	*ret_start = ticks * (NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	return 0;
}

static void read_executable(struct procfs_self *s)
{
	const size_t tail = strlen(DELETED);
	ssize_t n = readlink("/proc/self/exe", s->executable, sizeof(s->executable) - 1);

	s->executable[n < 0 ? 0 : n] = '\0';
	s->deleted = n > (ssize_t)tail && !strcmp(s->executable + n - tail, DELETED);
	if (s->deleted)
		s->executable[n - (ssize_t)tail] = '\0';
}

static void read_cgroup(struct procfs_self *s, struct buf *b)
{
	const char *p;

	if (procfs_read(s->pid, "cgroup", b) < 0)
		return;
	p = strncmp(buf_text(b), "0::", 3) ? strstr(buf_text(b), "\n0::") : buf_text(b) - 1;
	if (p)
		snprintf(s->cgroup, sizeof(s->cgroup), "%.*s", (int)strcspn(p + 4, "\n"), p + 4);
}

static void read_capabilities(struct procfs_self *s, struct buf *b)
{
	const char *p;

	if (procfs_read(s->pid, "status", b) < 0)
		return;
	p = strstr(buf_text(b), "\nCapEff:");
	if (p)
		s->cap_effective = strtoull(p + 8, NULL, 16);
}

static void read_namespaces(struct procfs_self *s)
{
	static const char *const names[PROCFS_NS] = { "user", "mnt", "pid", "net", "uts", "ipc", "cgroup", "time" };
	struct stat st;
	char path[64];

	for (unsigned i = 0; i < PROCFS_NS; i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		s->ns[i] = stat(path, &st) < 0 ? 0 : (uint32_t)st.st_ino;
	}
}

void procfs_self(struct procfs_self *s)
{
	_cleanup_buf_ struct buf b = { 0 };
	uint32_t ignored;

	memset(s, 0, sizeof(*s));
	s->pid = (uint32_t)getpid();
	s->session = (uint32_t)getsid(0);
	if (procfs_stat(s->pid, &b, &s->parent_pid, &s->start) < 0)
		s->parent_pid = (uint32_t)getppid();
	if (s->parent_pid && procfs_stat(s->parent_pid, &b, &ignored, &s->parent_start) < 0)
		s->parent_start = 0;
	getresuid(&s->uids[0], &s->uids[2], &s->uids[1]);
	getresgid(&s->gids[0], &s->gids[2], &s->gids[1]);
	s->uids[3] = s->uids[2];	/* none of our programs sets it apart */
	s->gids[3] = s->gids[2];
	read_executable(s);
	read_cgroup(s, &b);
	read_capabilities(s, &b);
	read_namespaces(s);
}
