// SPDX-License-Identifier: Apache-2.0
/* raw NUMBER [ARG...]: one call by its number (for numbers that no table knows), then getppid. Prints the result. */
#include "work.h"

int main(int argc, char **argv)
{
	long a[6] = { 0 }, r;

	if (argc < 2 || argc > 8)
		usage("raw NUMBER [ARG...]");
	for (int i = 2; i < argc; i++)
		a[i - 2] = strtol(argv[i], NULL, 0);
	r = syscall(strtol(argv[1], NULL, 0), a[0], a[1], a[2], a[3], a[4], a[5]);
	printf("%ld\n", r == -1 ? -(long)errno : r);
	return 0;
}
