/* SPDX-License-Identifier: Apache-2.0 */
#include "token.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/le.h"

#define PLACE 20		/* time, position, record */
#define MAC 16
#define RAW (1 + PLACE + MAC)	/* version first; a multiple of 3 is not needed */

/* The place is not secret, but nobody should come to rely on it: it is covered by a key stream of its own MAC. */
static void mask(const uint8_t key[32], const uint8_t tag[MAC], uint8_t place[PLACE])
{
	uint8_t stream[32], text[MAC + 4] = "mask";
	unsigned len = 32;

	memcpy(text + 4, tag, MAC);
	HMAC(EVP_sha256(), key, 32, text, sizeof(text), stream, &len);
	for (unsigned i = 0; i < PLACE; i++)
		place[i] ^= stream[i];
}

static void tag_of(const uint8_t key[32], const void *binding, size_t n, const uint8_t place[PLACE], uint8_t ret[MAC])
{
	uint8_t digest[32], inner[32 + PLACE];
	unsigned len = 32;

	HMAC(EVP_sha256(), key, 32, binding, n, inner, &len);
	memcpy(inner + 32, place, PLACE);
	HMAC(EVP_sha256(), key, 32, inner, sizeof(inner), digest, &len);
	memcpy(ret, digest, MAC);
}

void token_make(const uint8_t key[32], const void *binding, size_t n, const struct index_key *at, char ret[TOKEN_TEXT])
{
	uint8_t raw[RAW] = { 1 };

	put64(raw + 1, (uint64_t)at->time);
	put64(raw + 9, at->place.pos);
	put32(raw + 17, at->place.record);
	tag_of(key, binding, n, raw + 1, raw + 1 + PLACE);
	mask(key, raw + 1 + PLACE, raw + 1);
	EVP_EncodeBlock((unsigned char *)ret, raw, RAW);
}

int token_read(const uint8_t key[32], const void *binding, size_t n, const char *text, struct index_key *ret_at)
{
	uint8_t raw[RAW + 3], tag[MAC];
	char again[TOKEN_TEXT];

	if (strlen(text) != (RAW + 2) / 3 * 4 || EVP_DecodeBlock(raw, (const unsigned char *)text, (int)strlen(text)) < RAW ||
	    raw[0] != 1)
		return -EINVAL;
	EVP_EncodeBlock((unsigned char *)again, raw, RAW);
	mask(key, raw + 1 + PLACE, raw + 1);
	tag_of(key, binding, n, raw + 1, tag);
	if (strcmp(again, text) || CRYPTO_memcmp(tag, raw + 1 + PLACE, MAC))
		return -EINVAL;
	ret_at->time = (int64_t)get64(raw + 1);
	ret_at->place.pos = get64(raw + 9);
	ret_at->place.record = get32(raw + 17);
	return 0;
}
