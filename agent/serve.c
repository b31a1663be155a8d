// SPDX-License-Identifier: Apache-2.0
/* serve.c - what the parent does for its worker, and nothing else: sign, open an executable, look up a login. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exeopen.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "logins.h"
#include "parent_internal.h"
#include "tlsmapped.h"

/* The host's key signs headers of frames of this stream, and nothing that could be taken for anything else. */
static bool is_our_header(const struct parent *p, const uint8_t *b, uint32_t n)
{
	uint16_t header_len, version;

	memcpy(&header_len, b + 4, sizeof(header_len));
	memcpy(&version, b + 6, sizeof(version));
	return !memcmp(b, "HTF1", 4) && header_len == n + FRAME_TRAILER && version == 1 && b[8] < CHAIN__MAX &&
	       !memcmp(b + 12, probes_fds(p->probes)->stream, 16);
}

static int serve_sign(struct parent *p)
{
	struct msg_signed a = { .error = -EPERM };

	if (is_our_header(p, p->m.body.bytes, p->m.n))
		a.error = sign_key_sign(p->key, p->m.body.bytes, p->m.n, a.signature);
	else
		log_limited(LOG_LEVEL_ERROR, 0, "the worker asked for a signature of something else than a frame");
	return msg_send(p->ask, MSG_SIGNED, &a, sizeof(a), -1);
}

static int serve_exe_path(struct parent *p)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%u/exe", p->m.body.pid.pid);
	n = readlink(link, path, sizeof(path));
	return msg_send(p->ask, MSG_EXE_PATH_IS, path, n < 0 ? 0 : (uint32_t)n, -1);
}

static int serve_tls_mapped(struct parent *p)
{
	uint32_t pid = p->m.body.pid.pid;
	struct msg_pid a = { .pid = (uint32_t)tls_mapped(pid) };

	tls_offer_process(p, pid);
	return msg_send(p->ask, MSG_TLS_MAPPED_IS, &a, sizeof(a), -1);
}

static int serve_exe(struct parent *p)
{
	struct msg_exe *q = &p->m.body.exe;
	struct msg_exe_fd a = { .exe = q->exe };
	_cleanup_close_ int fd = -1;

	q->path[sizeof(q->path) - 1] = 0;
	fd = exe_open(p->probes, q->pid, q->path, &q->exe);
	a.error = fd < 0 ? fd : 0;
	if (fd >= 0)
		tls_offer(p, fd, q->path);
	tls_offer_root(p, q->pid);
	return msg_send(p->ctl, MSG_EXE_FD, &a, sizeof(a), fd < 0 ? -1 : fd);
}

static int serve_login(struct parent *p)
{
	struct msg_login_is a = { .session = p->m.body.login.session };

	if (login_peer_of(p->m.body.login.pid, a.address) < 0)
		a.address[0] = 0;
	return msg_send(p->ctl, MSG_LOGIN_IS, &a, sizeof(a), -1);
}

static int recv_one(struct parent *p, int sock)
{
	int r = msg_recv(sock, &p->m);

	if (r <= 0)
		return r == -EAGAIN ? -EAGAIN : r ?: -EPIPE;
	if (p->m.fd >= 0) {		/* the worker has nothing to give */
		close(p->m.fd);
		return -EBADMSG;
	}
	return 0;
}

int serve_ctl(struct parent *p)
{
	int r = recv_one(p, p->ctl);

	if (!r && p->m.type == MSG_EXE)
		r = serve_exe(p);
	else if (!r && p->m.type == MSG_LOGIN)
		r = serve_login(p);
	else if (!r && p->m.type == MSG_SELECTED)
		r = reload_answered(p, p->m.body.selected.from);
	else if (!r && (p->m.type == MSG_TLS_WANTED || p->m.type == MSG_TLS_LIBRARY))
		r = tls_message(p);
	else if (!r)
		r = -EBADMSG;
	return r == -EAGAIN ? 0 : r;	/* an answer that the worker has no room for is not missed for ever */
}

int serve_ask(struct parent *p)
{
	int r = recv_one(p, p->ask);

	if (!r && p->m.type == MSG_SIGN)
		r = serve_sign(p);
	else if (!r && p->m.type == MSG_EXE_PATH)
		r = serve_exe_path(p);
	else if (!r && p->m.type == MSG_TLS_MAPPED)
		r = serve_tls_mapped(p);
	else if (!r)
		r = -EBADMSG;
	return r == -EAGAIN ? 0 : r;
}

int serve_prober(struct parent *p)
{
	struct msg_pid a = { .pid = (uint32_t)p->prober };
	_cleanup_close_ int sock = p->probe;
	int r = msg_recv(sock, &p->m);

	if (r == -EAGAIN) {
		TAKE_FD(sock);
		return 0;
	}
	p->probe = -1;
	if (r > 0 && p->m.type == MSG_PROBED && p->m.fd < 0)
		r = mark_as(p, p->prober, HT_TASK_PROBE);
	else
		r = -EBADMSG;
	if (r < 0)		/* it ends by itself when its socket is closed, and another one is started */
		return 0;
	r = tell_process(p, "prober", p->prober) ?: msg_send(p->ctl, MSG_PROBER, &a, sizeof(a), sock);
	return r == -EAGAIN ? 0 : r;
}

int send_counts(struct parent *p)
{
	struct msg_count c = { .restarts = p->restarts, .refused = p->refused };
	int r;

	c.nmissed = probes_misses(p->probes, c.missed, HT_PROGRAMS_MAX);
	r = msg_send(p->ctl, MSG_COUNT, &c, sizeof(c), -1);

	return r == -EAGAIN ? 0 : r;
}

/* Too long for a message: a file without a name that nobody changes any more. */
int send_selection(struct parent *p, const struct selection *s)
{
	struct msg_selectors m = { .from = s->from };
	_cleanup_close_ int fd = memfd_create("selectors", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = fd < 0 ? -errno : fsx_write_all(fd, s->text.p, s->text.n);

	if (r < 0)
		return r;
	fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	snprintf(m.source, sizeof(m.source), "%s", s->source);
	return msg_send(p->ctl, MSG_SELECTORS, &m, sizeof(m), fd);
}
