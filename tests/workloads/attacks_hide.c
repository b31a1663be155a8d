// SPDX-License-Identifier: Apache-2.0
/*
 * attacks_hide HOW DIR COUNT: programs that would be taken for others. Each opens a file that is not there, DIR/who-N, and says
 *
 *     who N PID UID EXECUTABLE
 *
 *     reuse    COUNT children, one after the other, all with the same pid: by fork, as other users, as another program, and
 *              killed while they open DIR/fifo
 *     spoof    a program that calls itself sshd: in its argv's memory and as its comm
 *     exefile  the same, after it has made DIR/decoy its executable (PR_SET_MM_MAP); then a child, and what that executes
 *     memfd    COUNT execs of a memfd, by execveat with no name and through /proc
 *     deleted  a program that removes its file, and puts DIR/decoy in its place
 *     detached a program /usr/sbin/sshd, in a mount that nobody can reach
 *     numbers  a child in a pid namespace of its own ends its own child, the second process there ("inside PID"); it ends by its number here ("outside PID")
 * Ends with 77 where the kernel lacks what the attack needs.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "attacks.h"

static const char *dir;
static long count;

static char *below(const char *name)
{
	return path_below(dir, name);
}

static void copy_of(const char *from, int out)
{
	int in = open(from, O_RDONLY);

	did("openat");
	while (sendfile(out, in, NULL, 1 << 20) > 0)
		;
	close(in);
}

/* This program, with something more at its end: then it is another file by its hash. */
static void copy_to(const char *name, size_t more)
{
	int out = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0755);

	did("openat");
	if (out < 0)
		die(name);
	copy_of("/proc/self/exe", out);
	if (write(out, "decoy", more) != (ssize_t)more)
		die(name);
	close(out);
}

/* The open that tells who made it. */
static void here(long n, const char *executable)
{
	char name[32];

	snprintf(name, sizeof(name), "who-%ld", n);
	printf("who %ld %d %d %s\n", n, (int)syscall(SYS_gettid), getuid(), executable);
	fflush(stdout);
	open(below(name), O_RDONLY);
	did("openat");
}

/* Executes a file as "attacks_hide here HOW DIR N EXECUTABLE". */
static void become(int fd, const char *path, int flags, const char *how, long n, const char *executable)
{
	char number[32];
	char *argv[] = { "attacks_hide", "here", (char *)how, (char *)dir, number, (char *)executable, NULL }, *none[] = { NULL };

	snprintf(number, sizeof(number), "%ld", n);
	if (flags)
		syscall(SYS_execveat, fd, path, argv, none, flags);
	else
		execve(path, argv, none);
	die("exec");
}

static void ends(pid_t pid)
{
	if (work_wait(pid) % 128 == 77)
		exit(77);
}

/* ---- one pid for all ---- */

static pid_t fork_as(pid_t pid)
{
	struct clone_args a = { .exit_signal = SIGCHLD, .set_tid = (unsigned long)&pid, .set_tid_size = 1 };
	long r;

	do {
		r = syscall(SYS_clone3, &a, sizeof(a));
		if (r)
			did("clone3");
	} while (r < 0 && errno == EEXIST);	/* somebody else's for a moment */
	if (r < 0)
		exit(77);
	return (pid_t)r;
}

static void wait_blocked(pid_t pid)
{
	char path[64], line[256], *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (bool blocked = false; !blocked; usleep(500)) {
		f = fopen(path, "r");
		did("openat");
		p = f && fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		blocked = !p || p[2] == 'S';
		if (f)
			fclose(f);
	}
}

static void one_of_many(long n)
{
	if (n % 4 == 1 && setresuid(1000 + (uid_t)n, 1000 + (uid_t)n, 1000 + (uid_t)n))
		die("setresuid");
	if (n % 4 == 2)
		become(AT_FDCWD, below("evil"), 0, "plain", n, below("evil"));
	if (n % 4 == 3)
		open(below("fifo"), O_RDONLY);	/* never comes back */
	here(n, "self");
	_exit(0);
}

static void hide_reuse(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	did("clone");
	did("exit_group");
	work_wait(pid);
	copy_to(below("evil"), 0);
	if (mkfifo(below("fifo"), 0600))
		die("mkfifo");
	for (long n = 0; n < count; n++) {
		if (!fork_as(pid))
			one_of_many(n);
		if (n % 4 == 3) {
			wait_blocked(pid);
			kill(pid, SIGKILL);
		}
		work_wait(pid);
	}
}

/* ---- programs that lie about themselves ---- */

static void child(const char *how)
{
	pid_t pid = fork();

	if (!pid)
		become(AT_FDCWD, below("evil"), 0, how, 1, below("evil"));
	ends(pid);
}

static void hide_as(const char *how)
{
	copy_to(below("evil"), 0);
	copy_to(below("decoy"), 5);
	child(how);
}

static void hide_spoof(void)
{
	hide_as("spoof");
}

static void hide_exefile(void)
{
	hide_as("exefile");
}

static void hide_deleted(void)
{
	hide_as("deleted");
}

static void hide_memfd(void)
{
	int fd = memfd_create("evil", 0);
	char name[64];

	if (fd < 0)
		exit(77);
	copy_of("/proc/self/exe", fd);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	for (long n = 0; n < count; n++) {
		pid_t pid = fork();

		if (!pid)
			become(fd, n % 2 ? name : "", n % 2 ? 0 : AT_EMPTY_PATH, "plain", n, "/memfd:evil");
		ends(pid);
	}
}

static void call_itself_sshd(char **argv)
{
	char *end = argv[5] + strlen(argv[5]);

	prctl(PR_SET_NAME, "sshd");
	memset(argv[0], 0, (size_t)(end - argv[0]));
	strcpy(argv[0], "sshd: root");
}

/* What is mapped of the file becomes memory of nobody's, at the same place and with the same content. */
static void leave_own_file(void)
{
	unsigned long from[16], to[16];
	char line[4096], mode[8];
	int n = 0, prot;
	FILE *f = fopen("/proc/self/maps", "r");

	did("openat");
	while (f && n < 16 && fgets(line, sizeof(line), f))
		if (strstr(line, dir) && sscanf(line, "%lx-%lx %4s", &from[n], &to[n], mode) == 3) {
			prot = (mode[0] == 'r' ? PROT_READ : 0) | (mode[1] == 'w' ? PROT_WRITE : 0) | (mode[2] == 'x' ? PROT_EXEC : 0);
			to[n] = (to[n] - from[n]) | (unsigned long)prot;	/* lengths are whole pages */
			n++;
		}
	for (int i = 0; i < n; i++) {
		size_t size = to[i] & ~4095UL;
		void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		memcpy(p, (void *)from[i], size);
		mprotect(p, size, (int)(to[i] & 7));
		if (mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, from[i]) == MAP_FAILED)
			_exit(77);
	}
}

/* Where the kernel has this program's parts, to say the same again: proc(5), fields 26 to 28 and 45 to 51. */
static struct prctl_mm_map own_parts(void)
{
	struct prctl_mm_map m = { .brk = (unsigned long)sbrk(0) };
	unsigned long long v[52] = { 0 };
	char line[2048], *p = NULL;
	FILE *f = fopen("/proc/self/stat", "r");

	did("openat");
	if (f && fgets(line, sizeof(line), f))
		p = strrchr(line, ')') + 4;
	for (int i = 4; p && i < 52; i++)
		v[i] = strtoull(p, &p, 10);
	m.start_code = v[26], m.end_code = v[27], m.start_stack = v[28], m.start_data = v[45], m.end_data = v[46];
	m.start_brk = v[47], m.arg_start = v[48], m.arg_end = v[49], m.env_start = v[50], m.env_end = v[51];
	return m;
}

static void take_decoy(void)
{
	int fd = open(below("decoy"), O_RDONLY);
	struct prctl_mm_map m = own_parts();

	did("openat");
	m.exe_fd = (unsigned)fd;
	leave_own_file();
	if (prctl(PR_SET_MM, PR_SET_MM_MAP, &m, sizeof(m), 0)) {
		perror("PR_SET_MM_MAP");
		_exit(77);
	}
}

/* What was known of the parent is known of the child, until that executes DIR/evil2. */
static void child_of_decoy(long n, const char *executable)
{
	pid_t pid = fork();

	if (!pid) {
		here(n + 1, executable);
		if (link(below("evil"), below("evil2")))
			die("link");
		become(AT_FDCWD, below("evil2"), 0, "plain", n + 2, below("evil2"));
	}
	ends(pid);
}

static void hide_detached(void)
{
	int fd;

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", dir, "tmpfs", 0, NULL))
		exit(77);
	mkdir(below("usr"), 0755);
	mkdir(below("usr/sbin"), 0755);
	fd = open(below("usr/sbin/sshd"), O_WRONLY | O_CREAT, 0755);
	copy_of("/proc/self/exe", fd);
	close(fd);
	fd = open(below("usr/sbin/sshd"), O_PATH);
	if (umount2(dir, MNT_DETACH))
		exit(77);
	become(fd, "", AT_EMPTY_PATH, "detached", count, ".../usr/sbin/sshd");
}

/* Whose number it is depends on who says it. */
static void hide_numbers(void)
{
	pid_t pid, second;
	int done[2];
	char byte;

	if (pipe(done) || unshare(CLONE_NEWPID))
		exit(77);
	pid = fork();
	if (!pid) {
		second = fork();
		if (second) {
			printf("inside %d\n", second);
			fflush(stdout);
			kill(second, SIGKILL);
			if (write(done[1], "x", 1) != 1)
				die("write");
		}
		for (;;)
			pause();
	}
	if (read(done[0], &byte, 1) != 1)
		exit(77);
	printf("outside %d\n", pid);
	kill(pid, SIGKILL);
	ends(pid);
}

/* In the new program. */
static int arrived(char **argv)
{
	static const char *const names[] = { "openat", NULL };
	const char *how = argv[2], *executable = strdup(argv[5]);
	long n = atol(argv[4]);

	dir = strdup(argv[3]);
	attacks_begin(names, 0);
	if (!strcmp(how, "deleted") && rename(below("decoy"), below("evil")))
		die("rename");
	if (!strcmp(how, "spoof"))
		call_itself_sshd(argv);
	if (!strcmp(how, "exefile"))
		take_decoy();
	here(n, executable);
	if (!strcmp(how, "exefile"))
		child_of_decoy(n, executable);
	return 0;
}

static const struct {
	const char *name;
	void (*run)(void);
} ways[] = {
	{ "reuse", hide_reuse }, { "spoof", hide_spoof }, { "exefile", hide_exefile }, { "memfd", hide_memfd },
	{ "deleted", hide_deleted }, { "numbers", hide_numbers }, { "detached", hide_detached },
};

int main(int argc, char **argv)
{
	static const char *const names[] = { "clone", "clone3", "openat", "exit_group", NULL };

	if (argc == 6 && !strcmp(argv[1], "here"))
		return arrived(argv);
	if (argc != 4)
		usage("attacks_hide HOW DIR COUNT");
	dir = argv[2];
	count = atol(argv[3]);
	attacks_begin(names, count);
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(argv[1], ways[i].name)) {
			ways[i].run();
			attacks_end();
			return 0;
		}
	usage("attacks_hide: no such way");
}
