// SPDX-License-Identifier: Apache-2.0
/*
 * gnutls cork|send2|packet N PORT PATH - N requests over one connection of GnuTLS. cork: in pieces that are held back until the library is told to send
 * them; send2: in one call with padding; packet: answers are taken as packets, of which the library keeps the memory.
 */
#include <arpa/inet.h>
#include <err.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gnutls_session_t session;
static const char *way;

static void connect_to(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), r;
	gnutls_certificate_credentials_t none;

	if (fd < 0 || connect(fd, (void *)&a, sizeof(a)) < 0)
		err(1, "connect");
	gnutls_certificate_allocate_credentials(&none);
	gnutls_init(&session, GNUTLS_CLIENT);
	gnutls_set_default_priority(session);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, none);
	gnutls_transport_set_int(session, fd);
	r = gnutls_handshake(session);
	if (r < 0)
		errx(1, "handshake: %s", gnutls_strerror(r));
}

static void ask(const char *path)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);

	if (!strcmp(way, "send2")) {
		if (gnutls_record_send2(session, text, n, 16, 0) != n)
			errx(1, "send2");
		return;
	}
	if (!strcmp(way, "cork"))
		gnutls_record_cork(session);
	for (int i = 0; i < n; i += 10)
		if (gnutls_record_send(session, text + i, n - i < 10 ? n - i : 10) < 0)
			errx(1, "send");
	if (!strcmp(way, "cork") && gnutls_record_uncork(session, GNUTLS_RECORD_WAIT) < 0)
		errx(1, "uncork");
}

static ssize_t take(char *to, size_t size)
{
	gnutls_packet_t packet;
	gnutls_datum_t d;
	ssize_t n;

	if (strcmp(way, "packet"))
		return gnutls_record_recv(session, to, size);
	n = gnutls_record_recv_packet(session, &packet);
	if (n <= 0)
		return n;
	gnutls_packet_get(packet, &d, NULL);
	if (d.size > size)
		errx(1, "a packet of %u bytes", d.size);
	memcpy(to, d.data, d.size);
	gnutls_packet_deinit(packet);
	return n;
}

int main(int argc, char **argv)
{
	char b[4096];
	ssize_t n;

	if (argc < 5)
		return 2;
	way = argv[1];
	connect_to(atoi(argv[3]));
	for (int i = 0; i < atoi(argv[2]); i++) {
		ask(argv[4]);
		do {
			do
				n = take(b, sizeof(b) - 1);
			while (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED);
			if (n <= 0)
				errx(1, "recv: %zd", n);
			b[n] = 0;
		} while (!strstr(b, "hello\n"));
	}
	gnutls_bye(session, GNUTLS_SHUT_WR);
	gnutls_deinit(session);
	return 0;
}
