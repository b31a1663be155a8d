/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/evp.h>
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

/* More than are kept ready, in turns: each is taken for itself only. */
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
	CASE(make_and_load), CASE(many_keys), CASE(openssl_agrees), CASE(known_signature), CASE(not_a_key), CASE(hex_and_hashes),
};
TAP_MAIN(cases)
