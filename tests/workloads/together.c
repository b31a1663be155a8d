// SPDX-License-Identifier: Apache-2.0
/* together CMD ARG... -- CMD ARG... -- ...: runs the commands at the same time and waits for all of them. */
#include <string.h>
#include "work.h"

int main(int argc, char **argv)
{
	int n = 0, failed = 0;

	if (argc < 2)
		usage("together CMD ARG... -- CMD ARG... -- ...");
	for (int i = 1, first = 1; i <= argc; i++) {
		pid_t pid;

		if (i < argc && strcmp(argv[i], "--"))
			continue;
		argv[i] = NULL;
		pid = fork();
		if (pid < 0)
			die("fork");
		if (!pid) {
			execv(argv[first], argv + first);
			die(argv[first]);
		}
		n++;
		first = i + 1;
	}
	while (n--)
		failed |= work_wait(-1);
	return failed != 0;
}
