/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of /proc, in which programs choose much: their names, their files' names, their mounts'. The first byte says which: 's' stat, 'u'
 * status, 'c' cgroup, 'm' maps, 'i' mountinfo; else what tells whether the kernel preempts, as files of a system of its own: parts between 0s are
 * debugfs' sched/preempt, version, cmdline and a configuration.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/preempt.h"
#include "agent/tls/discover_internal.h"
#include "agent/tlsmapped.h"
#include "lib/procfs.h"
#include "tests/fuzz/textinput.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char *const files[] = { "/sys/kernel/debug/sched/preempt", "/proc/version", "/proc/cmdline", "/proc/config.gz" };
static char root[64];

static void stat_line(const char *text)
{
	uint32_t parent;
	uint64_t start;

	if (procfs_stat_of(text, &parent, &start) == 0)
		need(strrchr(text, ')') && start % 10000000 == 0);
}

static void cgroup(const char *text)
{
	char path[PATH_MAX];

	procfs_cgroup_of(text, path);
	need(strlen(path) < PATH_MAX && !strchr(path, '\n') && strstr(text, path));
}

static void mounts(const char *text)
{
	char type[32];

	for (uint64_t id = 0; id < 3; id++)
		if (discover_type_in(text, id, type, sizeof(type)))
			need(!strpbrk(type, " \n") && strstr(text, type));
}

static void make_root(void)
{
	char command[512];

	snprintf(root, sizeof(root), "/dev/shm/fuzz_procfs.%d", (int)getpid());
	snprintf(command, sizeof(command), "mkdir -p %s/sys/kernel/debug/sched %s/proc", root, root);
	need(!system(command));
}

static void remove_root(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	if (system(command)) {
		/* nothing to do about it */
	}
}

static void preemption(const char *text, size_t n)
{
	char said[96] = "";
	enum preempt p;

	if (!*root) {
		make_root();
		atexit(remove_root);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		size_t part = strnlen(text, n);
		char path[128];
		int fd;

		snprintf(path, sizeof(path), "%s%s", root, files[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		need(fd >= 0 && write(fd, text, part) == (ssize_t)part);
		close(fd);
		text += part + (part < n);
		n -= part + (part < n);
	}
	p = preempt_find(root, said);
	need(p <= PREEMPT_UNKNOWN && strlen(said) < sizeof(said) && *said);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text;

	if (!n)
		return 0;
	text = textinput(p, n);
	if (*p == 's')
		stat_line(text);
	else if (*p == 'u')
		need(procfs_euid_of(text) == procfs_euid_of(text) && procfs_capabilities_of(text) == procfs_capabilities_of(text));
	else if (*p == 'c')
		cgroup(text);
	else if (*p == 'm')
		tls_mapped_in(text);
	else if (*p == 'i')
		mounts(text);
	else
		preemption(text, n - 1);
	free(text);
	return 0;
}
