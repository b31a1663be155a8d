/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"

#define KEY_FILE_MAX 4096

struct sign_key {
	EVP_PKEY *pkey;
	EVP_MD_CTX *ctx;
	uint8_t pub[32];
};

static void pkey_free(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
	*k = NULL;
}

static void bio_free(BIO **b)
{
	BIO_free(*b);
	*b = NULL;
}

/* Written whole and synced before it has its name, so that a crash leaves a key or none. */
static int write_new(const char *path, const void *p, size_t n)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = fsx_write_all(fd, p, n);
	if (!r && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		unlink(path);
	return r;
}

static int publish(const char *path, const void *p, size_t n)
{
	_cleanup_buf_ struct buf tmp = { 0 };
	int r = buf_addf(&tmp, "%s.new.%d", path, (int)getpid());

	if (r < 0)
		return r;
	r = write_new(buf_text(&tmp), p, n);
	if (r < 0)
		return r;
	if (link(buf_text(&tmp), path) < 0)
		r = -errno;
	unlink(buf_text(&tmp));
	return r;
}

int sign_key_make(const char *path)
{
	_cleanup_(pkey_free) EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	_cleanup_(bio_free) BIO *bio = BIO_new(BIO_s_secmem());
	char *p;
	long n;

	if (!pkey || !bio || !PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL))
		return -ENOMEM;
	n = BIO_get_mem_data(bio, &p);
	return n > 0 ? publish(path, p, (size_t)n) : -EIO;
}

/* -EBADMSG: not an Ed25519 private key. */
static int parse(const struct buf *pem, struct sign_key *k)
{
	_cleanup_(bio_free) BIO *bio = BIO_new_mem_buf(pem->p, (int)pem->n);
	size_t n = sizeof(k->pub);

	if (!bio)
		return -ENOMEM;
	k->pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	if (!k->pkey || EVP_PKEY_get_id(k->pkey) != EVP_PKEY_ED25519 ||
	    EVP_PKEY_get_raw_public_key(k->pkey, k->pub, &n) != 1 || n != sizeof(k->pub))
		return -EBADMSG;
	k->ctx = EVP_MD_CTX_new();
	return k->ctx ? 0 : -ENOMEM;
}

int sign_public_load(const char *path, uint8_t ret_pub[32])
{
	_cleanup_buf_ struct buf text = { 0 };
	_cleanup_(bio_free) BIO *bio = NULL;
	_cleanup_(pkey_free) EVP_PKEY *pkey = NULL;
	uint8_t key[32];
	size_t n = sizeof(key);
	int r = fsx_read(path, KEY_FILE_MAX, &text);

	if (r < 0)
		return r;
	while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.n--;
	if (text.n == 64 && !hex_parse(buf_text(&text), ret_pub, 32))
		return 0;
	bio = BIO_new_mem_buf(text.p, (int)text.n);
	pkey = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	if (!pkey || EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519 || EVP_PKEY_get_raw_public_key(pkey, key, &n) != 1 || n != sizeof(key))
		return -EBADMSG;
	memcpy(ret_pub, key, sizeof(key));
	return 0;
}

int sign_key_load(const char *path, struct sign_key **ret_k)
{
	_cleanup_(sign_key_free) struct sign_key *k = calloc(1, sizeof(*k));
	_cleanup_buf_ struct buf pem = { 0 };
	int r;

	if (!k)
		return -ENOMEM;
	r = fsx_read(path, KEY_FILE_MAX, &pem);
	if (r < 0)
		return r;
	r = parse(&pem, k);
	explicit_bzero(pem.p, pem.n);
	if (r < 0)
		return r;
	*ret_k = TAKE_PTR(k);
	return 0;
}

void sign_key_free(struct sign_key **k)
{
	if (!*k)
		return;
	EVP_PKEY_free((*k)->pkey);
	EVP_MD_CTX_free((*k)->ctx);
	free(*k);
	*k = NULL;
}

void sign_key_public(const struct sign_key *k, uint8_t ret_pub[32])
{
	memcpy(ret_pub, k->pub, sizeof(k->pub));
}

int sign_key_sign(void *key, const void *p, size_t n, uint8_t ret_sig[64])
{
	struct sign_key *k = key;
	size_t len = 64;

	EVP_MD_CTX_reset(k->ctx);
	if (EVP_DigestSignInit(k->ctx, NULL, NULL, NULL, k->pkey) != 1 ||
	    EVP_DigestSign(k->ctx, ret_sig, &len, p, n) != 1 || len != 64)
		return -EIO;
	return 0;
}

static pthread_once_t sodium_once = PTHREAD_ONCE_INIT;
static int sodium_error;

static void sodium_begin(void)
{
	sodium_error = sodium_init() < 0 ? -EIO : 0;
}

int sign_verify(const uint8_t pub[32], const void *p, size_t n, const uint8_t sig[64])
{
	pthread_once(&sodium_once, sodium_begin);
	if (sodium_error)
		return sodium_error;
	return crypto_sign_verify_detached(sig, p, n, pub) == 0 ? 0 : -EBADMSG;
}

void sha256(const void *p, size_t n, uint8_t ret[32])
{
	SHA256(p, n, ret);
}

struct hasher {
	EVP_MD_CTX *ctx;
};

int hasher_new(struct hasher **ret_h)
{
	struct hasher *h = calloc(1, sizeof(*h));

	if (h)
		h->ctx = EVP_MD_CTX_new();
	if (!h || !h->ctx) {
		free(h);
		return -ENOMEM;
	}
	*ret_h = h;
	return 0;
}

void hasher_free(struct hasher **h)
{
	if (!*h)
		return;
	EVP_MD_CTX_free((*h)->ctx);
	free(*h);
	*h = NULL;
}

int hasher_start(struct hasher *h)
{
	return EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

int hasher_add(struct hasher *h, const void *p, size_t n)
{
	return EVP_DigestUpdate(h->ctx, p, n) == 1 ? 0 : -ENOMEM;
}

int hasher_end(struct hasher *h, uint8_t ret[32])
{
	return EVP_DigestFinal_ex(h->ctx, ret, NULL) == 1 ? 0 : -ENOMEM;
}

void hex_text(const void *p, size_t n, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		ret[2 * i] = digits[b[i] >> 4];
		ret[2 * i + 1] = digits[b[i] & 15];
	}
	ret[2 * n] = '\0';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_parse(const char *text, void *ret, size_t n)
{
	uint8_t *b = ret;

	if (strlen(text) != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < 2 * n; i++)
		if (digit(text[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	return 0;
}

int random_bytes(void *p, size_t n)
{
	uint8_t *b = p;

	while (n) {
		ssize_t r = getrandom(b, n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		b += r;
		n -= (size_t)r;
	}
	return 0;
}

int uuid_random(uint8_t ret_id[16])
{
	int r = random_bytes(ret_id, 16);

	ret_id[6] = (uint8_t)((ret_id[6] & 0x0f) | 0x40);
	ret_id[8] = (uint8_t)((ret_id[8] & 0x3f) | 0x80);
	return r;
}
