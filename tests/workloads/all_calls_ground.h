/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls of all_calls_asked.h find: memory, descriptors and objects, made by the process that makes the call. */
#ifndef HOSTTRAIL_ALL_CALLS_GROUND_H
#define HOSTTRAIL_ALL_CALLS_GROUND_H

#include <asm/prctl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/if_tun.h>
#include <linux/kcmp.h>
#include <linux/loop.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <mqueue.h>
#include <net/if.h>
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
static const struct mq_attr some_queue[1] = { { .mq_maxmsg = 4, .mq_msgsize = 64 } };
static const uint64_t some_mount[3] = { 24, 7, 2 }, all_mounts[3] = { 24, ~0ull, 0 };	/* struct mnt_id_req */
static const uint64_t some_attributes[3] = { FS_XFLAG_NODUMP, 5, 7 };			/* struct file_attr */
static const struct loop_config some_loop[1] = { {
	.fd = 96, .block_size = 512, .info = { .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_PARTSCAN, .lo_file_name = "lab.img" },
} };
static const struct {
	const char *value;
	uint32_t size, flags;
} some_xattr[1] = { { "v", 1, XATTR_CREATE } }, some_room[1] = { { buffer, 10, 0 } };
static struct {
	struct msghdr header;
	unsigned length;
} some_header[1] = { { { .msg_iov = (struct iovec *)some_vec, .msg_iovlen = 1 }, 0 } };
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

static char *handle_room(void)
{
	*(unsigned *)buffer = 64;
	return buffer;
}

static char *handle_of(const char *name)
{
	int mount;

	syscall(SYS_name_to_handle_at, AT_FDCWD, name, handle_room(), &mount, 0);
	return buffer;
}

static int queue(void)
{
	unshare(CLONE_NEWIPC);
	return (int)syscall(SYS_mq_open, "q", O_CREAT | O_RDWR, 0600, some_queue);
}

static int filled_queue(void)
{
	int fd = queue();

	syscall(SYS_mq_timedsend, fd, "x", 1, 3, NULL);
	return fd;
}

static long aio(void)
{
	long context = 0;

	syscall(SYS_io_setup, 4, &context);
	return context;
}

static struct iocb **a_request(void)
{
	static struct iocb one = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_nbytes = 4 }, *list = &one;

	one.aio_fildes = (uint32_t)open("f", O_RDONLY);
	one.aio_buf = (uintptr_t)buffer;
	return &list;
}

/* A filesystem that waits for its mount. */
static int a_filesystem(void)
{
	int fd;

	own_namespaces();
	fd = (int)syscall(SYS_fsopen, "tmpfs", 0);
	syscall(SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	return fd;
}

static void pending_signal(void)
{
	sigprocmask(SIG_BLOCK, (const sigset_t *)some_set, NULL);
	raise(SIGUSR1);
}

static void *shared_pages(void)
{
	return mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* A device's number as the kernel takes it. */
static unsigned device_of(const char *name)
{
	struct stat st;

	if (stat(name, &st))
		die(name);
	return (minor(st.st_dev) & 0xff) | major(st.st_dev) << 8 | (minor(st.st_dev) & ~0xffu) << 12;
}

static void a_key(void)
{
	syscall(SYS_add_key, "user", "lab:key", "v", 1, KEY_SPEC_PROCESS_KEYRING);
}

static long sendmmsg_to(int fd)
{
	struct iovec v = { "x", 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_name = local(9), .msg_namelen = sizeof(struct sockaddr_in), .msg_iov = &v, .msg_iovlen = 1 } };

	return CALL(sendmmsg, fd, &m, 1, MSG_DONTWAIT);
}

static void ring(int signal)
{
	(void)signal;
}

/* Signals whose handler returns: more than one, for the first may come before it is waited for. */
static void soon(void)
{
	const struct itimerval t = { { 0, 20000 }, { 0, 20000 } };

	signal(SIGALRM, ring);
	setitimer(ITIMER_REAL, &t, NULL);
}

static void room_for(unsigned bytes)
{
	*(unsigned *)buffer = bytes;
}

/* A lock of another process. */
static void locked(void)
{
	int fd[2];
	char c;

	if (pipe(fd))
		die("pipe");
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fcntl(open("f", O_RDWR), F_SETLK, &(struct flock){ .l_type = F_RDLCK, .l_start = 10, .l_len = 5 });
		if (write(fd[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	if (read(fd[0], &c, 1) != 1)
		die("read");
}

static int terminal(void)
{
	return open("/dev/ptmx", O_RDWR | O_NOCTTY);
}

/* A string whose end is the end of what is mapped. */
static char *at_the_end(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + 4096, 4096);
	return memcpy(p + 4096 - n, s, n);
}

static int own_network(void)
{
	if (unshare(CLONE_NEWNET))
		die("unshare");
	return tcp();
}

/* For every request on an interface: its address is 127.0.0.2. */
static struct ifreq *interface(const char *name, int value)
{
	static struct ifreq r;

	strcpy(r.ifr_name, name);
	if (value)
		r.ifr_mtu = value;
	else
		memcpy(&r.ifr_addr, &(struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002) }, sizeof(r.ifr_addr));
	return &r;
}

static int uring(void)
{
	struct io_uring_params p = { 0 };

	return (int)syscall(SYS_io_uring_setup, 2, &p);
}

#endif
