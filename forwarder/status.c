/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/cleanup.h"

static void write_status(struct status *st, struct buf *out)
{
	struct json j = { .out = out };

	json_open(&j, NULL, '{');
	json_string(&j, "program", "hosttrail-forward");
	json_int(&j, "pid", getpid());
	json_string(&j, "version", HOSTTRAIL_VERSION);
	json_uint(&j, "uptime_ms", loop_now() - st->started);
	ship_status(st->ship, &j);
	json_close(&j, '}');
	buf_addc(out, '\n');
}

static void on_connect(void *ctx, uint32_t events)
{
	struct status *st = ctx;
	_cleanup_close_ int fd = accept4(st->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	_cleanup_buf_ struct buf out = { 0 };

	if (fd < 0)
		return;
	write_status(st, &out);
	/* It fits into the socket's buffer; who does not read it loses it, and we do not wait. */
	if (!out.failed && send(fd, out.p, out.n, MSG_NOSIGNAL) < 0)
		return;
}

int status_open(struct status *st, struct loop *loop, struct ship *ship, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int r;

	*st = (struct status){ .loop = loop, .ship = ship, .path = path, .fd = -1, .started = loop_now() };
	st->source = (struct loop_source){ on_connect, st };
	if (!path || !*path)
		return 0;
	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	st->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (st->fd < 0)
		return -errno;
	unlink(path);
	if (bind(st->fd, (struct sockaddr *)&a, sizeof(a)) < 0 || chmod(path, 0660) < 0 || listen(st->fd, 16) < 0)
		r = -errno;
	else
		r = loop_add(loop, st->fd, EPOLLIN, &st->source);
	if (r < 0)
		cleanup_close(&st->fd);
	return r;
}

void status_close(struct status *st)
{
	if (st->fd < 0)
		return;
	unlink(st->path);
	cleanup_close(&st->fd);
}
