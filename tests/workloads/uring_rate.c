// SPDX-License-Identifier: Apache-2.0
/*
 * uring_rate DIR: operations of io_uring whose calls are recorded only where a selector names them, made by a ring and then by another process as calls, on
 * the same descriptors and addresses. Says "ring PID" and "call PID", and "op NUMBER OPCODE RESULT" as uring_ops does.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "uring.h"

#define ADDR(p) ((unsigned long)(p))
#define PRIVATE_32 (2 | 128)	/* FUTEX2_SIZE_U32, FUTEX2_PRIVATE */

/* Newer than the headers, some of them. */
enum { CMD_GETSOCKOPT = 2, CMD_SETSOCKOPT };
enum { OP_WAITID = 50, OP_FUTEX_WAIT, OP_FUTEX_WAKE, OP_FUTEX_WAITV, OP_EPOLL_WAIT = 59, OP_PIPE = 62 };

static struct uring ring;
static bool by_ring;
static unsigned number;
static int word = 7, ends[2];
static char bytes[64] = "bytes";
static struct iovec slices[1] = { { bytes, 4 } };
static struct msghdr message = { .msg_iov = slices, .msg_iovlen = 1 };
static struct epoll_event event = { .events = EPOLLIN };
static struct statx looked;
static struct futex_waitv waiters[1] = { { .val = 9, .uaddr = (unsigned long)&word, .flags = PRIVATE_32 } };
static siginfo_t info;
static struct iovec content[1] = { { "content", 7 } };

/* The operation, and the same as a call. */
static void both(const char *name, struct io_uring_sqe e, long nr, const long a[6])
{
	char mark[16];
	long r;

	e.user_data = ++number;
	if (by_ring) {
		uring_queue(&ring, &e);
		uring_submit(&ring, 1);
		r = uring_reap(&ring).res;
	} else {
		snprintf(mark, sizeof(mark), "op %u", number);
		prctl(PR_SET_NAME, mark);
		r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		r = r < 0 ? -errno : r;
	}
	printf("op %u %s %ld\n", number, name, r);
	fflush(stdout);
}

#define SQE(...) ((struct io_uring_sqe){ __VA_ARGS__ })
#define CALL(...) ((long[6]){ __VA_ARGS__ })

static void files(int fd)
{
	both("WRITEV", SQE(.opcode = IORING_OP_WRITEV, .fd = fd, .addr = ADDR(content), .len = 1, .off = 3), SYS_pwritev2, CALL(fd, ADDR(content), 1, 3));
	both("READV", SQE(.opcode = IORING_OP_READV, .fd = fd, .addr = ADDR(slices), .len = 1, .off = 5), SYS_preadv2, CALL(fd, ADDR(slices), 1, 5));
	both("WRITE", SQE(.opcode = IORING_OP_WRITE, .fd = fd, .addr = ADDR(bytes), .len = 5, .off = 40), SYS_pwrite64, CALL(fd, ADDR(bytes), 5, 40));
	both("READ", SQE(.opcode = IORING_OP_READ, .fd = fd, .addr = ADDR(bytes), .len = 3, .off = 9), SYS_pread64, CALL(fd, ADDR(bytes), 3, 9));
	both("READ", SQE(.opcode = IORING_OP_READ, .fd = 999, .addr = ADDR(bytes), .len = 3), SYS_pread64, CALL(999, ADDR(bytes), 3));
	both("FSYNC", SQE(.opcode = IORING_OP_FSYNC, .fd = fd), SYS_fsync, CALL(fd));
	both("FSYNC:fdatasync", SQE(.opcode = IORING_OP_FSYNC, .fd = fd, .fsync_flags = IORING_FSYNC_DATASYNC), SYS_fdatasync, CALL(fd));
	both("FSYNC:fdatasync", SQE(.opcode = IORING_OP_FSYNC, .fd = 999, .fsync_flags = IORING_FSYNC_DATASYNC), SYS_fdatasync, CALL(999));
	both("SYNC_FILE_RANGE", SQE(.opcode = IORING_OP_SYNC_FILE_RANGE, .fd = fd, .off = 1, .len = 8, .sync_range_flags = 2), SYS_sync_file_range, CALL(fd, 1, 8, 2));
	both("FADVISE", SQE(.opcode = IORING_OP_FADVISE, .fd = fd, .off = 2, .len = 6, .fadvise_advice = 1), SYS_fadvise64, CALL(fd, 2, 6, 1));
	both("MADVISE", SQE(.opcode = IORING_OP_MADVISE, .addr = ADDR(&looked) & ~4095ul, .len = 4096, .fadvise_advice = 3), SYS_madvise,
	     CALL((long)(ADDR(&looked) & ~4095ul), 4096, 3));
	both("STATX", SQE(.opcode = IORING_OP_STATX, .fd = AT_FDCWD, .addr = ADDR("f"), .len = STATX_SIZE, .off = ADDR(&looked), .statx_flags = AT_SYMLINK_NOFOLLOW),
	     SYS_statx, CALL(AT_FDCWD, ADDR("f"), AT_SYMLINK_NOFOLLOW, STATX_SIZE, ADDR(&looked)));
	both("STATX", SQE(.opcode = IORING_OP_STATX, .fd = AT_FDCWD, .addr = ADDR("none"), .len = STATX_MODE, .off = ADDR(&looked)), SYS_statx,
	     CALL(AT_FDCWD, ADDR("none"), 0, STATX_MODE, ADDR(&looked)));
	both("GETXATTR", SQE(.opcode = IORING_OP_GETXATTR, .addr3 = ADDR("f"), .addr = ADDR("user.a"), .addr2 = ADDR(bytes), .len = 9), SYS_getxattr,
	     CALL(ADDR("f"), ADDR("user.a"), ADDR(bytes), 9));
	both("FGETXATTR", SQE(.opcode = IORING_OP_FGETXATTR, .fd = fd, .addr = ADDR("user.none"), .addr2 = ADDR(bytes), .len = 9), SYS_fgetxattr,
	     CALL(fd, ADDR("user.none"), ADDR(bytes), 9));
}

static void pipes(int fd)
{
	int p[2], s[2], events = epoll_create1(0);

	if (pipe(p) || socketpair(AF_UNIX, SOCK_STREAM, 0, s) || write(p[1], "piped", 5) != 5 || write(s[1], "sent twice", 10) != 10 || pipe(ends))
		die("pipes");
	both("TEE", SQE(.opcode = IORING_OP_TEE, .splice_fd_in = p[0], .fd = ends[1], .len = 2), SYS_tee, CALL(p[0], ends[1], 2));
	both("SPLICE", SQE(.opcode = IORING_OP_SPLICE, .splice_fd_in = p[0], .splice_off_in = ~0ull, .fd = ends[1], .off = ~0ull, .len = 3, .splice_flags = 1),
	     SYS_splice, CALL(p[0], 0, ends[1], 0, 3, 1));
	both("RECV", SQE(.opcode = IORING_OP_RECV, .fd = s[0], .addr = ADDR(bytes), .len = 4, .msg_flags = MSG_DONTWAIT), SYS_recvfrom,
	     CALL(s[0], ADDR(bytes), 4, MSG_DONTWAIT));
	both("RECVMSG", SQE(.opcode = IORING_OP_RECVMSG, .fd = s[0], .addr = ADDR(&message), .len = 1, .msg_flags = MSG_PEEK), SYS_recvmsg,
	     CALL(s[0], ADDR(&message), MSG_PEEK));
	both("SHUTDOWN", SQE(.opcode = IORING_OP_SHUTDOWN, .fd = s[0], .len = SHUT_WR), SYS_shutdown, CALL(s[0], SHUT_WR));
	both("EPOLL_CTL", SQE(.opcode = IORING_OP_EPOLL_CTL, .fd = events, .len = EPOLL_CTL_ADD, .off = (unsigned)p[0], .addr = ADDR(&event)), SYS_epoll_ctl,
	     CALL(events, EPOLL_CTL_ADD, p[0], ADDR(&event)));
	both("EPOLL_WAIT", SQE(.opcode = OP_EPOLL_WAIT, .fd = events, .addr = ADDR(&event), .len = 1), SYS_epoll_wait, CALL(events, ADDR(&event), 1, -1));
	both("CLOSE", SQE(.opcode = IORING_OP_CLOSE, .fd = s[1]), SYS_close, CALL(s[1]));
	both("CLOSE", SQE(.opcode = IORING_OP_CLOSE, .fd = 998), SYS_close, CALL(998));
	both("PIPE", SQE(.opcode = OP_PIPE, .addr = ADDR(ends), .rw_flags = O_NONBLOCK), SYS_pipe2, CALL(ADDR(ends), O_NONBLOCK));
}

/* A socket's option, as an operation: what is asked lies where others have their address. */
static struct io_uring_sqe option(int fd, unsigned cmd, unsigned level, unsigned name, const void *value, unsigned n)
{
	return SQE(.opcode = IORING_OP_URING_CMD, .fd = fd, .cmd_op = cmd, .addr = (__u64)name << 32 | level, .addr3 = ADDR(value), .file_index = n);
}

static void options(int fd)
{
	static int on = 1, value;
	static socklen_t n = sizeof(value);
	int s = socket(AF_INET, SOCK_STREAM, 0), slots[2] = { -1, s };

	both("URING_CMD:setsockopt", option(s, CMD_SETSOCKOPT, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), SYS_setsockopt, CALL(s, SOL_SOCKET, SO_KEEPALIVE, ADDR(&on), sizeof(on)));
	both("URING_CMD:setsockopt", option(s, CMD_SETSOCKOPT, SOL_SOCKET, 9999, &on, sizeof(on)), SYS_setsockopt, CALL(s, SOL_SOCKET, 9999, ADDR(&on), sizeof(on)));
	both("URING_CMD:getsockopt", option(s, CMD_GETSOCKOPT, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)), SYS_getsockopt,
	     CALL(s, SOL_SOCKET, SO_KEEPALIVE, ADDR(&value), ADDR(&n)));
	both("URING_CMD", option(fd, CMD_SETSOCKOPT, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), SYS_ioctl, CALL(fd, CMD_SETSOCKOPT));	/* no socket: no such call */
	if (by_ring && uring_register(&ring, IORING_REGISTER_FILES, slots, 2))
		die("registering files");
	if (by_ring)
		s = 1;
	struct io_uring_sqe fixed = option(s, CMD_SETSOCKOPT, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));

	fixed.flags = IOSQE_FIXED_FILE;
	both("URING_CMD:setsockopt", fixed, SYS_setsockopt, CALL(s, SOL_SOCKET, SO_REUSEADDR, ADDR(&on), sizeof(on)));
}

static void waits(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(3);
	usleep(20000);
	both("WAITID", SQE(.opcode = OP_WAITID, .len = P_ALL, .addr2 = ADDR(&info), .file_index = WEXITED), SYS_waitid, CALL(P_ALL, 0, ADDR(&info), WEXITED));
	both("WAITID", SQE(.opcode = OP_WAITID, .len = P_ALL, .addr2 = ADDR(&info), .file_index = WEXITED), SYS_waitid, CALL(P_ALL, 0, ADDR(&info), WEXITED));
	both("FUTEX_WAKE", SQE(.opcode = OP_FUTEX_WAKE, .fd = PRIVATE_32, .addr = ADDR(&word), .addr2 = 5, .addr3 = 0xff), 454, CALL(ADDR(&word), 0xff, 5, PRIVATE_32));
	both("FUTEX_WAKE", SQE(.opcode = OP_FUTEX_WAKE, .fd = 2, .addr = ADDR(&word), .addr2 = 1, .addr3 = 1), 454, CALL(ADDR(&word), 1, 1, 2));
	both("FUTEX_WAIT", SQE(.opcode = OP_FUTEX_WAIT, .fd = PRIVATE_32, .addr = ADDR(&word), .addr2 = 8, .addr3 = 0xf), 455, CALL(ADDR(&word), 8, 0xf, PRIVATE_32));
	both("FUTEX_WAIT", SQE(.opcode = OP_FUTEX_WAIT, .fd = 64, .addr = ADDR(&word), .addr2 = 8, .addr3 = 0xf), 455, CALL(ADDR(&word), 8, 0xf, 64));	/* refused */
	both("FUTEX_WAITV", SQE(.opcode = OP_FUTEX_WAITV, .addr = ADDR(waiters), .len = 1), 449, CALL(ADDR(waiters), 1));
}

static void part(const char *dir)
{
	int fd;

	if (mkdir(dir, 0700) || chdir(dir))
		die(dir);
	uring_setup(&ring, 8, 0, 0);	/* of both: their descriptors have the same numbers */
	fd = open("f", O_CREAT | O_RDWR, 0600);
	fsetxattr(fd, "user.a", "value", 5, 0);
	files(fd);
	pipes(fd);
	options(fd);
	waits();
}

int main(int argc, char **argv)
{
	char path[4096];
	int r = 0;

	if (argc != 2)
		usage("uring_rate DIR");
	for (int i = 0; i < 2 && !r; i++) {
		pid_t pid;

		snprintf(path, sizeof(path), "%s/%s", argv[1], i ? "call" : "ring");
		pid = fork();
		if (!pid) {
			printf("%s %d\n", i ? "call" : "ring", getpid());
			fflush(stdout);
			by_ring = !i;
			part(path);
			_exit(0);
		}
		r = work_wait(pid);
	}
	return r;
}
