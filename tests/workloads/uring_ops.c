// SPDX-License-Identifier: Apache-2.0
/*
 * uring_ops WAY DIR: every operation of io_uring that a system call does, too, once to succeed and once to fail; first
 * by io_uring in DIR/ring, then by system calls in DIR/call, each by a child of its own.
 *
 * WAY: plain, async (by the kernel's workers), sqpoll, personality (as uid 1000), fixed (registered files), direct
 * (new files into registered slots). "ring PID", "call PID", and for each "op NUMBER OPCODE RESULT": NUMBER is the
 * operation's user_data, and before a system call the name that the task takes.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "uring.h"

#define FIXED_SLOTS 8
#define OP_FTRUNCATE 55	/* newer than the headers */
#define OP_BIND 56
#define OP_LISTEN 57

static struct uring ring;
static const char *way;
static unsigned number;
static int personality_id;
static int slots[FIXED_SLOTS] = { -1, -1, -1, -1, -1, -1, -1, -1 };

static bool by_syscall(void)
{
	return !strcmp(way, "syscall");
}

static long raw_call(const struct io_uring_sqe *e)
{
	switch (e->opcode) {
	case IORING_OP_OPENAT:
		return syscall(SYS_openat, e->fd, e->addr, e->open_flags, e->len);
	case IORING_OP_OPENAT2:
		return syscall(SYS_openat2, e->fd, e->addr, e->off, e->len);
	case IORING_OP_MKDIRAT:
		return syscall(SYS_mkdirat, e->fd, e->addr, e->len);
	case IORING_OP_SYMLINKAT:
		return syscall(SYS_symlinkat, e->addr, e->fd, e->addr2);
	case IORING_OP_LINKAT:
		return syscall(SYS_linkat, e->fd, e->addr, e->len, e->addr2, e->hardlink_flags);
	case IORING_OP_RENAMEAT:
		return syscall(SYS_renameat2, e->fd, e->addr, e->len, e->addr2, e->rename_flags);
	case IORING_OP_UNLINKAT:
		return syscall(SYS_unlinkat, e->fd, e->addr, e->unlink_flags);
	case IORING_OP_FALLOCATE:
		return syscall(SYS_fallocate, e->fd, e->len, e->off, e->addr);
	case OP_FTRUNCATE:
		return syscall(SYS_ftruncate, e->fd, e->off);
	case IORING_OP_FSETXATTR:
		return syscall(SYS_fsetxattr, e->fd, e->addr, e->addr2, e->len, e->xattr_flags);
	case IORING_OP_SETXATTR:
		return syscall(SYS_setxattr, e->addr3, e->addr, e->addr2, e->len, e->xattr_flags);
	case IORING_OP_SOCKET:
		return syscall(SYS_socket, e->fd, e->off, e->len);
	case OP_BIND:
		return syscall(SYS_bind, e->fd, e->addr, e->addr2);
	case OP_LISTEN:
		return syscall(SYS_listen, e->fd, e->len);
	case IORING_OP_CONNECT:
		return syscall(SYS_connect, e->fd, e->addr, e->addr2);
	case IORING_OP_ACCEPT:
		return syscall(SYS_accept4, e->fd, e->addr, e->addr2, e->accept_flags);
	case IORING_OP_SEND:
		return syscall(SYS_sendto, e->fd, e->addr, e->len, e->msg_flags, e->addr2, e->addr_len);
	case IORING_OP_SENDMSG:
		return syscall(SYS_sendmsg, e->fd, e->addr, e->msg_flags);
	default:
		errno = ENOSYS;
		return -1;
	}
}

static bool takes_file(unsigned opcode)
{
	switch (opcode) {
	case IORING_OP_FALLOCATE:
	case OP_FTRUNCATE:
	case IORING_OP_FSETXATTR:
	case OP_BIND:
	case OP_LISTEN:
	case IORING_OP_CONNECT:
	case IORING_OP_ACCEPT:
	case IORING_OP_SEND:
	case IORING_OP_SENDMSG:
		return true;
	default:
		return false;
	}
}

/* The descriptor becomes a registered file, and the operation names its slot. */
static void make_fixed(struct io_uring_sqe *e)
{
	int slot = (int)(number % FIXED_SLOTS);
	struct io_uring_files_update up = { .offset = (unsigned)slot, .fds = (unsigned long)&slots[slot] };

	slots[slot] = e->fd;
	if (uring_register(&ring, IORING_REGISTER_FILES_UPDATE, &up, 1) != 1)
		return;		/* a bad descriptor: the operation fails by itself */
	e->fd = slot;
	e->flags |= IOSQE_FIXED_FILE;
}

static void make_direct(struct io_uring_sqe *e)
{
	if (e->opcode == IORING_OP_OPENAT || e->opcode == IORING_OP_OPENAT2 || e->opcode == IORING_OP_SOCKET)
		e->file_index = number % FIXED_SLOTS + 1;
}

/* Does it the way that is asked for; the result as a completion has it. */
static int run(const char *name, struct io_uring_sqe e)
{
	long r;

	number++;
	if (by_syscall()) {
		char mark[16];

		snprintf(mark, sizeof(mark), "op %u", number);
		prctl(PR_SET_NAME, mark);
		r = raw_call(&e);
		r = r < 0 ? -errno : r;
	} else {
		e.user_data = number;
		if (!strcmp(way, "async"))
			e.flags |= IOSQE_ASYNC;
		if (!strcmp(way, "personality"))
			e.personality = (unsigned short)personality_id;
		if (!strcmp(way, "fixed") && takes_file(e.opcode))
			make_fixed(&e);
		if (!strcmp(way, "direct"))
			make_direct(&e);
		uring_queue(&ring, &e);
		uring_submit(&ring, 1);
		r = uring_reap(&ring).res;
	}
	printf("op %u %s %ld\n", number, name, r);
	fflush(stdout);
	return (int)r;
}

#define ADDR(p) ((unsigned long)(p))
#define RUN(op, ...) run(#op, (struct io_uring_sqe){ .opcode = IORING_OP_##op, __VA_ARGS__ })
#define RUN_NEW(op, ...) run(#op, (struct io_uring_sqe){ .opcode = OP_##op, __VA_ARGS__ })

static int opens(int dir, const char *path)
{
	struct open_how how = { .flags = O_RDWR | O_CREAT, .mode = 0600, .resolve = RESOLVE_NO_SYMLINKS };
	int fd = RUN(OPENAT, .fd = AT_FDCWD, .addr = ADDR(path), .open_flags = O_RDWR | O_CREAT | O_NOFOLLOW, .len = 0640);

	RUN(OPENAT, .fd = dir, .addr = ADDR("none"), .open_flags = O_RDONLY | O_DIRECTORY);
	RUN(OPENAT2, .fd = dir, .addr = ADDR("how"), .off = ADDR(&how), .len = sizeof(how));
	how.flags = O_WRONLY;
	how.mode = 0;
	RUN(OPENAT2, .fd = dir, .addr = ADDR("no/way"), .off = ADDR(&how), .len = sizeof(how));
	return fd;
}

static void entries(int dir, const char *absent)
{
	RUN(MKDIRAT, .fd = dir, .addr = ADDR("sub"), .len = 0750);
	RUN(MKDIRAT, .fd = dir, .addr = ADDR("sub"), .len = 0700);
	RUN(SYMLINKAT, .fd = dir, .addr = ADDR("to/where"), .addr2 = ADDR("sym"));
	RUN(SYMLINKAT, .fd = dir, .addr = ADDR("to/where"), .addr2 = ADDR("sym"));
	RUN(LINKAT, .fd = dir, .addr = ADDR("how"), .len = (unsigned)dir, .addr2 = ADDR("hard"), .hardlink_flags = AT_SYMLINK_FOLLOW);
	RUN(LINKAT, .fd = AT_FDCWD, .addr = ADDR(absent), .len = (unsigned)dir, .addr2 = ADDR("hard"));
	RUN(RENAMEAT, .fd = dir, .addr = ADDR("hard"), .len = (unsigned)dir, .addr2 = ADDR("moved"), .rename_flags = 1);
	RUN(RENAMEAT, .fd = dir, .addr = ADDR("hard"), .len = (unsigned)dir, .addr2 = ADDR("moved"));
	RUN(UNLINKAT, .fd = dir, .addr = ADDR("moved"));
	RUN(UNLINKAT, .fd = dir, .addr = ADDR("moved"));
	RUN(UNLINKAT, .fd = dir, .addr = ADDR("sub"), .unlink_flags = AT_REMOVEDIR);
}

static void content(int fd, const char *path, const char *absent)
{
	RUN(FALLOCATE, .fd = fd, .len = 0, .off = 0, .addr = 8192);
	RUN(FALLOCATE, .fd = fd, .len = 1, .off = 4096, .addr = 0);
	RUN_NEW(FTRUNCATE, .fd = fd, .off = 100);
	RUN_NEW(FTRUNCATE, .fd = fd, .off = ~0ull);
	RUN(FSETXATTR, .fd = fd, .addr = ADDR("user.a"), .addr2 = ADDR("v"), .len = 1);
	RUN(FSETXATTR, .fd = fd, .addr = ADDR("no.such.kind"), .addr2 = ADDR("v"), .len = 1);
	RUN(SETXATTR, .addr3 = ADDR(path), .addr = ADDR("user.b"), .addr2 = ADDR("vv"), .len = 2, .xattr_flags = XATTR_CREATE);
	RUN(SETXATTR, .addr3 = ADDR(absent), .addr = ADDR("user.b"), .addr2 = ADDR("vv"), .len = 2);
}

static struct sockaddr_in loopback(unsigned short port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* A socket of the program's own, listening or with a port that nobody has. */
static int helper_socket(int type, struct sockaddr_in *ret_a, bool listening)
{
	socklen_t n = sizeof(*ret_a);
	int fd = socket(AF_INET, type, 0);

	*ret_a = loopback(0);
	if (fd < 0 || bind(fd, (struct sockaddr *)ret_a, n) || getsockname(fd, (struct sockaddr *)ret_a, &n) ||
	    (listening && listen(fd, 8)))
		die("helper socket");
	return fd;
}

static void sends(int file, struct sockaddr_in *to)
{
	struct iovec v = { "y", 1 };
	struct msghdr m = { .msg_name = to, .msg_namelen = sizeof(*to), .msg_iov = &v, .msg_iovlen = 1 };
	struct sockaddr_in other = *to;
	int udp = socket(AF_INET, SOCK_DGRAM, 0);

	other.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	RUN(SEND, .fd = udp, .addr = ADDR("x"), .len = 1, .msg_flags = 0, .addr2 = ADDR(to), .addr_len = sizeof(*to));
	RUN(SENDMSG, .fd = udp, .addr = ADDR(&m), .len = 1);		/* the same peer: no record */
	m.msg_name = &other;
	RUN(SENDMSG, .fd = udp, .addr = ADDR(&m), .len = 1, .msg_flags = MSG_DONTWAIT);
	RUN(SEND, .fd = file, .addr = ADDR("x"), .len = 1, .addr2 = ADDR(to), .addr_len = sizeof(*to));
	close(udp);
}

static void network(int file)
{
	struct sockaddr_in at, none, any = loopback(0), udp;
	int listener = helper_socket(SOCK_STREAM, &at, true), gone = helper_socket(SOCK_STREAM, &none, false);
	int receiver = helper_socket(SOCK_DGRAM, &udp, false), s, own = socket(AF_INET, SOCK_STREAM, 0);

	RUN(SOCKET, .fd = AF_INET, .off = SOCK_STREAM | SOCK_NONBLOCK, .len = IPPROTO_TCP);
	RUN(SOCKET, .fd = AF_UNIX, .off = SOCK_STREAM, .len = 77);
	RUN_NEW(BIND, .fd = own, .addr = ADDR(&any), .addr2 = sizeof(any));
	RUN_NEW(BIND, .fd = own, .addr = ADDR(&any), .addr2 = sizeof(any));
	RUN_NEW(LISTEN, .fd = own, .len = 5);
	RUN_NEW(LISTEN, .fd = file, .len = 5);
	s = socket(AF_INET, SOCK_STREAM, 0);
	RUN(CONNECT, .fd = s, .addr = ADDR(&at), .addr2 = sizeof(at));
	close(gone);
	close(own);
	own = socket(AF_INET, SOCK_STREAM, 0);
	RUN(CONNECT, .fd = own, .addr = ADDR(&none), .addr2 = sizeof(none));
	RUN(ACCEPT, .fd = listener, .accept_flags = SOCK_CLOEXEC);
	RUN(ACCEPT, .fd = file, .accept_flags = SOCK_NONBLOCK);
	sends(file, &udp);
	close(receiver);
}

static void become_alice(void)
{
	if (syscall(SYS_setresuid, -1, 1000, -1))
		die("setresuid");
	personality_id = (int)uring_register(&ring, IORING_REGISTER_PERSONALITY, NULL, 0);
	if (syscall(SYS_setresuid, -1, 0, -1) || personality_id <= 0)
		die("personality");
}

static int part(const char *dir_path)
{
	char path[512], absent[512];
	int dir, fd;

	if (mkdir(dir_path, 0777))
		die(dir_path);
	dir = open(dir_path, O_RDONLY | O_DIRECTORY);
	snprintf(path, sizeof(path), "%s/f", dir_path);
	snprintf(absent, sizeof(absent), "%s/absent", dir_path);
	uring_setup(&ring, 8, 0, !strcmp(way, "sqpoll") ? IORING_SETUP_SQPOLL : 0);
	if (!strcmp(way, "personality"))
		become_alice();
	if ((!strcmp(way, "fixed") || !strcmp(way, "direct")) &&
	    uring_register(&ring, IORING_REGISTER_FILES, slots, FIXED_SLOTS))
		die("registering files");
	fd = opens(dir, path);
	if (!strcmp(way, "direct"))
		fd = open(path, O_RDWR);
	entries(dir, absent);
	content(fd, path, absent);
	network(fd);
	return 0;
}

int main(int argc, char **argv)
{
	char path[256];
	int r = 0;

	if (argc != 3)
		usage("uring_ops WAY DIR");
	umask(0);
	for (int i = 0; i < 2 && !r; i++) {
		const char *name = i ? "call" : "ring";
		pid_t pid;

		snprintf(path, sizeof(path), "%s/%s", argv[2], name);
		pid = fork();
		if (!pid) {
			printf("%s %d\n", name, getpid());
			way = i ? "syscall" : argv[1];
			return part(path);
		}
		r = work_wait(pid);
	}
	return r;
}
