// SPDX-License-Identifier: Apache-2.0
/*
 * attacks_flood HOW DIR COUNT: calls in such number that others might be lost among them.
 *
 *     hide    COUNT opens of DIR/none by user 64321; after each thousandth it executes this program with an argument that tells
 *             which: "flood N"
 *     crowd   the same among COUNT children that do nothing but end, fifty at a time, after each two hundred
 *     bomb    every process of user 64322 starts others until COUNT attempts were made, most of which the limit on its
 *             processes refuses
 *     short   two processes, each of which starts DIR/leaf_nolibc COUNT / 2 times
 */
#include <fcntl.h>

#include "attacks.h"

#define EVERY 1000
#define AT_ONCE 50
#define BETWEEN 200
#define HIDER 64321
#define BOMBER 64322
#define LIMIT 60

static long count;

static void become(uid_t uid)
{
	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		die("setresuid");
}

/* A child shares our memory until it executes, so it counts nothing. */
static void execute(long n)
{
	char number[32];
	char *argv[] = { "attacks_flood", "flood", number, NULL }, *none[] = { NULL };
	pid_t pid;

	snprintf(number, sizeof(number), "%ld", n);
	pid = vfork();
	if (!pid) {
		execve("/proc/self/exe", argv, none);
		_exit(1);
	}
	did("vfork");
	did("execve");
	did("exit_group");
	if (pid < 0 || work_wait(pid))
		die("exec");
}

static void hide(const char *dir)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s/none", dir);
	become(HIDER);
	for (long n = 0; n < count; n++) {
		open(name, O_RDONLY);
		if (n % EVERY == EVERY - 1)
			execute(n / EVERY);
	}
	did_many("openat", count);
}

static void crowd(const char *unused)
{
	become(HIDER);
	for (long n = 0; n < count; n++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (pid < 0)
			die("fork");
		if (n % AT_ONCE < AT_ONCE - 1 && n < count - 1)
			continue;
		while (wait(NULL) > 0)
			;
		if (n % BETWEEN == BETWEEN - 1)
			execute(n / BETWEEN);
	}
	did_many("clone", count);
	did_many("exit_group", count);
}

/* Attempts are taken from a number that all share, so that they end. */
static void explode(atomic_long *left)
{
	while (atomic_fetch_sub(left, 1) > 0) {
		pid_t pid = fork();

		if (pid) {
			did("clone");
			did(pid < 0 ? "refused" : "exit_group");
		}
	}
	while (wait(NULL) > 0)
		;
	_exit(0);
}

static void bomb(const char *unused)
{
	struct rlimit limit = { LIMIT, LIMIT };
	atomic_long *left = shared_pages(sizeof(*left));
	pid_t pid;

	*left = count;
	pid = fork();
	if (!pid) {
		if (setrlimit(RLIMIT_NPROC, &limit))
			die("setrlimit");
		become(BOMBER);
		explode(left);
	}
	did("clone");
	did("exit_group");
	work_wait(pid);
}

static void starter(const char *leaf, long n)
{
	char *argv[] = { "leaf", NULL }, *none[] = { NULL };

	while (n--) {
		pid_t pid = vfork();

		if (!pid) {
			execve(leaf, argv, none);
			_exit(1);
		}
		if (pid < 0 || work_wait(pid))
			die(leaf);
	}
	_exit(0);
}

static void short_lived(const char *dir)
{
	char leaf[4096];

	snprintf(leaf, sizeof(leaf), "%s/leaf_nolibc", dir);
	for (int i = 0; i < 2; i++)
		if (!fork())
			starter(leaf, count / 2);
	if (work_wait(-1) || work_wait(-1))
		die("a starter");
	did_many("clone", 2);
	did_many("vfork", count / 2 * 2);
	did_many("execve", count / 2 * 2);
	did_many("exit_group", count / 2 * 2 + 2);
}

static const struct {
	const char *name;
	void (*run)(const char *dir);
} ways[] = { { "hide", hide }, { "crowd", crowd }, { "bomb", bomb }, { "short", short_lived } };

int main(int argc, char **argv)
{
	static const char *const names[] = { "openat", "clone", "vfork", "execve", "exit_group", "refused", NULL };

	if (argc == 3 && !strcmp(argv[1], "flood"))
		return 0;
	if (argc != 4)
		usage("attacks_flood HOW DIR COUNT");
	count = atol(argv[3]);
	attacks_begin(names, 0);
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(argv[1], ways[i].name)) {
			ways[i].run(argv[2]);
			attacks_end();
			return 0;
		}
	usage("attacks_flood: no such way");
}
