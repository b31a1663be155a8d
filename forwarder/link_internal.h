/* SPDX-License-Identifier: Apache-2.0 */
/* link_internal.h - between a link's connection (link.c) and the calls on it (link_calls.c). */
#ifndef HOSTTRAIL_FORWARDER_LINK_INTERNAL_H
#define HOSTTRAIL_FORWARDER_LINK_INTERNAL_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include "link.h"

enum link_state { LINK_CONNECTING, LINK_HANDSHAKE, LINK_UP, LINK_DOWN };

struct call {
	void *request;
	int32_t stream_id;
	struct buf body;		/* prefix and message */
	size_t sent;
	struct buf reply;
	unsigned header_bytes;
	int http_status, grpc_status;	/* -1: not here yet */
	char message[160];		/* grpc-message */
	struct call *prev, *next;
};

struct link {
	struct loop *loop;
	struct link_events events;
	void *ctx;
	enum link_state state;
	int fd;
	struct loop_source source;
	uint32_t waits;			/* for which events */
	SSL *ssl;
	BIO *gather;			/* the SSL's: its records on their way to the socket, several to a system call */
	nghttp2_session *session;
	struct buf out;
	size_t written;			/* of out: TLS takes a record at a time, and moving the rest each time is dear */
	const uint8_t *piece;		/* of a body, behind out: written from where it lies */
	size_t piece_left;
	struct call *calls;
	unsigned ncalls;
	struct call *sending;		/* whose body is under way */
	struct buf spare;		/* the last body's memory: they go one after the other */
	bool busy;			/* inside nghttp2: no sending from its callbacks */
	bool goaway;			/* the store takes nothing more */
	bool told_idle;
	char why[256];			/* set by a callback: goes down when it returns */
	uint64_t born, last_byte, ping_at;	/* ping_at: 0, no ping is out */
};

/* From a callback of nghttp2: remembers the first reason; the link goes down when nghttp2 returns. What nghttp2 is to be given. */
int link_fault(struct link *l, const char *why);

/* ---- link_calls.c */

int link_session_start(struct link *l);		/* 0 or -ENOMEM */
void link_calls_free(struct link *l);		/* behind the session's end */

#endif
