// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exehash.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "msg.h"
#include "resolver.h"

static int answer_name(int sock, const struct msg_name *q)
{
	struct msg_name a = { .uid = q->uid };
	struct passwd pw, *found = NULL;
	char text[16384];

	getpwuid_r(q->uid, &pw, text, sizeof(text), &found);
	if (found)
		snprintf(a.name, sizeof(a.name), "%s", found->pw_name);
	return msg_send(sock, MSG_NAME_IS, &a, sizeof(a), -1);
}

static int refuse_hash(int sock, const struct ht_exe *exe)
{
	struct msg_hash_is a = { .exe = *exe };

	return msg_send(sock, MSG_HASH_IS, &a, sizeof(a), -1);
}

static int take_hash(int sock, struct exehash *h, struct msg *m)
{
	_cleanup_close_ int fd = m->fd;
	int r = exehash_submit(h, fd, &m->body.hash);

	if (r < 0)
		return refuse_hash(sock, &m->body.hash);
	TAKE_FD(fd);
	return 0;
}

static int give_hashes(int sock, struct exehash *h)
{
	struct exehash_result res;
	int r = 0;

	while (!r && exehash_next(h, &res)) {
		struct msg_hash_is a = { .exe = res.exe, .ok = res.ok };

		memcpy(a.sha256, res.sha256, sizeof(a.sha256));
		r = msg_send(sock, MSG_HASH_IS, &a, sizeof(a), -1);
	}
	return r;
}

static int serve_one(int sock, struct exehash *h)
{
	static struct msg m;
	int r = msg_recv(sock, &m);

	if (r <= 0)
		return r ?: -EPIPE;
	if (m.type == MSG_NAME)
		return answer_name(sock, &m.body.name);
	if (m.type == MSG_HASH)
		return take_hash(sock, h, &m);
	if (m.fd >= 0)
		close(m.fd);
	return -EBADMSG;
}

int resolver_run(int sock)
{
	struct exehash *h;
	struct pollfd p[2];
	int r = exehash_new(&h);

	if (r < 0) {
		log_err(r, "resolver: cannot start its thread");
		return 1;
	}
	p[0] = (struct pollfd){ sock, POLLIN, 0 };
	p[1] = (struct pollfd){ exehash_fd(h), POLLIN, 0 };
	while (!r) {
		if (poll(p, 2, -1) < 0) {
			r = errno == EINTR ? 0 : -errno;
			continue;
		}
		if (p[0].revents)
			r = serve_one(sock, h);
		if (!r && p[1].revents)
			r = give_hashes(sock, h);
	}
	exehash_free(&h);
	if (r == -EPIPE || r == -ECONNRESET)	/* the worker is gone */
		return 0;
	log_err(r, "resolver");
	return 1;
}
