// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <utlist.h>

#include "agent/http/internal.h"

#define KEPT_PREFIX (16u << 10)	/* a body's memory beyond that is not kept for the next message */

/* ---- heads */

void head_reset(struct memory *m, struct head *h)
{
	struct arena text;

	arena_reset(m, &h->text);
	text = h->text;
	*h = (struct head){ .text = text };
}

void head_move(struct memory *m, struct head *to, struct head *from)
{
	struct head h;

	head_reset(m, to);
	h = *to;
	*to = *from;
	*from = h;
}

/* Room for n bytes of the head, or NULL and HTTP_TRUNCATED. */
static char *head_room(struct memory *m, struct head *h, size_t n)
{
	char *p = h->kept + n > HTTP_HEAD_MAX ? NULL : arena_get(m, &h->text, n);

	if (p)
		h->kept += n;
	else
		h->flags |= HTTP_TRUNCATED;
	return p;
}

struct str head_text(struct memory *m, struct head *h, struct str s)
{
	char *p = head_room(m, h, s.n);

	if (!p)
		return (struct str){ 0 };
	memcpy(p, s.p, s.n);
	return str_of(p, s.n);
}

static bool fields_grow(struct memory *m, struct head *h)
{
	unsigned cap = h->cap ? 2 * h->cap : 16;
	struct http_field *f = arena_get(m, &h->text, cap * sizeof(*f));

	if (!f)
		return false;
	if (h->nfields)
		memcpy(f, h->fields, h->nfields * sizeof(*f));
	h->fields = f;
	h->cap = cap;
	return true;
}

void head_field(struct memory *m, struct head *h, struct str name, struct str value, bool sensitive)
{
	char *p = NULL;

	h->dropped = true;
	if (h->nfields < HTTP_FIELDS_MAX && (h->nfields < h->cap || fields_grow(m, h)))
		p = head_room(m, h, name.n + value.n);
	if (!p) {
		h->flags |= HTTP_TRUNCATED;
		return;
	}
	for (size_t i = 0; i < name.n; i++)
		p[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] | 0x20) : name.p[i];
	if (value.n)
		memcpy(p + name.n, value.p, value.n);
	h->fields[h->nfields++] = (struct http_field){ str_of(p, name.n), str_of(p + name.n, value.n), sensitive };
	h->dropped = false;
}

void head_continue(struct memory *m, struct head *h, struct str more)
{
	struct str *value = h->nfields && !h->dropped ? &h->fields[h->nfields - 1].value : NULL;
	char *p = value ? head_room(m, h, value->n + 1 + more.n) : NULL;

	if (!p) {	/* half a value is none */
		h->flags |= HTTP_TRUNCATED;
		if (value)
			h->nfields--;
		h->dropped = true;
		return;
	}
	memcpy(p, value->p, value->n);
	p[value->n] = ' ';
	memcpy(p + value->n + 1, more.p, more.n);
	*value = str_of(p, value->n + 1 + more.n);
}

/* ---- bodies */

/* Bytes that are still wanted. */
static uint64_t message_missing(const struct message *msg)
{
	return msg->hole || msg->want <= msg->prefix.n ? 0 : msg->want - msg->prefix.n;
}

/* Prefixes grow by doubling: what one takes is at most twice what was asked for. */
static bool prefix_add(struct memory *m, struct message *msg, const char *p, size_t n)
{
	size_t before = msg->prefix.cap;
	bool fits = msg->prefix.cap - msg->prefix.n >= n || m->used + 2 * (msg->prefix.n + n) <= HTTP_MEMORY_MAX;

	if (!fits || !zbuf_add(m, &msg->prefix, p, n))
		return false;
	m->used += msg->prefix.cap - before;
	return true;
}

void message_body(struct memory *m, struct message *msg, const char *p, size_t n)
{
	uint64_t missing = message_missing(msg);

	msg->length += n;
	if (missing && !prefix_add(m, msg, p, n < missing ? n : (size_t)missing))
		msg->hole = true;
}

void message_skip(struct message *msg, uint64_t n)
{
	if (message_missing(msg))
		msg->hole = true;
	if (n == UINT64_MAX || msg->length + n < n)
		msg->uncounted = true;
	else
		msg->length += n;
}

uint64_t message_unwanted(const struct message *msg, uint64_t n)
{
	return message_missing(msg) ? 0 : n;
}

static void message_want(struct message *msg, uint32_t want)
{
	msg->want = want < HTTP_BODY_MAX ? want : HTTP_BODY_MAX;
	if ((msg->length > msg->prefix.n || msg->uncounted) && msg->want > msg->prefix.n)
		msg->hole = true;	/* they are gone */
}

static void message_reset(struct memory *m, struct message *msg)
{
	struct message fresh = { 0 };

	head_reset(m, &msg->head);
	head_reset(m, &msg->told);
	head_reset(m, &msg->trailers);
	zbuf_reset(&msg->prefix);
	if (msg->prefix.cap > KEPT_PREFIX) {
		m->used -= msg->prefix.cap;
		zbuf_free(&msg->prefix);
	}
	fresh.head.text = msg->head.text;
	fresh.told.text = msg->told.text;
	fresh.trailers.text = msg->trailers.text;
	fresh.prefix = msg->prefix;
	*msg = fresh;
}

static void message_free(struct memory *m, struct message *msg)
{
	arena_free(m, &msg->head.text);
	arena_free(m, &msg->told.text);
	arena_free(m, &msg->trailers.text);
	m->used -= msg->prefix.cap;
	zbuf_free(&msg->prefix);
}

/* ---- calls */

static struct call *call_get(struct http_conn *c)
{
	struct call *call = c->spare;

	if (call) {
		c->spare = call->next;
		c->nspare--;
		return call;
	}
	call = c->memory.failed ? NULL : calloc(1, sizeof(*call));
	c->memory.failed |= !call;
	return call;
}

struct call *call_new(struct http_conn *c, uint32_t stream)
{
	struct call *call;

	if (c->nopen == HTTP_CALLS_MAX)
		call_give(c, c->open);
	call = call_get(c);
	if (!call)
		return NULL;
	call->stream = stream;
	call->number = c->next_number++;
	DL_APPEND(c->open, call);
	c->nopen++;
	if (stream)
		HASH_ADD(hh, c->streams, stream, sizeof(call->stream), call);
	c->memory.failed |= stream && !call->hh.tbl;
	return c->memory.failed ? NULL : call;
}

static void call_destroy(struct http_conn *c, struct call *call)
{
	message_free(&c->memory, &call->request);
	message_free(&c->memory, &call->response);
	free(call);
}

static void call_free(struct http_conn *c, struct call *call)
{
	struct message request, response;

	DL_DELETE(c->open, call);
	if (call->hh.tbl)
		HASH_DELETE(hh, c->streams, call);
	c->nopen--;
	for (unsigned i = 0; i < 2; i++)
		if (c->lanes[i].call == call)
			c->lanes[i].call = NULL;
	message_reset(&c->memory, &call->request);
	message_reset(&c->memory, &call->response);
	if (c->nspare == SPARE_CALLS) {
		call_destroy(c, call);
		return;
	}
	request = call->request;
	response = call->response;
	*call = (struct call){ .request = request, .response = response, .next = c->spare };
	c->spare = call;
	c->nspare++;
}

void calls_free(struct http_conn *c)
{
	struct call *call;

	while (c->open)
		call_free(c, c->open);
	while ((call = c->spare)) {
		c->spare = call->next;
		call_destroy(c, call);
	}
	c->nspare = 0;
}

/* ---- what the sink sees */

static uint32_t message_show(const struct message *msg, struct http_message *ret)
{
	const struct head *h = msg->is_told ? &msg->told : &msg->head;

	*ret = (struct http_message){
		.head = { h->version, h->method, h->scheme, h->authority, h->target, h->status, h->fields, h->nfields, h->flags },
		.body = { msg->want ? str_of(msg->prefix.p ? msg->prefix.p : "", msg->prefix.n) : (struct str){ 0 }, msg->length },
		.trailers = msg->trailers.fields,
		.ntrailers = msg->trailers.nfields,
		.start = msg->start,
		.end = msg->end,
	};
	return h->flags | msg->trailers.flags | (msg->hole ? HTTP_BODY_PARTIAL : 0) | (msg->uncounted ? HTTP_LENGTH_UNKNOWN : 0);
}

static const struct http_call *call_show(struct http_conn *c, struct call *call)
{
	struct http_call *s = &call->shown;

	*s = (struct http_call){
		.role = c->role,
		.number = call->number,
		.stream = call->stream,
		.reset_code = call->reset_code,
		.informational = call->informational,
	};
	s->flags = call->flags | message_show(&call->request, &s->request) | message_show(&call->response, &s->response);
	return s;
}

void call_headed(struct http_conn *c, struct call *call)
{
	struct http_wants wants = { 0 };

	if (call->headed)
		return;
	call->headed = true;
	c->sink.head(c->sink.ctx, call_show(c, call), &wants);
	message_want(&call->request, wants.request);
	message_want(&call->response, wants.response);
	if (call->response.head.done)
		call_answered(c, call);
}

void call_answered(struct http_conn *c, struct call *call)
{
	struct http_wants wants = { call->request.want, call->response.want };

	if (!call->headed || call->answered)
		return;
	call->answered = true;
	if (!c->sink.answer)
		return;
	c->sink.answer(c->sink.ctx, call_show(c, call), &wants);
	message_want(&call->response, wants.response);
}

void call_give(struct http_conn *c, struct call *call)
{
	call_headed(c, call);
	if (call->stream) {
		h2_told_check(c, call);
		h2_doubt_head(c, &call->response);
	}
	if (!call->response.ended)
		call->flags |= HTTP_NO_RESPONSE;
	else if (!call->request.ended && !call->waits)
		call->request.uncounted = true;
	c->sink.call(c->sink.ctx, call_show(c, call));
	call_free(c, call);
}

void call_check(struct http_conn *c, struct call *call)
{
	if (call->request.ended && call->response.ended)
		call_give(c, call);
}
