/* SPDX-License-Identifier: Apache-2.0 */
#include "digestkeys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "proto/keys.h"

#define BITS 2048

struct digest_key {
	EVP_PKEY *pkey;
	char fingerprint[33];
};

static void pem_path(const char *dir, const char *fingerprint, char ret[4096])
{
	snprintf(ret, 4096, "%s/digest-keys/%s.pem", dir, fingerprint);
}

/* A ledger that is shared is not only ours to write, and this becomes a file's name. */
static bool is_fingerprint(const char *s)
{
	uint8_t md5[16];

	return hex_parse(s, md5, sizeof(md5)) == 0;
}

/* The public half as CloudTrail gives it: PKCS #1, not X.509. */
static int public_der(EVP_PKEY *pkey, struct key_row *k)
{
	unsigned char *der = NULL, md5[16];
	unsigned len = sizeof(md5);
	int n = i2d_PublicKey(pkey, &der), r = 0;

	if (n <= 0 || (size_t)n > sizeof(k->der))
		r = -ENOMEM;
	if (!r) {
		memcpy(k->der, der, (size_t)n);
		k->der_len = (unsigned)n;
		r = EVP_Digest(der, (size_t)n, md5, &len, EVP_md5(), NULL) == 1 ? 0 : -ENOMEM;
	}
	if (!r)
		hex_text(md5, sizeof(md5), k->fingerprint);
	OPENSSL_free(der);
	return r;
}

static int save_private(const char *dir, const struct digest_key *k)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char path[4096], *text;
	int r = -ENOMEM;

	snprintf(path, sizeof(path), "%s/digest-keys", dir);
	if (bio && PEM_write_bio_PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL) == 1) {
		long n = BIO_get_mem_data(bio, &text);

		r = fsx_mkdirs(path, 0700);
		pem_path(dir, k->fingerprint, path);
		if (!r)
			r = fsx_replace(path, text, (size_t)n, 0600);
		OPENSSL_cleanse(text, (size_t)n);
	}
	BIO_free(bio);
	return r;
}

static int load_private(const char *dir, const char *fingerprint, struct digest_key *k)
{
	_cleanup_buf_ struct buf text = { 0 };
	char path[4096];
	BIO *bio;
	int r;

	pem_path(dir, fingerprint, path);
	r = fsx_read(path, 65536, &text);
	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(text.p, (int)text.n);
	k->pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	OPENSSL_cleanse(text.p, text.n);
	snprintf(k->fingerprint, sizeof(k->fingerprint), "%s", fingerprint);
	return k->pkey ? 0 : -EBADMSG;
}

static int remove_old(void *ctx, const struct key_row *row)
{
	char path[4096];

	if (!is_fingerprint(row->fingerprint))
		return 0;
	pem_path(ctx, row->fingerprint, path);
	unlink(path);
	return 0;
}

static int make(struct ledger *l, const char *dir, int64_t begin, int64_t end, int64_t life, struct digest_key *k)
{
	struct key_row row = { .from = begin, .to = begin + life > end ? begin + life : end + 1 };
	int r;

	k->pkey = EVP_RSA_gen(BITS);
	r = k->pkey ? public_der(k->pkey, &row) : -ENOMEM;
	if (r < 0)
		return r;
	memcpy(k->fingerprint, row.fingerprint, sizeof(k->fingerprint));
	r = save_private(dir, k);	/* first: a key in the ledger can sign */
	if (!r)
		r = ledger_key_add(l, &row);
	/* those whose life was over a whole life ago: a clock that is set back finds its key */
	return r < 0 ? r : ledger_keys(l, INT64_MIN, begin - life - 1, remove_old, (void *)(uintptr_t)dir);
}

struct finding {
	const char *dir;
	struct digest_key *k;
	int64_t at, from;	/* when it must be valid; when the one that was found began */
};

/* Of those that are valid then, the youngest whose private half is here: another store that took the trails' work over has its own. */
static int on_key(void *ctx, const struct key_row *row)
{
	struct digest_key k = { 0 };
	struct finding *f = ctx;
	int r;

	if (!is_fingerprint(row->fingerprint) || row->to <= f->at || (f->k->pkey && row->from < f->from))
		return 0;
	r = load_private(f->dir, row->fingerprint, &k);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	EVP_PKEY_free(f->k->pkey);
	*f->k = k;
	f->from = row->from;
	return 0;
}

int digest_key_for(struct ledger *l, const char *dir, int64_t begin, int64_t end, int64_t life, struct digest_key **ret_k)
{
	struct digest_key *k = calloc(1, sizeof(*k));
	struct finding f = { .dir = dir, .k = k, .at = end };
	int r;

	if (!k)
		return -ENOMEM;
	r = ledger_keys(l, end, end, on_key, &f);
	if (!r && !k->pkey)
		r = make(l, dir, begin, end, life, k);
	if (r < 0)
		digest_key_free(&k);
	else
		*ret_k = k;
	return r;
}

void digest_key_free(struct digest_key **k)
{
	if (!*k)
		return;
	EVP_PKEY_free((*k)->pkey);
	free(*k);
	*k = NULL;
}

const char *digest_key_fingerprint(const struct digest_key *k)
{
	return k->fingerprint;
}

int digest_key_sign(const struct digest_key *k, const void *p, size_t n, char ret_hex[513])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	unsigned char signature[BITS / 8];
	size_t len = sizeof(signature);
	int r = -ENOMEM;

	if (c && EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, k->pkey) == 1 && EVP_DigestSign(c, signature, &len, p, n) == 1) {
		hex_text(signature, len, ret_hex);
		r = 0;
	}
	EVP_MD_CTX_free(c);
	return r;
}
