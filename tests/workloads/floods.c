// SPDX-License-Identifier: Apache-2.0
/* floods COUNT USERS FIRST EVERY PREFIX: USERS processes at once, of users FIRST, FIRST+1, ..., each opens COUNT names of its
 * own, PREFIX-<user>-<number>, and after each EVERY-th (0: never) removes one. They do not exist. As root. Prints what they did. */
#include <fcntl.h>
#include "work.h"

static void flood(long count, long user, long every, const char *prefix)
{
	char name[4096];

	work_pin(user);
	if (setresgid((gid_t)user, (gid_t)user, (gid_t)user) || setresuid((uid_t)user, (uid_t)user, (uid_t)user))
		die("setresuid");
	for (long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s-%ld-%ld", prefix, user, i);
		open(name, O_RDONLY);
		if (every && i % every == every - 1)
			unlink(name);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	long count, users, first, every;

	if (argc != 6)
		usage("floods COUNT USERS FIRST EVERY PREFIX");
	count = atol(argv[1]);
	users = atol(argv[2]);
	first = atol(argv[3]);
	every = atol(argv[4]);
	for (long i = 0; i < users; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			flood(count, first + i, every, argv[5]);
	}
	for (long i = 0; i < users; i++)
		if (work_wait(-1))
			return 1;
	printf("opens %ld\nunlinks %ld\n", count * users, every ? count / every * users : 0);
	return 0;
}
