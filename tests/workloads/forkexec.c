// SPDX-License-Identifier: Apache-2.0
/* forkexec COUNT [ROUNDS]: vfork, exec of itself, exit, wait, COUNT times; prints the microseconds of CPU per process, one line a round. */
#include "work.h"
#include <string.h>

int main(int argc, char **argv)
{
	char *leaf[] = { "leaf", "leaf", NULL }, *none[] = { NULL };
	long count, rounds;

	if (argc == 2 && !strcmp(argv[1], "leaf"))
		_exit(0);
	count = argc > 1 ? atol(argv[1]) : 1000;
	rounds = argc > 2 ? atol(argv[2]) : 1;
	for (long r = 0; r < rounds; r++) {
		double begin = work_cpu();

		for (long i = 0; i < count; i++) {
			pid_t pid = vfork();

			if (pid < 0)
				die("vfork");
			if (!pid) {
				execve("/proc/self/exe", leaf, none);
				_exit(126);
			}
			work_wait(pid);
		}
		printf("%.2f\n", (work_cpu() - begin) * 1e6 / (double)count);
		fflush(stdout);
	}
	return 0;
}
