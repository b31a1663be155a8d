// SPDX-License-Identifier: Apache-2.0
/* execs COUNT PROCESSES: each of PROCESSES children forks and executes this very file COUNT times, one after the other.
 * Prints how many forks, execs and exits that were (the program's own exit included, its start not). */
#include <string.h>
#include "work.h"

static void run_one(char *self)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		execl(self, self, "leaf", NULL);
		_exit(126);
	}
	if (work_wait(pid))
		exit(1);
}

int main(int argc, char **argv)
{
	long count, processes;

	if (argc == 2 && !strcmp(argv[1], "leaf"))
		_exit(0);
	if (argc != 3)
		usage("execs COUNT PROCESSES");
	count = atol(argv[1]);
	processes = atol(argv[2]);
	for (long p = 0; p < processes; p++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			work_pin(p);
			for (long i = 0; i < count; i++)
				run_one("/proc/self/exe");
			_exit(0);
		}
	}
	for (long p = 0; p < processes; p++)
		if (work_wait(-1))
			return 1;
	printf("forks %ld\nexecs %ld\nexits %ld\n", processes * (count + 1), processes * count, processes * (count + 1) + 1);
	return 0;
}
