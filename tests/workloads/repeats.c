// SPDX-License-Identifier: Apache-2.0
/* repeats COUNT USER EVERY PREFIX: as that user, opens PREFIX-same COUNT times, and after each EVERY-th (0: never) once
 * PREFIX-hidden-<number>. They do not exist. As root. Prints what it did, and between which times (wall clock, ns). */
#include <fcntl.h>
#include <time.h>
#include "work.h"

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

int main(int argc, char **argv)
{
	char same[4096], name[4096];
	long count, user, every, hidden = 0;
	long long begin;

	if (argc != 5)
		usage("repeats COUNT USER EVERY PREFIX");
	count = atol(argv[1]);
	user = atol(argv[2]);
	every = atol(argv[3]);
	if (setresgid((gid_t)user, (gid_t)user, (gid_t)user) || setresuid((uid_t)user, (uid_t)user, (uid_t)user))
		die("setresuid");
	snprintf(same, sizeof(same), "%s-same", argv[4]);
	begin = now();
	for (long i = 0; i < count; i++) {
		open(same, O_RDONLY);
		if (every && i % every == every - 1) {
			snprintf(name, sizeof(name), "%s-hidden-%ld", argv[4], hidden++);
			open(name, O_RDONLY);
		}
	}
	printf("begin %lld\nend %lld\nhidden %ld\n", begin, now(), hidden);
	return 0;
}
