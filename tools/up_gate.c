/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "up.h"

enum { GATE_TEST = 'T', GATE_GO = 'G' };

struct gate_message {
	char kind, path[PATH_MAX], mark[64];
};

/* The process that waits: makes the self-test when told, becomes the command when told. */
static void wait_at_gate(int fd, char *const *argv)
{
	static struct gate_message m;
	pid_t pid;

	while (recv(fd, &m, sizeof(m), 0) > 0) {
		if (m.kind == GATE_TEST) {
			pid = fork();
			if (!pid)
				selftest_calls(m.path, m.mark);
			waitpid(pid, NULL, 0);
			continue;
		}
		execvp(argv[0], argv);
		fprintf(stderr, "hosttrail up: %s: %m\n", argv[0]);
		_exit(errno == ENOENT ? 127 : 126);
	}
	_exit(1);
}

int gate_start(struct gate *g, char *const *argv, const sigset_t *mask)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	fflush(NULL);
	g->pid = fork();
	if (g->pid < 0) {
		close(fds[0]);
		close(fds[1]);
		g->pid = 0;
		return -errno;
	}
	if (!g->pid) {
		sigprocmask(SIG_SETMASK, mask, NULL);
		close(fds[0]);
		wait_at_gate(fds[1], argv);
	}
	close(fds[1]);
	g->fd = fds[0];
	return 0;
}

static int tell(struct gate *g, const struct gate_message *m)
{
	return send(g->fd, m, sizeof(*m), MSG_NOSIGNAL) == sizeof(*m) ? 0 : -errno;
}

int gate_selftest(struct gate *g, const char *path, const char *mark)
{
	struct gate_message m = { .kind = GATE_TEST };

	snprintf(m.path, sizeof(m.path), "%s", path);
	snprintf(m.mark, sizeof(m.mark), "%s", mark);
	return tell(g, &m);
}

int gate_open(struct gate *g)
{
	struct gate_message m = { .kind = GATE_GO };
	int r = tell(g, &m);

	close(g->fd);
	g->fd = -1;
	return r;
}
