/* SPDX-License-Identifier: Apache-2.0 */
#include "link_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/cleanup.h"

#define READ_CHUNK (16 * 1024)
#define READS_A_TURN 64
#define OUT_CHUNK (128 * 1024)

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

int link_fault(struct link *l, const char *why)
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
	if (link_session_start(l) < 0) {
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

	if (!l)
		return;
	if (l->fd >= 0) {
		loop_remove(l->loop, l->fd);
		close(l->fd);
	}
	l->state = LINK_DOWN;
	nghttp2_session_del(l->session);
	link_calls_free(l);
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
		link_fault(l, why);
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
		r = tls_why(why, "protocol", "h2");
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
