/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <utlist.h>

#include "lib/cleanup.h"

#define PREFIX 5
#define FRAME_HEADER 9			/* HTTP/2's */
#define READ_CHUNK (16 * 1024)
#define READS_A_TURN 64
#define OUT_CHUNK (128 * 1024)
#define DATA_CHUNK (64 * 1024)		/* of a body in one HTTP/2 frame, where the store allows it */
#define CALL_HEADER_BYTES (64 * 1024)
#define NV(n, v) { (uint8_t *)(n), (uint8_t *)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE }

enum link_state { LINK_CONNECTING, LINK_HANDSHAKE, LINK_UP, LINK_DOWN };

struct call {
	void *request;
	int32_t stream_id;
	struct buf body;		/* prefix and message */
	size_t sent;
	struct buf reply;
	unsigned header_bytes;
	int http_status, grpc_status;	/* -1: not here yet */
	char message[160];		/* grpc-message */
	struct call *prev, *next;
};

struct link {
	struct loop *loop;
	struct link_events events;
	void *ctx;
	enum link_state state;
	int fd;
	struct loop_source source;
	uint32_t waits;			/* for which events */
	SSL *ssl;
	BIO *gather;			/* the SSL's: its records on their way to the socket, several to a system call */
	nghttp2_session *session;
	struct buf out;
	size_t written;			/* of out: TLS takes a record at a time, and moving the rest each time is dear */
	const uint8_t *piece;		/* of a body, behind out: written from where it lies */
	size_t piece_left;
	struct call *calls;
	unsigned ncalls;
	struct call *sending;		/* whose body is under way */
	struct buf spare;		/* the last body's memory: they go one after the other */
	bool busy;			/* inside nghttp2: no sending from its callbacks */
	bool goaway;			/* the store takes nothing more */
	bool told_idle;
	char why[256];			/* set by a callback: goes down when it returns */
	uint64_t born, last_byte, ping_at;	/* ping_at: 0, no ping is out */
};

/* ---- going down */

static void down(struct link *l, const char *why)
{
	char copy[sizeof(l->why)];

	if (l->state == LINK_DOWN)
		return;
	snprintf(copy, sizeof(copy), "%s", why);
	l->state = LINK_DOWN;
	loop_remove(l->loop, l->fd);
	l->source.fn = NULL;
	/* the socket is closed at once, so that the store does not wait for us */
	cleanup_close(&l->fd);
	l->events.on_down(l->ctx, copy);
}

static void down_tls(struct link *l, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	long verify = SSL_get_verify_result(l->ssl);
	char text[200];

	if (verify != X509_V_OK)
		snprintf(text, sizeof(text), "%s: %s", what, X509_verify_cert_error_string(verify));
	else
		snprintf(text, sizeof(text), "%s: %s", what,
			 e && ERR_reason_error_string(e) ? ERR_reason_error_string(e) : "connection closed");
	ERR_clear_error();
	down(l, text);
}

/* From a callback of nghttp2: remembers the first reason. */
static int fault(struct link *l, const char *why)
{
	if (!l->why[0])
		snprintf(l->why, sizeof(l->why), "%s", why);
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int waits_for(struct link *l, uint32_t events)
{
	int r;

	if (events == l->waits)
		return 0;
	r = loop_change(l->loop, l->fd, events, &l->source);
	if (!r)
		l->waits = events;
	return r;
}

/* ---- calls */

static void call_free(struct call *c)
{
	buf_free(&c->body);
	buf_free(&c->reply);
	free(c);
}

/* No more of the body goes into frames. Its memory is used again, once a piece of it that is announced already is written. */
static void body_done(struct link *l, struct call *c)
{
	buf_free(&l->spare);
	l->spare = c->body;
	c->body = (struct buf){ 0 };
	l->sending = NULL;
	l->told_idle = false;
}

static void call_remove(struct link *l, struct call *c)
{
	DL_DELETE(l->calls, c);
	l->ncalls--;
	if (l->sending == c)
		body_done(l, c);
	call_free(c);
}

/* How much of the body goes into the next frame; send_body() takes it from where it lies. */
static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t n, uint32_t *flags,
			 nghttp2_data_source *source, void *ctx)
{
	const struct call *c = source->ptr;
	size_t left = c->body.n - c->sent;

	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n < left)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)left;
}

static int send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t n, nghttp2_data_source *source,
		     void *ctx)
{
	struct call *c = source->ptr;
	struct link *l = ctx;

	if (buf_add(&l->out, header, FRAME_HEADER) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	l->piece = c->body.p + c->sent;
	l->piece_left = n;
	c->sent += n;
	return NGHTTP2_ERR_PAUSE;
}

static ssize_t body_chunk(nghttp2_session *session, uint8_t type, int32_t stream_id, int32_t session_window, int32_t stream_window,
			  uint32_t max_frame, void *ctx)
{
	return max_frame < DATA_CHUNK ? max_frame : DATA_CHUNK;
}

int link_body(struct link *l, struct buf *body)
{
	static const uint8_t prefix[PREFIX];

	*body = l->spare;
	l->spare = (struct buf){ 0 };
	buf_reset(body);
	return buf_add(body, prefix, sizeof(prefix));
}

int link_call(struct link *l, const char *method, struct buf *body, void *request)
{
	const nghttp2_nv headers[] = {
		NV(":method", "POST"),
		NV(":scheme", "https"),
		NV(":path", method),
		NV(":authority", "hosttrail-store"),
		NV("te", "trailers"),
		NV("content-type", "application/grpc"),
		NV("user-agent", "hosttrail-forward/" HOSTTRAIL_VERSION),
	};
	size_t n = body->n - PREFIX;
	const uint8_t prefix[PREFIX] = { 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
	nghttp2_data_provider provider = { .read_callback = read_body };
	struct call *c;

	if (!link_idle(l))
		return -EBUSY;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	memcpy(body->p, prefix, PREFIX);
	c->request = request;
	c->http_status = c->grpc_status = -1;
	c->reply.max = LINK_REPLY_MAX + PREFIX;
	provider.source.ptr = c;
	c->stream_id = nghttp2_submit_request(l->session, NULL, headers, ARRAY_SIZE(headers), &provider, c);
	if (c->stream_id < 0) {
		free(c);
		return -ENOMEM;
	}
	c->body = *body;
	*body = (struct buf){ 0 };
	DL_APPEND(l->calls, c);
	l->ncalls++;
	l->sending = c;
	return 0;
}

static bool header_is(const uint8_t *p, size_t n, const char *text)
{
	return n == strlen(text) && !memcmp(p, text, n);
}

/* At most four digits: HTTP and gRPC statuses. */
static int small_number(const uint8_t *p, size_t n)
{
	int v = 0;

	if (n == 0 || n > 4)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t nlen,
		     const uint8_t *value, size_t vlen, uint8_t flags, void *ctx)
{
	struct call *c = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	if (!c)
		return 0;
	c->header_bytes += (unsigned)(nlen + vlen + 32);
	if (c->header_bytes > CALL_HEADER_BYTES)
		return fault(ctx, "the store's headers are over the limit");
	if (header_is(name, nlen, ":status"))
		c->http_status = small_number(value, vlen);
	else if (header_is(name, nlen, "grpc-status"))
		c->grpc_status = small_number(value, vlen);
	else if (header_is(name, nlen, "grpc-message"))
		snprintf(c->message, sizeof(c->message), "%.*s", (int)(vlen < 128 ? vlen : 128), (const char *)value);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *p, size_t n, void *ctx)
{
	struct call *c = nghttp2_session_get_stream_user_data(session, stream_id);

	if (c && buf_add(&c->reply, p, n) < 0)
		return fault(ctx, "the store's reply is over the limit");
	return 0;
}

/* The one message of the reply, or NULL. */
static const uint8_t *reply_message(const struct call *c, size_t *ret_n)
{
	const uint8_t *p = c->reply.p;
	size_t n;

	if (c->reply.n < PREFIX || p[0])
		return NULL;
	n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	if (n != c->reply.n - PREFIX)
		return NULL;
	*ret_n = n;
	return p + PREFIX;
}

static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *ctx)
{
	struct link *l = ctx;
	struct call *c = nghttp2_session_get_stream_user_data(session, stream_id);
	const uint8_t *message;
	char text[256];
	size_t n = 0;

	if (!c || l->state == LINK_DOWN)
		return 0;
	message = reply_message(c, &n);
	if (c->http_status == 200 && c->grpc_status == 0 && message) {
		l->events.on_reply(l->ctx, c->request, message, n);
	} else {
		if (c->grpc_status > 0)
			snprintf(text, sizeof(text), "the store answered status %d: %s", c->grpc_status, c->message);
		else
			snprintf(text, sizeof(text), "the store ended a call without an answer (HTTP status %d, HTTP/2 code %u)",
				 c->http_status, code);
		fault(l, text);
	}
	call_remove(l, c);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct link *l = ctx;

	if (frame->hd.type == NGHTTP2_GOAWAY)
		l->goaway = true;
	return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct link *l = ctx;

	if (frame->hd.type != NGHTTP2_DATA || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || !l->sending ||
	    l->sending->stream_id != frame->hd.stream_id)
		return 0;
	body_done(l, l->sending);	/* the reply may take long, and does not need it */
	return 0;
}

/* ---- output */

static bool all_written(const struct link *l)
{
	return l->written == l->out.n && !l->piece_left;
}

/* Takes from nghttp2 until there is a piece of a body, or a chunk's worth of other things; between bodies the caller may add
 * calls. What is not written yet stays as it is, so that also the memory of a body is still there. */
static int fill_out(struct link *l)
{
	if (!all_written(l))
		return 0;
	l->written = 0;
	buf_reset(&l->out);
	while (l->out.n < OUT_CHUNK && !l->piece_left) {
		const uint8_t *p;
		ssize_t n;

		l->busy = true;
		n = nghttp2_session_mem_send(l->session, &p);
		l->busy = false;
		if (n == NGHTTP2_ERR_PAUSE || l->piece_left)
			return 0;
		if (n < 0 || (n > 0 && buf_add(&l->out, p, (size_t)n) < 0))
			return -ENOMEM;
		if (n > 0)
			continue;
		if (!link_idle(l) || l->told_idle)
			return 0;
		l->told_idle = true;
		l->events.on_idle(l->ctx);
		if (!l->sending)
			return 0;
	}
	return 0;
}

/* 1: some went out, 0: no room, -1: down. */
static int write_some(struct link *l)
{
	bool piece = l->written == l->out.n;
	int n;

	ERR_clear_error();
	if (piece)
		n = SSL_write(l->ssl, l->piece, (int)l->piece_left);
	else
		n = SSL_write(l->ssl, l->out.p + l->written, (int)(l->out.n - l->written));
	if (n > 0 && piece) {
		l->piece += n;
		l->piece_left -= (size_t)n;
	} else if (n > 0) {
		l->written += (size_t)n;
	}
	if (n > 0)
		return 1;
	switch (SSL_get_error(l->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	default:
		down_tls(l, "sending");
		return -1;
	}
}

/* 1: nothing is left, 0: no room, -1: down. */
static int write_rest(struct link *l)
{
	if (BIO_flush(l->gather) > 0)
		return 1;
	if (BIO_should_retry(l->gather))
		return 0;
	down(l, "sending: connection closed");
	return -1;
}

void link_flush(struct link *l)
{
	int r = 1;

	if (l->state != LINK_UP || l->busy)
		return;
	while (r > 0) {
		if (fill_out(l) < 0) {
			down(l, "out of memory");
			return;
		}
		if (all_written(l))
			break;
		r = write_some(l);
	}
	if (r > 0)
		r = write_rest(l);
	if (r < 0 || l->state != LINK_UP)
		return;
	if (waits_for(l, EPOLLIN | (r ? 0 : EPOLLOUT)) < 0)
		down(l, "epoll");
}

/* ---- input */

static int session_start(struct link *l)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, CALL_HEADER_BYTES },
	};
	nghttp2_session_callbacks *cb;
	nghttp2_option *option = NULL;
	int r;

	if (nghttp2_session_callbacks_new(&cb) || nghttp2_option_new(&option)) {
		nghttp2_session_callbacks_del(cb);
		return -ENOMEM;
	}
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	nghttp2_session_callbacks_set_send_data_callback(cb, send_body);
	nghttp2_session_callbacks_set_data_source_read_length_callback(cb, body_chunk);
	nghttp2_option_set_no_closed_streams(option, 1);
	r = nghttp2_session_client_new2(&l->session, cb, l, option);
	nghttp2_session_callbacks_del(cb);
	nghttp2_option_del(option);
	if (r || nghttp2_submit_settings(l->session, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings)))
		return -ENOMEM;
	return 0;
}

static void handshake(struct link *l)
{
	const unsigned char *protocol;
	unsigned len;
	int n, e;

	ERR_clear_error();
	n = SSL_do_handshake(l->ssl);
	if (n != 1) {
		e = SSL_get_error(l->ssl, n);
		if (e == SSL_ERROR_WANT_READ && !waits_for(l, EPOLLIN))
			return;
		if (e == SSL_ERROR_WANT_WRITE && !waits_for(l, EPOLLIN | EPOLLOUT))
			return;
		down_tls(l, "TLS handshake");
		return;
	}
	SSL_get0_alpn_selected(l->ssl, &protocol, &len);
	if (len != 2 || memcmp(protocol, "h2", 2)) {
		down(l, "the store does not speak HTTP/2");
		return;
	}
	if (session_start(l) < 0) {
		down(l, "out of memory");
		return;
	}
	l->state = LINK_UP;
	l->events.on_ready(l->ctx);
}

static void connected(struct link *l)
{
	socklen_t n = sizeof(int);
	int e = 0;

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &e, &n) < 0)
		e = errno;
	if (e) {
		char text[128];

		snprintf(text, sizeof(text), "connect: %s", strerror(e));
		down(l, text);
		return;
	}
	l->state = LINK_HANDSHAKE;
}

/* false: down. */
static bool take_in(struct link *l, const uint8_t *p, size_t n)
{
	ssize_t r;

	l->last_byte = loop_now();
	l->ping_at = 0;
	l->busy = true;
	r = nghttp2_session_mem_recv(l->session, p, n);
	l->busy = false;
	if (l->state == LINK_DOWN)
		return false;
	if (l->why[0]) {
		down(l, l->why);
		return false;
	}
	if (r < 0) {
		down(l, nghttp2_strerror((int)r));
		return false;
	}
	return true;
}

static void read_some(struct link *l)
{
	uint8_t chunk[READ_CHUNK];

	for (unsigned i = 0; i < READS_A_TURN || SSL_has_pending(l->ssl); i++) {
		int n, e;

		ERR_clear_error();
		n = SSL_read(l->ssl, chunk, sizeof(chunk));
		if (n > 0) {
			if (!take_in(l, chunk, (size_t)n))
				return;
			continue;
		}
		e = SSL_get_error(l->ssl, n);
		if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
			return;
		if (e == SSL_ERROR_ZERO_RETURN)
			down(l, "the store closed the connection");
		else
			down_tls(l, "receiving");
		return;
	}
}

static void on_event(void *ctx, uint32_t events)
{
	struct link *l = ctx;

	if (l->state == LINK_CONNECTING)
		connected(l);
	if (l->state == LINK_HANDSHAKE)
		handshake(l);
	if (l->state == LINK_UP)
		read_some(l);
	if (l->state == LINK_UP)
		link_flush(l);
	if (l->state == LINK_UP && l->goaway && !l->ncalls)
		down(l, "the store said goodbye");
}

/* ---- life */

static int set_name(SSL *ssl, const char *name)
{
	struct in6_addr a;
	bool ip = inet_pton(AF_INET, name, &a) == 1 || inet_pton(AF_INET6, name, &a) == 1;

	if (ip)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1 ? 0 : -EINVAL;
	if (SSL_set_tlsext_host_name(ssl, name) != 1)
		return -EINVAL;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) == 1 ? 0 : -EINVAL;
}

/* What TLS writes is gathered: a record is 16 KiB, and a system call for each would cost as much as its encryption. */
static int set_socket(struct link *l)
{
	BIO *fd = BIO_new_socket(l->fd, BIO_NOCLOSE);

	l->gather = BIO_new(BIO_f_buffer());
	if (!fd || !l->gather || BIO_set_write_buffer_size(l->gather, OUT_CHUNK) != 1) {
		BIO_free(l->gather);
		BIO_free(fd);
		return -ENOMEM;
	}
	BIO_up_ref(fd);
	SSL_set0_rbio(l->ssl, fd);
	SSL_set0_wbio(l->ssl, BIO_push(l->gather, fd));
	return 0;
}

int link_open(struct loop *loop, SSL_CTX *tls, const struct link_target *target, const struct link_events *events, void *ctx,
	      struct link **ret_l)
{
	_cleanup_(link_free) struct link *l = calloc(1, sizeof(*l));
	int one = 1, r;

	if (!l)
		return -ENOMEM;
	l->loop = loop;
	l->events = *events;
	l->ctx = ctx;
	l->source = (struct loop_source){ on_event, l };
	l->born = l->last_byte = loop_now();
	l->fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	l->ssl = SSL_new(tls);
	if (!l->ssl || set_socket(l) < 0)
		return -ENOMEM;
	r = set_name(l->ssl, target->name);
	if (r < 0)
		return r;
	SSL_set_connect_state(l->ssl);
	if (connect(l->fd, (const struct sockaddr *)&target->address, target->address_len) < 0 && errno != EINPROGRESS)
		return -errno;
	l->waits = EPOLLOUT;
	r = loop_add(loop, l->fd, l->waits, &l->source);
	if (r < 0)
		return r;
	*ret_l = TAKE_PTR(l);
	return 0;
}

void link_free(struct link **lp)
{
	struct link *l = *lp;
	struct call *c, *next;

	if (!l)
		return;
	if (l->fd >= 0) {
		loop_remove(l->loop, l->fd);
		close(l->fd);
	}
	l->state = LINK_DOWN;
	nghttp2_session_del(l->session);
	DL_FOREACH_SAFE(l->calls, c, next)
		call_remove(l, c);
	SSL_free(l->ssl);
	buf_free(&l->out);
	buf_free(&l->spare);
	free(l);
	*lp = NULL;
}

bool link_ready(const struct link *l)
{
	return l && l->state == LINK_UP && !l->goaway && !l->why[0];
}

bool link_idle(const struct link *l)
{
	return link_ready(l) && !l->sending && !l->piece_left;
}

void link_tick(struct link *l, uint64_t now)
{
	if (l->state == LINK_DOWN)
		return;
	if (l->state != LINK_UP) {
		if (now - l->born > LINK_CONNECT_MS)
			down(l, "no connection in time");
		return;
	}
	if (l->ping_at && now - l->ping_at > LINK_PONG_MS) {
		down(l, "the store does not answer");
	} else if (!l->ping_at && now - l->last_byte > LINK_PING_MS) {
		l->ping_at = now;
		nghttp2_submit_ping(l->session, NGHTTP2_FLAG_NONE, NULL);
		link_flush(l);
	}
}

void link_shut(struct link *l, const char *why)
{
	if (l->busy)
		fault(l, why);
	else
		down(l, why);
}

static int tls_why(char why[256], const char *what, const char *path)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	snprintf(why, 256, "%s %s: %s", what, path, reason ? reason : "cannot be used");
	ERR_clear_error();
	return -EINVAL;
}

int link_tls_new(const char *ca, const char *cert, const char *key, SSL_CTX **ret_ctx, char why[256])
{
	static const unsigned char h2[] = { 2, 'h', '2' };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int r = 0;

	ERR_clear_error();
	if (!ctx) {
		snprintf(why, 256, "out of memory");
		return -ENOMEM;
	}
	if (SSL_CTX_load_verify_file(ctx, ca) != 1)
		r = tls_why(why, "CA", ca);
	else if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		r = tls_why(why, "certificate", cert);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		r = tls_why(why, "key", key);
	else if (SSL_CTX_set_alpn_protos(ctx, h2, sizeof(h2)) != 0)
		r = -ENOMEM;
	if (r < 0) {
		SSL_CTX_free(ctx);
		return r;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	*ret_ctx = ctx;
	return 0;
}
