// SPDX-License-Identifier: Apache-2.0
/* killed_in_call FIFO: a child that is killed while its open of FIFO blocks, one that calls exit_group(7), a thread that
 * calls exit, and a process whose other thread is inside an open when the first ends all. Prints the pids. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include "work.h"

static const char *fifo;

static void *opener(void *unused)
{
	open(fifo, O_RDONLY);
	return unused;
}

static void *leaver(void *unused)
{
	syscall(SYS_exit, 5);
	return unused;
}

static void grandchild(const char *what)
{
	pthread_t t;

	if (what[0] == 'k')
		open(fifo, O_RDONLY);
	if (what[0] == 't' && !pthread_create(&t, NULL, leaver, NULL)) {
		pthread_join(t, NULL);
		_exit(0);
	}
	if (what[0] == 'o' && !pthread_create(&t, NULL, opener, NULL)) {
		usleep(100000);
		_exit(3);
	}
	_exit(7);
}

int main(int argc, char **argv)
{
	static const char *const cases[] = { "killed", "exit_group", "thread_exit", "other_thread" };

	if (argc != 2)
		usage("killed_in_call FIFO");
	fifo = argv[1];
	if (mkfifo(fifo, 0600) && errno != EEXIST)
		die(fifo);
	for (unsigned i = 0; i < 4; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			grandchild(cases[i]);
		if (!i) {
			usleep(100000);
			kill(pid, SIGKILL);
		}
		printf("%s %d %d\n", cases[i], pid, work_wait(pid));
	}
	return 0;
}
