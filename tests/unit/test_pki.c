/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tap.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "proto/pki.h"

static char dir[64];

static const char *in(const char *name)
{
	static char paths[8][128];
	static unsigned at;

	snprintf(paths[at % 8], sizeof(paths[0]), "%s/%s", dir, name);
	return paths[at++ % 8];
}

static struct pki_binding binding(void)
{
	struct pki_binding b = {
		.host_id = "01234567-89ab-4cde-8f01-23456789abcd",
		.account = "123456789012",
		.region = "eu-central-1",
	};

	for (unsigned i = 0; i < 32; i++)
		b.key[i] = (uint8_t)(i * 7);
	return b;
}

static X509 *load(const char *path)
{
	FILE *f = fopen(path, "r");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	if (f)
		fclose(f);
	return x;
}

static int make_ca(struct pki_files *ret_ca)
{
	snprintf(dir, sizeof(dir), "/tmp/hosttrail-test-pki-XXXXXX");
	if (!mkdtemp(dir))
		return -errno;
	*ret_ca = (struct pki_files){ in("ca.crt"), in("ca.key") };
	return pki_make_ca(ret_ca, NULL);
}

static void remove_all(void)
{
	static const char *const names[] = { "ca.crt", "ca.key", "x.crt", "x.key", "other.crt", "other.key" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in(names[i]));
	ok_int(rmdir(dir), 0);
}

static bool verifies(const char *ca_path, const char *path, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509 *ca = load(ca_path), *x = load(path);
	bool good = store && ctx && ca && x && X509_STORE_add_cert(store, ca) && X509_STORE_CTX_init(ctx, store, x, NULL) &&
		    X509_STORE_CTX_set_purpose(ctx, purpose) && X509_verify_cert(ctx) == 1;

	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(ca);
	X509_free(x);
	return good;
}

static void a_hosts_certificate_binds_it(void)
{
	struct pki_files ca, host = { 0 };
	struct pki_binding b = binding(), back;
	const char *why = NULL;
	struct stat st;
	X509 *x;

	must(make_ca(&ca) == 0);
	host = (struct pki_files){ in("x.crt"), in("x.key") };
	ok_int(pki_make_host(&ca, &b, &host, NULL), 0);
	ok(verifies(ca.cert, host.cert, X509_PURPOSE_SSL_CLIENT));
	ok(!verifies(ca.cert, host.cert, X509_PURPOSE_SSL_SERVER));
	x = load(host.cert);
	must(x);
	ok_int(pki_binding_of_cert(x, &back, &why), 0);
	ok_str(back.host_id, b.host_id);
	ok_str(back.account, b.account);
	ok_str(back.region, b.region);
	ok(!memcmp(back.key, b.key, 32));
	X509_free(x);
	ok(!stat(host.key, &st) && (st.st_mode & 0777) == 0600);
	ok(!stat(ca.key, &st) && (st.st_mode & 0777) == 0600);
	remove_all();
}

static void a_stores_certificate_has_its_names(void)
{
	static const char *const names[] = { "localhost", "store.example.org", "127.0.0.1", "::1" };
	struct pki_files ca, store;
	struct pki_binding b;
	const char *why;
	X509 *x;

	must(make_ca(&ca) == 0);
	store = (struct pki_files){ in("x.crt"), in("x.key") };
	ok_int(pki_make_store(&ca, names, 4, &store, NULL), 0);
	ok(verifies(ca.cert, store.cert, X509_PURPOSE_SSL_SERVER));
	ok(!verifies(ca.cert, store.cert, X509_PURPOSE_SSL_CLIENT));
	x = load(store.cert);
	must(x);
	ok_int(X509_check_host(x, "store.example.org", 0, 0, NULL), 1);
	ok_int(X509_check_host(x, "example.org", 0, 0, NULL), 0);
	ok_int(X509_check_ip_asc(x, "127.0.0.1", 0), 1);
	ok_int(X509_check_ip_asc(x, "::1", 0), 1);
	ok_int(pki_binding_of_cert(x, &b, &why), -EBADMSG);
	X509_free(x);
	remove_all();
}

static void odd_names_are_refused(void)
{
	static const char *const bad[] = { "", "a,DNS:b", "x y", "a\nb", "x:1", "DNS:x", "*.x" };
	struct pki_files ca, store;

	must(make_ca(&ca) == 0);
	store = (struct pki_files){ in("x.crt"), in("x.key") };
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok_int(pki_make_store(&ca, &bad[i], 1, &store, NULL), -EINVAL);
	ok_int(pki_make_store(&ca, bad, 0, &store, NULL), -EINVAL);
	ok(access(store.cert, F_OK) < 0);
	remove_all();
}

static void odd_bindings_are_refused(void)
{
	struct pki_files ca, host;
	struct pki_binding b;

	must(make_ca(&ca) == 0);
	host = (struct pki_files){ in("x.crt"), in("x.key") };
	b = binding();
	b.host_id[3] = 'G';
	ok_int(pki_make_host(&ca, &b, &host, NULL), -EINVAL);
	b = binding();
	b.host_id[35] = '\0';
	ok_int(pki_make_host(&ca, &b, &host, NULL), -EINVAL);
	b = binding();
	strcpy(b.account, "1/2");
	ok_int(pki_make_host(&ca, &b, &host, NULL), -EINVAL);
	b = binding();
	strcpy(b.region, "eu,URI:hosttrail://host/x");
	ok_int(pki_make_host(&ca, &b, &host, NULL), -EINVAL);
	b = binding();
	b.region[0] = '\0';
	ok_int(pki_make_host(&ca, &b, &host, NULL), -EINVAL);
	ok(access(host.cert, F_OK) < 0);
	remove_all();
}

static void key_and_certificate_must_belong_together(void)
{
	struct pki_files ca, other, host, mixed;
	struct pki_binding b = binding();

	must(make_ca(&ca) == 0);
	other = (struct pki_files){ in("other.crt"), in("other.key") };
	host = (struct pki_files){ in("x.crt"), in("x.key") };
	must(pki_make_ca(&other, NULL) == 0);
	mixed = (struct pki_files){ ca.cert, other.key };
	ok_int(pki_make_host(&mixed, &b, &host, NULL), -EKEYREJECTED);
	mixed = (struct pki_files){ in("nowhere"), ca.key };
	ok_int(pki_make_host(&mixed, &b, &host, NULL), -ENOENT);
	ok_int(pki_make_host(&other, &b, &host, NULL), 0);
	ok(!verifies(ca.cert, host.cert, X509_PURPOSE_SSL_CLIENT));
	remove_all();
}

static void terms_are_kept(void)
{
	const struct pki_term past = { 1000000000, 1000003600 };
	struct pki_files ca, host;
	struct pki_binding b = binding();

	must(make_ca(&ca) == 0);
	host = (struct pki_files){ in("x.crt"), in("x.key") };
	ok_int(pki_make_host(&ca, &b, &host, &past), 0);
	ok(!verifies(ca.cert, host.cert, X509_PURPOSE_SSL_CLIENT));
	remove_all();
}

static const struct tap_case cases[] = {
	CASE(a_hosts_certificate_binds_it), CASE(a_stores_certificate_has_its_names), CASE(odd_names_are_refused),
	CASE(odd_bindings_are_refused),	    CASE(key_and_certificate_must_belong_together), CASE(terms_are_kept),
};

TAP_MAIN(cases)
