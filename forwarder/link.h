/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - one connection to a store: TCP, TLS 1.3 with our certificate, HTTP/2, unary gRPC calls.
 *
 * Calls may be many in flight, but their bodies go out one after the other: link_idle() says when the next may be
 * started. So the store sees them in the order in which they were made.
 *
 * A link lives once: link_open(), then on_ready or on_down; after on_down nothing follows but link_free(). It goes down
 * on any fault, also on a call that ends with another status than OK, and when the store says goodbye and
 * the calls in flight are answered. What was not answered is the caller's to send again.
 *
 * Bounds: the memory of two bodies, replies of LINK_REPLY_MAX bytes. Threads: one. Callbacks may call link_call(), never link_free().
 */
#ifndef HOSTTRAIL_FORWARDER_LINK_H
#define HOSTTRAIL_FORWARDER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <openssl/types.h>

#include "lib/buf.h"
#include "loop.h"

#define LINK_REPLY_MAX (4u << 20)
#define LINK_CONNECT_MS 10000
#define LINK_PING_MS 15000		/* silence after which the store is asked whether it lives, */
#define LINK_PONG_MS 15000		/* and how long it may take to say so */

struct link;

struct link_events {
	void (*on_ready)(void *ctx);
	void (*on_idle)(void *ctx);	/* a body is wholly sent: the next call may be made */
	void (*on_reply)(void *ctx, void *request, const uint8_t *message, size_t n);
	void (*on_down)(void *ctx, const char *why);	/* why is valid until the callback returns */
};

struct link_target {
	struct sockaddr_storage address;
	socklen_t address_len;
	const char *name;		/* host name or address that the store's certificate must have */
};

/* Client context: our certificate, the CA, TLS 1.3, h2. why (at least 256 bytes) says which file is wrong. */
int link_tls_new(const char *ca, const char *cert, const char *key, SSL_CTX **ret_ctx, char why[256]);

/* Begins to connect. */
int link_open(struct loop *loop, SSL_CTX *tls, const struct link_target *target, const struct link_events *events, void *ctx,
	      struct link **ret_l);
void link_free(struct link **l);
bool link_ready(const struct link *l);	/* connected, not going down */
bool link_idle(const struct link *l);	/* ready, and no body is under way */
/* Begins a body, which is empty: room for what gRPC puts before the message. */
int link_body(struct link *l, struct buf *body);
/* Makes a call; takes body's bytes (what link_body() began, and the message behind it) and leaves body empty. Only when link_idle().
 * request comes back in on_reply. */
int link_call(struct link *l, const char *method, struct buf *body, void *request);
/* Sends what waits; for after a series of calls. */
void link_flush(struct link *l);
/* Looks at the time; call it at least once a second. */
void link_tick(struct link *l, uint64_t now);
/* Ends it from our side: on_down follows at once. */
void link_shut(struct link *l, const char *why);

#endif
