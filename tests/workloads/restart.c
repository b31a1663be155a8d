// SPDX-License-Identifier: Apache-2.0
/* restart MODE FIFO: a blocking open of FIFO that is disturbed before its partner comes.
 *   restart    three signals, handler with SA_RESTART: one call to the program
 *   eintr      a signal, handler without SA_RESTART: EINTR
 *   stop       SIGSTOP and SIGCONT: one call to the program
 *   abandon    a signal whose handler leaves by longjmp, then an open of FIFO.next: the first call never comes back
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include "work.h"

static sigjmp_buf away;
static int leave;

static void handler(int sig)
{
	if (leave)
		siglongjmp(away, 1);
}

/* Sleeps until the task blocks in a call (state S), so that the signal arrives inside it; or has ended. */
static void wait_blocked(pid_t pid, char state)
{
	char path[64], line[256], *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < 5000; i++, usleep(1000)) {
		f = fopen(path, "r");
		if (!f)
			return;
		p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		fclose(f);
		if (p && ((p[2] == state && i > 20) || p[2] == 'Z'))
			return;
	}
}

static int child(const char *mode, const char *fifo)
{
	struct sigaction sa = { .sa_handler = handler };
	char next[4096];
	int fd;

	sa.sa_flags = strcmp(mode, "restart") ? 0 : SA_RESTART;
	leave = !strcmp(mode, "abandon");
	snprintf(next, sizeof(next), "%s.next", fifo);
	sigaction(SIGUSR1, &sa, NULL);
	if (sigsetjmp(away, 1))
		return open(next, O_RDONLY) >= 0;
	fd = open(fifo, O_RDONLY);
	if (!strcmp(mode, "eintr"))
		return fd >= 0 || errno != EINTR;
	return fd < 0;
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc != 3)
		usage("restart restart|eintr|stop|abandon FIFO");
	if (mkfifo(argv[2], 0600) && errno != EEXIST)
		die(argv[2]);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		_exit(child(argv[1], argv[2]));
	wait_blocked(pid, 'S');
	if (!strcmp(argv[1], "stop")) {
		kill(pid, SIGSTOP);
		wait_blocked(pid, 'T');
		kill(pid, SIGCONT);
		wait_blocked(pid, 'S');
	} else {
		for (int i = 0; i < (strcmp(argv[1], "restart") ? 1 : 3); i++, wait_blocked(pid, 'S'))
			kill(pid, SIGUSR1);
	}
	if (!strcmp(argv[1], "restart") || !strcmp(argv[1], "stop"))
		close(open(argv[2], O_WRONLY));
	printf("pid %d\n", pid);
	return work_wait(pid);
}
