/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pki.h - the certificates that hosts and the store show each other, and what a host's
 * certificate binds together.
 *
 * A host's certificate carries three URIs as subject alternative names, each exactly once:
 *   hosttrail://host/<host id>              UUID in lower case
 *   hosttrail://key/<64 hex digits>         Ed25519 public key that signs its frames
 *   hosttrail://account/<account>/<region>
 * so whoever trusts the CA knows which key, account and region belong to a host. All TLS keys are P-256.
 * A host's certificate is good for clients only and a store's for servers only, so that no host can
 * pose as a store.
 *
 * Files: certificates PEM 0644, keys PEM 0600, replaced whole. Errors: 0 or -errno; -EKEYREJECTED when
 * OpenSSL refuses an input (wrong file, key and certificate that do not belong together).
 * Threads: no shared state.
 */
#ifndef HOSTTRAIL_PKI_H
#define HOSTTRAIL_PKI_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#define PKI_ACCOUNT_MAX 31
#define PKI_REGION_MAX 63
#define PKI_CA_DAYS 3650
#define PKI_CERT_DAYS 825

struct pki_binding {
	char host_id[37];
	uint8_t key[32];
	char account[PKI_ACCOUNT_MAX + 1];
	char region[PKI_REGION_MAX + 1];
};

/* Seconds since the epoch; NULL where a term is asked: from an hour ago, for PKI_CA_DAYS or PKI_CERT_DAYS. */
struct pki_term {
	int64_t from, to;
};

/* Where a certificate and its key are kept. */
struct pki_files {
	const char *cert, *key;
};

int pki_make_ca(const struct pki_files *ret_ca, const struct pki_term *term);
/* names: host names and addresses by which forwarders reach the store. -EINVAL: none, or an odd one. */
int pki_make_store(const struct pki_files *ca, const char *const *names, size_t n, const struct pki_files *ret_store,
		   const struct pki_term *term);
/* -EINVAL: the binding would not be accepted by pki_binding_of_cert(). */
int pki_make_host(const struct pki_files *ca, const struct pki_binding *b, const struct pki_files *ret_host,
		  const struct pki_term *term);

/* What a certificate binds, from hostile bytes (its chain is for TLS to verify). -EBADMSG: not exactly one of each
 * URI, or a malformed one; *ret_why is static text. */
int pki_binding_of_cert(X509 *cert, struct pki_binding *ret_b, const char **ret_why);

/* The same of n bytes of DER, which must be nothing else; and with ca (the name of a PEM file, or NULL) whether that CA gave the
 * certificate to a client. Not whether it is still good: *ret_term says for what time. -EBADMSG and *ret_why; other -errno: the CA's file. */
int pki_check_host(const void *der, size_t n, const char *ca, struct pki_binding *ret_b, struct pki_term *ret_term, const char **ret_why);

#endif
