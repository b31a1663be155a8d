/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 and gRPC framing, as the server meets them once TLS is taken off: the real callbacks, a handler that echoes. Twice: at once, and in
 * pieces that are read to where they belong; the handler must see the same messages. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/le.h"
#include "proto/frame.h"
#include "store/grpc_internal.h"

#define PIECE 100
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static uint32_t seen;			/* checksum of all messages */
static bool over;			/* the peer has said that it goes, and had nothing open: nghttp2 ignores what comes in further pieces */

static void echo(void *ctx, struct grpc_call *call, const uint8_t *p, size_t n)
{
	uint8_t length[8];

	put64(length, n);
	seen = crc32c(crc32c(seen, length, sizeof(length)), p, n);
	if (n && p[0] == 'f')
		grpc_fail(call, GRPC_UNAVAILABLE, "as \x7f asked: 100%");
	else if (n && p[0] == 'g')
		grpc_fence(call), grpc_reply(call, p, n);
	else
		grpc_reply(call, p, n);
}

static const struct grpc_method methods[] = { { "/s/m", echo } };

static struct grpc_server server = {
	.limits = { .message_bytes = 4096, .header_bytes = 4096, .streams = 8, .connection_bytes = 8192,
		    .total_bytes = 8192, .control_frames = 100 },
	.methods = methods,
	.nmethods = 1,
};

static bool at_once(struct grpc_conn *c, const uint8_t *p, size_t n)
{
	return nghttp2_session_mem_recv(c->session, p, n) >= 0;
}

static bool in_pieces(struct grpc_conn *c, const uint8_t *p, size_t n)
{
	while (n) {
		size_t room = PIECE, k;
		uint8_t *place = grpc_call_room(c, &room);

		k = room < n ? room : n;
		if (place)
			memcpy(place, p, k);
		c->in_place = place;
		if (nghttp2_session_mem_recv(c->session, place ? place : p, k) < 0)
			return false;
		over |= !nghttp2_session_want_read(c->session);
		p += k;
		n -= k;
	}
	return true;
}

static uint32_t talk(bool (*feed)(struct grpc_conn *c, const uint8_t *p, size_t n), const uint8_t *data, size_t size)
{
	struct grpc_conn c = { .server = &server, .busy = true };
	struct grpc_call *call, *next;
	const uint8_t *out;

	seen = 0;
	if (nghttp2_session_server_new(&c.session, server.callbacks, &c))
		abort();
	if (at_once(&c, (const uint8_t *)PREFACE, sizeof(PREFACE) - 1) && feed(&c, data, size))
		while (nghttp2_session_mem_send(c.session, &out) > 0)
			continue;
	DL_FOREACH_SAFE(c.calls, call, next)
		grpc_call_detach(call);
	nghttp2_session_del(c.session);
	if (c.buffered || server.counters.buffered || c.incomplete || c.ncalls)
		abort();
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!server.callbacks && grpc_call_callbacks(&server.callbacks) < 0)
		abort();
	over = false;
	if (talk(at_once, data, size) != talk(in_pieces, data, size) && !over)
		abort();
	return 0;
}
