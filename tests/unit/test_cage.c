/* SPDX-License-Identifier: Apache-2.0 */
/* What a process that runs strangers' SQL may do: each is tried in a child that is caged. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/lake/cage.h"
#include "tests/tap.h"

#define MEMORY (256ull << 20)
#define NO_LANDLOCK 201
#define NOT_CAGED 202

static char dir[] = "/tmp/test_cage.XXXXXX";
static pid_t parent;

/* What fn says, in a cage: 0, or the line of what was not as it should be. */
static int caged(int (*fn)(void))
{
	bool files = false;
	int status = 0;
	pid_t child;

	parent = getpid();
	fflush(stdout);
	child = fork();
	if (!child) {
		if (cage_prepare(parent, STDERR_FILENO) < 0 || cage_enter(dir, MEMORY, &files) < 0)
			_exit(NOT_CAGED);
		_exit(files ? fn() : NO_LANDLOCK);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 203;
}

#define check(cond)                          \
	do {                                 \
		if (!(cond))                 \
			return __LINE__;     \
	} while (0)
#define refused(call, error) check((call) == -1 && errno == (error))

static int files(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDONLY);
	check(fd >= 0 && read(fd, path, 1) == 1);
	refused(open(path, O_WRONLY), EPERM);
	refused(open(path, O_RDWR), EPERM);
	refused(open(path, O_RDONLY | O_TRUNC), EPERM);
	snprintf(path, sizeof(path), "%s/new", dir);
	refused(open(path, O_RDONLY | O_CREAT, 0600), EPERM);
	refused(mkdir(path, 0700), EPERM);
	refused(unlink(path), EPERM);
	refused(rename(path, path), EPERM);
	refused(symlink(path, path), EPERM);
	refused(chmod(path, 0700), EPERM);
	refused(open("/etc/passwd", O_RDONLY), EACCES);
	refused(open("/proc/self/environ", O_RDONLY), EACCES);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)parent);
	refused(open(path, O_RDONLY), EACCES);
	return 0;
}

static int others(void)
{
	char *const argv[] = { (char *)"/bin/true", NULL };
	struct iovec v = { &parent, sizeof(parent) };
	int pair[2];

	refused(socket(AF_UNIX, SOCK_STREAM, 0), EPERM);
	refused(socket(AF_INET, SOCK_STREAM, 0), EPERM);
	refused(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), EPERM);
	refused(pipe(pair), EPERM);
	refused(execv(argv[0], argv), EPERM);
	refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), EPERM);
	refused(syscall(SYS_clone3, 0, 0), ENOSYS);
	refused(kill(parent, 0), EPERM);
	refused(syscall(SYS_tgkill, parent, parent, 0), EPERM);
	refused(ptrace(PTRACE_ATTACH, parent, 0, 0), EPERM);
	refused(process_vm_readv(parent, &v, 1, &v, 1, 0), EPERM);
	refused(syscall(SYS_pidfd_open, parent, 0), EPERM);
	refused(fcntl(STDERR_FILENO, F_SETOWN, parent), EPERM);
	refused(unshare(CLONE_NEWUSER), EPERM);
	refused(syscall(SYS_bpf, 0, NULL, 0), EPERM);
	refused(syscall(SYS_io_uring_setup, 1, NULL), EPERM);
	return 0;
}

static int itself(void)
{
	refused(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0), EPERM);
	refused(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), EPERM);
	check(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EPERM);
	check(mmap(NULL, 2 * MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
	check(mmap(NULL, MEMORY / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	return 0;
}

static void *nothing(void *arg)
{
	return arg;
}

static int threads(void)
{
	pthread_t t;

	check(pthread_create(&t, NULL, nothing, NULL) == 0);
	check(pthread_join(t, NULL) == 0);
	return 0;
}

/* A fault of the engine's ends it by its signal, not by an endless loop. */
static int faults(void)
{
	abort();
}

static void try(int (*fn)(void))
{
	int r = caged(fn);

	if (r == NO_LANDLOCK)
		skip("this kernel has no Landlock");
	ok_int(r, 0);
}

static void it_reads_what_it_is_to_read_and_writes_nothing(void)
{
	try(files);
}

static void it_reaches_nobody_else(void)
{
	try(others);
}

static void it_stays_as_it_is(void)
{
	try(itself);
}

static void it_has_threads(void)
{
	try(threads);
}

static void it_can_fail(void)
{
	int r = caged(faults);

	if (r == NO_LANDLOCK)
		skip("this kernel has no Landlock");
	ok_int(r, 203);
}

/* The parent that it is told of is not there any more. */
static void it_does_not_begin_without_its_parent(void)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		_exit(cage_prepare(getpid(), STDERR_FILENO) == -ESRCH ? 0 : 1);
	waitpid(child, &status, 0);
	ok_int(status, 0);
}

int main(void)
{
	static const struct tap_case cases[] = {
		CASE(it_reads_what_it_is_to_read_and_writes_nothing), CASE(it_reaches_nobody_else), CASE(it_stays_as_it_is),
		CASE(it_has_threads), CASE(it_can_fail), CASE(it_does_not_begin_without_its_parent),
	};
	char path[64];
	FILE *f;
	int r;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/file", dir);
	f = fopen(path, "w");
	if (!f || fputs("x", f) < 0 || fclose(f))
		return 1;
	r = tap_run(cases, sizeof(cases) / sizeof(cases[0]));
	unlink(path);
	rmdir(dir);
	return r;
}
