// SPDX-License-Identifier: Apache-2.0
/*
 * ktls N PORT PATH - N requests with a body of 20000 bytes over one connection of OpenSSL that asks for the kernel's TLS. Where it has that, the body goes out of
 * a file (SSL_sendfile), else that is tried, fails, and it is written. Which of the two it was is said.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BODY 20000

static SSL *opened(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	SSL *ssl;

	SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS);
	ssl = SSL_new(ctx);
	if (fd < 0 || connect(fd, (void *)&a, sizeof(a)) < 0 || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
		errx(1, "connect");
	return ssl;
}

static void send_body(SSL *ssl, int file)
{
	static char body[BODY];
	int kernel = BIO_get_ktls_send(SSL_get_wbio(ssl)) > 0;

	if (SSL_sendfile(ssl, file, 0, BODY, 0) != (kernel ? BODY : -1))
		errx(1, "SSL_sendfile");
	if (!kernel && SSL_write(ssl, body, BODY) != BODY)
		errx(1, "SSL_write");
}

int main(int argc, char **argv)
{
	FILE *file = tmpfile();
	char b[4096];
	SSL *ssl;
	int n;

	if (argc < 4 || !file || ftruncate(fileno(file), BODY) < 0)
		return 2;
	ssl = opened(atoi(argv[2]));
	for (int i = 0; i < atoi(argv[1]); i++) {
		n = snprintf(b, sizeof(b), "PUT %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", argv[3], BODY);
		if (SSL_write(ssl, b, n) != n)
			errx(1, "SSL_write");
		send_body(ssl, fileno(file));
		do {
			n = SSL_read(ssl, b, sizeof(b) - 1);
			if (n <= 0)
				errx(1, "SSL_read");
			b[n] = 0;
		} while (!strstr(b, "hello\n"));
	}
	puts(BIO_get_ktls_send(SSL_get_wbio(ssl)) > 0 ? "by the kernel" : "by the library");
	SSL_shutdown(ssl);
	return 0;
}
