/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "lib/cleanup.h"

#define READ_CHUNK (64 * 1024)
#define READS_A_TURN 16			/* so that one fast peer does not keep the others waiting */
#define OUT_CHUNK (64 * 1024)
#define LINGER_BYTES (1 << 20)		/* of leftovers that are read after goodbye */
#define STREAM_WINDOW (1 << 20)
#define CONNECTION_WINDOW (8 << 20)
#define FRAME_BYTES (64 * 1024)		/* of one HTTP/2 frame */

/* ---- life */

static int wait_for(struct grpc_conn *c, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = &c->source };
	int op = c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events == c->events)
		return 0;
	if (epoll_ctl(c->server->epoll, op, c->fd, &e) < 0)
		return -errno;
	c->events = events;
	return 0;
}

static void on_event(void *ctx, uint32_t events)
{
	grpc_conn_run(ctx, events);
}

int grpc_conn_new(struct grpc_server *s, int fd)
{
	struct grpc_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->server = s;
	c->number = ++s->last_number;
	c->source = (struct grpc_source){ on_event, c };
	c->fd = fd;
	c->born = c->last_byte = grpc_now();
	c->ssl = SSL_new(s->tls);
	if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1 || wait_for(c, EPOLLIN) < 0) {
		SSL_free(c->ssl);
		free(c);
		return -ENOMEM;
	}
	SSL_set_accept_state(c->ssl);
	DL_APPEND(s->conns, c);
	s->nconns++;
	COUNT(s->counters.open, 1);
	return 0;
}

void grpc_conn_drop(struct grpc_conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->server->nconns--;
	COUNT(c->server->counters.open, -1);
}

static void conn_free(struct grpc_conn *c)
{
	struct grpc_call *call, *next;

	DL_FOREACH_SAFE(c->calls, call, next)
		grpc_call_detach(call);
	nghttp2_session_del(c->session);
	SSL_free(c->ssl);
	buf_free(&c->out);
	free(c);
}

void grpc_conn_reap(struct grpc_server *s)
{
	struct grpc_conn *c, *next;

	DL_FOREACH_SAFE(s->conns, c, next) {
		if (!c->dead)
			continue;
		DL_DELETE(s->conns, c);
		conn_free(c);
	}
}

static int session_start(struct grpc_conn *c)
{
	const struct grpc_limits *l = &c->server->limits;
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, l->streams },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_BYTES },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, l->header_bytes },
	};

	if (nghttp2_session_server_new2(&c->session, c->server->callbacks, c, c->server->options) ||
	    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings)) ||
	    nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW))
		return -ENOMEM;
	return 0;
}

/* ---- output */

/* More of what nghttp2 has to say, as far as it fits. false: it cannot go on. */
static bool fill_out(struct grpc_conn *c)
{
	while (c->out.n < OUT_CHUNK) {
		const uint8_t *p;
		ssize_t n = nghttp2_session_mem_send(c->session, &p);

		if (n < 0 || (n > 0 && buf_add(&c->out, p, (size_t)n) < 0))
			return false;
		if (n == 0)
			return true;
	}
	return true;
}

/* 1: something went out, 0: no room, -1: the connection is broken. */
static int write_some(struct grpc_conn *c)
{
	int n;

	ERR_clear_error();
	n = SSL_write(c->ssl, c->out.p, (int)c->out.n);
	if (n > 0) {
		buf_drop(&c->out, (size_t)n);
		c->stalled_since = 0;
		return 1;
	}
	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_WRITE:
	case SSL_ERROR_WANT_READ:
		if (!c->stalled_since)
			c->stalled_since = grpc_now();
		return 0;
	default:
		return -1;
	}
}

void grpc_conn_flush(struct grpc_conn *c)
{
	int r = 1;

	if (c->dead || c->busy || !c->ready || c->closing)
		return;
	while (r > 0) {
		if (!fill_out(c)) {
			grpc_conn_drop(c);
			return;
		}
		if (!c->out.n)
			break;
		r = write_some(c);
	}
	if (r < 0 || wait_for(c, EPOLLIN | (c->out.n ? EPOLLOUT : 0)) < 0) {
		grpc_conn_drop(c);
		return;
	}
	if (!c->out.n && !nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session)) {
		SSL_shutdown(c->ssl);
		grpc_conn_drop(c);
	}
}

void grpc_conn_goodbye(struct grpc_conn *c, uint32_t code, const char *why)
{
	if (c->dead || c->closing)
		return;
	if (!c->ready) {
		COUNT(c->server->counters.handshake_failed, 1);
		grpc_conn_drop(c);
		return;
	}
	nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(c->session), code,
			      (const uint8_t *)why, strlen(why));
	grpc_conn_flush(c);
	if (c->dead)
		return;
	SSL_shutdown(c->ssl);
	shutdown(c->fd, SHUT_WR);
	c->closing = grpc_now();
	if (wait_for(c, EPOLLIN) < 0)
		grpc_conn_drop(c);
}

/* ---- input */

static void handshake(struct grpc_conn *c)
{
	int n, e;

	ERR_clear_error();
	n = SSL_do_handshake(c->ssl);
	if (n == 1) {
		if (!grpc_tls_peer(c->ssl, &c->peer, &c->cert_end) && !session_start(c)) {
			c->ready = true;
			grpc_tls_show(c->server, c->ssl, &c->peer);
			return;
		}
	} else {
		e = SSL_get_error(c->ssl, n);
		if (e == SSL_ERROR_WANT_READ && !wait_for(c, EPOLLIN))
			return;
		if (e == SSL_ERROR_WANT_WRITE && !wait_for(c, EPOLLIN | EPOLLOUT))
			return;
	}
	COUNT(c->server->counters.handshake_failed, 1);
	grpc_conn_drop(c);
}

static void discard(struct grpc_conn *c)
{
	uint8_t waste[READ_CHUNK];

	for (unsigned i = 0; i < READS_A_TURN; i++) {
		ssize_t n = recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n > 0)
			c->leftovers += (uint64_t)n;
		if (n <= 0 || c->leftovers > LINGER_BYTES) {
			grpc_conn_drop(c);
			return;
		}
	}
}

/* Bytes to nghttp2; false: the connection is over. */
static bool take_in(struct grpc_conn *c, const uint8_t *p, size_t n)
{
	ssize_t r;

	c->last_byte = grpc_now();
	c->slow_bytes += n;
	COUNT(c->server->counters.bytes_in, n);
	c->busy = true;
	r = nghttp2_session_mem_recv(c->session, p, n);
	c->busy = false;
	if (r == (ssize_t)n && !c->doom)
		return true;
	COUNT(c->server->counters.abusive, 1);
	grpc_conn_goodbye(c, c->doom ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR,
			  c->doom ? c->doom : nghttp2_strerror(r < 0 ? (int)r : NGHTTP2_ERR_PROTO));
	return false;
}

static void read_some(struct grpc_conn *c)
{
	uint8_t chunk[READ_CHUNK];

	c->rerun = false;
	for (unsigned i = 0; i < READS_A_TURN; i++) {
		size_t room = sizeof(chunk);
		uint8_t *p = grpc_call_room(c, &room);
		int n, e;

		c->in_place = p;
		p = p ? p : chunk;
		ERR_clear_error();
		n = SSL_read(c->ssl, p, (int)room);
		if (n > 0) {
			if (!take_in(c, p, (size_t)n))
				return;
			continue;
		}
		e = SSL_get_error(c->ssl, n);
		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			grpc_conn_drop(c);
		return;
	}
	c->rerun = SSL_has_pending(c->ssl);
}

void grpc_conn_run(struct grpc_conn *c, uint32_t events)
{
	if (c->dead)
		return;
	if (c->closing) {
		discard(c);
		return;
	}
	if (!c->ready)
		handshake(c);
	if (!c->dead && c->ready)
		read_some(c);
	if (!c->dead)
		grpc_conn_flush(c);
}
