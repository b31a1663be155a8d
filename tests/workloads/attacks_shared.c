// SPDX-License-Identifier: Apache-2.0
/*
 * attacks_shared HOW DIR COUNT: calls about what another process or thread gave, has, or changes. Says of each, in their order, "is CALL PATH KIND": what it
 * was about, or "is CALL ? -" where that is not known for sure.
 *
 *     received  descriptors that came over a socket, and by pidfd_getfd
 *     magic     names that go by links of /proc: descriptors, and root and working directory of a process in another mount namespace
 *     empty     descriptors of O_PATH and the empty name
 *     overlay   a file that is copied up while it is open, and one that is removed then
 *     memfd     a thread executes a memfd by its descriptor
 *     vfork     a child rewrites the arguments of its parent, whose memory it has, before it executes with them
 *     cwd       opens that wait while a thread changes the working directory, or the root: interrupted, then not
 *     cgroup    a child that begins in another cgroup, and is moved to a third inside a call: "cgroup NAME" of each open of DIR/here
 * Ends with 77 where the kernel lacks what is needed.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "work.h"

static const char *dir;

static char *below(const char *name)
{
	return path_below(dir, name);
}

static void is(const char *call, const char *path, const char *kind)
{
	printf("is %s %s %s\n", call, path, kind);
	fflush(stdout);
}

static void need(long r, const char *what)
{
	if (r >= 0)
		return;
	perror(what);
	exit(77);
}

static int made(const char *name)
{
	int fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0644);

	if (fd < 0)
		die(name);
	return fd;
}

/* A call that takes nothing but the descriptor. */
static void touch(int fd, const char *path, const char *kind)
{
	is("fchmod", path, kind);
	if (fchmod(fd, 0640))
		die("fchmod");
}

static void own_mounts(void)
{
	need(unshare(CLONE_NEWNS), "unshare");
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
}

/* ---- descriptors that somebody else opened ---- */

static int receive(int socket)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	int fd;

	if (recvmsg(socket, &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void give(int socket, int fd)
{
	char byte = 'x', room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(socket, &m, 0) != 1)
		die("sendmsg");
}

static void received(void)
{
	int s[2], pidfd, fd;
	char byte;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		die("socketpair");
	pid = fork();
	if (!pid) {
		give(s[1], made("sent"));
		fd = dup2(made("taken"), 100);
		if (write(s[1], "x", 1) != 1 || read(s[1], &byte, 1) < 0)
			die("told");
		_exit(fd != 100);
	}
	fd = receive(s[0]);
	touch(fd, below("sent"), "-");
	close(fd);
	if (read(s[0], &byte, 1) != 1)
		die("read");
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, 100, 0);
	need(fd, "pidfd_getfd");
	touch(fd, below("taken"), "-");
	close(s[0]);
	close(s[1]);
	if (kill(pid, SIGKILL) || work_wait(pid) != 128 + SIGKILL)
		die("child");
}

/* ---- links of /proc ---- */

static void open_is(const char *name, const char *path, const char *kind)
{
	int fd;

	is("openat", path, kind);
	fd = openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(name);
	close(fd);
}

static void magic(void)
{
	int s[2], fd;
	char name[2 * PATH_MAX], byte;
	pid_t pid;

	need(mkdir("m", 0755) | pipe(s), "m");
	close(made("m/only"));
	close(made("f"));
	pid = fork();
	if (!pid) {
		own_mounts();
		need(mount("none", below("m"), "tmpfs", 0, NULL) | chdir(below("m")), "tmpfs");
		close(made("only"));
		if (write(s[1], "x", 1) == 1)
			pause();
	}
	close(s[1]);
	if (read(s[0], &byte, 1) != 1)
		exit(77);
	fd = open(".", O_PATH | O_DIRECTORY);
	snprintf(name, sizeof(name), "/proc/self/fd/%d/f", fd);
	open_is(name, below("f"), "-");
	open_is("/proc/thread-self/cwd/m/only", below("m/only"), "-");
	snprintf(name, sizeof(name), "/proc/%d/cwd/only", pid);
	open_is(name, below("m/only"), "detached");	/* in no mount of this namespace, where another file has the name */
	snprintf(name, sizeof(name), "/proc/%d/root%s/m/only", pid, dir);
	open_is(name, below("m/only"), "detached");
	snprintf(name, sizeof(name), "/proc/%d/root", pid);
	fd = open(name, O_PATH | O_DIRECTORY);
	is("openat", below("m/only"), "detached");
	close(openat(fd, below("m/only") + 1, O_RDONLY | O_CLOEXEC));
	kill(pid, SIGKILL);
	work_wait(pid);
}

/* ---- the empty name ---- */

static void empty(void)
{
	char name[64];
	int fd, p;

	close(made("f"));
	p = open("f", O_PATH);
	is("fchownat", below("f"), "-");
	need(fchownat(p, "", (uid_t)-1, 1, AT_EMPTY_PATH), "fchownat");
	is("linkat", below("f"), "-");
	need(linkat(p, "", AT_FDCWD, "g", AT_EMPTY_PATH), "linkat");
	need(rename("f", "h"), "rename");
	is("fchownat", below("h"), "-");
	need(fchownat(p, "", (uid_t)-1, 2, AT_EMPTY_PATH), "fchownat");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p);
	is("openat", below("h"), "-");
	fd = openat(AT_FDCWD, name, O_RDWR | O_CLOEXEC);
	need(fd, name);
	touch(fd, below("h"), "-");
	need(unlink("h"), "h");
	is("fchownat", below("h"), "deleted");
	need(fchownat(p, "", (uid_t)-1, 3, AT_EMPTY_PATH), "fchownat");
}

/* ---- copied up ---- */

static void overlay(void)
{
	int before, after;

	need(mkdir("t", 0755), "t");
	own_mounts();
	need(mount("none", "t", "tmpfs", 0, NULL), "tmpfs");
	need(mkdir("t/lower", 0755) | mkdir("t/upper", 0755) | mkdir("t/work", 0755) | mkdir("t/m", 0755), "folders");
	close(made("t/lower/f"));
	need(mount("overlay", "t/m", "overlay", 0, "lowerdir=t/lower,upperdir=t/upper,workdir=t/work"), "overlay");
	before = open("t/m/f", O_RDONLY);
	after = open("t/m/f", O_RDWR);	/* copies it up */
	touch(before, below("t/m/f"), "-");
	touch(after, below("t/m/f"), "-");
	need(rename("t/m/f", "t/m/g"), "rename");
	touch(before, below("t/m/g"), "-");
	need(unlink("t/m/g"), "unlink");
	touch(before, below("t/m/g"), "deleted");
	touch(after, below("t/m/g"), "deleted");
}

/* ---- who executes ---- */

static char *arguments[8];

static void *execute(void *fd)
{
	char *none[] = { NULL };

	is("execveat", "/memfd:evil", "memfd");
	syscall(SYS_execveat, (int)(long)fd, "", arguments, none, AT_EMPTY_PATH);
	_exit(77);
}

static void by_memfd(void)
{
	int fd = memfd_create("evil", 0), in = open("/proc/self/exe", O_RDONLY);
	pthread_t t;

	need(fd, "memfd");
	while (sendfile(fd, in, NULL, 1 << 20) > 0)
		;
	arguments[0] = "attacks_shared";
	arguments[1] = "arrived";
	if (pthread_create(&t, NULL, execute, (void *)(long)fd))
		die("pthread_create");
	pthread_join(t, NULL);
}

/* argv is this program's own: the child writes where the kernel finds what ps shows of the parent. */
static void by_vfork(char **argv)
{
	char *none[] = { NULL }, exe[] = "/proc/self/exe";
	pid_t pid = vfork();

	if (!pid) {
		strcpy(argv[1], "arrived");	/* "vfork-1" before */
		argv[2][0] = '=';
		execve(exe, argv, none);
		_exit(1);
	}
	if (work_wait(pid))
		die("child");
	is("execve", "?", "-");
	if (strcmp(argv[1], "arrived"))
		die("its memory is its own");
}

/* ---- a working directory that changes ---- */

static pid_t main_thread;

static void nothing(int sig)
{
}

static void wait_blocked(void)
{
	char path[64], line[256], *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", main_thread);
	for (bool blocked = false; !blocked; usleep(1000)) {
		f = fopen(path, "r");
		p = f && fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		blocked = p && p[2] == 'S';
		if (f)
			fclose(f);
	}
}

static void *elsewhere(void *fifo)
{
	wait_blocked();
	need(chdir("../b"), "b");
	syscall(SYS_tgkill, getpid(), main_thread, SIGUSR1);
	usleep(100000);
	wait_blocked();
	need(chdir("../c"), "c");
	close(open(fifo, O_WRONLY));
	usleep(100000);
	wait_blocked();
	need(chroot("../a"), "chroot");
	syscall(SYS_tgkill, getpid(), main_thread, SIGUSR1);
	return NULL;
}

static void opened(const char *name, const char *path, bool is_interrupted)
{
	int fd;

	is("openat", path, "-");
	fd = openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
	if ((fd < 0) != is_interrupted)
		die(name);
	close(fd);
}

static void cwd(void)
{
	struct sigaction sa = { .sa_handler = nothing };
	pthread_t t;

	need(mkdir("a", 0755) | mkdir("b", 0755) | mkdir("c", 0755), "folders");
	for (int i = 0; i < 3; i++)
		need(mkfifo((const char *[]){ "a/fifo", "b/fifo", "c/fifo" }[i], 0600), "fifo");
	sigaction(SIGUSR1, &sa, NULL);
	main_thread = (pid_t)syscall(SYS_gettid);
	need(chdir("a"), "a");
	if (pthread_create(&t, NULL, elsewhere, below("b/fifo")))
		die("pthread_create");
	opened("fifo", below("a/fifo"), true);
	opened("fifo", below("b/fifo"), false);
	opened(below("c/fifo"), below("c/fifo"), true);
	pthread_join(t, NULL);
}

/* ---- cgroups ---- */

static char group[3][PATH_MAX];

static void put(const char *folder, pid_t pid)
{
	char path[2 * PATH_MAX], number[32];
	int fd, n = snprintf(number, sizeof(number), "%d", pid);

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, number, (size_t)n) != n)
		die(path);
	close(fd);
}

static void here(const char *cgroup)
{
	printf("cgroup /%s\n", strrchr(cgroup, '/') + 1);
	fflush(stdout);
	close(openat(AT_FDCWD, "here", O_RDONLY | O_CLOEXEC));
}

static void cgroups(void)
{
	struct clone_args a = { .exit_signal = SIGCHLD, .flags = CLONE_INTO_CGROUP };
	const char *base = below("cg");
	pid_t pid;

	close(made("here"));
	need(mkdir("cg", 0755) | mkfifo("fifo", 0600), "cg");
	own_mounts();
	need(mount("none", "cg", "cgroup2", 0, NULL), "cgroup2");
	for (int i = 0; i < 3; i++) {
		snprintf(group[i], sizeof(group[i]), "%s/ht-shared-%d-%d", base, getpid(), i);
		need(mkdir(group[i], 0755), group[i]);
	}
	put(group[0], getpid());
	a.cgroup = (unsigned)open(group[1], O_PATH | O_DIRECTORY);
	main_thread = pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	if (!pid) {
		here(group[1]);
		close(open("fifo", O_RDONLY));	/* recorded as of where it ends */
		here(group[2]);
		_exit(0);
	}
	if (pid > 0) {
		usleep(200000);
		put(group[2], pid);
		close(open("fifo", O_WRONLY));
		work_wait(pid);
		here(group[0]);
		put(base, getpid());
	}
	for (int i = 0; i < 3; i++)
		rmdir(group[i]);
	need(pid, "clone3");
}

static const struct {
	const char *name;
	void (*run)(void);
} ways[] = {
	{ "received", received }, { "magic", magic }, { "empty", empty }, { "overlay", overlay }, { "memfd", by_memfd }, { "cwd", cwd }, { "cgroup", cgroups },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "arrived")) {
		for (int i = 0; i < 20; i++)	/* as many calls as were made before, and more */
			close(open("/dev/null", O_RDONLY));
		return 0;
	}
	if (argc != 4 || chdir(argv[2]))
		usage("attacks_shared HOW DIR COUNT");
	dir = strdup(argv[2]);
	if (!strcmp(argv[1], "vfork-1")) {
		by_vfork(argv);
		return 0;
	}
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(argv[1], ways[i].name)) {
			ways[i].run();
			return 0;
		}
	usage("attacks_shared: no such way");
}
