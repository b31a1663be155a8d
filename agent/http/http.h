/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - HTTP calls out of the two byte streams of a connection: HTTP/1.0, 1.1 and 2.
 *
 * An http_conn is fed what one side wrote and what it read, in each direction in stream order, in pieces of any size, with the
 * bytes that were not captured said as such. It finds out by itself which protocol is spoken, which side is the client, whether it
 * joined late, and gives each call (a request and its response) once, when both have ended or the connection has.
 *
 * It never invents: what it could not read is absent and flagged. All input is hostile.
 *
 * Ownership: everything in what a sink is given is valid during that call only, and is overwritten with zeros before its memory is
 * used again or freed. Threads: one connection belongs to one thread; connections share nothing.
 * Errors: -ENOMEM, after which the connection may only be freed. Malformed input is never an error: see http_conn_state().
 */
#ifndef HOSTTRAIL_HTTP_H
#define HOSTTRAIL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/record.h" /* struct str */

#define HTTP_FIELDS_MAX 256		/* of one head; further ones are dropped, and HTTP_TRUNCATED says so */
#define HTTP_HEAD_MAX (64 * 1024)	/* bytes of one head that are kept */
#define HTTP_BODY_MAX (1024 * 1024)	/* bytes of one body that a sink may ask for */
#define HTTP_CALLS_MAX 1024		/* open at once on one connection: pipelined, or streams of HTTP/2 */

enum http_dir { HTTP_SENT = 0, HTTP_RECEIVED = 1 };	/* by the process whose connection it is */
enum http_role { HTTP_ROLE_UNKNOWN = 0, HTTP_CLIENT, HTTP_SERVER };
enum http_version { HTTP_VERSION_UNKNOWN = 0, HTTP_1_0, HTTP_1_1, HTTP_2 };
enum http_state {
	HTTP_DETECTING = 0,	/* not enough seen yet */
	HTTP_PARSING,
	HTTP_TUNNEL,		/* CONNECT, or 101: bytes are counted, nothing else */
	HTTP_FOREIGN,		/* not HTTP: nothing more of it is wanted */
	HTTP_BROKEN,		/* HTTP, but what follows cannot be understood any more */
};

enum http_flag {
	HTTP_TRUNCATED = 1 << 0,	/* bytes of a head were not captured, or did not fit */
	HTTP_UNKNOWN_NAMES = 1 << 1,	/* HTTP/2, joined late: fields whose names or values are in the table from before were left out */
	HTTP_BODY_PARTIAL = 1 << 2,	/* the prefix has a hole, or is shorter than was asked for though the body is longer */
	HTTP_LENGTH_UNKNOWN = 1 << 3,	/* not all of a body's bytes could be counted */
	HTTP_NO_RESPONSE = 1 << 4,	/* the connection (or stream) ended first */
	HTTP_NO_REQUEST = 1 << 5,	/* a response to a request from before we joined */
	HTTP_RESET = 1 << 6,		/* HTTP/2: RST_STREAM; http_call.reset_code */
	HTTP_UPGRADED = 1 << 7,		/* 101 or a CONNECT that succeeded */
	HTTP_PUSHED = 1 << 8,		/* HTTP/2 server push */
};

struct http_field {
	struct str name;	/* lower case */
	struct str value;	/* of HTTP/1 without the white space around it; several of a name stay several */
	bool sensitive;		/* HPACK's never-indexed */
};

struct http_head {
	enum http_version version;
	struct str method, scheme, authority, target;	/* of a request; absent: p is NULL. authority is Host where there is no :authority */
	unsigned status;				/* of a response; 0: none seen, or unreadable */
	const struct http_field *fields;		/* without pseudo-header fields */
	unsigned nfields;
	uint32_t flags;					/* HTTP_TRUNCATED, HTTP_UNKNOWN_NAMES */
};

struct http_body {
	struct str prefix;	/* as much as was asked for; chunks and frames taken off, content codings not */
	uint64_t length;	/* bytes of the whole body, so far as they were seen */
};

struct http_message {
	struct http_head head;
	struct http_body body;
	const struct http_field *trailers;
	unsigned ntrailers;
	uint64_t start, end;	/* boot-time ns of the pieces that held its first and last byte; 0: not seen */
};

struct http_call {
	enum http_role role;	/* of the process whose connection it is */
	uint64_t number;	/* among the connection's calls, from 0 */
	uint32_t stream;	/* HTTP/2 */
	uint32_t flags;
	uint32_t reset_code;
	unsigned informational;	/* how many 1xx came before the response */
	struct http_message request, response;
};

/* What a rule wants of bodies: bytes from their beginning. At most HTTP_BODY_MAX. */
struct http_wants {
	uint32_t request, response;
};

/* A header block of HTTP/2, field by field, as far as it could be read. */
struct http_part {
	struct str name, value;	/* p NULL: not known */
	uint64_t older;		/* the entry from before we joined that it refers to, the same number for the same entry; 0: none. Of what is told: 0 */
	bool sensitive;
};

struct http_block {
	enum http_dir dir;
	uint32_t stream;
	uint64_t when;
	const struct http_part *parts;
	unsigned n;
};

struct http_sink {
	void *ctx;
	/* A request's head is complete (or, with HTTP_NO_REQUEST, a response's without one: request is empty): what of the bodies? */
	void (*head)(void *ctx, const struct http_call *call, struct http_wants *ret_wants);
	/* A response's head is complete: it may change what is wanted of the response's body. NULL: no change */
	void (*answer)(void *ctx, const struct http_call *call, struct http_wants *wants);
	void (*call)(void *ctx, const struct http_call *call);
	/* Joined late: a block that refers to what we never saw. Its parts as its program told them, as many and in this order, valid until
	 * the connection is fed again; used as they are, so they must agree (http_block_agrees()). NULL: nobody knows */
	const struct http_part *(*told)(void *ctx, const struct http_block *b);
	/* What was told of a stream still holds: asked before call(). NULL: it does */
	bool (*holds)(void *ctx, uint32_t stream);
};

struct http_conn;

/* `sink` is copied. */
int http_conn_new(const struct http_sink *sink, struct http_conn **ret_c);
/* Calls that are still open are given, HTTP_NO_RESPONSE, at the time `when`. */
void http_conn_end(struct http_conn *c, uint64_t when);
void http_conn_free(struct http_conn **c);	/* NULL-safe; gives nothing to the sink */

/* Before anything is fed: it is known from its beginning, so a response without a request was told before it (by another thread). */
void http_conn_fresh(struct http_conn *c);
/* The next bytes of a direction. */
int http_conn_feed(struct http_conn *c, enum http_dir dir, uint64_t when, const void *p, size_t n);
/* The next n bytes of a direction were not captured. n of UINT64_MAX: an unknown number of them. */
int http_conn_skip(struct http_conn *c, enum http_dir dir, uint64_t when, uint64_t n);
/* How many of the next bytes of a direction need only be counted: http_conn_skip() of them loses nothing. UINT64_MAX: all the rest. */
uint64_t http_conn_unwanted(const struct http_conn *c, enum http_dir dir);
/* Whether n bytes that are missing there are no loss: as far as is unwanted, or with them what ends a chunk. */
bool http_conn_spares(const struct http_conn *c, enum http_dir dir, uint64_t n);
/* HTTP/2: the next n bytes are frames that were not captured: such as say nothing of calls, and DATA of the last frame's stream, which `data` bytes are. */
int http_conn_frames(struct http_conn *c, enum http_dir dir, uint64_t when, uint64_t n, uint64_t data);
/* Whether more bytes of that DATA are wanted. */
bool http_conn_wants_data(const struct http_conn *c, enum http_dir dir);
/* HTTP/2: of no stream with an odd number up to this is more DATA wanted in that direction, whatever comes. 0: of none, or no body was large so far. */
uint32_t http_conn_unwanted_streams(const struct http_conn *c, enum http_dir dir);

enum http_state http_conn_state(const struct http_conn *c);

/* Everything that could be read of the block is so in `parts` as well, whose names may be in any case. */
bool http_block_agrees(const struct http_block *b, const struct http_part *parts, unsigned n);

#endif
