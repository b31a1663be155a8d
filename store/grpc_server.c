/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc_internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/shipmsg.h"

#define EVENTS_AT_ONCE 64
#define ACCEPTS_AT_ONCE 64
#define TICK_MS 250
#define LINGER_MS 1000
#define BACKLOG 256
#define RESETS_BURST 200	/* stream resets that a peer may send at once, */
#define RESETS_RATE 20		/* and a second */

uint64_t grpc_now(void)
{
	return clock_boot() / NS_PER_MS;
}

/* ---- time */

static const char *conn_overdue(const struct grpc_conn *c, uint64_t now)
{
	const struct grpc_limits *l = &c->server->limits;

	if (!c->ready)
		return now - c->born > l->handshake_ms ? "handshake takes too long" : NULL;
	if (c->stalled_since && now - c->stalled_since > l->slow_ms)
		return "replies are not read";
	if (!c->calls && now - c->last_byte > l->idle_ms)
		return "idle";
	return NULL;
}

/* An unfinished request must bring slow_bytes in every span of slow_ms. */
static bool conn_too_slow(struct grpc_conn *c, uint64_t now)
{
	const struct grpc_limits *l = &c->server->limits;

	if (!c->incomplete || !c->slow_since || now - c->slow_since < l->slow_ms)
		return false;
	if (c->slow_bytes < l->slow_bytes)
		return true;
	c->slow_since = now;
	c->slow_bytes = 0;
	return false;
}

static void tick(struct grpc_server *s, uint64_t now)
{
	struct grpc_conn *c, *next;
	int64_t wall = time(NULL);

	DL_FOREACH_SAFE(s->conns, c, next) {
		const char *why = NULL;

		if (c->dead)
			continue;
		if (c->closing) {
			if (now - c->closing > LINGER_MS)
				grpc_conn_drop(c);
			continue;
		}
		why = conn_overdue(c, now);
		if (!why && conn_too_slow(c, now))
			why = "request takes too long";
		if (why)
			COUNT(s->counters.timed_out, 1);
		else if (c->ready && wall > c->cert_end)
			why = "certificate has expired";
		if (why)
			grpc_conn_goodbye(c, NGHTTP2_NO_ERROR, why);
	}
	if (s->deaf) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &s->listen_source };

		if (!epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &e))
			s->deaf = false;
	}
}

/* ---- accepting */

/* Room for one more: the oldest connection that has not shown a certificate yet makes place. */
static bool make_room(struct grpc_server *s)
{
	struct grpc_conn *c, *oldest = NULL;

	if (s->nconns < s->limits.connections)
		return true;
	DL_FOREACH(s->conns, c)
		if (!c->ready && !c->dead && (!oldest || c->born < oldest->born))
			oldest = c;
	if (!oldest)
		return false;
	COUNT(s->counters.handshake_failed, 1);
	grpc_conn_drop(oldest);
	return true;
}

static void on_listener(void *ctx, uint32_t events)
{
	struct grpc_server *s = ctx;

	for (unsigned i = 0; i < ACCEPTS_AT_ONCE; i++) {
		int one = 1, fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
			/* A level-triggered listener would spin until somebody closes. */
			epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->listener, NULL);
			s->deaf = true;
		}
		if (fd < 0)
			return;
		COUNT(s->counters.accepted, 1);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
		if (!make_room(s)) {
			COUNT(s->counters.refused, 1);
			close(fd);
		} else if (grpc_conn_new(s, fd) < 0) {
			close(fd);
		}
	}
}

/* ---- life */

static void limits_default(struct grpc_limits *l)
{
	static const struct grpc_limits d = {
		.message_bytes = SHIP_REQUEST_MAX,
		.header_bytes = 16 * 1024,
		.streams = 64,
		.connections = 512,
		.connection_bytes = 16u << 20,
		.total_bytes = 256u << 20,
		.handshake_ms = 10 * 1000,
		.slow_ms = 30 * 1000,
		.slow_bytes = 8 * 1024,
		.idle_ms = 600 * 1000,
		.control_frames = 1000,
	};

#define DEFAULT(field) l->field = l->field ? l->field : d.field
	DEFAULT(message_bytes);
	DEFAULT(header_bytes);
	DEFAULT(streams);
	DEFAULT(connections);
	DEFAULT(connection_bytes);
	DEFAULT(total_bytes);
	DEFAULT(handshake_ms);
	DEFAULT(slow_ms);
	DEFAULT(slow_bytes);
	DEFAULT(idle_ms);
	DEFAULT(control_frames);
#undef DEFAULT
}

static int split_address(const char *text, char host[256], char port[16])
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!colon || n >= 256 || strlen(colon + 1) >= 16 || !colon[1])
		return -EINVAL;
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	memcpy(host, text, n);
	host[n] = '\0';
	strcpy(port, colon + 1);
	return 0;
}

static int bind_one(const struct addrinfo *a, int *ret_fd)
{
	_cleanup_close_ int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int listen_on(struct grpc_server *s, const char *address, char why[256])
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *list = NULL;
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);
	char host[256], port[16];
	int r = split_address(address, host, port);

	if (!r && getaddrinfo(host[0] ? host : NULL, port, &hints, &list))
		r = -EADDRNOTAVAIL;
	if (!r)
		r = bind_one(list, &s->listener);
	if (list)
		freeaddrinfo(list);
	if (!r && getsockname(s->listener, (struct sockaddr *)&a, &n) < 0)
		r = -errno;
	if (r < 0) {
		snprintf(why, 256, "cannot listen on %s: %s", address, strerror(-r));
		return r;
	}
	s->port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port :
						  ((struct sockaddr_in *)&a)->sin_port);
	return 0;
}

static int set_up_http2(struct grpc_server *s)
{
	int r = grpc_call_callbacks(&s->callbacks);

	if (r < 0)
		return r;
	if (nghttp2_option_new(&s->options))
		return -ENOMEM;
	nghttp2_option_set_stream_reset_rate_limit(s->options, RESETS_BURST, RESETS_RATE);
	nghttp2_option_set_max_settings(s->options, 32);
	nghttp2_option_set_max_outbound_ack(s->options, 256);
	nghttp2_option_set_max_continuations(s->options, 8);
	nghttp2_option_set_no_closed_streams(s->options, 1);
	return 0;
}

int grpc_new(const struct grpc_config *config, const struct grpc_method *methods, size_t nmethods, void *ctx,
	     struct grpc_server **ret_s, char why[256])
{
	_cleanup_(grpc_free) struct grpc_server *s = calloc(1, sizeof(*s));
	struct epoll_event e = { .events = EPOLLIN };
	int r;

	snprintf(why, 256, "out of memory");
	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->spares_lock, NULL);
	s->epoll = s->listener = -1;
	s->limits = config->limits;
	s->on_peer = config->on_peer;
	s->on_peer_ctx = config->on_peer_ctx;
	limits_default(&s->limits);
	s->methods = methods;
	s->nmethods = nmethods;
	s->ctx = ctx;
	r = grpc_tls_new(config, &s->tls, why);
	if (!r)
		r = set_up_http2(s);
	if (!r)
		r = listen_on(s, config->listen, why);
	if (r < 0)
		return r;
	s->listen_source = (struct grpc_source){ on_listener, s };
	e.data.ptr = &s->listen_source;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &e) < 0) {
		r = -errno;
		snprintf(why, 256, "epoll: %s", strerror(-r));
		return r;
	}
	*ret_s = TAKE_PTR(s);
	return 0;
}

void grpc_free(struct grpc_server **sp)
{
	struct grpc_server *s = *sp;
	struct grpc_conn *c, *next;

	if (!s)
		return;
	DL_FOREACH_SAFE(s->conns, c, next)
		grpc_conn_drop(c);
	grpc_conn_reap(s);
	if (s->listener >= 0)
		close(s->listener);
	if (s->epoll >= 0)
		close(s->epoll);
	nghttp2_session_callbacks_del(s->callbacks);
	nghttp2_option_del(s->options);
	SSL_CTX_free(s->tls);
	for (unsigned i = 0; i < SPARES; i++)
		buf_free(&s->spares[i]);
	pthread_mutex_destroy(&s->spares_lock);
	free(s->watches);
	free(s);
	*sp = NULL;
}

uint16_t grpc_port(const struct grpc_server *s)
{
	return s->port;
}

const struct grpc_counters *grpc_counters(const struct grpc_server *s)
{
	return &s->counters;
}

/* ---- the loop */

struct watch {
	struct grpc_source source;	/* first: freed through it */
	void (*fn)(void *ctx);
	void *ctx;
};

static void on_watch(void *ctx, uint32_t events)
{
	struct watch *w = ctx;

	w->fn(w->ctx);
}

int grpc_watch(struct grpc_server *s, int fd, void (*fn)(void *ctx), void *ctx)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct watch *w;

	if (s->watches)
		return -EBUSY;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct watch){ { on_watch, w }, fn, ctx };
	e.data.ptr = &w->source;
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		free(w);
		return -errno;
	}
	s->watches = &w->source;
	return 0;
}

/* Connections whose bytes already lie in TLS's buffers: epoll says nothing about those. */
static bool run_again(struct grpc_server *s)
{
	struct grpc_conn *c, *next;
	bool more = false;

	DL_FOREACH_SAFE(s->conns, c, next) {
		if (!c->rerun || c->dead)
			continue;
		grpc_conn_run(c, 0);
		more |= c->rerun && !c->dead;
	}
	return more;
}

int grpc_poll(struct grpc_server *s, int timeout_ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	uint64_t now;
	int n;

	if (run_again(s))
		timeout_ms = 0;
	else if ((s->nconns || s->deaf) && (timeout_ms < 0 || timeout_ms > TICK_MS))
		timeout_ms = TICK_MS;
	n = epoll_wait(s->epoll, events, EVENTS_AT_ONCE, timeout_ms);
	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++) {
		struct grpc_source *source = events[i].data.ptr;

		source->fn(source->ctx, events[i].events);
	}
	now = grpc_now();
	if (now >= s->next_tick) {
		s->next_tick = now + TICK_MS;
		tick(s, now);
	}
	grpc_conn_reap(s);
	return 0;
}
