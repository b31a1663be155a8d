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
int procfs_stat_of(const char *stat, uint32_t *ret_parent, uint64_t *ret_start)
{
	const uint64_t tick = NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
	const char *p = strrchr(stat, ')');
	unsigned long long ticks;
	unsigned parent;

	if (!p || sscanf(p + 1, " %*c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &parent, &ticks) != 2)
		return -EBADMSG;
	if (ticks > UINT64_MAX / tick)
		return -EBADMSG;
	*ret_parent = parent;
	*ret_start = ticks * tick;
	return 0;
}

int procfs_stat(uint32_t pid, struct buf *b, uint32_t *ret_parent, uint64_t *ret_start)
{
	return procfs_read(pid, "stat", b) ?: procfs_stat_of(buf_text(b), ret_parent, ret_start);
}

void procfs_cgroup_of(const char *cgroup, char ret_path[PATH_MAX])
{
	const char *p = strncmp(cgroup, "0::", 3) ? strstr(cgroup, "\n0::") : cgroup;

	p = p ? strchr(p, ':') + 2 : "";
	snprintf(ret_path, PATH_MAX, "%.*s", (int)strcspn(p, "\n"), p);
}

uint64_t procfs_capabilities_of(const char *status)
{
	const char *p = strstr(status, "\nCapEff:");

	return p ? strtoull(p + 8, NULL, 16) : 0;
}

uint32_t procfs_euid_of(const char *status)
{
	const char *p = strstr(status, "\nUid:");
	unsigned euid;

	return p && sscanf(p, "\nUid: %*u %u", &euid) == 1 ? euid : UINT32_MAX;
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
	if (procfs_read(s->pid, "cgroup", &b) == 0)
		procfs_cgroup_of(buf_text(&b), s->cgroup);
	if (procfs_read(s->pid, "status", &b) == 0)
		s->cap_effective = procfs_capabilities_of(buf_text(&b));
	read_namespaces(s);
}
