/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_hello.c - bytes as the beginning of a TLS connection: told the same whole and in pieces, and what it tells is printable. */
#include <stdlib.h>
#include <string.h>

#include "agent/tls/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void printable(const char *s, size_t room)
{
	size_t n = strnlen(s, room);

	if (n == room)
		abort();
	for (size_t i = 0; i < n; i++)
		if (s[i] <= 0x20 || s[i] >= 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct hello whole, pieces;
	uint8_t *copy = malloc(n + !n);		/* of exactly this size: ASan sees what is read behind it */

	memset(&whole, 0, sizeof(whole));
	memset(&pieces, 0, sizeof(pieces));
	memcpy(copy, p, n);
	hello_feed(&whole, copy, n);
	for (size_t at = 0, k; at < n; at += k) {
		k = copy[at] % 16 + 1;
		k = k < n - at ? k : n - at;
		hello_feed(&pieces, copy + at, k);
	}
	hello_end(&whole);
	hello_end(&pieces);
	if (whole.state != pieces.state || whole.kind != pieces.kind || whole.version != pieces.version || whole.cipher != pieces.cipher ||
	    strcmp(whole.server_name, pieces.server_name) != 0 || strcmp(whole.alpn, pieces.alpn) != 0)
		abort();
	if (whole.state == HELLO_MORE || whole.nversions > HELLO_VERSIONS_MAX || (whole.state == HELLO_BAD && whole.kind))
		abort();
	printable(whole.server_name, sizeof(whole.server_name));
	printable(whole.alpn, sizeof(whole.alpn));
	free(copy);
	return 0;
}
