// SPDX-License-Identifier: Apache-2.0
/* crowd PROCESSES FIRST USERS CGROUPS COUNT SECONDS DELAY PREFIX: PROCESSES at once, the i-th as user FIRST + i modulo USERS, in the cgroup whose
 * directory is CGROUPS/i divided by USERS (the directories are there); each waits DELAY seconds, then opens COUNT names PREFIX-<i>-<number>
 * over SECONDS (0: as fast as it can). They do not exist. As root. Prints how many opens. */
#include <fcntl.h>
#include <string.h>
#include "work.h"

static void rest(double seconds)
{
	struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	nanosleep(&t, NULL);
}

static void enter(const char *cgroups, long n)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%ld/cgroup.procs", cgroups, n);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

static void one(long i, char **argv)
{
	long users = atol(argv[3]), count = atol(argv[5]);
	uid_t user = (uid_t)(atol(argv[2]) + i % users);
	double seconds = atof(argv[6]);
	char name[4096];

	enter(argv[4], i / users);
	if (setresgid(user, user, user) || setresuid(user, user, user))
		die("setresuid");
	rest(atof(argv[7]));
	for (long n = 0; n < count; n++) {
		snprintf(name, sizeof(name), "%s-%ld-%ld", argv[8], i, n);
		open(name, O_RDONLY);
		if (seconds > 0)
			rest(seconds / (double)count);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	long processes;

	if (argc != 9)
		usage("crowd PROCESSES FIRST USERS CGROUPS COUNT SECONDS DELAY PREFIX");
	processes = atol(argv[1]);
	for (long i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			one(i, argv);
	}
	for (long i = 0; i < processes; i++)
		if (work_wait(-1))
			return 1;
	printf("opens %ld\n", processes * atol(argv[5]));
	return 0;
}
