// SPDX-License-Identifier: Apache-2.0
/* daemonize PATH DELAY_MS: forks twice with a setsid between, lets both parents end, and opens PATH DELAY_MS later as an orphan. */
#include <fcntl.h>
#include "work.h"

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc != 3)
		usage("daemonize PATH DELAY_MS");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid)
		return 0;
	if (setsid() < 0)
		die("setsid");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid)
		_exit(0);
	usleep((useconds_t)atoi(argv[2]) * 1000);
	return open(argv[1], O_RDONLY) < 0;
}
