// SPDX-License-Identifier: Apache-2.0
/* paced COUNT SECONDS PREFIX [create]: COUNT calls, spread over SECONDS in short bursts, each with a name of its own: nine opens of
 * PREFIX-<number>, then a mount on it (all fail, or with `create` the opens make their file), and so on. Waits for a line on standard input first. Prints what it did,
 * by ring class. */
#include <fcntl.h>
#include <sys/mount.h>
#include <time.h>
#include "work.h"

#define BURST 20

int main(int argc, char **argv)
{
	long count, opens = 0, mounts = 0;
	double seconds;
	char name[4096];

	if (argc < 4)
		usage("paced COUNT SECONDS PREFIX [create]");
	count = atol(argv[1]);
	seconds = atof(argv[2]);
	if (read(STDIN_FILENO, name, sizeof(name)) < 0)
		die("standard input");
	for (long i = 0; i < count; i++) {
		struct timespec pause = { 0, (long)(seconds * 1e9 * BURST / (double)count) };

		snprintf(name, sizeof(name), "%s-%ld", argv[3], i);
		if (i % 10 == 9) {
			mount("none", name, "tmpfs", 0, NULL);
			mounts++;
		} else {
			int fd = open(name, argc > 4 ? O_RDONLY | O_CREAT : O_RDONLY, 0600);

			if (fd >= 0)
				close(fd);
			else if (argc > 4)
				die(name);
			opens++;
		}
		if (i % BURST == BURST - 1)
			nanosleep(&pause, NULL);
	}
	printf("data %ld\ncontrol %ld\n", opens, mounts);
	return 0;
}
