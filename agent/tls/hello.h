/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello.h - what a TLS handshake says before it is encrypted: its ClientHello and its ServerHello, out of the first bytes of a
 * connection's two directions.
 *
 * Fed with pieces of any size; records may be split and messages spread over records. A hello of which only the beginning is
 * there (larger than HELLO_MAX, or bytes are missing) still tells what lies in that beginning; what was not seen is absent, never guessed.
 * The bytes are hostile: every length is checked, a hello that contradicts itself tells nothing.
 * A HelloRetryRequest is a ServerHello here, marked as such: the server has to keep its cipher suite and version. Messages behind a
 * direction's first one are not looked at.
 *
 * A struct hello is the caller's, zeroed to begin with, about 4 KiB; no allocation. Not thread-safe.
 */
#ifndef HOSTTRAIL_TLS_HELLO_H
#define HOSTTRAIL_TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELLO_MAX 4096		/* bytes of a message that are looked at */
#define HELLO_NAME_MAX 256
#define HELLO_VERSIONS_MAX 16
#define HELLO_NAME_ROOM 64

enum hello_kind { HELLO_NONE = 0, HELLO_CLIENT, HELLO_SERVER };

enum hello_state {
	HELLO_MORE = 0,		/* not all of it is there */
	HELLO_DONE,
	HELLO_BAD,		/* no handshake, or a malformed one */
};

struct hello {
	enum hello_state state;
	enum hello_kind kind;
	bool cut;			/* told by its beginning alone */
	uint16_t version;		/* server: the one that was chosen; client: the highest one that it offers. 0: not known */
	uint16_t cipher;		/* server: the one that was chosen; 0: not known */
	bool retry;			/* HelloRetryRequest */
	uint16_t versions[HELLO_VERSIONS_MAX];	/* client: as offered, without GREASE */
	unsigned nversions;
	char server_name[HELLO_NAME_MAX];	/* client: SNI, or "" */
	char alpn[HELLO_NAME_MAX];		/* client: offered, separated by commas; server: chosen (before TLS 1.3). Or "" */

	/* private */
	uint8_t message[HELLO_MAX], head[5];
	unsigned n, nhead, record;	/* bytes of the message, of the record's head; left of the record */
};

/* The next bytes of the direction. What is known is in *h as soon as the state is HELLO_DONE. */
enum hello_state hello_feed(struct hello *h, const void *p, size_t n);
/* No further bytes will come: what the beginning tells, if anything. */
enum hello_state hello_end(struct hello *h);

/* "TLSv1.3"; NULL: none that exists. */
const char *hello_version(uint16_t version);
/*
 * As CloudTrail writes it: IANA's names for TLS 1.3 (TLS_AES_128_GCM_SHA256), OpenSSL's for older versions
 * (ECDHE-RSA-AES128-GCM-SHA256). One that is not in the table: its number, "0xC0FF".
 */
const char *hello_cipher(uint16_t cipher, char room[HELLO_NAME_ROOM]);

#endif
