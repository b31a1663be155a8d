/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_internal.h - what the parts of the gRPC server share: grpc_server.c (listener, loop, time), grpc_conn.c
 * (one connection: TLS and HTTP/2), grpc_call.c (one request), grpc_tls.c (who may connect). */
#ifndef HOSTTRAIL_STORE_GRPC_INTERNAL_H
#define HOSTTRAIL_STORE_GRPC_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <utlist.h>

#include "grpc.h"
#include "lib/buf.h"

#define SPARES 4			/* messages' memory that is kept for the next ones, */
#define SPARE_MIN (64u << 10)		/* if it is of such a size */
#define SPARE_MAX (2u << 20)

#define COUNT(field, n) __atomic_add_fetch(&(field), (uint64_t)(n), __ATOMIC_RELAXED)

struct grpc_conn;

/* What an epoll event points to. */
struct grpc_source {
	void (*fn)(void *ctx, uint32_t events);
	void *ctx;
};

struct grpc_call {
	struct grpc_conn *conn;		/* NULL: the stream or its connection is gone */
	int32_t stream_id;
	const struct grpc_method *method;
	struct pki_binding peer;
	uint64_t connection;
	int64_t arrived;		/* wall clock ns */
	uint32_t header_bytes;
	bool is_post, is_grpc, bad_encoding;
	bool refused;			/* answered before its body was whole; the rest is dropped */
	bool open_body;			/* more of the request may come */
	bool handed;			/* to the handler; it ends the call */
	bool replied;
	struct buf body;		/* prefix and message so far */
	struct buf *taken;		/* while the handler runs: what grpc_take() takes */
	struct buf reply;		/* prefix and message */
	size_t reply_sent;
	struct grpc_call *prev, *next;	/* in conn->calls */
};

struct grpc_conn {
	struct grpc_server *server;
	uint64_t number;
	int fd;
	SSL *ssl;
	nghttp2_session *session;
	struct grpc_source source;
	struct pki_binding peer;
	int64_t cert_end;		/* seconds since the epoch: the certificate is good until then */
	bool ready;			/* handshake done */
	bool busy;			/* inside nghttp2's receiving: nothing may be sent from its callbacks */
	bool fenced, dead;
	const char *doom;		/* set by a callback: why the peer is to be sent away */
	uint64_t closing;		/* since when its leftovers are read and dropped; 0: it lives */
	uint64_t leftovers;
	uint32_t events;		/* what epoll waits for */
	struct buf out;			/* for TLS, not yet taken by it */
	struct grpc_call *filling;	/* whose DATA frame is coming in; NULL: none, or not one to read in place */
	size_t frame_left;		/* of that frame */
	bool in_place;			/* what nghttp2 gets lies where it belongs already, behind filling's body */
	struct grpc_call *calls;
	unsigned ncalls, incomplete;	/* incomplete: headers begun, last byte not here */
	uint64_t buffered;		/* body bytes of incomplete calls */
	uint64_t born, last_byte;	/* boot-time ms */
	uint64_t slow_since, slow_bytes;	/* the present span with incomplete requests; 0: none */
	uint64_t stalled_since;		/* output waits since; 0: none */
	uint64_t control_since, control_frames;
	bool rerun;			/* TLS holds more bytes than this turn took */
	struct grpc_conn *prev, *next;
};

struct grpc_server {
	struct grpc_limits limits;
	void (*on_peer)(void *ctx, const struct pki_binding *peer, const void *der, size_t n);
	void *on_peer_ctx;
	struct grpc_counters counters;
	const struct grpc_method *methods;
	size_t nmethods;
	void *ctx;
	SSL_CTX *tls;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *options;
	int epoll, listener;
	uint16_t port;
	struct grpc_source listen_source;
	struct grpc_source *watches;	/* one at most */
	bool deaf;			/* out of descriptors: listens again at the next tick */
	uint64_t next_tick;
	struct grpc_conn *conns;
	unsigned nconns;
	uint64_t last_number;		/* of a connection */
	pthread_mutex_t spares_lock;
	struct buf spares[SPARES];
};

uint64_t grpc_now(void);		/* boot-time ms */

/* grpc_tls.c */
int grpc_tls_new(const struct grpc_config *config, SSL_CTX **ret_ctx, char why[256]);
/* After the handshake: who it is. 0 or -errno */
int grpc_tls_peer(SSL *ssl, struct pki_binding *ret_peer, int64_t *ret_end);

/* Shows the peer's certificate to who wants it. */
void grpc_tls_show(const struct grpc_server *s, SSL *ssl, const struct pki_binding *peer);

/* grpc_conn.c */
int grpc_conn_new(struct grpc_server *s, int fd);
void grpc_conn_drop(struct grpc_conn *c);	/* closes; the memory goes with grpc_conn_reap() */
void grpc_conn_reap(struct grpc_server *s);
void grpc_conn_run(struct grpc_conn *c, uint32_t events);
void grpc_conn_flush(struct grpc_conn *c);
/* Tells the peer why it is sent away (GOAWAY with text), then reads its leftovers for a moment, so that
 * the text is not lost to a reset. */
void grpc_conn_goodbye(struct grpc_conn *c, uint32_t code, const char *why);

/* grpc_call.c: HTTP/2 session callbacks */
int grpc_call_callbacks(nghttp2_session_callbacks **ret_cb);
void grpc_call_detach(struct grpc_call *call);
/* Where the next bytes of the DATA frame that is coming belong, so that they need not be copied there; NULL: nowhere in particular. */
uint8_t *grpc_call_room(struct grpc_conn *c, size_t *ret_n);

#endif
