// SPDX-License-Identifier: Apache-2.0
/*
 * late.c - requests over HTTP/2 connections of nghttp2 and OpenSSL, as a program that knows neither of curl nor of node makes them.
 *
 * late threads|turns|batch N REQUESTS PORT PREFIX: REQUESTS requests on each of N connections, whose paths are the same, as are all fields but
 * the host, which is the connection's own. turns: one thread, one connection after the other. batch: one thread, which gives the library the
 * requests of all connections before it sends any. threads: in turns until SIGCONT comes, from then on each connection has a thread of its own.
 */
#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNS 16

struct conn {
	SSL *ssl;
	nghttp2_session *h2;
	char host[32];
	int answered, asked;
};

static struct conn conns[CONNS];
static int requests, port;
static const char *prefix;
static SSL_CTX *ctx;

static volatile sig_atomic_t woken;

static void wake(int number)
{
	woken = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int closed(nghttp2_session *s, int32_t stream, uint32_t code, void *arg)
{
	((struct conn *)arg)->answered++;
	return 0;
}

static void begin(struct conn *c, int i)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	nghttp2_session_callbacks *callbacks;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("connect");
	snprintf(c->host, sizeof(c->host), "h%d.late.test", i);
	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, fd);
	if (SSL_connect(c->ssl) != 1 || nghttp2_session_callbacks_new(&callbacks))
		die("SSL_connect");
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, closed);
	if (nghttp2_session_client_new(&c->h2, callbacks, c))
		die("nghttp2");
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, NULL, 0);
}

static void submit(struct conn *c)
{
	char path[64];
	const char *texts[] = { ":method", "GET", ":scheme", "https", ":authority", c->host, ":path", path, "user-agent", "late/c" };
	nghttp2_nv nv[5];

	snprintf(path, sizeof(path), "/%s/%d", prefix, c->asked++);
	for (int i = 0; i < 5; i++)
		nv[i] = (nghttp2_nv){ (uint8_t *)texts[2 * i], (uint8_t *)texts[2 * i + 1], strlen(texts[2 * i]), strlen(texts[2 * i + 1]), 0 };
	if (nghttp2_submit_request(c->h2, NULL, nv, 5, NULL, NULL) < 0)
		die("nghttp2_submit_request");
}

static void flush(struct conn *c)
{
	const uint8_t *out;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(c->h2, &out)) > 0)
		if (SSL_write(c->ssl, out, (int)n) != n)
			die("SSL_write");
}

static void wait_for(struct conn *c)
{
	uint8_t in[8192];

	while (c->answered < c->asked) {
		int n = SSL_read(c->ssl, in, sizeof(in));

		if (n <= 0 || nghttp2_session_mem_recv(c->h2, in, (size_t)n) != n)
			die("SSL_read");
		flush(c);
	}
}

static void *own_thread(void *arg)
{
	struct conn *c = arg;

	while (c->asked < requests) {
		submit(c);
		flush(c);
		wait_for(c);
	}
	return NULL;
}

static void one_thread(int n, int batch, int until_woken)
{
	for (int k = 0; k < requests && !(until_woken && woken); k++) {
		for (int i = 0; i < n; i++) {
			submit(&conns[i]);
			if (!batch)
				flush(&conns[i]);
		}
		for (int i = 0; i < n; i++)
			flush(&conns[i]);
		for (int i = 0; i < n; i++)
			wait_for(&conns[i]);
	}
}

int main(int argc, char **argv)
{
	pthread_t threads[CONNS];
	int n, i, own;

	if (argc != 6 || (n = atoi(argv[2])) < 1 || n > CONNS)
		return 2;
	requests = atoi(argv[3]);
	port = atoi(argv[4]);
	prefix = argv[5];
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_alpn_protos(ctx, (const uint8_t *)"\2h2", 3);
	own = !strcmp(argv[1], "threads");
	signal(SIGCONT, wake);
	for (i = 0; i < n; i++)
		begin(&conns[i], i);
	one_thread(n, !strcmp(argv[1], "batch"), own);
	for (i = 0; i < n && own; i++)
		if (pthread_create(&threads[i], NULL, own_thread, &conns[i]))
			die("pthread_create");
	for (i = 0; i < n && own; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
