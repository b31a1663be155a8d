/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fsx.h"
#include "proto/keys.h"
#include "tests/tap.h"

static char path[64];

static void fresh(void)
{
	strcpy(path, "/tmp/test_keys.XXXXXX");
	close(mkstemp(path));
	unlink(path);
}

/* In turns: each is taken for itself only. */
static void many_keys(void)
{
	enum { MANY = 130 };
	uint8_t pub[MANY][32], sig[MANY][64];

	for (unsigned i = 0; i < MANY; i++) {
		EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		EVP_MD_CTX *c = EVP_MD_CTX_new();
		size_t n = 32, len = 64;

		must(EVP_PKEY_get_raw_public_key(k, pub[i], &n) == 1 && EVP_DigestSignInit(c, NULL, NULL, NULL, k) == 1 &&
		     EVP_DigestSign(c, sig[i], &len, (const uint8_t *)"text", 4) == 1);
		EVP_MD_CTX_free(c);
		EVP_PKEY_free(k);
	}
	for (unsigned i = 0; i < 2 * MANY; i++) {
		ok_int(sign_verify(pub[i % MANY], "text", 4, sig[i % MANY]), 0);
		ok_int(sign_verify(pub[i % MANY], "text", 4, sig[(i + 1) % MANY]), -EBADMSG);
	}
}

static void make_and_load(void)
{
	struct sign_key *k = NULL, *again = NULL;
	uint8_t pub[32], pub2[32], sig[64], sig2[64];
	struct stat st;

	fresh();
	umask(0);
	ok_int(sign_key_load(path, &k), -ENOENT);
	must(!sign_key_make(path) && !stat(path, &st));
	ok_int(st.st_mode & 07777, 0600);
	ok_int(sign_key_make(path), -EEXIST);	/* a key is never overwritten */
	must(!sign_key_load(path, &k) && !sign_key_load(path, &again));
	sign_key_public(k, pub);
	sign_key_public(again, pub2);
	ok(!memcmp(pub, pub2, 32));
	must(!sign_key_sign(k, "text", 4, sig) && !sign_key_sign(k, "text", 4, sig2));
	ok(!memcmp(sig, sig2, 64));
	ok_int(sign_verify(pub, "text", 4, sig), 0);
	ok_int(sign_verify(pub, "Text", 4, sig), -EBADMSG);
	sig[10] ^= 1;
	ok_int(sign_verify(pub, "text", 4, sig), -EBADMSG);
	sign_key_free(&k);
	sign_key_free(&again);
	ok(!k);
	sign_key_free(&k);
	unlink(path);
}

/* openssl reads our key and verifies our signature. */
static void openssl_agrees(void)
{
	struct sign_key *k = NULL;
	char command[512], data[80], signature[80];
	uint8_t sig[64];

	if (system("command -v openssl >/dev/null") != 0)
		skip("openssl's command is not installed");
	fresh();
	must(!sign_key_make(path) && !sign_key_load(path, &k) && !sign_key_sign(k, "hello", 5, sig));
	snprintf(data, sizeof(data), "%s.d", path);
	snprintf(signature, sizeof(signature), "%s.s", path);
	must(!fsx_replace(data, "hello", 5, 0600) && !fsx_replace(signature, sig, 64, 0600));
	snprintf(command, sizeof(command), "openssl pkeyutl -verify -inkey %s -rawin -in %s -sigfile %s >/dev/null 2>&1", path, data, signature);
	ok_int(system(command), 0);
	sign_key_free(&k);
	unlink(path);
	unlink(data);
	unlink(signature);
}

/* RFC 8032, test 2: not merely consistent with ourselves. */
static void known_signature(void)
{
	uint8_t pub[32], sig[64], message = 0x72;

	must(!hex_parse("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", pub, 32));
	must(!hex_parse("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
			"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00", sig, 64));
	ok_int(sign_verify(pub, &message, 1, sig), 0);
}

/* ---- OpenSSL's verification beside ours: what we accept anybody accepts */

static int openssl_verify(const uint8_t pub[32], const void *p, size_t n, const uint8_t sig[64])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, 32);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool good = EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1 && EVP_DigestVerify(c, sig, 64, p, n) == 1;

	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	return good ? 0 : -EBADMSG;
}

/* The hash of R, key and message as a scalar. */
static void challenge(const uint8_t r[32], const uint8_t pub[32], const void *p, size_t n, uint8_t ret[32])
{
	crypto_hash_sha512_state s;
	uint8_t wide[64];

	crypto_hash_sha512_init(&s);
	crypto_hash_sha512_update(&s, r, 32);
	crypto_hash_sha512_update(&s, pub, 32);
	crypto_hash_sha512_update(&s, p, n);
	crypto_hash_sha512_final(&s, wide);
	crypto_core_ed25519_scalar_reduce(ret, wide);
}

/* sig for `secret` (its key is pub, perhaps with a part of small order), of a message that the number is counted up in until the equation
 * holds without a cofactor. r NULL: R is the neutral point. */
static void sign_oddly(const uint8_t secret[32], const uint8_t pub[32], const uint8_t *r, uint64_t *message, uint8_t ret_sig[64])
{
	uint8_t h[32], ha[32];

	memset(ret_sig, 0, 32);
	ret_sig[0] = 1;
	if (r)
		must(!crypto_scalarmult_ed25519_base_noclamp(ret_sig, r));
	do {
		++*message;
		challenge(ret_sig, pub, message, sizeof(*message), h);
	} while (h[0] & 7);
	crypto_core_ed25519_scalar_mul(ha, h, secret);
	memcpy(ret_sig + 32, ha, 32);
	if (r)
		crypto_core_ed25519_scalar_add(ret_sig + 32, ha, r);
}

static const char neutral[] = "0100000000000000000000000000000000000000000000000000000000000000";
static const char order8[] = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";

/* A key with a part of order 8 is taken by both, where the equation holds; R of small order, or S not reduced, is not taken by us. */
static void odd_signatures(void)
{
	/* L, the group's order */
	static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
	uint8_t secret[32], r[32], pub[32], mixed[32], t[32], sig[64];
	uint64_t message = 0;
	unsigned carry = 0;

	must(sodium_init() >= 0 && !hex_parse(order8, t, 32));
	crypto_core_ed25519_scalar_random(secret);
	crypto_core_ed25519_scalar_random(r);
	must(!crypto_scalarmult_ed25519_base_noclamp(pub, secret) && !crypto_core_ed25519_add(mixed, pub, t));
	sign_oddly(secret, mixed, r, &message, sig);
	ok_int(openssl_verify(mixed, &message, sizeof(message), sig), 0);
	ok_int(sign_verify(mixed, &message, sizeof(message), sig), 0);

	sign_oddly(secret, pub, NULL, &message, sig);
	ok_int(openssl_verify(pub, &message, sizeof(message), sig), 0);
	ok_int(sign_verify(pub, &message, sizeof(message), sig), -EBADMSG);

	sign_oddly(secret, pub, r, &message, sig);
	ok_int(sign_verify(pub, &message, sizeof(message), sig), 0);
	for (unsigned i = 0; i < 32; i++) {
		carry += sig[32 + i] + order[i];
		sig[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	ok_int(openssl_verify(pub, &message, sizeof(message), sig), -EBADMSG);
	ok_int(sign_verify(pub, &message, sizeof(message), sig), -EBADMSG);
}

/* Under a key of small order anybody can sign: such a one signs nothing here, in whatever encoding. */
static void weak_keys(void)
{
	static const char *const keys[] = {
		neutral, order8,
		"0100000000000000000000000000000000000000000000000000000000000080",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	static const uint8_t nothing[32], r[32] = { 7 };
	unsigned taken = 0;

	must(sodium_init() >= 0);
	for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		uint64_t message = 0;
		uint8_t pub[32], sig[64];

		must(!hex_parse(keys[i], pub, 32));
		sign_oddly(nothing, pub, r, &message, sig);
		taken += !openssl_verify(pub, &message, sizeof(message), sig);
		ok_int(sign_verify(pub, &message, sizeof(message), sig), -EBADMSG);
	}
	ok(taken > 0);	/* the signatures are what they should be */
}

/* Bits of key, message and signature, changed by chance. */
static void same_answers(void)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t all[32 + 64 + 200] = { 0 };
	unsigned differ = 0, good = 0;
	size_t n = 32, len = 64;

	must(EVP_PKEY_get_raw_public_key(k, all, &n) == 1 && EVP_DigestSignInit(c, NULL, NULL, NULL, k) == 1 &&
	     EVP_DigestSign(c, all + 32, &len, all + 96, 200) == 1);
	for (unsigned i = 0; i < 2000; i++) {
		unsigned bit = i % (8 * 97);
		int r;

		all[bit / 8] ^= (uint8_t)(i % 10 ? 1 << bit % 8 : 0);
		r = sign_verify(all, all + 96, 200, all + 32);
		good += !r;
		differ += r != openssl_verify(all, all + 96, 200, all + 32);
		all[bit / 8] ^= (uint8_t)(i % 10 ? 1 << bit % 8 : 0);
	}
	ok_int(differ, 0);
	ok_int(good, 200);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
}

static void not_a_key(void)
{
	struct sign_key *k = NULL;

	fresh();
	must(!fsx_replace(path, "not a key\n", 10, 0600));
	ok_int(sign_key_load(path, &k), -EBADMSG);
	if (system("command -v openssl >/dev/null") == 0) {
		char command[256];

		snprintf(command, sizeof(command), "openssl genpkey -algorithm X25519 -out %s 2>/dev/null", path);
		must(system(command) == 0);
		ok_int(sign_key_load(path, &k), -EBADMSG);
	}
	ok(!k);
	unlink(path);
}

static void hex_and_hashes(void)
{
	uint8_t b[4] = { 9, 9, 9, 9 }, hash[32];
	char text[65];

	hex_text("\x00\xff\x1a", 3, text);
	ok_str(text, "00ff1a");
	ok_int(hex_parse("00fF1a", b, 3), 0);
	ok(!memcmp(b, "\x00\xff\x1a\x09", 4));
	ok_int(hex_parse("00ff1", b, 3), -EINVAL);
	ok_int(hex_parse("00ff1g", b, 3), -EINVAL);
	ok_int(hex_parse("00ff1a00", b, 3), -EINVAL);
	sha256("abc", 3, hash);
	hex_text(hash, 32, text);
	ok_str(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static const struct tap_case cases[] = {
	CASE(make_and_load), CASE(many_keys), CASE(openssl_agrees), CASE(known_signature), CASE(odd_signatures), CASE(weak_keys),
	CASE(same_answers), CASE(not_a_key), CASE(hex_and_hashes),
};
TAP_MAIN(cases)
