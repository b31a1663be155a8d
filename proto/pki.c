/* SPDX-License-Identifier: Apache-2.0 */
#include "pki.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "keys.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"

#define URI "hosttrail://"
#define SAN_TEXT_MAX 4096

static void x509_cleanup(X509 **x)
{
	X509_free(*x);
}

static void pkey_cleanup(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}

static void bio_cleanup(BIO **b)
{
	BIO_free(*b);
}

#define _cleanup_x509_ _cleanup_(x509_cleanup)
#define _cleanup_pkey_ _cleanup_(pkey_cleanup)
#define _cleanup_bio_ _cleanup_(bio_cleanup)

/* ---- files */

static int write_bio(BIO *b, const char *path, mode_t mode)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);

	if (n <= 0)
		return -ENOMEM;
	return fsx_replace(path, p, (size_t)n, mode);
}

static int write_pair(const struct pki_files *to, X509 *cert, EVP_PKEY *key)
{
	_cleanup_bio_ BIO *c = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_mem());
	int r;

	if (!c || !k || !PEM_write_bio_X509(c, cert) || !PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL))
		return -ENOMEM;
	/* the certificate last: where it is, its key is */
	r = write_bio(k, to->key, 0600);
	if (r < 0)
		return r;
	return write_bio(c, to->cert, 0644);
}

static int read_pem(const char *path, BIO **ret_b)
{
	_cleanup_buf_ struct buf text = { 0 };
	int r = fsx_read(path, 1 << 20, &text);
	BIO *b;

	if (r < 0)
		return r;
	b = BIO_new(BIO_s_mem());
	if (!b || (text.n && BIO_write(b, text.p, (int)text.n) != (int)text.n)) {
		BIO_free(b);
		return -ENOMEM;
	}
	*ret_b = b;
	return 0;
}

static int read_pair(const struct pki_files *from, X509 **ret_cert, EVP_PKEY **ret_key)
{
	_cleanup_bio_ BIO *c = NULL, *k = NULL;
	_cleanup_x509_ X509 *cert = NULL;
	_cleanup_pkey_ EVP_PKEY *key = NULL;
	int r;

	r = read_pem(from->cert, &c);
	if (!r)
		r = read_pem(from->key, &k);
	if (r < 0)
		return r;
	cert = PEM_read_bio_X509(c, NULL, NULL, NULL);
	key = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
	if (!cert || !key || X509_check_private_key(cert, key) != 1)
		return -EKEYREJECTED;
	*ret_cert = TAKE_PTR(cert);
	*ret_key = TAKE_PTR(key);
	return 0;
}

/* ---- making */

struct request {
	const char *name;		/* common name, for people */
	const struct pki_term *term;
	int days;			/* when term is NULL */
	const char *basic, *usage, *extended, *alt;	/* extensions, OpenSSL's text form; NULL: none */
};

static int set_serial(X509 *x)
{
	uint8_t bytes[16];
	BIGNUM *n;
	int good;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -EIO;
	bytes[0] &= 0x7f;
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	good = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	return good ? 0 : -ENOMEM;
}

static int set_term(X509 *x, const struct request *q)
{
	int64_t now = time(NULL), from = now - 3600, to = now + (int64_t)q->days * 86400;

	if (q->term) {
		from = q->term->from;
		to = q->term->to;
	}
	return ASN1_TIME_set(X509_getm_notBefore(x), from) && ASN1_TIME_set(X509_getm_notAfter(x), to) ? 0 : -EINVAL;
}

static int add_extension(X509 *x, X509V3_CTX *ctx, int nid, const char *text)
{
	X509_EXTENSION *e;
	int good;

	if (!text)
		return 0;
	e = X509V3_EXT_conf_nid(NULL, ctx, nid, text);
	if (!e)
		return -EINVAL;
	good = X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	return good ? 0 : -ENOMEM;
}

static int add_extensions(X509 *x, X509 *issuer, const struct request *q)
{
	X509V3_CTX ctx;
	int r;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	r = add_extension(x, &ctx, NID_basic_constraints, q->basic);
	if (!r)
		r = add_extension(x, &ctx, NID_key_usage, q->usage);
	if (!r)
		r = add_extension(x, &ctx, NID_ext_key_usage, q->extended);
	if (!r)
		r = add_extension(x, &ctx, NID_subject_key_identifier, "hash");
	if (!r && issuer != x)
		r = add_extension(x, &ctx, NID_authority_key_identifier, "keyid:always");
	if (!r)
		r = add_extension(x, &ctx, NID_subject_alt_name, q->alt);
	return r;
}

/* A new key and its certificate, signed by ca (NULL: by itself), written to `to`. */
static int issue(const struct pki_files *ca, const struct request *q, const struct pki_files *to)
{
	_cleanup_x509_ X509 *x = X509_new(), *ca_cert = NULL;
	_cleanup_pkey_ EVP_PKEY *key = EVP_EC_gen("P-256"), *ca_key = NULL;
	X509_NAME *subject;
	int r;

	if (!x || !key)
		return -ENOMEM;
	r = ca ? read_pair(ca, &ca_cert, &ca_key) : 0;
	if (!r)
		r = set_serial(x);
	if (!r)
		r = set_term(x, q);
	if (r < 0)
		return r;
	subject = X509_get_subject_name(x);
	if (!X509_set_version(x, X509_VERSION_3) || !X509_set_pubkey(x, key) ||
	    !X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const uint8_t *)"hosttrail", -1, -1, 0) ||
	    !X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)q->name, -1, -1, 0) ||
	    !X509_set_issuer_name(x, ca_cert ? X509_get_subject_name(ca_cert) : subject))
		return -EINVAL;
	r = add_extensions(x, ca_cert ? ca_cert : x, q);
	if (r < 0)
		return r;
	if (!X509_sign(x, ca_key ? ca_key : key, EVP_sha256()))
		return -EKEYREJECTED;
	return write_pair(to, x, key);
}

int pki_make_ca(const struct pki_files *ret_ca, const struct pki_term *term)
{
	const struct request q = {
		.name = "hosttrail CA",
		.term = term,
		.days = PKI_CA_DAYS,
		.basic = "critical,CA:TRUE,pathlen:0",
		.usage = "critical,keyCertSign,cRLSign",
	};

	return issue(NULL, &q, ret_ca);
}

/* A name goes into OpenSSL's comma-separated text, so that nothing else may stand in it. */
static bool name_is_plain(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n < 254 && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:") == n;
}

int pki_make_store(const struct pki_files *ca, const char *const *names, size_t n, const struct pki_files *ret_store,
		   const struct pki_term *term)
{
	_cleanup_buf_ struct buf alt = { .max = SAN_TEXT_MAX };
	struct request q = {
		.name = "hosttrail store",
		.term = term,
		.days = PKI_CERT_DAYS,
		.basic = "critical,CA:FALSE",
		.usage = "critical,digitalSignature",
		.extended = "serverAuth",
	};

	for (size_t i = 0; i < n; i++) {
		struct in6_addr a;
		bool ip;

		if (!name_is_plain(names[i]))
			return -EINVAL;
		ip = inet_pton(AF_INET, names[i], &a) == 1 || inet_pton(AF_INET6, names[i], &a) == 1;
		if (!ip && strchr(names[i], ':'))
			return -EINVAL;
		buf_addf(&alt, "%s%s:%s", i ? "," : "", ip ? "IP" : "DNS", names[i]);
	}
	if (!n || alt.failed)
		return -EINVAL;
	q.alt = buf_text(&alt);
	return issue(ca, &q, ret_store);
}

/* ---- the binding */

static bool host_id_is_good(const char *s, size_t n)
{
	if (n != 36)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	}
	return true;
}

static bool word_is_good(const char *s, size_t n, size_t max)
{
	if (n == 0 || n > max)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isascii(s[i]) || (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '.' && s[i] != '_'))
			return false;
	return true;
}

int pki_make_host(const struct pki_files *ca, const struct pki_binding *b, const struct pki_files *ret_host,
		  const struct pki_term *term)
{
	char alt[512], key[65], name[64];
	struct request q = {
		.name = name,
		.term = term,
		.days = PKI_CERT_DAYS,
		.basic = "critical,CA:FALSE",
		.usage = "critical,digitalSignature",
		.extended = "clientAuth",
		.alt = alt,
	};

	if (!host_id_is_good(b->host_id, strnlen(b->host_id, sizeof(b->host_id))) ||
	    !word_is_good(b->account, strnlen(b->account, sizeof(b->account)), PKI_ACCOUNT_MAX) ||
	    !word_is_good(b->region, strnlen(b->region, sizeof(b->region)), PKI_REGION_MAX))
		return -EINVAL;
	hex_text(b->key, sizeof(b->key), key);
	snprintf(name, sizeof(name), "host %s", b->host_id);
	snprintf(alt, sizeof(alt), "URI:" URI "host/%s,URI:" URI "key/%s,URI:" URI "account/%s/%s", b->host_id, key,
		 b->account, b->region);
	return issue(ca, &q, ret_host);
}

static int take_host(struct pki_binding *b, const char *s, size_t n)
{
	if (!host_id_is_good(s, n))
		return -EBADMSG;
	memcpy(b->host_id, s, n);
	b->host_id[n] = '\0';
	return 0;
}

static int take_key(struct pki_binding *b, const char *s, size_t n)
{
	char hex[65];

	if (n != 64)
		return -EBADMSG;
	memcpy(hex, s, n);
	hex[n] = '\0';
	return hex_parse(hex, b->key, sizeof(b->key)) < 0 ? -EBADMSG : 0;
}

static int take_account(struct pki_binding *b, const char *s, size_t n)
{
	const char *slash = memchr(s, '/', n);
	size_t account = slash ? (size_t)(slash - s) : 0, region = slash ? n - account - 1 : 0;

	if (!slash || !word_is_good(s, account, PKI_ACCOUNT_MAX) || !word_is_good(slash + 1, region, PKI_REGION_MAX))
		return -EBADMSG;
	memcpy(b->account, s, account);
	b->account[account] = '\0';
	memcpy(b->region, slash + 1, region);
	b->region[region] = '\0';
	return 0;
}

static const struct {
	const char *prefix;
	int (*take)(struct pki_binding *b, const char *s, size_t n);
} uris[] = {
	{ URI "host/", take_host },
	{ URI "key/", take_key },
	{ URI "account/", take_account },
};

/* Counts the URI in seen[]; names of another scheme are no concern of ours. */
static int take_uri(struct pki_binding *b, const char *s, size_t n, unsigned seen[ARRAY_SIZE(uris)])
{
	if (n < sizeof(URI) - 1 || memcmp(s, URI, sizeof(URI) - 1))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
		size_t skip = strlen(uris[i].prefix);

		if (n < skip || memcmp(s, uris[i].prefix, skip))
			continue;
		seen[i]++;
		return uris[i].take(b, s + skip, n - skip);
	}
	return -EBADMSG;
}

int pki_binding_of_cert(X509 *cert, struct pki_binding *ret_b, const char **ret_why)
{
	struct pki_binding b = { 0 };
	unsigned seen[ARRAY_SIZE(uris)] = { 0 };
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int r = 0;

	if (!names) {
		*ret_why = "the certificate has no readable subject alternative names";
		return -EBADMSG;
	}
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !r; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_URI)
			r = take_uri(&b, (const char *)ASN1_STRING_get0_data(g->d.uniformResourceIdentifier),
				     (size_t)ASN1_STRING_length(g->d.uniformResourceIdentifier), seen);
	}
	GENERAL_NAMES_free(names);
	if (r < 0) {
		*ret_why = "the certificate has a malformed hosttrail:// name";
		return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(uris); i++)
		if (seen[i] != 1) {
			*ret_why = "the certificate does not bind exactly one host, one key and one account";
			return -EBADMSG;
		}
	*ret_b = b;
	return 0;
}
