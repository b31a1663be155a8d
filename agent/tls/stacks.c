// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>

#include "stacks.h"

/* Shapes that many rows share: op, abi, ok, obj, buf, len, done, flags. */
#define WRITE(ok, buf, len, done, flags) { HT_TLS_WRITE, HT_TLS_ABI_C, ok, 1, buf, len, done, flags }
#define READ(ok, buf, len, done, flags) { HT_TLS_READ, HT_TLS_ABI_C, ok, 1, buf, len, done, flags }
#define SENDFILE(ok, len, flags) { HT_TLS_SENDFILE, HT_TLS_ABI_C, ok, 1, 0, len, 0, flags }
#define HANDSHAKE(ok) { HT_TLS_HANDSHAKE, HT_TLS_ABI_C, ok, 1, 0, 0, 0, 0 }
#define FREE(flags) { HT_TLS_FREE, HT_TLS_ABI_C, HT_TLS_OK_ALWAYS, 1, 0, 0, 0, flags }
#define SET_FD(fd) { HT_TLS_SET_FD, HT_TLS_ABI_C, HT_TLS_OK_ALWAYS, 1, fd, 0, 0, 0 }
#define COUNT HT_TLS_OK_COUNT
#define ONE HT_TLS_OK_ONE
#define ZERO HT_TLS_OK_ZERO
#define LONG HT_TLS_F_LONG
#define PEEK HT_TLS_F_PEEK
#define FOREIGN HT_TLS_F_FOREIGN
#define SESSION HT_TLS_F_SESSION
#define GO(op, ok) { op, HT_TLS_ABI_GO_REGS, ok, 1, 2, 3, 0, LONG }
#define GO_STACK(op, ok) { op, HT_TLS_ABI_GO_STACK, ok, 1, 2, 3, 5, LONG }
#define GO_ENTRY(op, abi, flags) { op, abi, HT_TLS_OK_ALWAYS, 1, 0, 0, 0, flags }

#define GO_FIELD { HT_TLS_H2_FIELD, HT_TLS_ABI_GO_REGS, HT_TLS_OK_ALWAYS, 1, 2, 3, 4, SESSION }

#define NSPR(symbol, ...) { "nspr", symbol, __VA_ARGS__ }

/*
 * In the order in which plans name a file's stack. A name in <> is an internal function that has no symbol in a shipped library:
 * plan_inner.c says from which one it is reached. A name that two stacks have is told apart by marks (plan.c).
 */
const struct tls_func tls_funcs[] = {
	{ NULL, NULL, { 0 } },

	/* Reads and writes of 1.1.1 and 3.x; 3.2 gave the inner write flags before `written`. */
	{ "openssl", "<ssl_read_internal>", READ(ONE, 2, 3, 4, 0) },
	{ "openssl", "<ssl_write_internal>", WRITE(ONE, 2, 3, 4, 0) },
	{ "openssl", "<ssl_write_internal, flags>", WRITE(ONE, 2, 3, 5, 0) },
	{ "openssl", "<ssl_peek_internal>", READ(ONE, 2, 3, 4, PEEK) },
	{ "openssl", "SSL_read", READ(COUNT, 2, 3, 0, 0) },
	{ "openssl", "SSL_read_ex", READ(ONE, 2, 3, 4, 0) },
	{ "openssl", "SSL_write", WRITE(COUNT, 2, 3, 0, 0) },
	{ "openssl", "SSL_write_ex", WRITE(ONE, 2, 3, 4, 0) },
	{ "openssl", "SSL_write_ex2", WRITE(ONE, 2, 3, 5, 0) },
	{ "openssl", "SSL_peek", READ(COUNT, 2, 3, 0, PEEK) },
	{ "openssl", "SSL_peek_ex", READ(ONE, 2, 3, 4, PEEK) },
	{ "openssl", "SSL_read_early_data", READ(ONE, 2, 3, 4, 0) }, /* 2: the end of it, with nothing read */
	{ "openssl", "SSL_write_early_data", WRITE(ONE, 2, 3, 4, 0) },
	{ "openssl", "SSL_sendfile", SENDFILE(COUNT, 4, LONG) },
	{ "openssl", "SSL_do_handshake", HANDSHAKE(ONE) },
	{ "openssl", "SSL_connect", HANDSHAKE(ONE) },
	{ "openssl", "SSL_accept", HANDSHAKE(ONE) },
	{ "openssl", "SSL_free", FREE(0) },
	{ "openssl", "SSL_set_fd", SET_FD(2) },
	{ "openssl", "SSL_set_rfd", SET_FD(2) },
	{ "openssl", "SSL_set_wfd", SET_FD(2) },

	/* Its SSL_read is SSL_peek and a step forward, so peeks are not asked for. The _ex pair is AWS-LC's. */
	{ "boringssl", "SSL_read", READ(COUNT, 2, 3, 0, 0) },
	{ "boringssl", "SSL_read_ex", READ(ONE, 2, 3, 4, 0) },
	{ "boringssl", "SSL_write", WRITE(COUNT, 2, 3, 0, 0) },
	{ "boringssl", "SSL_write_ex", WRITE(ONE, 2, 3, 4, 0) },
	{ "boringssl", "SSL_do_handshake", HANDSHAKE(ONE) },
	{ "boringssl", "SSL_connect", HANDSHAKE(ONE) },
	{ "boringssl", "SSL_accept", HANDSHAKE(ONE) },
	{ "boringssl", "SSL_free", FREE(0) },
	{ "boringssl", "SSL_set_fd", SET_FD(2) },
	{ "boringssl", "SSL_set_rfd", SET_FD(2) },
	{ "boringssl", "SSL_set_wfd", SET_FD(2) },

	{ "gnutls", "gnutls_record_send", WRITE(COUNT, 2, 3, 0, LONG) },
	{ "gnutls", "gnutls_record_send2", WRITE(COUNT, 2, 3, 0, LONG) },
	{ "gnutls", "gnutls_record_send_range", WRITE(COUNT, 2, 3, 0, LONG) },
	{ "gnutls", "gnutls_record_send_early_data", WRITE(ZERO, 2, 3, 0, LONG) },
	{ "gnutls", "gnutls_record_send_file", SENDFILE(COUNT, 4, LONG) },
	{ "gnutls", "gnutls_record_uncork", { HT_TLS_UNCORK, HT_TLS_ABI_C, COUNT, 1, 0, 0, 0, 0 } },
	{ "gnutls", "gnutls_record_recv", READ(COUNT, 2, 3, 0, LONG) },
	{ "gnutls", "gnutls_record_recv_seq", READ(COUNT, 2, 3, 0, LONG) },
	{ "gnutls", "gnutls_record_recv_packet", READ(COUNT, 0, 0, 0, LONG) },
	{ "gnutls", "gnutls_record_recv_early_data", READ(COUNT, 2, 3, 0, LONG) },
	{ "gnutls", "gnutls_handshake", HANDSHAKE(ZERO) },
	{ "gnutls", "gnutls_deinit", FREE(0) },
	{ "gnutls", "gnutls_transport_set_int2", SET_FD(2) },

	{ "nss", "SSL_ForceHandshake", HANDSHAKE(ZERO) },
	NSPR("PR_Write", WRITE(COUNT, 2, 3, 0, FOREIGN)),
	NSPR("PR_Read", READ(COUNT, 2, 3, 0, FOREIGN)),
	NSPR("PR_Send", WRITE(COUNT, 2, 3, 0, FOREIGN)),
	NSPR("PR_Recv", READ(COUNT, 2, 3, 0, FOREIGN)),
	NSPR("PR_Close", FREE(FOREIGN)),

	{ "wolfssl", "wolfSSL_write", WRITE(COUNT, 2, 3, 0, 0) },
	{ "wolfssl", "wolfSSL_write_ex", WRITE(ONE, 2, 3, 4, 0) },
	{ "wolfssl", "wolfSSL_send", WRITE(COUNT, 2, 3, 0, 0) },
	{ "wolfssl", "wolfSSL_write_early_data", WRITE(COUNT, 2, 3, 0, 0) },
	{ "wolfssl", "wolfSSL_read", READ(COUNT, 2, 3, 0, 0) },
	{ "wolfssl", "wolfSSL_read_ex", READ(ONE, 2, 3, 4, 0) },
	{ "wolfssl", "wolfSSL_recv", READ(COUNT, 2, 3, 0, 0) },
	{ "wolfssl", "wolfSSL_read_early_data", READ(COUNT, 2, 3, 0, 0) },
	{ "wolfssl", "wolfSSL_peek", READ(COUNT, 2, 3, 0, PEEK) },
	{ "wolfssl", "wolfSSL_connect", HANDSHAKE(ONE) },
	{ "wolfssl", "wolfSSL_accept", HANDSHAKE(ONE) },
	{ "wolfssl", "wolfSSL_free", FREE(0) },
	{ "wolfssl", "wolfSSL_set_fd", SET_FD(2) },

	{ "mbedtls", "mbedtls_ssl_write", WRITE(COUNT, 2, 3, 0, 0) },
	{ "mbedtls", "mbedtls_ssl_write_early_data", WRITE(COUNT, 2, 3, 0, 0) },
	{ "mbedtls", "mbedtls_ssl_read", READ(COUNT, 2, 3, 0, 0) },
	{ "mbedtls", "mbedtls_ssl_read_early_data", READ(COUNT, 2, 3, 0, 0) },
	{ "mbedtls", "mbedtls_ssl_handshake", HANDSHAKE(ZERO) },
	{ "mbedtls", "mbedtls_ssl_session_reset", FREE(0) },
	{ "mbedtls", "mbedtls_ssl_free", FREE(0) },

	{ "s2n", "s2n_send", WRITE(COUNT, 2, 3, 0, LONG) },
	{ "s2n", "s2n_recv", READ(COUNT, 2, 3, 0, LONG) },
	{ "s2n", "s2n_negotiate", HANDSHAKE(ZERO) },
	{ "s2n", "s2n_connection_wipe", FREE(0) },
	{ "s2n", "s2n_connection_free", FREE(0) },
	{ "s2n", "s2n_connection_set_fd", SET_FD(2) },
	{ "s2n", "s2n_connection_set_read_fd", SET_FD(2) },
	{ "s2n", "s2n_connection_set_write_fd", SET_FD(2) },

	{ "rustls-ffi", "rustls_connection_write", WRITE(HT_TLS_OK_RUSTLS, 2, 3, 4, 0) },
	{ "rustls-ffi", "rustls_connection_read", READ(HT_TLS_OK_RUSTLS, 2, 3, 4, 0) },
	{ "rustls-ffi", "rustls_connection_free", FREE(0) },

	/* Mangled in the symbol table: plan_names.c knows them by their parts. Compilers before 1.79 return Result<usize, io::Error> in memory,
	 * whose address is the first argument. */
	{ "rustls", "rustls::Writer::write", WRITE(HT_TLS_OK_RESULT2, 2, 3, 0, LONG | HT_TLS_F_OBJ_REF) },
	{ "rustls", "rustls::Writer::write, 1.78", { HT_TLS_WRITE, HT_TLS_ABI_C, HT_TLS_OK_RESULT_AT, 2, 3, 4, 1, LONG | HT_TLS_F_OBJ_REF } },
	{ "rustls", "rustls::Writer::write_vectored", WRITE(HT_TLS_OK_RESULT2, 2, 3, 0, LONG | HT_TLS_F_OBJ_REF | HT_TLS_F_VECTOR) },
	{ "rustls", "rustls::Writer::write_vectored, 1.78",
	  { HT_TLS_WRITE, HT_TLS_ABI_C, HT_TLS_OK_RESULT_AT, 2, 3, 4, 1, LONG | HT_TLS_F_OBJ_REF | HT_TLS_F_VECTOR } },
	{ "rustls", "rustls::Reader::read", READ(HT_TLS_OK_RESULT2, 2, 3, 0, LONG | HT_TLS_F_OBJ_REF) },
	{ "rustls", "rustls::Reader::read, 1.78", { HT_TLS_READ, HT_TLS_ABI_C, HT_TLS_OK_RESULT_AT, 2, 3, 4, 1, LONG | HT_TLS_F_OBJ_REF } },

	/* Go 1.17 and later, before it, and the fork whose Conn looks like a browser's. A closed Conn is used no more. */
	{ "go", "crypto/tls.(*Conn).Write", GO(HT_TLS_WRITE, HT_TLS_OK_GO) },
	{ "go", "crypto/tls.(*Conn).Read", GO(HT_TLS_READ, HT_TLS_OK_GO) },
	{ "go", "crypto/tls.(*Conn).Close", GO_ENTRY(HT_TLS_FREE, HT_TLS_ABI_GO_REGS, 0) },
	{ "go", "crypto/tls.(*Conn).clientHandshake", GO_ENTRY(HT_TLS_HANDSHAKE, HT_TLS_ABI_GO_REGS, 0) },
	{ "go", "crypto/tls.(*Conn).serverHandshake", GO_ENTRY(HT_TLS_HANDSHAKE, HT_TLS_ABI_GO_REGS, 0) },
	{ "go", "crypto/tls.(*Conn).Write", GO_STACK(HT_TLS_WRITE, HT_TLS_OK_GO) },
	{ "go", "crypto/tls.(*Conn).Read", GO_STACK(HT_TLS_READ, HT_TLS_OK_GO) },
	{ "go", "crypto/tls.(*Conn).Close", GO_ENTRY(HT_TLS_FREE, HT_TLS_ABI_GO_STACK, 0) },
	{ "go", "crypto/tls.(*Conn).clientHandshake", GO_ENTRY(HT_TLS_HANDSHAKE, HT_TLS_ABI_GO_STACK, 0) },
	{ "go", "crypto/tls.(*Conn).serverHandshake", GO_ENTRY(HT_TLS_HANDSHAKE, HT_TLS_ABI_GO_STACK, 0) },
	{ "go", "github.com/refraction-networking/utls.(*UConn).Write", GO(HT_TLS_WRITE, HT_TLS_OK_GO) },
	{ "go", "github.com/refraction-networking/utls.(*Conn).Write", GO(HT_TLS_WRITE, HT_TLS_OK_GO) },
	{ "go", "github.com/refraction-networking/utls.(*Conn).Read", GO(HT_TLS_READ, HT_TLS_OK_GO) },
	{ "go", "github.com/refraction-networking/utls.(*Conn).Close", GO_ENTRY(HT_TLS_FREE, HT_TLS_ABI_GO_REGS, 0) },

	/* What Go's HTTP/2 encodes, field by field, and then the stream that it is for: its own copy, and the module's. */
	{ "go", "vendor/golang.org/x/net/http2/hpack.(*Encoder).WriteField", GO_FIELD },
	{ "go", "golang.org/x/net/http2/hpack.(*Encoder).WriteField", GO_FIELD },
	{ "go", "net/http.(*http2Framer).WriteHeaders", GO_ENTRY(HT_TLS_H2_STREAM, HT_TLS_ABI_GO_REGS, SESSION) },
	{ "go", "golang.org/x/net/http2.(*Framer).WriteHeaders", GO_ENTRY(HT_TLS_H2_STREAM, HT_TLS_ABI_GO_REGS, SESSION) },

	{ "nghttp2", "nghttp2_submit_request", { HT_TLS_H2_REQUEST, HT_TLS_ABI_C, COUNT, 1, 3, 4, 0, SESSION } },
	{ "nghttp2", "nghttp2_submit_request2", { HT_TLS_H2_REQUEST, HT_TLS_ABI_C, COUNT, 1, 3, 4, 0, SESSION } },
	{ "nghttp2", "nghttp2_submit_headers", { HT_TLS_H2_REQUEST, HT_TLS_ABI_C, COUNT, 1, 5, 6, 3, SESSION } },
	{ "nghttp2", "nghttp2_submit_response", { HT_TLS_H2_RESPONSE, HT_TLS_ABI_C, HT_TLS_OK_ALWAYS, 1, 3, 4, 2, SESSION } },
	{ "nghttp2", "nghttp2_submit_response2", { HT_TLS_H2_RESPONSE, HT_TLS_ABI_C, HT_TLS_OK_ALWAYS, 1, 3, 4, 2, SESSION } },
	{ "nghttp2", "nghttp2_session_del", FREE(SESSION) },
};

const unsigned tls_nfuncs = sizeof(tls_funcs) / sizeof(tls_funcs[0]);
_Static_assert(sizeof(tls_funcs) / sizeof(tls_funcs[0]) <= HT_TLS_FUNCS_MAX, "tls_funcs");
