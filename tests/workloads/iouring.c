// SPDX-License-Identifier: Apache-2.0
/* iouring plain|sqpoll PATH: opens PATH through io_uring, by the raw interface; with sqpoll a kernel thread submits.
 * A plain open of PATH.after by the program itself follows. Exit status 77 where io_uring is not allowed. */
#include <fcntl.h>

#include "uring.h"

static int submit_open(struct uring *u, const char *path)
{
	struct io_uring_sqe e = { .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (unsigned long)path, .open_flags = O_RDONLY,
				  .user_data = 42 };

	uring_queue(u, &e);
	uring_submit(u, 1);
	return uring_reap(u).res;
}

int main(int argc, char **argv)
{
	struct uring u;
	char after[4096];
	int sqpoll;

	if (argc != 3)
		usage("iouring plain|sqpoll PATH");
	sqpoll = !strcmp(argv[1], "sqpoll");
	uring_setup(&u, 4, 0, sqpoll ? IORING_SETUP_SQPOLL : 0);
	printf("uring %d\n", submit_open(&u, argv[2]));
	snprintf(after, sizeof(after), "%s.after", argv[2]);
	printf("openat %d\n", open(after, O_RDONLY));
	return 0;
}
