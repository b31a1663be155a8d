// SPDX-License-Identifier: Apache-2.0
#include "agent/msg.h"
#include "tests/tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int s[2];
static struct msg m;

static void open_pair(void)
{
	ok_int(msg_pair(s), 0);
	fcntl(s[1], F_SETFL, O_NONBLOCK);
}

static void close_pair(void)
{
	close(s[0]);
	close(s[1]);
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void there_and_back(void)
{
	struct msg_name q = { .uid = 1000, .name = "alice" };

	open_pair();
	ok_int(msg_recv(s[1], &m), -EAGAIN);
	ok_int(msg_send(s[0], MSG_NAME_IS, &q, sizeof(q), -1), 0);
	ok_int(msg_recv(s[1], &m), 1);
	ok(m.type == MSG_NAME_IS && m.n == sizeof(q) && m.fd == -1 && m.body.name.uid == 1000);
	ok_str(m.body.name.name, "alice");
	ok_int(msg_send(s[0], MSG_RESOLVER, NULL, 0, s[0]), 0);
	ok_int(msg_recv(s[1], &m), 1);
	ok(m.fd >= 0);
	close(m.fd);
	close(s[0]);
	ok_int(msg_recv(s[1], &m), 0);
	close(s[1]);
}

/* Every type, with every length up to well beyond its own: only the right ones pass. */
static void only_exact_lengths_pass(void)
{
	static uint8_t packet[8 + MSG_BODY_MAX + 64];

	for (uint32_t type = 0; type < MSG__MAX + 3; type++) {
		uint32_t min = 1, max = 0;
		int fd = 0, known = msg_bounds(type, &min, &max, &fd) == 0;

		for (uint32_t n = 0; n <= MSG_BODY_MAX; n += n < 600 ? 1 : 37) {
			bool fits = known && n >= min && n <= max;

			memcpy(packet, &type, 4);
			memcpy(packet + 4, &n, 4);
			must((msg_check(packet, 8 + n, fd == 1) == 0) == fits);
			must(msg_check(packet, 8 + n + 1, fd == 1) == -EBADMSG);
			if (n)
				must(msg_check(packet, 8 + n - 1, fd == 1) == -EBADMSG);
			must(msg_check(packet, 8 + n, 2) == -EBADMSG);
			if (fd != 2)
				must(msg_check(packet, 8 + n, fd != 1) == -EBADMSG);
		}
	}
	for (size_t n = 0; n < 8; n++)
		ok_int(msg_check(packet, n, 0), -EBADMSG);
}

static void send_raw(const void *p, size_t n, const int *fds, unsigned nfds)
{
	struct iovec iov = { (void *)p, n };
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		struct cmsghdr *c;

		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	ok_int(sendmsg(s[0], &h, 0), n);
}

/* What a taken-over worker may send: refused, and no descriptor stays behind. */
static void hostile_packets(void)
{
	static uint8_t big[8 + MSG_BODY_MAX + 1000];
	int fds[16], before;
	uint32_t head[2] = { MSG_HASH, sizeof(struct ht_exe) };

	open_pair();
	for (unsigned i = 0; i < 16; i++)
		fds[i] = s[0];
	before = open_fds();
	memcpy(big, head, sizeof(head));
	send_raw(big, 8 + sizeof(struct ht_exe), fds, 2);		/* two descriptors */
	ok_int(msg_recv(s[1], &m), -EBADMSG);
	send_raw(big, 8 + sizeof(struct ht_exe), fds, 16);		/* more than there is room for */
	ok_int(msg_recv(s[1], &m), -EBADMSG);
	send_raw(big, 8 + sizeof(struct ht_exe), NULL, 0);		/* the one that belongs to it is missing */
	ok_int(msg_recv(s[1], &m), -EBADMSG);
	head[0] = MSG_STOP;
	head[1] = 0;
	memcpy(big, head, sizeof(head));
	send_raw(big, 8, fds, 1);					/* one that does not belong to it */
	ok_int(msg_recv(s[1], &m), -EBADMSG);
	head[1] = sizeof(big) - 8;
	memcpy(big, head, sizeof(head));
	send_raw(big, sizeof(big), NULL, 0);				/* longer than any message */
	ok_int(msg_recv(s[1], &m), -EBADMSG);
	send_raw(big, 3, NULL, 0);					/* shorter than a head */
	ok_int(msg_recv(s[1], &m), -EBADMSG);
	head[0] = 0xffffffff;
	head[1] = 0;
	send_raw(head, 8, NULL, 0);
	ok_int(msg_recv(s[1], &m), -EBADMSG);
	ok_int(open_fds(), before);
	close_pair();
}

static const struct tap_case cases[] = { CASE(there_and_back), CASE(only_exact_lengths_pass), CASE(hostile_packets) };
TAP_MAIN(cases)
