// SPDX-License-Identifier: Apache-2.0
/*
 * early N PORT PATH - a connection of OpenSSL for a ticket, and N more with that one, each of which sends its request before the handshake is over (early data) and looks at
 * its answer (peek) before it reads it. One request each. How many servers accepted early is said.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static SSL_SESSION *ticket;

static int keep(SSL *ssl, SSL_SESSION *s)
{
	if (ticket)
		return 0;
	ticket = s;
	return 1;
}

static SSL *opened(SSL_CTX *ctx, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	SSL *ssl = SSL_new(ctx);

	if (fd < 0 || connect(fd, (void *)&a, sizeof(a)) < 0 || SSL_set_fd(ssl, fd) != 1)
		err(1, "connect");
	return ssl;
}

static void answered(SSL *ssl)
{
	char b[4096];
	int n = SSL_peek(ssl, b, sizeof(b));

	if (n <= 0 || SSL_read(ssl, b, sizeof(b) - 1) < n)
		errx(1, "no answer, or less than was looked at");
	while (SSL_read(ssl, b, sizeof(b)) > 0)
		;
	SSL_shutdown(ssl);
	close(SSL_get_fd(ssl));
	SSL_free(ssl);
}

static int once(SSL_CTX *ctx, int port, const char *path, int early)
{
	SSL *ssl = opened(ctx, port);
	char text[512];
	int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path), accepted = 0;
	size_t wrote;

	if (early && (SSL_set_session(ssl, SSL_SESSION_dup(ticket)) != 1 || SSL_write_early_data(ssl, text, n, &wrote) != 1 || (int)wrote != n))
		errx(1, "early data");
	if (SSL_connect(ssl) != 1)
		errx(1, "SSL_connect");
	if (early)
		accepted = SSL_get_early_data_status(ssl) == SSL_EARLY_DATA_ACCEPTED;
	if (!accepted && SSL_write(ssl, text, n) != n)
		errx(1, "SSL_write");
	answered(ssl);
	return accepted;
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int accepted = 0;

	if (argc < 4 || !ctx)
		return 2;
	signal(SIGPIPE, SIG_IGN);	/* the server closes first */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep);
	once(ctx, atoi(argv[2]), argv[3], 0);
	for (int i = 0; i < atoi(argv[1]); i++)
		accepted += once(ctx, atoi(argv[2]), argv[3], 1);
	printf("accepted early %d\n", accepted);
	return 0;
}
