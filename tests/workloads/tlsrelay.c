// SPDX-License-Identifier: Apache-2.0
/*
 * tlsrelay WAY PORT: takes one connection and passes on what comes to PORT on loopback, and what comes back, by that way. Prints "N P": the port on which
 * it listens, and its process. To who sees its calls it speaks TLS with both. Exit status 77 where io_uring is not allowed.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "uring.h"

#define ROOM 16384
#define PARTS 3
#define FIRST 601

static struct uring ring;
static char room[ROOM];

static struct iovec *parts(size_t n)	/* the first one has a handshake's first message */
{
	static struct iovec v[PARTS];
	size_t first = n > FIRST ? FIRST : n, at[PARTS + 1] = { 0, first, first + (n - first) / 2, n };

	for (unsigned i = 0; i < PARTS; i++)
		v[i] = (struct iovec){ room + at[i], at[i + 1] - at[i] };
	return v;
}

/* ---- ways: as read(2) and write(2) */

static ssize_t send_all(int fd, size_t n)
{
	return send(fd, room, n, 0);
}

static ssize_t recv_some(int fd)
{
	return recv(fd, room, ROOM, 0);
}

static ssize_t write_all(int fd, size_t n)
{
	return write(fd, room, n);
}

static ssize_t read_some(int fd)
{
	return read(fd, room, ROOM);
}

static ssize_t writev_all(int fd, size_t n)
{
	return writev(fd, parts(n), PARTS);
}

static ssize_t readv_some(int fd)
{
	return readv(fd, parts(ROOM), PARTS);
}

static ssize_t sendmsg_all(int fd, size_t n)
{
	struct msghdr m = { .msg_iov = parts(n), .msg_iovlen = PARTS };

	return sendmsg(fd, &m, 0);
}

static ssize_t recvmsg_some(int fd)
{
	struct msghdr m = { .msg_iov = parts(ROOM), .msg_iovlen = PARTS };

	return recvmsg(fd, &m, 0);
}

static ssize_t sendmmsg_all(int fd, size_t n)
{
	struct iovec *v = parts(n);
	struct mmsghdr m[2] = { { .msg_hdr = { .msg_iov = v, .msg_iovlen = 2 } }, { .msg_hdr = { .msg_iov = v + 2, .msg_iovlen = 1 } } };

	if (sendmmsg(fd, m, 2, 0) != 2)
		return -1;
	return (ssize_t)(m[0].msg_len + m[1].msg_len);
}

static ssize_t recvmmsg_some(int fd)	/* two messages, if there are so many bytes */
{
	struct iovec v[2] = { { room, FIRST }, { room + FIRST, ROOM - FIRST } };
	struct mmsghdr m[2] = { { .msg_hdr = { .msg_iov = v, .msg_iovlen = 1 } }, { .msg_hdr = { .msg_iov = v + 1, .msg_iovlen = 1 } } };
	int n = recvmmsg(fd, m, 2, MSG_WAITFORONE, NULL);

	if (n == 2 && m[0].msg_len < FIRST)
		memmove(room + m[0].msg_len, room + FIRST, m[1].msg_len);
	return n <= 0 ? n : (ssize_t)(m[0].msg_len + (n == 2 ? m[1].msg_len : 0));
}

static ssize_t queued(unsigned op, int fd, const void *at, unsigned n, unsigned flags)
{
	struct io_uring_sqe e = { .opcode = (__u8)op, .fd = fd, .addr = (unsigned long)at, .len = n, .msg_flags = flags, .user_data = 1 };

	uring_queue(&ring, &e);
	uring_submit(&ring, 1);
	return uring_reap(&ring).res;
}

static ssize_t uring_send_all(int fd, size_t n)
{
	return queued(IORING_OP_SEND, fd, room, (unsigned)n, MSG_WAITALL);
}

static ssize_t uring_recv_some(int fd)
{
	return queued(IORING_OP_RECV, fd, room, ROOM, 0);
}

static ssize_t uring_write_all(int fd, size_t n)
{
	return queued(IORING_OP_WRITE, fd, room, (unsigned)n, 0);
}

static ssize_t uring_read_some(int fd)
{
	return queued(IORING_OP_READ, fd, room, ROOM, 0);
}

static ssize_t uring_writev_all(int fd, size_t n)
{
	return queued(IORING_OP_WRITEV, fd, parts(n), PARTS, 0);
}

static ssize_t uring_readv_some(int fd)
{
	return queued(IORING_OP_READV, fd, parts(ROOM), PARTS, 0);
}

static ssize_t uring_sendmsg_all(int fd, size_t n)
{
	struct msghdr m = { .msg_iov = parts(n), .msg_iovlen = PARTS };

	return queued(IORING_OP_SENDMSG, fd, &m, 1, 0);
}

static ssize_t uring_recvmsg_some(int fd)
{
	struct msghdr m = { .msg_iov = parts(ROOM), .msg_iovlen = PARTS };

	return queued(IORING_OP_RECVMSG, fd, &m, 1, 0);
}

/* A buffer that the kernel takes when something has come. */
static ssize_t uring_provided_some(int fd)
{
	struct io_uring_sqe give = { .opcode = IORING_OP_PROVIDE_BUFFERS, .fd = 1, .addr = (unsigned long)room, .len = ROOM, .buf_group = 7 };
	struct io_uring_sqe e = { .opcode = IORING_OP_RECV, .flags = IOSQE_BUFFER_SELECT, .fd = fd, .len = ROOM, .buf_group = 7 };

	uring_queue(&ring, &give);
	uring_submit(&ring, 1);
	if (uring_reap(&ring).res < 0)
		return -1;
	uring_queue(&ring, &e);
	uring_submit(&ring, 1);
	return uring_reap(&ring).res;
}

#ifdef __i386__
enum { SEND = 9, RECV, SENDMSG = 16, RECVMSG };

static ssize_t behind(int which, long a, long b, long c, long d)
{
	unsigned long args[6] = { (unsigned long)a, (unsigned long)b, (unsigned long)c, (unsigned long)d };

	return syscall(SYS_socketcall, which, args);
}

static ssize_t socketcall_all(int fd, size_t n)
{
	return behind(SEND, fd, (long)room, (long)n, 0);
}

static ssize_t socketcall_some(int fd)
{
	return behind(RECV, fd, (long)room, ROOM, 0);
}

static ssize_t socketcall_msg_all(int fd, size_t n)
{
	struct msghdr m = { .msg_iov = parts(n), .msg_iovlen = PARTS };

	return behind(SENDMSG, fd, (long)&m, 0, 0);
}

static ssize_t socketcall_msg_some(int fd)
{
	struct msghdr m = { .msg_iov = parts(ROOM), .msg_iovlen = PARTS };

	return behind(RECVMSG, fd, (long)&m, 0, 0);
}
#endif

static const struct way {
	const char *name;
	ssize_t (*some)(int fd);
	ssize_t (*all)(int fd, size_t n);
} ways[] = {
	{ "write", read_some, write_all },
	{ "writev", readv_some, writev_all },
	{ "send", recv_some, send_all },
	{ "sendmsg", recvmsg_some, sendmsg_all },
	{ "sendmmsg", recvmmsg_some, sendmmsg_all },
#ifdef __i386__
	{ "socketcall", socketcall_some, socketcall_all },
	{ "socketcall_msg", socketcall_msg_some, socketcall_msg_all },
#endif
	{ "uring_send", uring_recv_some, uring_send_all },
	{ "uring_provided", uring_provided_some, uring_send_all },
	{ "uring_write", uring_read_some, uring_write_all },
	{ "uring_writev", uring_readv_some, uring_writev_all },
	{ "uring_sendmsg", uring_recvmsg_some, uring_sendmsg_all },
	{ "sqpoll_send", uring_recv_some, uring_send_all },
	{ "splice", read_some, write_all },
	{ "sendfile", read_some, write_all },
};

/* ---- through the kernel alone */

static ssize_t spliced(int from, int to)
{
	static int p[2] = { -1, -1 };
	ssize_t n, done = 0, k = 1;

	if (p[0] < 0 && pipe(p))
		return -1;
	n = splice(from, NULL, p[1], NULL, ROOM, 0);
	for (; n > 0 && k > 0 && done < n; done += k)
		k = splice(p[0], NULL, to, NULL, (size_t)(n - done), 0);
	return n;
}

/* What came, out of a file, whose pages go out as they are: each place is written once. */
static ssize_t from_file(int from, int to)
{
	static int file = -1;
	static off_t end;
	ssize_t n = read(from, room, ROOM);
	off_t at = end;

	if (file < 0)
		file = (int)syscall(SYS_memfd_create, "relay", 0);
	if (n > 0 && (pwrite(file, room, (size_t)n, at) != n || sendfile(to, file, &at, (size_t)n) != n))
		return -1;
	end = at;
	return n;
}

/* False: it is over. The first two times of a direction, which are the handshake, no way goes past the program. */
static bool pass(const struct way *w, int from, int to, unsigned times)
{
	ssize_t n;

	if (times >= 2 && !strcmp(w->name, "splice"))
		return spliced(from, to) > 0;
	if (times >= 2 && !strcmp(w->name, "sendfile"))
		return from_file(from, to) > 0;
	n = w->some(from);
	if (n > 0 && w->all(to, (size_t)n) != n)
		die("short");
	return n > 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int server = socket(AF_INET, SOCK_STREAM, 0);
	unsigned times[2] = { 0, 0 };
	const struct way *w = ways;
	socklen_t len = sizeof(a);
	bool open = true;

	if (argc != 3)
		usage("tlsrelay WAY PORT");
	while (strcmp(w->name, argv[1]))
		if (++w == ways + sizeof(ways) / sizeof(*ways))
			usage("tlsrelay WAY PORT");
	if (strstr(argv[1], "uring") || strstr(argv[1], "sqpoll"))
		uring_setup(&ring, 4, 0, strstr(argv[1], "sqpoll") ? IORING_SETUP_SQPOLL : 0);
	if (bind(server, (struct sockaddr *)&a, sizeof(a)) || listen(server, 1) || getsockname(server, (struct sockaddr *)&a, &len))
		die("listen");
	printf("%d %d\n", ntohs(a.sin_port), getpid());
	fflush(stdout);
	p[0].fd = accept(server, NULL, NULL);
	p[1].fd = socket(AF_INET, SOCK_STREAM, 0);
	a.sin_port = htons((uint16_t)atoi(argv[2]));
	if (p[0].fd < 0 || connect(p[1].fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	while (open && poll(p, 2, 10000) > 0)
		for (unsigned i = 0; i < 2 && open; i++)
			if (p[i].revents)
				open = pass(w, p[i].fd, p[!i].fd, times[i]++);
	sleep(2);	/* what it has mapped is looked at when its handshake was read, which takes a busy machine a while */
	return 0;
}
