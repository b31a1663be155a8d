// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "spawn.h"

static bool runnable(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* As execvp() would choose; the name itself when nothing fits. */
static const char *search(const char *name, char out[PATH_MAX])
{
	const char *path = getenv("PATH") ?: "/usr/local/bin:/usr/bin:/bin", *end;

	if (strchr(name, '/'))
		return name;
	for (; *path; path = *end ? end + 1 : end) {
		end = strchrnul(path, ':');
		snprintf(out, PATH_MAX, "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "", name);
		if (runnable(out))
			return out;
	}
	return name;
}

static _Noreturn void child(const char *file, char *const *argv, const sigset_t *mask, int wait)
{
	char go;

	if (read(wait, &go, 1) != 1)
		_exit(127);
	if (mask)
		sigprocmask(SIG_SETMASK, mask, NULL);
	execv(file, argv);
	fprintf(stderr, "hosttrail: %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

int spawn_stopped(char *const *argv, const void *sigmask, struct spawn *ret_s)
{
	char found[PATH_MAX];
	const char *file = search(argv[0], found);
	int p[2], pidfd;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(p[1]);
		child(file, argv, sigmask, p[0]);
	}
	close(p[0]);
	if (pid < 0) {
		close(p[1]);
		return -EAGAIN;
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		int r = -errno;

		close(p[1]);
		return r;
	}
	*ret_s = (struct spawn){ pid, pidfd, p[1] };
	return 0;
}

int spawn_go(struct spawn *s)
{
	ssize_t n = write(s->go, "", 1);

	close(s->go);
	s->go = -1;
	return n == 1 ? 0 : -EPIPE;
}

void spawn_close(struct spawn *s)
{
	if (s->go >= 0)
		close(s->go);
	if (s->pidfd >= 0)
		close(s->pidfd);
	s->go = s->pidfd = -1;
}
