// SPDX-License-Identifier: Apache-2.0
/*
 * retry BYTES PORT PATH - one POST of that many bytes through a socket that does not block and has little room: SSL_write asks again
 * and again to be called with the same bytes. Prints how often it did.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define PIECE 100000

static unsigned long asked_again;

static void wait_for(SSL *ssl, int r)
{
	int e = SSL_get_error(ssl, r);
	struct pollfd p = { SSL_get_fd(ssl), e == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN, 0 };

	if (e != SSL_ERROR_WANT_WRITE && e != SSL_ERROR_WANT_READ)
		errx(1, "SSL error %d", e);
	asked_again++;
	poll(&p, 1, 10000);
}

static void write_all(SSL *ssl, const char *b, int n)
{
	int r;

	while ((r = SSL_write(ssl, b, n)) <= 0)
		wait_for(ssl, r);
	if (r != n)
		errx(1, "%d of %d written", r, n);
}

static void answer(SSL *ssl)
{
	char b[4096];
	int r, got = 0;

	for (b[0] = 0; !strstr(b, "\r\n\r\n"); ) {
		r = SSL_read(ssl, b + got, (int)sizeof(b) - 1 - got);
		if (r <= 0) {
			wait_for(ssl, r);
			continue;
		}
		got += r;
		b[got] = 0;
	}
	printf("%.12s, asked again %lu times\n", b, asked_again);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static char piece[PIECE], head[1024];
	int fd = socket(AF_INET, SOCK_STREAM, 0), room = 4096, one = 1, r;
	SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
	long left;

	if (argc < 4)
		return 2;
	a.sin_port = htons(atoi(argv[2]));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (connect(fd, (void *)&a, sizeof(a)) < 0)
		err(1, "connect");
	ioctl(fd, FIONBIO, &one);
	SSL_set_fd(ssl, fd);
	while ((r = SSL_connect(ssl)) != 1)
		wait_for(ssl, r);
	left = atol(argv[1]);
	write_all(ssl, head, snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %ld\r\n\r\n", argv[3], left));
	for (; left > 0; left -= PIECE)
		write_all(ssl, piece, left < PIECE ? (int)left : PIECE);
	answer(ssl);
	SSL_free(ssl);
	return 0;
}
