// SPDX-License-Identifier: Apache-2.0
/* sigreturn COUNT PATH: COUNT times a signal to itself, whose handler opens PATH, then an open of PATH.after.
 * Every return from the handler is an rt_sigreturn with the interrupted call's registers. Prints the calls made. */
#include <fcntl.h>
#include <signal.h>
#include "work.h"

static const char *path;

static void handler(int sig)
{
	int fd = open(path, O_RDONLY);

	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = handler };
	char after[4096];
	long count;

	if (argc != 3)
		usage("sigreturn COUNT PATH");
	count = atol(argv[1]);
	path = argv[2];
	snprintf(after, sizeof(after), "%s.after", path);
	sigaction(SIGUSR1, &sa, NULL);
	for (long i = 0; i < count; i++) {
		kill(getpid(), SIGUSR1);
		if (open(after, O_RDONLY) >= 0)
			return 1;
	}
	printf("kill %ld\nopen %ld\n", count, 2 * count);
	return 0;
}
