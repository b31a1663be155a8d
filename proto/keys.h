/* SPDX-License-Identifier: Apache-2.0 */
/* keys.h - the host's Ed25519 key: make, keep (PEM, 0600), sign, verify; and small hashes. Errors 0/-errno. */
#ifndef HOSTTRAIL_KEYS_H
#define HOSTTRAIL_KEYS_H

#include <stddef.h>
#include <stdint.h>

struct sign_key;
int sign_key_make(const char *path);				/* new key, file must not exist */
int sign_key_load(const char *path, struct sign_key **ret_k);
void sign_key_free(struct sign_key **k);
void sign_key_public(const struct sign_key *k, uint8_t ret_pub[32]);
int sign_key_sign(void *key, const void *p, size_t n, uint8_t ret_sig[64]);	/* a frame_sign_fn */
/* 0 or -EBADMSG. libsodium's, twice as fast as OpenSSL 3.0's; what it accepts OpenSSL does too, not the other way: keys of small order or
 * in another encoding than their own, and signatures whose R is of small order, are refused. No key that was made honestly has any. */
int sign_verify(const uint8_t pub[32], const void *p, size_t n, const uint8_t sig[64]);
/* A public key: a file with it in PEM, or with 64 hex digits. -EBADMSG: neither. */
int sign_public_load(const char *path, uint8_t ret_pub[32]);
void sha256(const void *p, size_t n, uint8_t ret[32]);

/* SHA-256 of what comes in pieces; start again for the next. One thread at a time. 0 or -ENOMEM. */
struct hasher;
int hasher_new(struct hasher **ret_h);
void hasher_free(struct hasher **h);	/* NULL-safe */
int hasher_start(struct hasher *h);
int hasher_add(struct hasher *h, const void *p, size_t n);
int hasher_end(struct hasher *h, uint8_t ret[32]);

void hex_text(const void *p, size_t n, char *ret);		/* 2n+1 bytes */
int hex_parse(const char *text, void *ret, size_t n);		/* exactly 2n digits */
int random_bytes(void *p, size_t n);
int uuid_random(uint8_t ret_id[16]);				/* version 4 */

#endif
