/* SPDX-License-Identifier: Apache-2.0 */
/* hellos.h - the shortest handshake that tells something: TLS 1.2, ECDHE-RSA-AES128-GCM-SHA256, the name a.example. */
#ifndef HOSTTRAIL_TESTS_HELLOS_H
#define HOSTTRAIL_TESTS_HELLOS_H

#include <stdint.h>

static const uint8_t client_hello[] = {	/* a ClientHello of TLS 1.2 alone, with SNI "a.example" */
	22, 3, 1, 0, 65, 1, 0, 0, 61, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	27, 28, 29, 30, 31, 0, 0, 2, 0xc0, 0x2f, 1, 0, 0, 18, 0, 0, 0, 14, 0, 12, 0, 0, 9, 'a', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e',
};
static const uint8_t server_hello[] = {
	22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	27, 28, 29, 30, 31, 0, 0xc0, 0x2f, 0,
};

#endif
