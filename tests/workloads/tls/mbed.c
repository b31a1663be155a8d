// SPDX-License-Identifier: Apache-2.0
/* mbed N PORT PATH - N requests over one connection of mbedTLS. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mbedtls_net_context net;
static mbedtls_ssl_context ssl;
static mbedtls_ssl_config conf;
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;

static void connect_to(const char *port)
{
	mbedtls_net_init(&net);
	mbedtls_ssl_init(&ssl);
	mbedtls_ssl_config_init(&conf);
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&drbg);
	mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0);
	if (mbedtls_net_connect(&net, "127.0.0.1", port, MBEDTLS_NET_PROTO_TCP))
		errx(1, "connect");
	mbedtls_ssl_config_defaults(&conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	mbedtls_ssl_conf_authmode(&conf, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_rng(&conf, mbedtls_ctr_drbg_random, &drbg);
	mbedtls_ssl_setup(&ssl, &conf);
	mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
	if (mbedtls_ssl_handshake(&ssl))
		errx(1, "handshake");
}

int main(int argc, char **argv)
{
	char b[4096];
	int n;

	if (argc < 4)
		return 2;
	connect_to(argv[2]);
	for (int i = 0; i < atoi(argv[1]); i++) {
		n = snprintf(b, sizeof(b), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", argv[3]);
		if (mbedtls_ssl_write(&ssl, (void *)b, n) != n)
			errx(1, "write");
		do {
			n = mbedtls_ssl_read(&ssl, (void *)b, sizeof(b) - 1);
			if (n <= 0)
				errx(1, "read: %d", n);
			b[n] = 0;
		} while (!strstr(b, "hello\n"));
	}
	mbedtls_ssl_close_notify(&ssl);
	mbedtls_ssl_free(&ssl);
	return 0;
}
