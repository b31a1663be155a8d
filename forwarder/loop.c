/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <errno.h>
#include <unistd.h>
#include <sys/epoll.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

int loop_init(struct loop *l)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	return l->epoll < 0 ? -errno : 0;
}

void loop_close(struct loop *l)
{
	cleanup_close(&l->epoll);
}

static int control(struct loop *l, int op, int fd, uint32_t events, struct loop_source *s)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	return epoll_ctl(l->epoll, op, fd, &e) < 0 ? -errno : 0;
}

int loop_add(struct loop *l, int fd, uint32_t events, struct loop_source *s)
{
	return control(l, EPOLL_CTL_ADD, fd, events, s);
}

int loop_change(struct loop *l, int fd, uint32_t events, struct loop_source *s)
{
	return control(l, EPOLL_CTL_MOD, fd, events, s);
}

void loop_remove(struct loop *l, int fd)
{
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
}

int loop_turn(struct loop *l, int timeout_ms)
{
	struct epoll_event events[16];
	int n = epoll_wait(l->epoll, events, ARRAY_SIZE(events), timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		const struct loop_source *s = events[i].data.ptr;

		if (s->fn)
			s->fn(s->ctx, events[i].events);
	}
	return 0;
}

uint64_t loop_now(void)
{
	return clock_boot() / NS_PER_MS;
}
