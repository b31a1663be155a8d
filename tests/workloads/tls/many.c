// SPDX-License-Identifier: Apache-2.0
/*
 * many N PORT PATH - N connections, one after the other, each an SSL of its own that is freed at once: the allocator gives the same
 * address again and again, and the kernel the same descriptor. One request a connection.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void once(SSL_CTX *ctx, int port, const char *path)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), n;
	SSL *ssl = SSL_new(ctx);
	char b[4096];

	if (fd < 0 || connect(fd, (void *)&a, sizeof(a)) < 0)
		err(1, "connect");
	if (SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
		errx(1, "SSL_connect");
	n = snprintf(b, sizeof(b), "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path);
	if (SSL_write(ssl, b, n) != n)
		errx(1, "SSL_write");
	while (SSL_read(ssl, b, sizeof(b)) > 0)
		;
	SSL_free(ssl);
	close(fd);
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (argc < 4 || !ctx)
		return 2;
	for (int i = 0; i < atoi(argv[1]); i++)
		once(ctx, atoi(argv[2]), argv[3]);
	SSL_CTX_free(ctx);
	return 0;
}
