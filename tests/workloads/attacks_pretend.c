// SPDX-License-Identifier: Apache-2.0
/*
 * attacks_pretend HOW DIR: calls that are answered as if they had been made, or go on as another one.
 *
 *     unmade   a filter answers exec and fork with 0, also to a child that has made no call yet: "child PID"
 *     asked    execveat that only asks whether it could (AT_EXECVE_CHECK): by path, by descriptor, refused. 77: the kernel has no such flag
 *     resumed  the handler of a signal that interrupts an open makes restart_syscall, which goes on with a sleep, and returns 0
 *     handed   who listens to a seccomp filter, another process, answers opens of DIR/real with its own descriptor of DIR/decoy (sent with the answer, and
 *              before it), with an error, and lets one through
 *     dispatched  opens that syscall user dispatch takes: the program ends ("ended PID"), or its handler comes, and then one is let through ("handled PID"); and
 *              one in which it is ended by a signal of its own that looks like dispatch's ("within PID"). 77: the kernel has no such thing
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "work.h"

#define ASKS_ONLY 0x10000	/* AT_EXECVE_CHECK, in headers since then */
#define IF(nr, answer) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, answer)
#define LOAD_NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static char *words[] = { "pretend", "none", NULL };

static int filter(struct sock_filter *code, size_t n, unsigned flags)
{
	struct sock_fprog prog = { (unsigned short)n, code };
	long fd;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (fd < 0)
		exit(77);
	return (int)fd;
}

/* ---- answered with 0 ---- */

static void unmade(void)
{
	struct sock_filter code[] = { LOAD_NR, IF(SYS_execve, SECCOMP_RET_ERRNO), IF(SYS_execveat, SECCOMP_RET_ERRNO), IF(SYS_fork, SECCOMP_RET_ERRNO), ALLOW };
	int status;
	pid_t pid;

	filter(code, sizeof(code) / sizeof(code[0]), 0);
	if (syscall(SYS_execve, "/bin/true", words, NULL) || syscall(SYS_execveat, AT_FDCWD, "/bin/true", words, NULL, 0) || syscall(SYS_fork))
		die("answered");
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		_exit(syscall(SYS_fork) ? 1 : 0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("child");
	printf("child %d\n", pid);
}

/* ---- only asked ---- */

static void asked(const char *self)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	if (syscall(SYS_execveat, AT_FDCWD, self, words, NULL, ASKS_ONLY))
		exit(77);
	if (syscall(SYS_execveat, fd, "", words, NULL, ASKS_ONLY | AT_EMPTY_PATH))
		die("by descriptor");
	if (syscall(SYS_execveat, AT_FDCWD, "real", words, NULL, ASKS_ONLY) != -1 || errno != EACCES)
		die("refused");
}

/* ---- goes on as another one ---- */

static void goes_on(int sig)
{
	(void)sig;
	if (syscall(SYS_restart_syscall))	/* the sleep, which has not ended yet */
		die("restart_syscall");
}

static void sleeps(int sig)
{
	struct timespec t = { 0, 300000000 };

	(void)sig;
	if (syscall(SYS_nanosleep, &t, NULL) != -1)
		die("nanosleep");
}

/* Waits until the process sleeps in that call. */
static void until_in(pid_t pid, long nr)
{
	char name[64], line[64];

	snprintf(name, sizeof(name), "/proc/%d/syscall", pid);
	for (;;) {
		FILE *f = fopen(name, "r");
		bool in = f && fgets(line, sizeof(line), f) && line[0] != 'r' && atol(line) == nr;

		if (f)
			fclose(f);
		if (in)
			return;
		usleep(1000);
	}
}

static void resumed(void)
{
	struct sigaction outer = { .sa_handler = sleeps, .sa_flags = SA_RESTART }, inner = { .sa_handler = goes_on };
	pid_t me = getpid(), pid;
	int fd;

	if (mkfifo("fifo", 0600) || sigaction(SIGUSR1, &outer, NULL) || sigaction(SIGUSR2, &inner, NULL))
		die("resumed");
	pid = fork();
	if (!pid) {
		until_in(me, SYS_open);
		kill(me, SIGUSR1);
		until_in(me, SYS_nanosleep);
		kill(me, SIGUSR2);
		fd = open("fifo", O_WRONLY);	/* once the other end is being opened again */
		_exit(fd < 0);
	}
	fd = (int)syscall(SYS_open, "fifo", O_RDONLY);
	if (fd < 0 || work_wait(pid))
		die("fifo");
	printf("opened %d\n", fd);
}

/* ---- handed ---- */

static void send_fd(int to, int fd)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} c = { .h = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c.room) };

	memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
	if (sendmsg(to, &m, 0) != 1)
		die("sendmsg");
}

static int receive_fd(int from)
{
	char room[CMSG_SPACE(sizeof(int))], x;
	struct iovec v = { &x, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	int fd;

	if (recvmsg(from, &m, 0) != 1)
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void opens(int to)
{
	struct sock_filter code[] = { LOAD_NR, IF(SYS_open, SECCOMP_RET_USER_NOTIF), ALLOW };
	int listener = filter(code, sizeof(code) / sizeof(code[0]), SECCOMP_FILTER_FLAG_NEW_LISTENER);
	char name[] = "real";	/* not a literal: probes fault nothing in, and the kernel does not look where somebody else answers */

	send_fd(to, listener);
	close(listener);
	for (int i = 0; i < 4; i++)
		printf("open %ld\n", syscall(SYS_open, name, O_RDONLY));
	exit(0);
}

static void answer(int listener, int i, int decoy)
{
	struct seccomp_notif asked = { 0 };
	struct seccomp_notif_resp a = { 0 };
	struct seccomp_notif_addfd add = { .srcfd = (unsigned)decoy, .flags = i ? 0 : SECCOMP_ADDFD_FLAG_SEND };

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked))
		exit(77);
	add.id = a.id = asked.id;
	if (i < 2)
		a.val = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	else if (i == 2)
		a.error = -ENXIO;
	else
		a.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	if (i < 2 && a.val < 0)
		exit(77);
	if (i && ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &a))
		exit(77);
}

static void handed(void)
{
	int pair[2], listener, decoy = open("decoy", O_RDONLY);
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair");
	pid = fork();
	if (!pid)
		opens(pair[1]);
	listener = receive_fd(pair[0]);
	for (int i = 0; i < 4; i++)
		answer(listener, i, decoy);
	if (work_wait(pid))
		die("child");
	printf("supervised %d\n", pid);
}

/* ---- taken before the kernel sees them ---- */

#define DISPATCH 59	/* PR_SET_SYSCALL_USER_DISPATCH, in headers since 5.11 */
#define DISPATCHED 2	/* SYS_USER_DISPATCH */

static volatile char blocks;

static void let_through(int sig)
{
	blocks = 0;
}

static void dispatch(void)
{
	if (prctl(DISPATCH, 1, 0, 0, &blocks))
		_exit(77);
}

static void ended(void)
{
	dispatch();
	blocks = 1;
	syscall(SYS_open, "real", O_RDONLY);
}

static void handled(void)
{
	signal(SIGSYS, let_through);
	dispatch();
	blocks = 1;
	syscall(SYS_open, "real", O_RDONLY);
	syscall(SYS_open, "decoy", O_RDONLY);
	_exit(0);
}

static void *opens_fifo(void *arg)
{
	dispatch();
	syscall(SYS_open, "fifo", O_RDONLY);
	return arg;
}

/* Only to itself may a process send one that looks so. */
static void within(void)
{
	siginfo_t info = { .si_signo = SIGSYS, .si_code = DISPATCHED };
	sigset_t set;
	pthread_t t;

	if (pthread_create(&t, NULL, opens_fifo, NULL))
		_exit(1);
	usleep(100000);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	syscall(SYS_rt_sigqueueinfo, getpid(), SIGSYS, &info);
	pause();
}

static void dispatched(void)
{
	static void (*const ways[])(void) = { ended, handled, within };
	static const char *const names[] = { "ended", "handled", "within" };
	static const int ends[] = { 128 + SIGSYS, 0, 128 + SIGSYS };

	if (mkfifo("fifo", 0600))
		die("fifo");
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		int status;

		if (!pid)
			ways[i]();
		status = work_wait(pid);
		if (status == 77)
			exit(77);
		if (status != ends[i])
			die(names[i]);
		printf("%s %d\n", names[i], pid);
	}
}

int main(int argc, char **argv)
{
	static const char *const made[] = { "real", "decoy" };
	const char *how;

	if (argc != 3 || chdir(argv[2]))
		usage("attacks_pretend unmade|asked|resumed|handed|dispatched DIR");
	how = argv[1];
	setvbuf(stdout, NULL, _IONBF, 0);
	for (int i = 0; i < 2; i++)
		close(open(made[i], O_CREAT | O_WRONLY, 0600));
	if (!strcmp(how, "unmade"))
		unmade();
	else if (!strcmp(how, "asked"))
		asked(argv[0]);
	else if (!strcmp(how, "resumed"))
		resumed();
	else if (!strcmp(how, "handed"))
		handed();
	else if (!strcmp(how, "dispatched"))
		dispatched();
	else
		usage("attacks_pretend: no such way");
	return 0;
}
