// SPDX-License-Identifier: Apache-2.0
/* iouring plain|sqpoll PATH: opens PATH through io_uring, by the raw interface; with sqpoll a kernel thread submits.
 * A plain open of PATH.after by the program itself follows. Exit status 77 where io_uring is not allowed. */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include "work.h"

struct uring {
	int fd;
	struct io_uring_params p;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
};

#define SQ(u, field) ((unsigned *)((u)->sq + (u)->p.sq_off.field))
#define CQ(u, field) ((unsigned *)((u)->cq + (u)->p.cq_off.field))

static void setup(struct uring *u, int sqpoll)
{
	memset(u, 0, sizeof(*u));
	u->p.flags = sqpoll ? IORING_SETUP_SQPOLL : 0;
	u->p.sq_thread_idle = 1000;
	u->fd = (int)syscall(SYS_io_uring_setup, 4, &u->p);
	if (u->fd < 0) {
		perror("io_uring_setup");
		exit(77);
	}
	u->sq = mmap(NULL, u->p.sq_off.array + u->p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd,
		     IORING_OFF_SQ_RING);
	u->cq = mmap(NULL, u->p.cq_off.cqes + u->p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_CQ_RING);
	u->sqes = mmap(NULL, u->p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		       u->fd, IORING_OFF_SQES);
	if (u->sq == MAP_FAILED || u->cq == MAP_FAILED || u->sqes == MAP_FAILED)
		die("mmap");
}

static int submit_open(struct uring *u, const char *path, int sqpoll)
{
	struct io_uring_sqe *e = &u->sqes[0];
	struct io_uring_cqe *cqes = (void *)(u->cq + u->p.cq_off.cqes);
	unsigned tail = *SQ(u, tail), head = *CQ(u, head);

	memset(e, 0, sizeof(*e));
	e->opcode = IORING_OP_OPENAT;
	e->fd = AT_FDCWD;
	e->addr = (unsigned long)path;
	e->open_flags = O_RDONLY;
	e->user_data = 42;
	SQ(u, array)[tail & *SQ(u, ring_mask)] = 0;
	__atomic_store_n(SQ(u, tail), tail + 1, __ATOMIC_RELEASE);
	if (sqpoll)
		syscall(SYS_io_uring_enter, u->fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP, NULL, 0);
	else if (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		die("io_uring_enter");
	while (__atomic_load_n(CQ(u, tail), __ATOMIC_ACQUIRE) == head)
		usleep(1000);
	return cqes[head & *CQ(u, ring_mask)].res;
}

int main(int argc, char **argv)
{
	struct uring u;
	char after[4096];
	int sqpoll;

	if (argc != 3)
		usage("iouring plain|sqpoll PATH");
	sqpoll = !strcmp(argv[1], "sqpoll");
	setup(&u, sqpoll);
	printf("uring %d\n", submit_open(&u, argv[2], sqpoll));
	snprintf(after, sizeof(after), "%s.after", argv[2]);
	printf("openat %d\n", open(after, O_RDONLY));
	return 0;
}
