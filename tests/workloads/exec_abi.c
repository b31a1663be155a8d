// SPDX-License-Identifier: Apache-2.0
/* exec_abi STEPS PATH: opens PATH, then executes its twin of the other width (exec_abi <-> exec_abi32, same folder) STEPS times. */
#include <fcntl.h>
#include <libgen.h>
#include "work.h"

int main(int argc, char **argv)
{
	char self[4096], twin[4200], left[16];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int steps;

	if (argc != 3)
		usage("exec_abi STEPS PATH");
	if (n < 0)
		die("/proc/self/exe");
	self[n] = 0;
	steps = atoi(argv[1]);
	printf("%zu-bit open %d\n", sizeof(void *) * 8, open(argv[2], O_RDONLY));
	fflush(stdout);
	if (steps <= 0)
		return 0;
	snprintf(twin, sizeof(twin), "%s/%s", dirname(self), sizeof(void *) == 8 ? "exec_abi32" : "exec_abi");
	snprintf(left, sizeof(left), "%d", steps - 1);
	execl(twin, twin, left, argv[2], NULL);
	die(twin);
}
