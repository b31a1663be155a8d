/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/cleanup.h"

#define READ_BUFFER (64 * 1024)

static void tls_cleanup(SSL_CTX **ctx)
{
	SSL_CTX_free(*ctx);
}

static int tls_why(char why[256], const char *what, const char *path)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	snprintf(why, 256, "%s %s: %s", what, path, reason ? reason : "cannot be used");
	ERR_clear_error();
	return -EINVAL;
}

/* Only HTTP/2; without ALPN, or with another protocol, the handshake ends. */
static int select_h2(SSL *ssl, const unsigned char **ret, unsigned char *ret_n, const unsigned char *in, unsigned n,
		     void *arg)
{
	for (unsigned i = 0; i + 1 <= n && i + 1 + in[i] <= n; i += 1u + in[i])
		if (in[i] == 2 && !memcmp(in + i + 1, "h2", 2)) {
			*ret = in + i + 1;
			*ret_n = 2;
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A certificate of our CA that binds no host is refused in the handshake like any wrong one. */
static int verify_chain(X509_STORE_CTX *ctx, void *arg)
{
	struct pki_binding b;
	const char *why;

	if (X509_verify_cert(ctx) != 1)
		return 0;
	if (pki_binding_of_cert(X509_STORE_CTX_get0_cert(ctx), &b, &why) < 0) {
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	return 1;
}

int grpc_tls_new(const struct grpc_config *config, SSL_CTX **ret_ctx, char why[256])
{
	_cleanup_(tls_cleanup) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		return -ENOMEM;
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, config->cert) != 1)
		return tls_why(why, "certificate", config->cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, config->key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		return tls_why(why, "key", config->key);
	if (SSL_CTX_load_verify_file(ctx, config->ca) != 1)
		return tls_why(why, "CA", config->ca);
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ctx, 2);
	SSL_CTX_set_cert_verify_callback(ctx, verify_chain, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, select_h2, NULL);
	/* Every connection proves its certificate anew: no resumption, no early data. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER);
	*ret_ctx = TAKE_PTR(ctx);
	return 0;
}

int grpc_tls_peer(SSL *ssl, struct pki_binding *ret_peer, int64_t *ret_end)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	const char *why;
	struct tm tm;

	if (!cert || SSL_get_verify_result(ssl) != X509_V_OK || ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return -EACCES;
	*ret_end = timegm(&tm);
	return pki_binding_of_cert(cert, ret_peer, &why);
}

void grpc_tls_show(const struct grpc_server *s, SSL *ssl, const struct pki_binding *peer)
{
	unsigned char *der = NULL;
	int n = s->on_peer ? i2d_X509(SSL_get0_peer_certificate(ssl), &der) : 0;

	if (n > 0)
		s->on_peer(s->on_peer_ctx, peer, der, (size_t)n);
	OPENSSL_free(der);
}
