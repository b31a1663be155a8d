/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 and gRPC framing, as the server meets them once TLS is taken off: the real callbacks, a handler that echoes. */
#include <stdint.h>
#include <stdlib.h>

#include "store/grpc_internal.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static void echo(void *ctx, struct grpc_call *call, const uint8_t *p, size_t n)
{
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct grpc_conn c = { .server = &server, .busy = true };
	struct grpc_call *call, *next;
	const uint8_t *out;

	if (!server.callbacks && grpc_call_callbacks(&server.callbacks) < 0)
		abort();
	if (nghttp2_session_server_new(&c.session, server.callbacks, &c))
		abort();
	if (nghttp2_session_mem_recv(c.session, (const uint8_t *)PREFACE, sizeof(PREFACE) - 1) >= 0 &&
	    nghttp2_session_mem_recv(c.session, data, size) >= 0)
		while (nghttp2_session_mem_send(c.session, &out) > 0)
			continue;
	DL_FOREACH_SAFE(c.calls, call, next)
		grpc_call_detach(call);
	nghttp2_session_del(c.session);
	if (c.buffered || server.counters.buffered || c.incomplete || c.ncalls)
		abort();
	return 0;
}
