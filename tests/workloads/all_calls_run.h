/* SPDX-License-Identifier: Apache-2.0 */
/* How all_calls.c and rows32.c make their calls: each try in a process of its own, on the same ground, and told by its parent. */
#ifndef HOSTTRAIL_ALL_CALLS_RUN_H
#define HOSTTRAIL_ALL_CALLS_RUN_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "all_calls_say.h"
#include "work.h"

#define PENDING INT64_MIN
#define CALL(name, ...) sys(SYS_##name, #__VA_ARGS__, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define IMPOSSIBLE(reason) (why = (reason), 0)

struct try {
	const char *name;
	long (*fn)(void);
	bool good;
};

static const char *why;
static char buffer[4096];

/* One call. Whether it came back is seen in shared memory at once, for whatever becomes of this process after. */
static long sys(long nr, const char *text, ...)
{
	va_list ap;
	long a[6], r;

	va_start(ap, text);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	say_before(nr, text, a);
	said->result = PENDING;
	r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (r == -1)
		r = -errno;
	say_after(nr, r, buffer);
	return r;
}

static void run_one(const struct try *t)
{
	pid_t pid;

	said->result = PENDING;
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		int64_t r = t->fn();

		if (why)
			printf("none %s\n", why);
		fflush(stdout);
		said->result = why ? INT64_MAX : r;
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	if (said->result == PENDING)
		say_line(t->name, pid, false, t->good);
	else if (said->result != INT64_MAX)
		say_line(t->name, pid, true, t->good);
	fflush(stdout);
}

/* The ground that every call finds: a file, an empty folder, a symlink. */
static void ground(void)
{
	int fd;

	unlink("g");
	rmdir("g");
	unlink("f");
	fd = open("f", O_CREAT | O_RDWR, 0644);
	if (fd >= 0)
		close(fd);
	mkdir("d", 0755);
	if (symlink("f", "l") && errno != EEXIST)
		die("symlink");
}

static int run_all(int argc, char **argv, const struct try *v, size_t n)
{
	if (argc < 2)
		usage("all_calls DIR [NAME]");
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (said == MAP_FAILED || chdir(argv[1]))
		die(argv[1]);
	umask(0);
	for (size_t i = 0; i < n; i++) {
		if (argc > 2 && strcmp(v[i].name, argv[2]))
			continue;
		ground();
		run_one(&v[i]);
	}
	return 0;
}

#endif
