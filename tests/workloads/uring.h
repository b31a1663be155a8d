/* SPDX-License-Identifier: Apache-2.0 */
/* uring.h - io_uring by its raw interface, for workloads: a ring, one submission, its completion. */
#ifndef HOSTTRAIL_URING_WORK_H
#define HOSTTRAIL_URING_WORK_H

#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>

#include "work.h"

struct uring {
	int fd;
	struct io_uring_params p;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
	unsigned queued;
};

#define URING_SQ(u, field) ((unsigned *)((u)->sq + (u)->p.sq_off.field))
#define URING_CQ(u, field) ((unsigned *)((u)->cq + (u)->p.cq_off.field))

/* Ends with status 77 where io_uring is not allowed. */
static inline void uring_setup(struct uring *u, unsigned entries, unsigned cq_entries, unsigned flags)
{
	memset(u, 0, sizeof(*u));
	u->p.flags = flags | (cq_entries ? IORING_SETUP_CQSIZE : 0);
	u->p.cq_entries = cq_entries;
	u->p.sq_thread_idle = 1000;
	u->fd = (int)syscall(SYS_io_uring_setup, entries, &u->p);
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

static inline void uring_queue(struct uring *u, const struct io_uring_sqe *e)
{
	unsigned tail = *URING_SQ(u, tail), at = tail & *URING_SQ(u, ring_mask);

	u->sqes[at] = *e;
	URING_SQ(u, array)[at] = at;
	__atomic_store_n(URING_SQ(u, tail), tail + 1, __ATOMIC_RELEASE);
	u->queued++;
}

/* Hands over what is queued and waits for n completions. */
static inline void uring_submit(struct uring *u, unsigned n)
{
	unsigned flags = n ? IORING_ENTER_GETEVENTS : 0;

	if (u->p.flags & IORING_SETUP_SQPOLL)
		flags |= IORING_ENTER_SQ_WAKEUP;
	if (syscall(SYS_io_uring_enter, u->fd, u->queued, n, flags, NULL, 0) < 0 && errno != EBUSY)
		die("io_uring_enter");
	u->queued = 0;
}

/* The next completion, waited for. (Its flexible array is empty here; gcc notes how it passed such a struct before 4.4.) */
#pragma GCC diagnostic ignored "-Wpsabi"
static inline struct io_uring_cqe uring_reap(struct uring *u)
{
	struct io_uring_cqe *cqes = (void *)(u->cq + u->p.cq_off.cqes), e;
	unsigned head = *URING_CQ(u, head);

	while (__atomic_load_n(URING_CQ(u, tail), __ATOMIC_ACQUIRE) == head)
		if (syscall(SYS_io_uring_enter, u->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0 && errno != EINTR)
			die("io_uring_enter");
	e = cqes[head & *URING_CQ(u, ring_mask)];
	__atomic_store_n(URING_CQ(u, head), head + 1, __ATOMIC_RELEASE);
	return e;
}

static inline long uring_register(struct uring *u, unsigned opcode, const void *arg, unsigned n)
{
	return syscall(SYS_io_uring_register, u->fd, opcode, arg, n);
}

#endif
