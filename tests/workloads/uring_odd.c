// SPDX-License-Identifier: Apache-2.0
/*
 * uring_odd KIND DIR: what only io_uring can do. Each operation has its number as user_data, and prints "op NUMBER OPCODE
 * RESULT" when its completion comes.
 *
 * link: a chain that breaks; skip: no completion events asked for; overflow: more completions than the queue holds;
 * multishot: one accept for three connections; refused: submissions that are turned down; others: operations without a
 * system call; swap: names overwritten as soon as they are submitted; death: the program ends while an accept waits.
 * flood COUNT: so many opens, by workers and by itself, with nobody printing.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "uring.h"

#define ADDR(p) ((unsigned long)(p))
#define SLOTS 4
#define OPCODES 256
#define BATCH 32

static struct uring ring;
static int dir;
static unsigned char opcode_of[OPCODES];

static void queue(unsigned number, struct io_uring_sqe e)
{
	e.user_data = number;
	opcode_of[number] = e.opcode;
	uring_queue(&ring, &e);
}

static int reap(void)
{
	struct io_uring_cqe e = uring_reap(&ring);

	printf("op %u %u %d\n", (unsigned)e.user_data, opcode_of[e.user_data % OPCODES], e.res);
	return e.res;
}

static struct io_uring_sqe open_of(const char *name, unsigned flags)
{
	return (struct io_uring_sqe){ .opcode = IORING_OP_OPENAT, .fd = dir, .addr = ADDR(name), .open_flags = O_RDONLY,
				      .flags = (unsigned char)flags };
}

static struct io_uring_sqe mkdir_of(const char *name, unsigned flags)
{
	return (struct io_uring_sqe){ .opcode = IORING_OP_MKDIRAT, .fd = dir, .addr = ADDR(name), .len = 0700,
				      .flags = (unsigned char)flags };
}

static void do_link(void)
{
	queue(1, open_of("f", IOSQE_IO_LINK));
	queue(2, open_of("none", IOSQE_IO_LINK));
	queue(3, mkdir_of("never", IOSQE_IO_LINK));
	queue(4, mkdir_of("never", 0));
	queue(5, open_of("none", IOSQE_IO_HARDLINK));
	queue(6, mkdir_of("made", 0));
	uring_submit(&ring, 6);
	for (int i = 0; i < 6; i++)
		reap();
}

static void do_skip(void)
{
	queue(1, open_of("f", IOSQE_CQE_SKIP_SUCCESS));
	queue(2, open_of("none", IOSQE_CQE_SKIP_SUCCESS));
	queue(3, open_of("none", IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK));
	queue(4, mkdir_of("never", 0));
	queue(5, mkdir_of("made", 0));
	uring_submit(&ring, 3);
	for (int i = 0; i < 3; i++)
		reap();
}

static void do_overflow(void)
{
	for (unsigned i = 1; i <= 8; i++) {
		queue(i, open_of(i % 2 ? "f" : "none", 0));
		uring_submit(&ring, 0);
	}
	for (int i = 0; i < 8; i++)
		reap();
}

static int listener_of(struct sockaddr_in *ret_a)
{
	socklen_t n = sizeof(*ret_a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*ret_a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (bind(fd, (struct sockaddr *)ret_a, n) || getsockname(fd, (struct sockaddr *)ret_a, &n) || listen(fd, 8))
		die("listener");
	return fd;
}

static void do_multishot(void)
{
	struct sockaddr_in at;
	int fd = listener_of(&at);

	queue(1, (struct io_uring_sqe){ .opcode = IORING_OP_ACCEPT, .fd = fd, .ioprio = IORING_ACCEPT_MULTISHOT });
	uring_submit(&ring, 0);
	for (int i = 0; i < 3; i++) {
		int s = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(s, (struct sockaddr *)&at, sizeof(at)))
			die("connect");
		reap();
	}
	queue(2, (struct io_uring_sqe){ .opcode = IORING_OP_ASYNC_CANCEL, .addr = 1 });
	uring_submit(&ring, 2);
	reap();
	reap();
}

static void do_refused(void)
{
	struct io_uring_sqe e = open_of("f", 0);

	queue(1, (struct io_uring_sqe){ .opcode = 250, .fd = 7 });
	uring_submit(&ring, 1);
	reap();
	e.addr = 8;
	queue(2, e);
	uring_submit(&ring, 1);
	reap();
	e = open_of("f", 0);
	e.ioprio = 1;
	queue(3, e);
	uring_submit(&ring, 1);
	reap();
	e = open_of("f", 0);
	e.personality = 99;
	queue(4, e);
	uring_submit(&ring, 1);
	reap();
	queue(5, open_of("f", IOSQE_FIXED_FILE));
	uring_submit(&ring, 1);
	reap();
}

static void do_others(void)
{
	int slots[SLOTS] = { -1, -1, -1, -1 }, fd = openat(dir, "f", O_RDONLY);
	struct uring other;

	uring_setup(&other, 8, 0, 0);
	if (uring_register(&ring, IORING_REGISTER_FILES, slots, SLOTS) || uring_register(&other, IORING_REGISTER_FILES, slots, SLOTS))
		die("registering files");
	slots[0] = fd;
	queue(1, (struct io_uring_sqe){ .opcode = IORING_OP_FILES_UPDATE, .fd = -1, .addr = ADDR(slots), .len = 1, .off = 0 });
	uring_submit(&ring, 1);
	reap();
	queue(2, (struct io_uring_sqe){ .opcode = IORING_OP_URING_CMD, .fd = fd, .cmd_op = 0x1234 });
	uring_submit(&ring, 1);
	reap();
	queue(3, (struct io_uring_sqe){ .opcode = IORING_OP_MSG_RING, .fd = other.fd, .addr = 1, .addr3 = 0, .file_index = 2 });
	uring_submit(&ring, 1);
	reap();
	queue(4, (struct io_uring_sqe){ .opcode = IORING_OP_MSG_RING, .fd = other.fd, .len = 5 });
	uring_submit(&ring, 1);
	reap();
	queue(5, (struct io_uring_sqe){ .opcode = 54, .fd = 0, .flags = IOSQE_FIXED_FILE });	/* FIXED_FD_INSTALL */
	uring_submit(&ring, 1);
	reap();
	queue(6, (struct io_uring_sqe){ .opcode = IORING_OP_NOP });
	uring_submit(&ring, 1);
	reap();
}

static void do_swap(void)
{
	char name[64];

	for (unsigned i = 1; i <= 50; i++) {
		snprintf(name, sizeof(name), "f");
		queue(i, open_of(name, IOSQE_ASYNC));
		uring_submit(&ring, 0);
		snprintf(name, sizeof(name), "decoy");
		reap();
	}
}

static void do_death(void)
{
	struct sockaddr_in at;

	queue(1, (struct io_uring_sqe){ .opcode = IORING_OP_ACCEPT, .fd = listener_of(&at) });
	uring_submit(&ring, 0);
}

/* Half of them by workers; the descriptors are closed by and by. */
static int flood(unsigned long count)
{
	unsigned long done = 0;

	while (done < count) {
		unsigned n = count - done < BATCH ? (unsigned)(count - done) : BATCH;

		for (unsigned i = 0; i < n; i++)
			queue(i + 1, open_of(i % 3 ? "f" : "none", i % 2 ? IOSQE_ASYNC : 0));
		uring_submit(&ring, n);
		for (unsigned i = 0; i < n; i++) {
			int fd = uring_reap(&ring).res;

			if (fd >= 0)
				close(fd);
		}
		done += n;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} kinds[] = {
		{ "link", do_link },	   { "skip", do_skip },	      { "overflow", do_overflow }, { "multishot", do_multishot },
		{ "refused", do_refused }, { "others", do_others }, { "swap", do_swap },	       { "death", do_death },
	};
	bool small = argc > 1 && !strcmp(argv[1], "overflow");

	if (argc < 3)
		usage("uring_odd KIND DIR [COUNT]");
	dir = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		die(argv[2]);
	close(openat(dir, "f", O_CREAT | O_WRONLY, 0644));
	close(openat(dir, "decoy", O_CREAT | O_WRONLY, 0644));
	uring_setup(&ring, small ? 1 : BATCH, small ? 2 : 0, 0);
	if (!strcmp(argv[1], "flood") && argc == 4)
		return flood(strtoul(argv[3], NULL, 10));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, argv[1])) {
			kinds[i].run();
			return 0;
		}
	usage("uring_odd KIND DIR [COUNT]");
	return 2;
}
