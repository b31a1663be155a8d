// SPDX-License-Identifier: Apache-2.0
/* attacks_change HOW DIR COUNT: programs that become others between two opens, without a change of any number that the kernel keeps of them. Each opens
 * DIR/is-N, which is not there, and says "is N WHAT VALUE".
 *   named   gives itself other names
 *   mapped  is in a user namespace that gets its map later, from outside
 *   groups  has other groups, whose list lies where one that is gone has lain
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/prctl.h>

#include "attacks.h"

static const char *dir;
static long opened;

static void is(const char *what, const char *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/is-%ld", dir, opened);
	printf("is %ld %s %s\n", opened++, what, value);
	fflush(stdout);
	open(path, O_RDONLY);
	did("openat");
}

static void named(long count)
{
	char name[32];

	for (long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "name-%ld", i);
		if (prctl(PR_SET_NAME, name))
			die("prctl");
		is("command", name);
	}
}

static void map(pid_t pid)
{
	char path[64], line[] = "0 1000 1\n";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	fd = open(path, O_WRONLY);
	did("openat");
	if (fd < 0 || write(fd, line, sizeof(line) - 1) != (ssize_t)sizeof(line) - 1)
		die(path);
}

static void mapped(void)
{
	int begun[2], go[2];
	char c;
	pid_t pid;

	if (pipe(begun) || pipe(go))
		die("pipe");
	pid = fork();
	if (!pid) {
		if (setresuid(1000, 1000, 1000) || prctl(PR_SET_DUMPABLE, 1) || unshare(CLONE_NEWUSER))
			_exit(77);
		is("uidInNamespace", "65534");
		if (write(begun[1], "x", 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(3);
		is("uidInNamespace", "0");
		_exit(0);
	}
	did("clone");
	close(begun[1]);
	if (read(begun[0], &c, 1) != 1)
		exit(77);
	map(pid);
	if (write(go[1], "x", 1) != 1 || work_wait(pid))
		die("child");
}

static void set_group(gid_t group)
{
	if (syscall(SYS_setgroups, 1, &group))
		die("setgroups");
	did("setgroups");
}

static void groups(long count)
{
	char text[32];

	work_pin(0);
	for (long i = 0; i < count; i++) {
		set_group(1000 + (gid_t)i);
		snprintf(text, sizeof(text), "[%ld]", 1000 + i);
		is("groups", text);
		for (int k = 0; k < 3; k++) {
			set_group(50000);
			usleep(20000);	/* the kernel frees the former ones a little later */
		}
	}
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "clone", "openat", "setgroups", NULL };

	if (argc != 4)
		usage("attacks_change named|mapped|groups DIR COUNT");
	dir = argv[2];
	attacks_begin(names, 0);
	if (!strcmp(argv[1], "named"))
		named(atol(argv[3]));
	else if (!strcmp(argv[1], "mapped"))
		mapped();
	else
		groups(atol(argv[3]));
	attacks_end();
	return 0;
}
