// SPDX-License-Identifier: Apache-2.0
/* opens COUNT THREADS PREFIX [create]: every thread (0: the program itself) opens COUNT names of its own, PREFIX-<thread>-<number>, spread over all
 * CPUs. They do not exist, or with `create` each is made and closed. Prints what it did, by ring class. */
#include <fcntl.h>
#include <string.h>
#include "work.h"

static long count;
static const char *prefix;
static int create;

static void *opener(void *arg)
{
	long t = (long)arg, done = 0;
	char name[4096];

	work_pin(t);
	for (long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s-%ld-%ld", prefix, t, i);
		int fd = open(name, create ? O_CREAT | O_WRONLY : O_RDONLY, 0600);

		done++;
		if (fd >= 0)
			close(fd);
		else if (create)
			die(name);
	}
	return (void *)done;
}

int main(int argc, char **argv)
{
	long threads, done;

	if (argc < 4)
		usage("opens COUNT THREADS PREFIX [create]");
	count = atol(argv[1]);
	threads = atol(argv[2]);
	prefix = argv[3];
	create = argc > 4 && !strcmp(argv[4], "create");
	done = threads ? work_threads(threads, opener) : (long)opener(0);
	printf("data %ld\nthreads %ld\n", done, threads);
	return 0;
}
