// SPDX-License-Identifier: Apache-2.0
/* getppid COUNT [ROUNDS]: a call that no table captures, COUNT times; prints the nanoseconds per call, one line a round. */
#include <time.h>
#include "work.h"

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 1000000, rounds = argc > 2 ? atol(argv[2]) : 1;

	for (long r = 0; r < rounds; r++) {
		struct timespec a, b;

		clock_gettime(CLOCK_MONOTONIC, &a);
		for (long i = 0; i < count; i++)
			syscall(SYS_getppid);
		clock_gettime(CLOCK_MONOTONIC, &b);
		printf("%.2f\n", ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / (double)count);
		fflush(stdout);
	}
	return 0;
}
