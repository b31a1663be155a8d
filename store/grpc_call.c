/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

#define PREFIX 5			/* compressed flag, length */
#define HEADER_OVERHEAD 32		/* RFC 9113, 6.5.2 */
#define BELIEVED 64			/* times what is there of a message, that much is reserved for it */
#define IN_PLACE_MIN 256		/* less is copied */
#define CONTROL_BURST 4			/* seconds' worth of control frames that may come at once */
#define NV(n, v) { (uint8_t *)(n), (uint8_t *)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE }

/* ---- life */

static void body_account(struct grpc_call *call, int64_t n)
{
	call->conn->buffered += (uint64_t)n;
	COUNT(call->conn->server->counters.buffered, n);
}

static void body_drop(struct grpc_call *call)
{
	if (call->conn)
		body_account(call, -(int64_t)call->body.n);
	buf_free(&call->body);
}

static void call_free(struct grpc_call *call)
{
	buf_free(&call->body);
	buf_free(&call->reply);
	free(call);
}

/* The request's last byte is here, or none will come any more. */
static void call_complete(struct grpc_call *call)
{
	struct grpc_conn *c = call->conn;

	if (!call->open_body)
		return;
	call->open_body = false;
	if (--c->incomplete == 0)
		c->slow_since = 0;
}

void grpc_call_detach(struct grpc_call *call)
{
	struct grpc_conn *c = call->conn;

	call_complete(call);
	body_drop(call);
	if (c->filling == call)
		c->filling = NULL;
	DL_DELETE(c->calls, call);
	c->ncalls--;
	call->conn = NULL;
	if (!call->handed || call->replied)
		call_free(call);
}

static struct grpc_call *call_of(nghttp2_session *session, int32_t stream_id)
{
	return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int doom(struct grpc_conn *c, const char *why)
{
	c->doom = why;
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- answering */

static ssize_t read_reply(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t n, uint32_t *flags,
			  nghttp2_data_source *source, void *ctx)
{
	static const nghttp2_nv trailers[] = { NV("grpc-status", "0") };
	struct grpc_call *call = source->ptr;
	size_t left = call->reply.n - call->reply_sent;

	if (n > left)
		n = left;
	memcpy(to, call->reply.p + call->reply_sent, n);
	call->reply_sent += n;
	if (call->reply_sent == call->reply.n) {
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (nghttp2_submit_trailer(session, stream_id, trailers, ARRAY_SIZE(trailers)))
			return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return (ssize_t)n;
}

/* Status in the response's only header block: what gRPC calls Trailers-Only. */
static void answer_status(struct grpc_call *call, enum grpc_status status, const char *message)
{
	char number[12], text[256];
	nghttp2_nv headers[] = {
		NV(":status", "200"),	  NV("content-type", "application/grpc"), NV("grpc-accept-encoding", "identity"),
		NV("grpc-status", ""), NV("grpc-message", ""),
	};
	size_t at = 0;

	snprintf(number, sizeof(number), "%d", (int)status);
	/* grpc-message is percent-encoded; ours are plain ASCII, except perhaps a '%' */
	for (const char *m = message; *m && at + 4 < sizeof(text); m++) {
		if (*m >= ' ' && *m <= '~' && *m != '%')
			text[at++] = *m;
		else
			at += (size_t)snprintf(text + at, 4, "%%%02X", (unsigned char)*m);
	}
	text[at] = '\0';
	headers[3].value = (uint8_t *)number;
	headers[3].valuelen = strlen(number);
	headers[4].value = (uint8_t *)text;
	headers[4].valuelen = at;
	nghttp2_submit_response(call->conn->session, call->stream_id, headers, ARRAY_SIZE(headers), NULL);
}

/* A request that is not gRPC gets an HTTP status. */
static void answer_http(struct grpc_call *call, const char *status)
{
	const nghttp2_nv headers[] = { NV(":status", status) };

	nghttp2_submit_response(call->conn->session, call->stream_id, headers, ARRAY_SIZE(headers), NULL);
}

static void call_end(struct grpc_call *call)
{
	call->replied = true;
	if (call->conn)
		grpc_conn_flush(call->conn);
	else
		call_free(call);
}

void grpc_fail(struct grpc_call *call, enum grpc_status status, const char *message)
{
	if (call->conn) {
		COUNT(call->conn->server->counters.failed, 1);
		answer_status(call, status, message);
	}
	call_end(call);
}

void grpc_reply(struct grpc_call *call, const void *message, size_t n)
{
	static const nghttp2_nv headers[] = {
		NV(":status", "200"),
		NV("content-type", "application/grpc"),
		NV("grpc-accept-encoding", "identity"),
	};
	nghttp2_data_provider provider = { .source.ptr = call, .read_callback = read_reply };
	const uint8_t prefix[PREFIX] = { 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };

	if (call->conn) {
		buf_add(&call->reply, prefix, sizeof(prefix));
		buf_add(&call->reply, message, n);
		if (call->reply.failed) {
			grpc_fail(call, GRPC_RESOURCE_EXHAUSTED, "out of memory");
			return;
		}
		nghttp2_submit_response(call->conn->session, call->stream_id, headers, ARRAY_SIZE(headers), &provider);
	}
	call_end(call);
}

const struct pki_binding *grpc_peer(const struct grpc_call *call)
{
	return &call->peer;
}

uint64_t grpc_connection(const struct grpc_call *call)
{
	return call->connection;
}

void grpc_take(struct grpc_call *call, struct buf *ret_memory)
{
	*ret_memory = *call->taken;
	*call->taken = (struct buf){ 0 };
}

int64_t grpc_arrived(const struct grpc_call *call)
{
	return call->arrived;
}

void grpc_fence(struct grpc_call *call)
{
	struct grpc_conn *c = call->conn;
	static const char why[] = "a request was put off: connect anew";

	if (!c || c->fenced)
		return;
	c->fenced = true;
	nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(c->session),
			      NGHTTP2_NO_ERROR, (const uint8_t *)why, sizeof(why) - 1);
}

/* Answers before the body is whole; what still comes of it is dropped. */
static void refuse(struct grpc_call *call, enum grpc_status status, const char *message)
{
	call->refused = true;
	call->replied = true;
	body_drop(call);
	COUNT(call->conn->server->counters.failed, 1);
	answer_status(call, status, message);
}

/* ---- the request */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct grpc_conn *c = ctx;
	struct grpc_call *call;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	call = calloc(1, sizeof(*call));
	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	call->conn = c;
	call->stream_id = frame->hd.stream_id;
	call->peer = c->peer;
	call->connection = c->number;
	call->arrived = clock_wall();
	call->body.max = c->server->limits.message_bytes + PREFIX;
	call->open_body = true;
	if (c->incomplete++ == 0) {
		c->slow_since = grpc_now();
		c->slow_bytes = 0;
	}
	DL_APPEND(c->calls, call);
	c->ncalls++;
	nghttp2_session_set_stream_user_data(session, call->stream_id, call);
	return 0;
}

static bool is(const uint8_t *p, size_t n, const char *text)
{
	return n == strlen(text) && !memcmp(p, text, n);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t nlen,
		     const uint8_t *value, size_t vlen, uint8_t flags, void *ctx)
{
	struct grpc_conn *c = ctx;
	struct grpc_call *call = call_of(session, frame->hd.stream_id);

	if (!call)
		return 0;
	call->header_bytes += (uint32_t)(nlen + vlen + HEADER_OVERHEAD);
	if (call->header_bytes > c->server->limits.header_bytes)
		return doom(c, "header list over the limit");
	if (is(name, nlen, ":method")) {
		call->is_post = is(value, vlen, "POST");
	} else if (is(name, nlen, "content-type")) {
		call->is_grpc = vlen >= 16 && !strncasecmp((const char *)value, "application/grpc", 16) &&
				(vlen == 16 || value[16] == '+' || value[16] == ';');
	} else if (is(name, nlen, "grpc-encoding")) {
		call->bad_encoding = !is(value, vlen, "identity");
	} else if (is(name, nlen, ":path")) {
		for (size_t i = 0; i < c->server->nmethods; i++)
			if (is(value, vlen, c->server->methods[i].path))
				call->method = &c->server->methods[i];
	}
	return 0;
}

static void headers_done(struct grpc_call *call)
{
	COUNT(call->conn->server->counters.calls, 1);
	if (!call->is_post || !call->is_grpc) {
		call->refused = true;
		call->replied = true;
		COUNT(call->conn->server->counters.failed, 1);
		answer_http(call, call->is_post ? "415" : "405");
	} else if (!call->method) {
		refuse(call, GRPC_UNIMPLEMENTED, "unknown method");
	} else if (call->bad_encoding) {
		refuse(call, GRPC_UNIMPLEMENTED, "grpc-encoding: only identity");
	}
}

static uint32_t declared(const struct grpc_call *call)
{
	const uint8_t *p = call->body.p;

	return (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
}

static void check_body(struct grpc_call *call)
{
	const struct grpc_limits *l = &call->conn->server->limits;

	if (call->body.n < PREFIX)
		return;
	if (call->body.p[0])
		refuse(call, GRPC_INTERNAL, "compressed message without a grpc-encoding");
	else if (declared(call) > l->message_bytes)
		refuse(call, GRPC_RESOURCE_EXHAUSTED, "message over the limit");
	else if (call->body.n > declared(call) + (size_t)PREFIX)
		refuse(call, GRPC_UNIMPLEMENTED, "more than one message in a unary call");
}

void grpc_give(struct grpc_server *s, struct buf *memory)
{
	bool fits = memory->cap >= SPARE_MIN && memory->cap <= SPARE_MAX;

	pthread_mutex_lock(&s->spares_lock);
	for (unsigned i = 0; fits && i < SPARES; i++)
		if (!s->spares[i].p) {
			s->spares[i] = *memory;
			*memory = (struct buf){ 0 };
			break;
		}
	pthread_mutex_unlock(&s->spares_lock);
	buf_free(memory);
}

/* Moves what is there of a message into memory that was used before, if there is any. */
static void body_move(struct grpc_server *s, struct buf *body)
{
	struct buf spare = { 0 };

	pthread_mutex_lock(&s->spares_lock);
	for (unsigned i = 0; i < SPARES && !spare.p; i++) {
		spare = s->spares[i];
		s->spares[i] = (struct buf){ 0 };
	}
	pthread_mutex_unlock(&s->spares_lock);
	buf_reset(&spare);
	spare.max = body->max;
	if (spare.p && !buf_add(&spare, body->p, body->n)) {
		buf_free(body);
		*body = spare;
		return;
	}
	buf_free(&spare);
}

/* Room for the message, once the peer has sent enough of it to be believed. */
static int body_reserve(struct grpc_call *call)
{
	struct buf *b = &call->body;
	size_t all = b->n < PREFIX ? 0 : declared(call) + (size_t)PREFIX;

	if (all <= b->cap || all > b->max || all / BELIEVED > b->n)
		return 0;
	if (all >= SPARE_MIN)
		body_move(call->conn->server, b);
	return buf_reserve(b, all - b->n);
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *ctx)
{
	struct grpc_conn *c = ctx;
	bool plain = hd->type == NGHTTP2_DATA && !(hd->flags & NGHTTP2_FLAG_PADDED);

	c->filling = plain ? call_of(session, hd->stream_id) : NULL;
	c->frame_left = hd->length;
	return 0;
}

uint8_t *grpc_call_room(struct grpc_conn *c, size_t *ret_n)
{
	struct grpc_call *call = c->filling;
	size_t room;

	if (!call || call->refused || c->frame_left < IN_PLACE_MIN || body_reserve(call) < 0)
		return NULL;
	room = call->body.cap - call->body.n;
	if (room < IN_PLACE_MIN)
		return NULL;
	*ret_n = room < c->frame_left ? room : c->frame_left;
	return call->body.p + call->body.n;
}

static int body_add(struct grpc_call *call, const uint8_t *p, size_t n)
{
	if (call->conn->in_place && call == call->conn->filling) {
		if (n > call->body.max - call->body.n)
			return -E2BIG;		/* and nothing of it was taken, as buf_add() has it */
		call->body.n += n;
		return 0;
	}
	return body_reserve(call) < 0 ? -ENOMEM : buf_add(&call->body, p, n);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *p, size_t n, void *ctx)
{
	struct grpc_conn *c = ctx;
	struct grpc_call *call = call_of(session, stream_id);
	const struct grpc_limits *l = &c->server->limits;

	c->frame_left -= n;
	if (!call || call->refused)
		return 0;
	if (c->buffered + n > l->connection_bytes || c->server->counters.buffered + n > l->total_bytes) {
		/* Others' requests of this sender may build on this one. */
		grpc_fence(call);
		refuse(call, GRPC_RESOURCE_EXHAUSTED, "too many unfinished requests");
		return 0;
	}
	if (body_add(call, p, n) < 0) {
		grpc_fence(call);
		refuse(call, GRPC_RESOURCE_EXHAUSTED, "message over the limit, or out of memory");
		return 0;
	}
	body_account(call, (int64_t)n);
	check_body(call);
	return 0;
}

static void body_done(struct grpc_call *call)
{
	struct grpc_conn *c = call->conn;
	struct buf message;

	call_complete(call);
	if (call->refused)
		return;
	if (call->body.n < PREFIX || call->body.n != declared(call) + (size_t)PREFIX) {
		refuse(call, GRPC_INTERNAL, "message is cut short");
		return;
	}
	if (c->fenced) {
		refuse(call, GRPC_UNAVAILABLE, "an earlier request was put off: connect anew");
		return;
	}
	body_account(call, -(int64_t)call->body.n);
	message = call->body;
	call->body = (struct buf){ 0 };
	call->taken = &message;
	call->handed = true;
	call->method->handler(c->server->ctx, call, message.p + PREFIX, message.n - PREFIX);
	buf_free(&message);
}

/* Frames that carry nothing cost us, not the peer; they are rationed. */
static int count_control(struct grpc_conn *c)
{
	uint64_t now = grpc_now(), limit = (uint64_t)c->server->limits.control_frames * CONTROL_BURST;

	if (now - c->control_since > CONTROL_BURST * 1000) {
		c->control_since = now;
		c->control_frames = 0;
	}
	return ++c->control_frames > limit ? doom(c, "too many control frames") : 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct grpc_call *call = frame->hd.stream_id ? call_of(session, frame->hd.stream_id) : NULL;
	bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		if (call && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
			headers_done(call);
		break;
	case NGHTTP2_DATA:
		if (!frame->hd.length && !last)
			return count_control(ctx);
		break;
	default:
		return count_control(ctx);
	}
	if (last && call)
		body_done(call);
	return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct grpc_call *call;

	if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	call = call_of(session, frame->hd.stream_id);
	/* Answered before the request was whole: ask the peer to stop sending it. */
	if (call && call->refused && call->open_body)
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *ctx)
{
	struct grpc_call *call = call_of(session, stream_id);

	if (call)
		grpc_call_detach(call);
	return 0;
}

int grpc_call_callbacks(nghttp2_session_callbacks **ret_cb)
{
	nghttp2_session_callbacks *cb;

	if (nghttp2_session_callbacks_new(&cb))
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	*ret_cb = cb;
	return 0;
}
