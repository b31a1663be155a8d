// SPDX-License-Identifier: Apache-2.0
/* spawn LEAF COUNT: for each line on standard input: vfork, exec of LEAF, exit, wait, COUNT times; prints the microseconds of
 * CPU per process. Always on the first CPU, so that rounds compare. */
#include "work.h"

static void spawn(const char *leaf)
{
	char *const argv[] = { (char *)"leaf", NULL }, *const none[] = { NULL };
	pid_t pid = vfork();

	if (pid < 0)
		die("vfork");
	if (!pid) {
		execve(leaf, argv, none);
		_exit(126);
	}
	if (work_wait(pid))
		die(leaf);
}

int main(int argc, char **argv)
{
	long count = argc == 3 ? atol(argv[2]) : 0;
	char line[16];

	if (count <= 0)
		usage("spawn LEAF COUNT");
	work_pin(0);
	while (fgets(line, sizeof(line), stdin)) {
		double begin = work_cpu();

		for (long i = 0; i < count; i++)
			spawn(argv[1]);
		printf("%.3f\n", (work_cpu() - begin) * 1e6 / (double)count);
		fflush(stdout);
	}
	return 0;
}
