// SPDX-License-Identifier: Apache-2.0
/* test_tls_hello.c - hellos of RFC 8448 and of OpenSSL's own handshakes, whole, split in every way, cut, and spoiled. */
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "agent/tls/hello.h"
#include "lib/cleanup.h"
#include "tests/tap.h"

/* RFC 8448: section 3, and of section 5 the HelloRetryRequest. */
static const char rfc_client[] =
	"010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7000006130113031302010000910000000b0009000006736572766572"
	"ff01000100000a00140012001d0017001800190100010101020103010400230000003300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae"
	"4d5413691e529aaf2c002b0003020304000d0020001e040305030603020308040805080604010501060102010402050206020202002d00020101001c00024001";
static const char rfc_server[] =
	"020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e00330024001d0020c9828876112095fe66762bdbf7c6"
	"72e156d6cc253b833df1dd69b1b04e751f0f002b00020304";
static const char rfc_retry[] =
	"020000ac0303cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c001301000084003300020017002c0074007271dcd04bb88bc3189119"
	"398a00000000eefafc76c146b823b096f8aacad365dd0030953f4edf625636e5f21bb2e23fcc654b1b5b40318d10d137abcbb87574e36e8a1f025f7dfa5d6e50781b"
	"5eda4aa15b0c8be778257d16aa3030e9e7841dd9e4c0342267e8ca0caf571fb2b7cff0f934b0002b00020304";

static struct hello h;

static size_t unhex(const char *s, uint8_t *ret)
{
	size_t n = 0;
	unsigned v;

	for (; sscanf(s, "%2x", &v) == 1; s += 2)
		ret[n++] = (uint8_t)v;
	return n;
}

/* The message in records of at most `each` bytes. */
static size_t records(const char *hex, size_t each, uint8_t *ret)
{
	uint8_t m[1024];
	size_t n = unhex(hex, m), at = 0, out = 0;

	while (at < n) {
		size_t k = n - at < each ? n - at : each;

		memcpy(ret + out, (uint8_t[]){ 22, 3, 1, (uint8_t)(k >> 8), (uint8_t)k }, 5);
		memcpy(ret + out + 5, m + at, k);
		out += 5 + k;
		at += k;
	}
	return out;
}

static enum hello_state feed_in(const uint8_t *p, size_t n, size_t piece)
{
	memset(&h, 0, sizeof(h));
	for (size_t at = 0; at < n; at += piece)
		hello_feed(&h, p + at, n - at < piece ? n - at : piece);
	return h.state;
}

static void rfc8448(void)
{
	uint8_t b[8192];
	size_t n = records(rfc_client, 65535, b);

	ok_int(feed_in(b, n, n), HELLO_DONE);
	ok_int(h.kind, HELLO_CLIENT);
	ok_str(h.server_name, "server");
	ok_int(h.version, 0x0304);
	ok_int(h.nversions, 1);
	ok(!h.cut);
	n = records(rfc_server, 65535, b);
	ok_int(feed_in(b, n, n), HELLO_DONE);
	ok_int(h.kind, HELLO_SERVER);
	ok_int(h.version, 0x0304);
	ok_int(h.cipher, 0x1301);
	ok(!h.retry);
	n = records(rfc_retry, 65535, b);
	ok_int(feed_in(b, n, n), HELLO_DONE);
	ok(h.retry);
	ok_int(h.version, 0x0304);
	ok_int(h.cipher, 0x1301);
}

static void split_in_any_way(void)
{
	uint8_t b[8192];

	for (size_t each = 1; each < 260; each++) {
		size_t n = records(rfc_client, each, b);

		for (size_t piece = 1; piece < 300; piece += piece < 8 ? 1 : 37) {
			must(feed_in(b, n, piece) == HELLO_DONE);
			must(!strcmp(h.server_name, "server") && h.version == 0x0304 && !h.cut);
		}
	}
}

/* The beginning tells what lies in it, and nothing else. */
static void cut(void)
{
	uint8_t b[1024];
	size_t n = records(rfc_client, 65535, b);
	unsigned named = 0;

	for (size_t k = 0; k < n; k++) {
		feed_in(b, k, 7);
		must(h.state == HELLO_MORE);
		hello_end(&h);
		must(h.state == (k > 10 ? HELLO_DONE : HELLO_BAD));
		must(!h.server_name[0] || (!strcmp(h.server_name, "server") && k >= 70));
		must(h.version == (h.nversions ? 0x0304 : 0));
		named += h.server_name[0] != 0;
	}
	ok(named > 100);
	n = records(rfc_server, 65535, b);
	for (size_t k = 0; k < n; k++) {
		feed_in(b, k, 7);
		hello_end(&h);
		must(h.cipher == (k >= 46 ? 0x1301 : 0));
		must(!h.version);		/* it comes last */
	}
}

/* What is no hello, or contradicts itself, tells nothing. */
static void spoiled(void)
{
	static const char *const bad[] = { "17030300050102030405", "160300", "474554202f20485454502f312e310d0a", "16030100050e00000001", "1603010000",
					   "16040100050100000000", "1603014900" };
	uint8_t b[1024], good[1024];
	size_t n;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		n = unhex(bad[i], b);
		feed_in(b, n, n);
		ok_int(hello_end(&h), HELLO_BAD);
		ok_int(h.kind, HELLO_NONE);
	}
	n = records(rfc_client, 65535, good);
	for (size_t at = 9; at < n; at++) {		/* one wrong byte: whatever comes of it, no name is made up */
		memcpy(b, good, n);
		b[at] ^= 0xff;
		feed_in(b, n, n);
		hello_end(&h);
		must(strlen(h.server_name) < sizeof(h.server_name));
		if (h.state == HELLO_BAD)
			must(!h.server_name[0] && !h.version && !h.nversions);
	}
	n = records(rfc_client, 65535, b);
	memcpy(b + 5 + 4 + 2 + 32 + 1 + 2 + 6 + 2 + 2 + 9, "ser\nve", 6);	/* names go into records */
	ok_int(feed_in(b, n, n), HELLO_DONE);
	ok_str(h.server_name, "");
}

/* ---- OpenSSL with itself, in memory */

static EVP_PKEY *key;
static X509 *cert;

static void make_cert(void)
{
	key = EVP_EC_gen("P-256");
	cert = X509_new();
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
}

static int choose_alpn(SSL *s, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned int inlen, void *arg)
{
	*out = in + 1;
	*outlen = in[0];
	return SSL_TLSEXT_ERR_OK;
}

static size_t move_bytes(SSL *from, SSL *to, uint8_t *first, size_t *nfirst)
{
	char *p;
	long n = BIO_get_mem_data(SSL_get_wbio(from), &p);

	if (n <= 0)
		return 0;
	if (!*nfirst) {
		*nfirst = n < 8192 ? (size_t)n : 8192;
		memcpy(first, p, *nfirst);
	}
	BIO_write(SSL_get_rbio(to), p, (int)n);
	(void)BIO_reset(SSL_get_wbio(from));
	return (size_t)n;
}

struct pair {
	SSL_CTX *ctx[2];
	SSL *client, *server;
	uint8_t first[2][8192];
	size_t n[2];
};

static bool shake(struct pair *p, int version, const char *cipher, const char *client_groups, const char *server_groups)
{
	memset(p, 0, sizeof(*p));
	for (int i = 0; i < 2; i++) {
		p->ctx[i] = SSL_CTX_new(i ? TLS_server_method() : TLS_client_method());
		SSL_CTX_set_security_level(p->ctx[i], 0);
		SSL_CTX_set_min_proto_version(p->ctx[i], i ? version : TLS1_VERSION);
		SSL_CTX_set_max_proto_version(p->ctx[i], i ? version : TLS1_3_VERSION);
	}
	SSL_CTX_use_certificate(p->ctx[1], cert);
	SSL_CTX_use_PrivateKey(p->ctx[1], key);
	SSL_CTX_set_alpn_select_cb(p->ctx[1], choose_alpn, NULL);
	SSL_CTX_set_alpn_protos(p->ctx[0], (const uint8_t *)"\x02h2\x08http/1.1", 12);
	if (client_groups)
		SSL_CTX_set1_groups_list(p->ctx[0], client_groups);
	if (server_groups)
		SSL_CTX_set1_groups_list(p->ctx[1], server_groups);
	if (version == TLS1_3_VERSION)
		SSL_CTX_set_ciphersuites(p->ctx[1], cipher);
	else
		SSL_CTX_set_cipher_list(p->ctx[1], cipher);
	SSL_CTX_set_cipher_list(p->ctx[0], "ALL:eNULL");
	p->client = SSL_new(p->ctx[0]);
	p->server = SSL_new(p->ctx[1]);
	SSL_set_tlsext_host_name(p->client, "api.example.org");
	SSL_set_bio(p->client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_bio(p->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(p->client);
	SSL_set_accept_state(p->server);
	for (int i = 0; i < 8; i++) {
		SSL_do_handshake(p->client);
		move_bytes(p->client, p->server, p->first[0], &p->n[0]);
		SSL_do_handshake(p->server);
		move_bytes(p->server, p->client, p->first[1], &p->n[1]);
	}
	return SSL_is_init_finished(p->client) && SSL_is_init_finished(p->server);
}

static void end_pair(struct pair *p)
{
	SSL_free(p->client);
	SSL_free(p->server);
	SSL_CTX_free(p->ctx[0]);
	SSL_CTX_free(p->ctx[1]);
}

static void check_pair(struct pair *p)
{
	char room[HELLO_NAME_ROOM];

	must(feed_in(p->first[0], p->n[0], 11) == HELLO_DONE);
	ok_str(h.server_name, "api.example.org");
	ok_str(h.alpn, "h2,http/1.1");
	ok_int(h.version, 0x0304);
	ok_int(h.nversions, 4);
	must(feed_in(p->first[1], p->n[1], 11) == HELLO_DONE);
	ok_str(hello_version(h.version), SSL_get_version(p->client));
	ok_str(hello_cipher(h.cipher, room), SSL_get_cipher_name(p->client));
	ok_str(h.alpn, SSL_version(p->client) == TLS1_3_VERSION ? "" : "h2");
}

static void openssl_agrees(void)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION };
	struct pair p;
	SSL_CTX *all = SSL_CTX_new(TLS_method());
	STACK_OF(SSL_CIPHER) * list;
	unsigned met[4] = { 0 };

	make_cert();
	SSL_CTX_set_security_level(all, 0);
	SSL_CTX_set_cipher_list(all, "ECDSA:aNULL");
	list = SSL_CTX_get_ciphers(all);
	for (unsigned v = 0; v < 4; v++)
		for (int i = 0; i < sk_SSL_CIPHER_num(list); i++) {
			const char *name = SSL_CIPHER_get_name(sk_SSL_CIPHER_value(list, i));

			if ((versions[v] == TLS1_3_VERSION) != !strncmp(name, "TLS_", 4) || (v < 2 && i % 4))
				continue;
			if (shake(&p, versions[v], name, NULL, NULL)) {
				check_pair(&p);
				met[v]++;
			}
			end_pair(&p);
		}
	ok(met[0] >= 1 && met[1] >= 1 && met[2] >= 10 && met[3] >= 3);
	must(shake(&p, TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "X25519:P-384", "P-384"));
	must(feed_in(p.first[1], p.n[1], 11) == HELLO_DONE);
	ok(h.retry);
	ok_int(h.cipher, 0x1302);
	ok_str(hello_version(h.version), "TLSv1.3");
	end_pair(&p);
	SSL_CTX_free(all);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void names(void)
{
	SSL_CTX *all = SSL_CTX_new(TLS_method());
	char room[HELLO_NAME_ROOM];
	STACK_OF(SSL_CIPHER) * list;

	SSL_CTX_set_security_level(all, 0);
	SSL_CTX_set_cipher_list(all, "ALL:COMPLEMENTOFALL");
	list = SSL_CTX_get_ciphers(all);
	ok(sk_SSL_CIPHER_num(list) > 100);
	for (int i = 0; i < sk_SSL_CIPHER_num(list); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(list, i);

		ok_str(hello_cipher((uint16_t)SSL_CIPHER_get_protocol_id(c), room), SSL_CIPHER_get_name(c));
	}
	ok_str(hello_cipher(0xfefe, room), "0xFEFE");
	ok_str(hello_version(0x0303), "TLSv1.2");
	ok(!hello_version(0x7f1c));
	SSL_CTX_free(all);
}

static const struct tap_case cases[] = { CASE(rfc8448), CASE(split_in_any_way), CASE(cut), CASE(spoiled), CASE(openssl_agrees), CASE(names) };
TAP_MAIN(cases)
