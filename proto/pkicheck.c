/* SPDX-License-Identifier: Apache-2.0 */
/* pkicheck.c - a host's certificate looked at outside of TLS, perhaps years later. */
#include "pki.h"

#include <errno.h>
#include <time.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"

#define CA_MAX 65536

static void x509_cleanup(X509 **x)
{
	X509_free(*x);
}

static void store_cleanup(X509_STORE **s)
{
	X509_STORE_free(*s);
}

static void ctx_cleanup(X509_STORE_CTX **c)
{
	X509_STORE_CTX_free(*c);
}

static int read_ca(const char *path, X509 **ret_ca)
{
	_cleanup_buf_ struct buf pem = { 0 };
	int r = fsx_read(path, CA_MAX, &pem);
	BIO *bio;

	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	*ret_ca = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return *ret_ca ? 0 : -EKEYREJECTED;
}

/* 1: the CA's, 0: not, -errno */
static int is_issued(X509 *cert, const char *ca_path)
{
	_cleanup_(store_cleanup) X509_STORE *store = X509_STORE_new();
	_cleanup_(ctx_cleanup) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	_cleanup_(x509_cleanup) X509 *ca = NULL;
	int r = read_ca(ca_path, &ca);

	if (r < 0)
		return r;
	if (!store || !ctx || X509_STORE_add_cert(store, ca) != 1 || X509_STORE_CTX_init(ctx, store, cert, NULL) != 1)
		return -ENOMEM;
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_NO_CHECK_TIME);
	return X509_verify_cert(ctx) == 1;
}

static int take_time(const ASN1_TIME *t, int64_t *ret)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return -EBADMSG;
	*ret = timegm(&tm);
	return 0;
}

int pki_check_host(const void *der, size_t n, const char *ca, struct pki_binding *ret_b, struct pki_term *ret_term, const char **ret_why)
{
	const unsigned char *at = der;
	_cleanup_(x509_cleanup) X509 *cert = d2i_X509(NULL, &at, (long)n);
	struct pki_term term;
	int r;

	*ret_why = "it is no certificate";
	if (!cert || at != (const unsigned char *)der + n || take_time(X509_get0_notBefore(cert), &term.from) < 0 ||
	    take_time(X509_get0_notAfter(cert), &term.to) < 0)
		return -EBADMSG;
	r = ca ? is_issued(cert, ca) : 1;
	if (r < 0)
		return r;
	*ret_why = "it is not of this CA";
	if (!r)
		return -EBADMSG;
	*ret_term = term;
	return pki_binding_of_cert(cert, ret_b, ret_why);
}
