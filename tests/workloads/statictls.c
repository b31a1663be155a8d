// SPDX-License-Identifier: Apache-2.0
/* statictls PORT NAME PATH [LIBRARY]: one HTTPS request with an OpenSSL of its own, without symbols: nobody can see its plaintext. With a library it has
 * that one mapped as code, and uses nothing of it. Exit status 0 when an answer came. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int map_code(const char *path)
{
	int fd = open(path, O_RDONLY);

	return fd < 0 || mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int fd = socket(AF_INET, SOCK_STREAM, 0), n, got = 0;
	char buf[4096];
	SSL *s;

	if (argc < 4 || argc > 5 || !ctx || (argc == 5 && map_code(argv[4])))
		return 2;
	a.sin_port = htons((uint16_t)atoi(argv[1]));
	s = SSL_new(ctx);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) || !SSL_set_fd(s, fd) || !SSL_set_tlsext_host_name(s, argv[2]) || SSL_connect(s) != 1)
		return 3;
	n = snprintf(buf, sizeof(buf), "GET /%s HTTP/1.0\r\nHost: %s\r\n\r\n", argv[3], argv[2]);
	if (SSL_write(s, buf, n) != n)
		return 4;
	while ((n = SSL_read(s, buf, sizeof(buf))) > 0)
		got += n;
	SSL_free(s);
	usleep(500000);		/* what it has mapped is looked at while it lives */
	return got ? 0 : 5;
}
