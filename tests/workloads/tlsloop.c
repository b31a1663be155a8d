// SPDX-License-Identifier: Apache-2.0
/* tlsloop memory|socket REQUESTS: for each line of its input so many requests of a small HTTP/1.1 client and their answers by its server, both in
 * this thread, over memory or a TCP connection on loopback: two SSL_write and two SSL_read each. Prints ns of CPU time per call. The
 * connection is made for the first line. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BIO_BYTES 65536

static const char request[] = "GET /v2/customers/17/orders?state=open HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n";
static const char response[] = "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n{\"orders\":[],\"next\":null}";

static void need(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "tlsloop: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static SSL_CTX *server_context(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	need(c && key && cert, "certificate");
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	need(X509_sign(cert, key, EVP_sha256()) && SSL_CTX_use_certificate(c, cert) == 1 && SSL_CTX_use_PrivateKey(c, key) == 1, "certificate");
	X509_free(cert);
	EVP_PKEY_free(key);
	return c;
}

static void join_memory(SSL *a, SSL *b)
{
	BIO *x, *y;

	need(BIO_new_bio_pair(&x, BIO_BYTES, &y, BIO_BYTES) == 1, "BIO pair");
	SSL_set_bio(a, x, x);
	SSL_set_bio(b, y, y);
}

static void join_socket(SSL *a, SSL *b)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = sizeof(at);

	need(l >= 0 && !bind(l, (void *)&at, n) && !listen(l, 1) && !getsockname(l, (void *)&at, &n) && !connect(s, (void *)&at, n), "socket");
	SSL_set_fd(a, s);
	SSL_set_fd(b, accept4(l, NULL, NULL, SOCK_CLOEXEC));
	close(l);
}

static void blocking(SSL *s, int yes)
{
	int fd = SSL_get_fd(s);

	if (fd >= 0)
		fcntl(fd, F_SETFL, yes ? 0 : O_NONBLOCK);
}

/* Both ends in one thread: neither waits for the other. */
static void shake(SSL *client, SSL *server)
{
	int done = 0;

	blocking(client, 0);
	blocking(server, 0);
	for (unsigned i = 0; i < 100 && !done; i++)
		done = (SSL_do_handshake(client) == 1) & (SSL_do_handshake(server) == 1);
	need(done, "handshake");
	blocking(client, 1);
	blocking(server, 1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void turn(SSL *client, SSL *server, unsigned long requests)
{
	char b[1024];

	for (unsigned long i = 0; i < requests; i++) {
		need(SSL_write(client, request, sizeof(request) - 1) == sizeof(request) - 1, "write");
		need(SSL_read(server, b, sizeof(b)) == sizeof(request) - 1, "read");
		need(SSL_write(server, response, sizeof(response) - 1) == sizeof(response) - 1, "write");
		need(SSL_read(client, b, sizeof(b)) == sizeof(response) - 1, "read");
	}
}

int main(int argc, char **argv)
{
	int memory = argc > 1 && !strcmp(argv[1], "memory");
	unsigned long requests = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	SSL *client = SSL_new(SSL_CTX_new(TLS_client_method())), *server = SSL_new(server_context());
	char line[64];
	int begun = 0;

	if (!requests) {
		fprintf(stderr, "usage: tlsloop memory|socket REQUESTS\n");
		return 2;
	}
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	while (fgets(line, sizeof(line), stdin)) {
		double begin;

		if (!begun++) {
			(memory ? join_memory : join_socket)(client, server);
			shake(client, server);
		}
		begin = now();
		turn(client, server, requests);
		printf("%.1f\n", (now() - begin) / 4 / (double)requests);
		fflush(stdout);
	}
	return 0;
}
