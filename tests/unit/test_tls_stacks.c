/* SPDX-License-Identifier: Apache-2.0 */
/* The table of TLS functions: sound by itself, and as the installed headers declare the functions. */
#include <stdbool.h>
#include <string.h>

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include "agent/tls/stacks.h"
#include "tests/tap.h"

static const struct tls_func *row(const char *stack, const char *symbol)
{
	for (unsigned i = 1; i < tls_nfuncs; i++)
		if (!strcmp(tls_funcs[i].stack, stack) && !strcmp(tls_funcs[i].symbol, symbol))
			return &tls_funcs[i];
	return NULL;
}

static void first_row_is_nothing(void)
{
	ok(!tls_funcs[0].stack && !tls_funcs[0].symbol);
	ok_int(tls_funcs[0].k.op, HT_TLS_NONE);
	ok(tls_nfuncs > 60 && tls_nfuncs <= HT_TLS_FUNCS_MAX);
}

static void rows_are_sound(void)
{
	for (unsigned i = 1; i < tls_nfuncs; i++) {
		const struct tls_func *f = &tls_funcs[i];
		const struct ht_tls_func *k = &f->k;
		bool data = k->op == HT_TLS_READ || k->op == HT_TLS_WRITE, by_pointer = k->ok == HT_TLS_OK_ONE || k->ok == HT_TLS_OK_RUSTLS;
		bool in_memory = k->ok == HT_TLS_OK_RESULT_AT;	/* then the first argument is where */

		printf("# row %u: %s %s\n", i, f->stack, f->symbol);
		must(f->stack[0] && f->symbol[0] && strlen(f->stack) < 32);
		ok(k->op > HT_TLS_NONE && k->op <= HT_TLS_H2_STREAM);
		ok((k->op >= HT_TLS_H2_REQUEST || !strcmp(f->stack, "nghttp2")) == !!(k->flags & HT_TLS_F_SESSION));
		ok(k->obj == 1 + in_memory && k->buf <= 6 && k->len <= 6 && k->done <= 6);
		ok(!k->buf || k->buf > k->obj);
		ok(!data || !k->buf == !k->len);
		ok(!data || !by_pointer || k->done > k->len);
		ok(!in_memory || k->done == 1);
		ok(!(k->flags & HT_TLS_F_PEEK) || k->op == HT_TLS_READ);
		ok((k->op == HT_TLS_FREE || k->op == HT_TLS_SET_FD || k->op >= HT_TLS_H2_RESPONSE || (k->op == HT_TLS_HANDSHAKE && k->abi)) == (k->ok == HT_TLS_OK_ALWAYS));
	}
}

static void rows_are_told_apart(void)
{
	for (unsigned i = 1; i < tls_nfuncs; i++)
		for (unsigned n = i + 1; n < tls_nfuncs; n++)
			ok(strcmp(tls_funcs[i].stack, tls_funcs[n].stack) || strcmp(tls_funcs[i].symbol, tls_funcs[n].symbol) ||
			   tls_funcs[i].k.abi != tls_funcs[n].k.abi);
}

/* A declaration in a header, and what it says of where things lie. */

static void check(const char *stack, const char *symbol, bool declared, uint8_t op, uint8_t result, int buf, int len, int done)
{
	const struct tls_func *f = row(stack, symbol);

	printf("# %s\n", symbol);
	ok(declared);
	must(f);
	ok_int(f->k.op, op);
	ok_int(f->k.ok, result);
	ok_int(f->k.buf, buf);
	ok_int(f->k.len, len);
	ok_int(f->k.done, done);
}
#define HAS(stack, f, prototype, ...) check(stack, #f, __builtin_types_compatible_p(__typeof__(f), prototype), __VA_ARGS__)

typedef int counts(SSL *, void *, int), counts_const(SSL *, const void *, int);
typedef int points(SSL *, void *, size_t, size_t *), points_const(SSL *, const void *, size_t, size_t *);
typedef int of_object(SSL *), with_fd(SSL *, int);
typedef ossl_ssize_t sends_file(SSL *, int, off_t, size_t, int);

static void openssl_is_as_declared(void)
{
	HAS("openssl", SSL_read, counts, HT_TLS_READ, HT_TLS_OK_COUNT, 2, 3, 0);
	HAS("openssl", SSL_peek, counts, HT_TLS_READ, HT_TLS_OK_COUNT, 2, 3, 0);
	HAS("openssl", SSL_write, counts_const, HT_TLS_WRITE, HT_TLS_OK_COUNT, 2, 3, 0);
	HAS("openssl", SSL_read_ex, points, HT_TLS_READ, HT_TLS_OK_ONE, 2, 3, 4);
	HAS("openssl", SSL_peek_ex, points, HT_TLS_READ, HT_TLS_OK_ONE, 2, 3, 4);
	HAS("openssl", SSL_read_early_data, points, HT_TLS_READ, HT_TLS_OK_ONE, 2, 3, 4);
	HAS("openssl", SSL_write_ex, points_const, HT_TLS_WRITE, HT_TLS_OK_ONE, 2, 3, 4);
	HAS("openssl", SSL_write_early_data, points_const, HT_TLS_WRITE, HT_TLS_OK_ONE, 2, 3, 4);
	HAS("openssl", SSL_sendfile, sends_file, HT_TLS_SENDFILE, HT_TLS_OK_COUNT, 0, 4, 0);
	HAS("openssl", SSL_do_handshake, of_object, HT_TLS_HANDSHAKE, HT_TLS_OK_ONE, 0, 0, 0);
	HAS("openssl", SSL_connect, of_object, HT_TLS_HANDSHAKE, HT_TLS_OK_ONE, 0, 0, 0);
	HAS("openssl", SSL_accept, of_object, HT_TLS_HANDSHAKE, HT_TLS_OK_ONE, 0, 0, 0);
	HAS("openssl", SSL_set_fd, with_fd, HT_TLS_SET_FD, HT_TLS_OK_ALWAYS, 2, 0, 0);
	HAS("openssl", SSL_set_rfd, with_fd, HT_TLS_SET_FD, HT_TLS_OK_ALWAYS, 2, 0, 0);
	HAS("openssl", SSL_set_wfd, with_fd, HT_TLS_SET_FD, HT_TLS_OK_ALWAYS, 2, 0, 0);
	ok(row("openssl", "SSL_peek")->k.flags & HT_TLS_F_PEEK && row("openssl", "SSL_peek_ex")->k.flags & HT_TLS_F_PEEK);
	ok(row("openssl", "SSL_sendfile")->k.flags & HT_TLS_F_LONG && sizeof(ossl_ssize_t) == 8);
	ok(!(row("openssl", "SSL_read")->k.flags & HT_TLS_F_LONG));
}

typedef int32_t submits_request(nghttp2_session *, const nghttp2_priority_spec *, const nghttp2_nv *, size_t, const nghttp2_data_provider *, void *);
typedef int32_t submits_headers(nghttp2_session *, uint8_t, int32_t, const nghttp2_priority_spec *, const nghttp2_nv *, size_t, void *);
typedef int submits_response(nghttp2_session *, int32_t, const nghttp2_nv *, size_t, const nghttp2_data_provider *);

static void nghttp2_is_as_declared(void)
{
	HAS("nghttp2", nghttp2_submit_request, submits_request, HT_TLS_H2_REQUEST, HT_TLS_OK_COUNT, 3, 4, 0);
	HAS("nghttp2", nghttp2_submit_headers, submits_headers, HT_TLS_H2_REQUEST, HT_TLS_OK_COUNT, 5, 6, 3);
	HAS("nghttp2", nghttp2_submit_response, submits_response, HT_TLS_H2_RESPONSE, HT_TLS_OK_ALWAYS, 3, 4, 2);
}

static void go_has_both_conventions(void)
{
	unsigned regs = 0, stack = 0;

	for (unsigned i = 1; i < tls_nfuncs; i++) {
		const struct ht_tls_func *k = &tls_funcs[i].k;

		if (strncmp(tls_funcs[i].symbol, "crypto/tls.", 11))
			continue;
		regs += k->abi == HT_TLS_ABI_GO_REGS;
		stack += k->abi == HT_TLS_ABI_GO_STACK;
		if (k->abi == HT_TLS_ABI_GO_STACK && k->ok != HT_TLS_OK_ALWAYS)
			ok_int(k->done, 1 + 3 + 1); /* receiver, then pointer, length and capacity of the slice: results follow */
	}
	ok_int(regs, 5);
	ok_int(stack, 5);
}

static const struct tap_case cases[] = {
	CASE(first_row_is_nothing), CASE(rows_are_sound), CASE(rows_are_told_apart), CASE(openssl_is_as_declared),
	CASE(nghttp2_is_as_declared), CASE(go_has_both_conventions),
};
TAP_MAIN(cases)
