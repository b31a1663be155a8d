// SPDX-License-Identifier: Apache-2.0
/* nonleader_exec PROGRAM ARG...: a thread that is not the leader executes PROGRAM; its pid becomes the leader's. */
#include "work.h"

static char **args;

static void *executer(void *unused)
{
	printf("thread %ld leader %d\n", syscall(SYS_gettid), getpid());
	fflush(stdout);
	execv(args[0], args);
	die(args[0]);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t t;

	if (argc < 2)
		usage("nonleader_exec PROGRAM ARG...");
	args = argv + 1;
	if (pthread_create(&t, NULL, executer, NULL))
		die("pthread_create");
	pthread_join(t, NULL);
	return 1;
}
