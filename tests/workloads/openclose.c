// SPDX-License-Identifier: Apache-2.0
/* openclose COUNT PATH [ROUNDS]: opens and closes PATH COUNT times; prints the nanoseconds of CPU per pair, one line a round. */
#include <fcntl.h>
#include "work.h"

int main(int argc, char **argv)
{
	long count, rounds;

	if (argc < 3)
		usage("openclose COUNT PATH [ROUNDS]");
	count = atol(argv[1]);
	rounds = argc > 3 ? atol(argv[3]) : 1;
	for (long r = 0; r < rounds; r++) {
		double begin = work_cpu();

		for (long i = 0; i < count; i++) {
			int fd = open(argv[2], O_RDONLY);

			if (fd < 0)
				die(argv[2]);
			close(fd);
		}
		printf("%.1f\n", (work_cpu() - begin) * 1e9 / (double)count);
		fflush(stdout);
	}
	return 0;
}
