// SPDX-License-Identifier: Apache-2.0
/* getppid COUNT [ROUNDS]: a call that no table captures, COUNT times; prints the nanoseconds of CPU per call, one line a round. */
#include "work.h"

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 1000000, rounds = argc > 2 ? atol(argv[2]) : 1;

	for (long r = 0; r < rounds; r++) {
		double begin = work_cpu();

		for (long i = 0; i < count; i++)
			syscall(SYS_getppid);
		printf("%.2f\n", (work_cpu() - begin) * 1e9 / (double)count);
		fflush(stdout);
	}
	return 0;
}
