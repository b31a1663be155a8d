/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc.h - unary gRPC over HTTP/2 and TLS 1.3, the server's side, for peers that may be hostile.
 *
 * Who may talk: holders of a certificate of our CA that binds a host (proto/pki.h); everything else ends in the
 * handshake. What a peer may cost us is bounded by struct grpc_limits; a peer over a bound is told why (gRPC
 * status, or GOAWAY with text) and counted.
 *
 * One loop, one thread: every function is for the thread that calls grpc_poll(), handlers run in it, and while one blocks
 * nobody is served. A handler ends its call with grpc_reply() or grpc_fail(), at once or later; until then the call is valid
 * even if its connection is gone, and other threads may ask about it (grpc_peer(), grpc_arrived(), grpc_connection()).
 * Requests of one connection are handed over in the order in which their last byte arrived.
 */
#ifndef HOSTTRAIL_STORE_GRPC_H
#define HOSTTRAIL_STORE_GRPC_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "proto/pki.h"

enum grpc_status {
	GRPC_OK = 0,
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
};

/* 0 anywhere: the default beside it. */
struct grpc_limits {
	uint32_t message_bytes;		/* SHIP_REQUEST_MAX */
	uint32_t header_bytes;		/* of one request, as HTTP/2 counts them: 16 KiB */
	uint32_t streams;		/* open at once on one connection: 64 */
	uint32_t connections;		/* 512 */
	uint64_t connection_bytes;	/* unfinished requests of one connection: 16 MiB */
	uint64_t total_bytes;		/* unfinished requests of all: 256 MiB */
	uint32_t handshake_ms;		/* 10 s */
	uint32_t slow_ms;		/* 30 s: an unfinished request must bring slow_bytes in each such span, */
	uint32_t slow_bytes;		/* 8 KiB; and a reply must get rid of some */
	uint32_t idle_ms;		/* no byte and no call: 10 min */
	uint32_t control_frames;	/* a second on one connection (pings, settings, ...): 1000 */
};

struct grpc_config {
	const char *listen;		/* "address:port", port 0: any */
	const char *ca, *cert, *key;	/* PEM files */
	struct grpc_limits limits;
	/* May be NULL: after each handshake, the peer's certificate, DER. */
	void (*on_peer)(void *ctx, const struct pki_binding *peer, const void *der, size_t n);
	void *on_peer_ctx;
};

/* Counted since the start; written by the loop's thread, read by any with __atomic_load_n. */
struct grpc_counters {
	uint64_t accepted;		/* connections */
	uint64_t open;			/* now */
	uint64_t refused;		/* over `connections` */
	uint64_t handshake_failed;	/* no or wrong certificate, protocol, timeout */
	uint64_t timed_out;
	uint64_t abusive;		/* header floods, resets, control floods, protocol errors */
	uint64_t calls;
	uint64_t failed;		/* with another status than OK */
	uint64_t bytes_in;
	uint64_t buffered;		/* of unfinished requests now */
};

struct grpc_server;
struct grpc_call;

/* message: valid until the handler returns, unless it takes it (grpc_take()). */
typedef void (*grpc_handler_fn)(void *ctx, struct grpc_call *call, const uint8_t *message, size_t n);

struct grpc_method {
	const char *path;		/* "/package.Service/Method" */
	grpc_handler_fn handler;
};

/* methods must outlive the server. why (at least 256 bytes) says what is wrong with a file or the address. */
int grpc_new(const struct grpc_config *config, const struct grpc_method *methods, size_t nmethods, void *ctx,
	     struct grpc_server **ret_s, char why[256]);
void grpc_free(struct grpc_server **s);
uint16_t grpc_port(const struct grpc_server *s);
const struct grpc_counters *grpc_counters(const struct grpc_server *s);
/* Another descriptor that the loop waits for; fn is called while it is readable. */
int grpc_watch(struct grpc_server *s, int fd, void (*fn)(void *ctx), void *ctx);
/* Waits and works once. 0 or -errno (then the loop cannot go on). */
int grpc_poll(struct grpc_server *s, int timeout_ms);

/* Who calls; valid as long as the call. */
const struct pki_binding *grpc_peer(const struct grpc_call *call);
/* Our wall clock, ns, when the request's first header was read. */
int64_t grpc_arrived(const struct grpc_call *call);
/* A number for the call's connection; no other one ever has it. */
uint64_t grpc_connection(const struct grpc_call *call);
/* In a handler: the message's memory is the caller's from here on; the message stays where it is until grpc_give(). */
void grpc_take(struct grpc_call *call, struct buf *ret_memory);
/* Gives it back for the next message, which costs less than new memory; by any thread, instead of buf_free(). */
void grpc_give(struct grpc_server *s, struct buf *memory);
/* End the call; it must not be used afterwards. message is copied. */
void grpc_reply(struct grpc_call *call, const void *message, size_t n);
void grpc_fail(struct grpc_call *call, enum grpc_status status, const char *message);
/* Takes no further request on the call's connection: those whose bodies are under way are answered
 * UNAVAILABLE, and the peer is told to go away once all are answered. So a sender whose request k was put off
 * cannot have k + 1 taken before it has seen that. */
void grpc_fence(struct grpc_call *call);

#endif
