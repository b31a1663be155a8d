// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "msg.h"

#define FDS_ROOM 8	/* more than one may come from a lying sender: they must be received to be closed */

struct head {
	uint32_t type, n;
};

static const struct {
	uint32_t min, max;
	int fd;		/* 0 never, 1 always, 2 may */
} rules[MSG__MAX] = {
	[MSG_SETUP] = { sizeof(struct msg_setup), sizeof(struct msg_setup), 0 },
	[MSG_RING] = { sizeof(struct msg_ring), sizeof(struct msg_ring), 1 },
	[MSG_FEATURE] = { sizeof(struct msg_feature), sizeof(struct msg_feature), 0 },
	[MSG_START] = { 0, 0, 0 },
	[MSG_STOP] = { 0, 0, 0 },
	[MSG_SIGN] = { FRAME_FIXED, FRAME_HEADER_MAX, 0 },
	[MSG_SIGNED] = { sizeof(struct msg_signed), sizeof(struct msg_signed), 0 },
	[MSG_EXE] = { sizeof(struct msg_exe), sizeof(struct msg_exe), 0 },
	[MSG_EXE_FD] = { sizeof(struct msg_exe_fd), sizeof(struct msg_exe_fd), 2 },
	[MSG_LOGIN] = { sizeof(struct msg_login), sizeof(struct msg_login), 0 },
	[MSG_LOGIN_IS] = { sizeof(struct msg_login_is), sizeof(struct msg_login_is), 0 },
	[MSG_EXE_PATH] = { sizeof(struct msg_pid), sizeof(struct msg_pid), 0 },
	[MSG_EXE_PATH_IS] = { 0, PATH_MAX, 0 },
	[MSG_NAME] = { sizeof(struct msg_name), sizeof(struct msg_name), 0 },
	[MSG_NAME_IS] = { sizeof(struct msg_name), sizeof(struct msg_name), 0 },
	[MSG_HASH] = { sizeof(struct ht_exe), sizeof(struct ht_exe), 1 },
	[MSG_HASH_IS] = { sizeof(struct msg_hash_is), sizeof(struct msg_hash_is), 0 },
	[MSG_RESOLVER] = { 0, 0, 1 },
	[MSG_COUNT] = { sizeof(struct msg_count), sizeof(struct msg_count), 0 },
	[MSG_PROBER] = { sizeof(struct msg_pid), sizeof(struct msg_pid), 1 },
	[MSG_GUARD] = { sizeof(struct msg_guard), sizeof(struct msg_guard), 0 },
	[MSG_TAMPERED] = { sizeof(struct msg_tampered), sizeof(struct msg_tampered), 0 },
	[MSG_PROBE] = { sizeof(struct msg_probe), sizeof(struct msg_probe), 0 },
	[MSG_SELECTORS] = { sizeof(struct msg_selectors), sizeof(struct msg_selectors), 1 },
	[MSG_SELECTED] = { sizeof(struct msg_selected), sizeof(struct msg_selected), 0 },
	[MSG_APIS] = { sizeof(struct msg_apis), sizeof(struct msg_apis), 0 },
	[MSG_TLS_FILE] = { sizeof(struct msg_tls_file), sizeof(struct msg_tls_file), 1 },
	[MSG_TLS_PLAN] = { sizeof(struct msg_tls_plan), sizeof(struct msg_tls_plan) + MSG_TLS_SITES_MAX * sizeof(struct msg_tls_site), 0 },
	[MSG_TLS_CACHE] = { sizeof(struct msg_tls_file), sizeof(struct msg_tls_file), 1 },
	[MSG_TLS_CACHED] = { offsetof(struct msg_tls_cached, text), sizeof(struct msg_tls_cached), 0 },
	[MSG_TLS_WANTED] = { sizeof(struct msg_tls_wanted), sizeof(struct msg_tls_wanted), 0 },
	[MSG_TLS_LIBRARY] = { sizeof(struct msg_tls_library), sizeof(struct msg_tls_library), 0 },
	[MSG_TLS_MAPPED] = { sizeof(struct msg_pid), sizeof(struct msg_pid), 0 },
	[MSG_TLS_MAPPED_IS] = { sizeof(struct msg_pid), sizeof(struct msg_pid), 0 },
	[MSG_PROBED] = { sizeof(struct msg_probe), sizeof(struct msg_probe), 0 },
};

int msg_bounds(uint32_t type, uint32_t *ret_min, uint32_t *ret_max, int *ret_fd)
{
	if (!type || type >= MSG__MAX)
		return -EINVAL;
	*ret_min = rules[type].min;
	*ret_max = rules[type].max;
	*ret_fd = rules[type].fd;
	return 0;
}

static int check(const struct head *h, size_t n, unsigned nfds)
{
	if (!h->type || h->type >= MSG__MAX || n != h->n)
		return -EBADMSG;
	if (h->n < rules[h->type].min || h->n > rules[h->type].max || nfds > 1)
		return -EBADMSG;
	return rules[h->type].fd == 2 || nfds == (unsigned)rules[h->type].fd ? 0 : -EBADMSG;
}

int msg_check(const void *packet, size_t n, unsigned nfds)
{
	struct head h;

	if (n < sizeof(h))
		return -EBADMSG;
	memcpy(&h, packet, sizeof(h));
	return check(&h, n - sizeof(h), nfds);
}

int msg_send(int sock, uint32_t type, const void *body, uint32_t n, int fd)
{
	struct head h = { type, n };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)body, n } };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n ? 2 : 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static unsigned take_fds(struct msghdr *m, int fds[FDS_ROOM])
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < bytes / sizeof(int) && n < FDS_ROOM; i++)
			memcpy(&fds[n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return n;
}

static ssize_t recv_packet(int sock, struct msg *m, struct head *h, int fds[FDS_ROOM], unsigned *ret_nfds,
			   int *ret_flags)
{
	struct iovec iov[2] = { { h, sizeof(*h) }, { m->body.bytes, sizeof(m->body) } };
	union {
		char buf[CMSG_SPACE(FDS_ROOM * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr hdr = {
		.msg_iov = iov, .msg_iovlen = 2, .msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	*ret_nfds = take_fds(&hdr, fds);
	*ret_flags = hdr.msg_flags;
	return n;
}

int msg_recv(int sock, struct msg *m)
{
	struct head h = { 0, 0 };
	int fds[FDS_ROOM], flags = 0;
	unsigned nfds = 0;
	ssize_t n = recv_packet(sock, m, &h, fds, &nfds, &flags);
	int r;

	if (n < 0)
		return n == -ECONNRESET ? 0 : (int)n;
	if (n == 0 && !nfds)
		return 0;
	r = -EBADMSG;
	if ((size_t)n >= sizeof(h) && !(flags & (MSG_TRUNC | MSG_CTRUNC)))
		r = check(&h, (size_t)n - sizeof(h), nfds);
	if (r < 0) {
		for (unsigned i = 0; i < nfds; i++)
			close(fds[i]);
		return r;
	}
	m->type = h.type;
	m->n = h.n;
	m->fd = nfds ? fds[0] : -1;
	return 1;
}

int msg_pair(int ret_sock[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_sock) < 0 ? -errno : 0;
}
