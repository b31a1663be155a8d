// SPDX-License-Identifier: Apache-2.0
/* wolf N PORT PATH - N requests over one connection of wolfSSL. */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), n;
	WOLFSSL_CTX *ctx;
	WOLFSSL *ssl;
	char b[4096];

	if (argc < 4)
		return 2;
	wolfSSL_Init();
	ctx = wolfSSL_CTX_new(wolfTLSv1_2_client_method());
	wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
	a.sin_port = htons(atoi(argv[2]));
	if (connect(fd, (void *)&a, sizeof(a)) < 0)
		err(1, "connect");
	ssl = wolfSSL_new(ctx);
	wolfSSL_set_fd(ssl, fd);
	if (wolfSSL_connect(ssl) != SSL_SUCCESS)
		errx(1, "wolfSSL_connect: %d", wolfSSL_get_error(ssl, 0));
	for (int i = 0; i < atoi(argv[1]); i++) {
		n = snprintf(b, sizeof(b), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", argv[3]);
		if (wolfSSL_write(ssl, b, n) != n)
			errx(1, "wolfSSL_write");
		do {
			n = wolfSSL_read(ssl, b, sizeof(b) - 1);
			if (n <= 0)
				errx(1, "wolfSSL_read");
			b[n] = 0;
		} while (!strstr(b, "hello\n"));
	}
	wolfSSL_free(ssl);
	return 0;
}
