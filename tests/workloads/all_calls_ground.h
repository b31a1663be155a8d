/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls of all_calls_asked.h find: memory, descriptors and objects, made by the process that makes the call. */
#ifndef HOSTTRAIL_ALL_CALLS_GROUND_H
#define HOSTTRAIL_ALL_CALLS_GROUND_H

#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static const struct iovec some_vec[1] = { { buffer, 3 } };
static const uint64_t some_range[2] = { 1, 100 };
static const uint64_t some_set[1] = { 1 << 9 | 1 << 14 };	/* SIGUSR1, SIGTERM */
static const struct epoll_event some_event[1] = { { .events = EPOLLIN | EPOLLET } };
static const struct sembuf some_sem[1] = { { 1, 3, IPC_NOWAIT } };
static const struct {
	long type;
	char text[2];
} some_message[1] = { { 7, "x" } };
static const uint64_t some_action[4] = { 1 /* SIG_IGN */, 0x10000000 /* SA_RESTART */ };
static const struct {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
} some_sched[1] = { { 48, 3, 1, 4, 0, 0, 0, 0 } };
static const struct sigevent some_notice[1] = { { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 } };
static const siginfo_t some_info[1] = { { .si_signo = SIGUSR1, .si_code = -1 } };

static int pipe_end(int end)
{
	int fd[2];

	if (pipe(fd))
		die("pipe");
	return fd[end];
}

static int filled_pipe(void)
{
	int fd[2];

	if (pipe(fd) || write(fd[1], "abcdef", 6) != 6)
		die("pipe");
	return fd[0];
}

static int epoll(void)
{
	return epoll_create1(0);
}

static int watched(void)
{
	int fd = (int)syscall(SYS_inotify_init);

	if (syscall(SYS_inotify_add_watch, fd, "d", 2) != 1)
		die("inotify");
	return fd;
}

/* A child that has ended and was not waited for. */
static int ended_child(void)
{
	pid_t pid = fork();
	siginfo_t info;

	if (!pid)
		_exit(3);
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT))
		die("waitid");
	return pid;
}

static int a_timer(void)
{
	int id = -1;

	if (syscall(SYS_timer_create, 1, NULL, &id))
		die("timer_create");
	return id;
}

static void *pages(void)
{
	return mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static struct iovec *page_vec(void)
{
	static struct iovec v;

	v.iov_base = pages();
	v.iov_len = 4096;
	return &v;
}

/* A connected stream socket with bytes in it. */
static int filled_socket(void)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	int server = listening(), client = tcp(), fd;

	if (getsockname(server, (void *)&a, &n) || connect(client, (void *)&a, n) || send(client, "abc", 3, 0) != 3)
		die("connect");
	fd = accept(server, NULL, NULL);
	return fd;
}

static int semaphores(void)
{
	unshare(CLONE_NEWIPC);
	return semget(IPC_PRIVATE, 2, 0600);
}

static int messages(void)
{
	unshare(CLONE_NEWIPC);
	return msgget(IPC_PRIVATE, 0600);
}

static int filled_messages(void)
{
	int id = messages();

	if (msgsnd(id, some_message, 2, 0))
		die("msgsnd");
	return id;
}

static int uring(void)
{
	struct io_uring_params p = { 0 };

	return (int)syscall(SYS_io_uring_setup, 2, &p);
}

#endif
