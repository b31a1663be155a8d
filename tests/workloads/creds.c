// SPDX-License-Identifier: Apache-2.0
/* creds COUNT THREADS: every thread changes its effective uid COUNT times (raw calls, so that each is one thread's). As root.
 * Each change is a new identity. Prints what it did, by ring class. */
#include "work.h"

static long count;

static void *changer(void *arg)
{
	long t = (long)arg, done = 0;

	work_pin(t);
	for (long i = 0; i < count; i++) {
		if (syscall(SYS_setresuid, -1, i & 1 ? 0 : 1000 + t, -1))
			die("setresuid");
		done++;
	}
	return (void *)done;
}

int main(int argc, char **argv)
{
	long threads, done;

	if (argc != 3)
		usage("creds COUNT THREADS");
	count = atol(argv[1]);
	threads = atol(argv[2]);
	done = work_threads(threads, changer);
	printf("control %ld\nthreads %ld\n", done, threads);
	return 0;
}
