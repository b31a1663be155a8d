/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.h - starts a command that waits before its first instruction, so that it can be marked, then executes it. */
#ifndef HOSTTRAIL_SPAWN_H
#define HOSTTRAIL_SPAWN_H

#include <sys/types.h>

struct spawn {
	pid_t pid;
	int pidfd;
	int go;			/* write end: one byte lets it execute; closing without: it exits */
};

/* 0 or -errno. The command is searched in PATH here, so that it makes exactly one execve. Signals are as
 * sigmask (may be NULL) says in it. Exit status 127 (not found) or 126 when it cannot be executed. */
int spawn_stopped(char *const *argv, const void *sigmask, struct spawn *ret_s);
int spawn_go(struct spawn *s);
void spawn_close(struct spawn *s);

#endif
