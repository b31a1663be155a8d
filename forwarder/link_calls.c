/* SPDX-License-Identifier: Apache-2.0 */
/* link_calls.c - gRPC calls as streams of HTTP/2: their bodies go out where they lie, their replies come in whole. */
#include "link_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <utlist.h>

#include "lib/cleanup.h"

#define PREFIX 5			/* what gRPC puts before a message */
#define FRAME_HEADER 9			/* HTTP/2's */
#define DATA_CHUNK (64 * 1024)		/* of a body in one HTTP/2 frame, where the store allows it */
#define CALL_HEADER_BYTES (64 * 1024)
#define NV(n, v) { (uint8_t *)(n), (uint8_t *)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE }

static void call_free(struct call *c)
{
	buf_free(&c->body);
	buf_free(&c->reply);
	free(c);
}

/* No more of the body goes into frames. Its memory is used again, once a piece of it that is announced already is written. */
static void body_done(struct link *l, struct call *c)
{
	buf_free(&l->spare);
	l->spare = c->body;
	c->body = (struct buf){ 0 };
	l->sending = NULL;
	l->told_idle = false;
}

static void call_remove(struct link *l, struct call *c)
{
	DL_DELETE(l->calls, c);
	l->ncalls--;
	if (l->sending == c)
		body_done(l, c);
	call_free(c);
}

/* How much of the body goes into the next frame; send_body() takes it from where it lies. */
static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t n, uint32_t *flags,
			 nghttp2_data_source *source, void *ctx)
{
	const struct call *c = source->ptr;
	size_t left = c->body.n - c->sent;

	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n < left)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)left;
}

static int send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t n, nghttp2_data_source *source,
		     void *ctx)
{
	struct call *c = source->ptr;
	struct link *l = ctx;

	if (buf_add(&l->out, header, FRAME_HEADER) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	l->piece = c->body.p + c->sent;
	l->piece_left = n;
	c->sent += n;
	return NGHTTP2_ERR_PAUSE;
}

static ssize_t body_chunk(nghttp2_session *session, uint8_t type, int32_t stream_id, int32_t session_window, int32_t stream_window,
			  uint32_t max_frame, void *ctx)
{
	return max_frame < DATA_CHUNK ? max_frame : DATA_CHUNK;
}

int link_body(struct link *l, struct buf *body)
{
	static const uint8_t prefix[PREFIX];

	*body = l->spare;
	l->spare = (struct buf){ 0 };
	buf_reset(body);
	return buf_add(body, prefix, sizeof(prefix));
}

int link_call(struct link *l, const char *method, struct buf *body, void *request)
{
	const nghttp2_nv headers[] = {
		NV(":method", "POST"),
		NV(":scheme", "https"),
		NV(":path", method),
		NV(":authority", "hosttrail-store"),
		NV("te", "trailers"),
		NV("content-type", "application/grpc"),
		NV("user-agent", "hosttrail-forward/" HOSTTRAIL_VERSION),
	};
	size_t n = body->n - PREFIX;
	const uint8_t prefix[PREFIX] = { 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
	nghttp2_data_provider provider = { .read_callback = read_body };
	struct call *c;

	if (!link_idle(l))
		return -EBUSY;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	memcpy(body->p, prefix, PREFIX);
	c->request = request;
	c->http_status = c->grpc_status = -1;
	c->reply.max = LINK_REPLY_MAX + PREFIX;
	provider.source.ptr = c;
	c->stream_id = nghttp2_submit_request(l->session, NULL, headers, ARRAY_SIZE(headers), &provider, c);
	if (c->stream_id < 0) {
		free(c);
		return -ENOMEM;
	}
	c->body = *body;
	*body = (struct buf){ 0 };
	DL_APPEND(l->calls, c);
	l->ncalls++;
	l->sending = c;
	return 0;
}

static bool header_is(const uint8_t *p, size_t n, const char *text)
{
	return n == strlen(text) && !memcmp(p, text, n);
}

/* At most four digits: HTTP and gRPC statuses. */
static int small_number(const uint8_t *p, size_t n)
{
	int v = 0;

	if (n == 0 || n > 4)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t nlen,
		     const uint8_t *value, size_t vlen, uint8_t flags, void *ctx)
{
	struct call *c = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	if (!c)
		return 0;
	c->header_bytes += (unsigned)(nlen + vlen + 32);
	if (c->header_bytes > CALL_HEADER_BYTES)
		return link_fault(ctx, "the store's headers are over the limit");
	if (header_is(name, nlen, ":status"))
		c->http_status = small_number(value, vlen);
	else if (header_is(name, nlen, "grpc-status"))
		c->grpc_status = small_number(value, vlen);
	else if (header_is(name, nlen, "grpc-message"))
		snprintf(c->message, sizeof(c->message), "%.*s", (int)(vlen < 128 ? vlen : 128), (const char *)value);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *p, size_t n, void *ctx)
{
	struct call *c = nghttp2_session_get_stream_user_data(session, stream_id);

	if (c && buf_add(&c->reply, p, n) < 0)
		return link_fault(ctx, "the store's reply is over the limit");
	return 0;
}

/* The one message of the reply, or NULL. */
static const uint8_t *reply_message(const struct call *c, size_t *ret_n)
{
	const uint8_t *p = c->reply.p;
	size_t n;

	if (c->reply.n < PREFIX || p[0])
		return NULL;
	n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	if (n != c->reply.n - PREFIX)
		return NULL;
	*ret_n = n;
	return p + PREFIX;
}

static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *ctx)
{
	struct link *l = ctx;
	struct call *c = nghttp2_session_get_stream_user_data(session, stream_id);
	const uint8_t *message;
	char text[256];
	size_t n = 0;

	if (!c || l->state == LINK_DOWN)
		return 0;
	message = reply_message(c, &n);
	if (c->http_status == 200 && c->grpc_status == 0 && message) {
		l->events.on_reply(l->ctx, c->request, message, n);
	} else {
		if (c->grpc_status > 0)
			snprintf(text, sizeof(text), "the store answered status %d: %s", c->grpc_status, c->message);
		else
			snprintf(text, sizeof(text), "the store ended a call without an answer (HTTP status %d, HTTP/2 code %u)",
				 c->http_status, code);
		link_fault(l, text);
	}
	call_remove(l, c);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct link *l = ctx;

	if (frame->hd.type == NGHTTP2_GOAWAY)
		l->goaway = true;
	return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct link *l = ctx;

	if (frame->hd.type != NGHTTP2_DATA || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || !l->sending ||
	    l->sending->stream_id != frame->hd.stream_id)
		return 0;
	body_done(l, l->sending);	/* the reply may take long, and does not need it */
	return 0;
}

/* ---- the session */

int link_session_start(struct link *l)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, CALL_HEADER_BYTES },
	};
	nghttp2_session_callbacks *cb;
	nghttp2_option *option = NULL;
	int r;

	if (nghttp2_session_callbacks_new(&cb) || nghttp2_option_new(&option)) {
		nghttp2_session_callbacks_del(cb);
		return -ENOMEM;
	}
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	nghttp2_session_callbacks_set_send_data_callback(cb, send_body);
	nghttp2_session_callbacks_set_data_source_read_length_callback(cb, body_chunk);
	nghttp2_option_set_no_closed_streams(option, 1);
	r = nghttp2_session_client_new2(&l->session, cb, l, option);
	nghttp2_session_callbacks_del(cb);
	nghttp2_option_del(option);
	if (r || nghttp2_submit_settings(l->session, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings)))
		return -ENOMEM;
	return 0;
}

void link_calls_free(struct link *l)
{
	struct call *c, *next;

	DL_FOREACH_SAFE(l->calls, c, next)
		call_remove(l, c);
}
