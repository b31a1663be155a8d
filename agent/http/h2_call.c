// SPDX-License-Identifier: Apache-2.0
/* Streams of HTTP/2: what a header block is, and which call it belongs to. */
#include "agent/http/internal.h"

struct call *h2_call(struct http_conn *c, uint32_t stream)
{
	struct call *call;

	HASH_FIND(hh, c->streams, &stream, sizeof(stream), call);
	return call;
}

/* Requests come with ever higher numbers. Was one on this stream missed, so that a response to it is news? */
static bool missed(const struct http_conn *c, uint32_t stream)
{
	if (stream % 2 == 0)
		return true;	/* a push whose promise was not seen */
	return !c->highest || stream < c->first || stream > c->highest || (stream > c->gap_from && stream < c->gap_to);
}

/*
 * May its request still come? Two threads: what one read may be told before what the other wrote. Or it is among the bytes of which
 * nobody knows yet where frames begin.
 */
static bool may_come(const struct http_conn *c, uint32_t stream)
{
	const struct lane *asking = &c->lanes[c->role == HTTP_CLIENT ? HTTP_SENT : HTTP_RECEIVED];

	if (stream % 2 == 0 || stream <= c->highest)
		return false;
	return asking->h2.state == H2_SCAN || (!c->request_lost && (c->highest || !asking->h2.late));
}

/* Its request will not come any more. */
static void waits_no_more(struct http_conn *c, struct call *call)
{
	call->waits = false;
	call->request.ended = true;
	call_headed(c, call);
	call_check(c, call);
}

/* The lane has come to a known place. */
void h2_found(struct http_conn *c, const struct lane *l)
{
	struct call *call, *next;

	for (call = c->open; call && c->role && lane_asks(c, l); call = next) {
		next = call->next;
		if (call->waits && !may_come(c, call->stream))
			waits_no_more(c, call);
	}
}

static void request_seen(struct http_conn *c, uint32_t stream)
{
	struct call *call, *next;

	if (stream <= c->highest)
		return;
	if (!c->highest)
		c->first = stream;
	if (c->request_lost) {
		c->gap_from = c->highest;
		c->gap_to = stream;
		c->request_lost = false;
	}
	c->highest = stream;
	for (call = c->open; call; call = next) {
		next = call->next;
		if (call->waits && call->stream < stream)
			waits_no_more(c, call);
	}
}

/* What was read as a response's head, without its status, may have been a 1xx. */
void h2_doubt_head(struct http_conn *c, struct message *m)
{
	uint32_t flags = m->head.flags;

	if (!m->head.done || m->head.status || m->sure || (m->is_told && m->told.status))
		return;
	head_reset(&c->memory, &m->head);
	m->head.version = HTTP_2;
	m->head.flags = flags;
}

void h2_message_end(struct http_conn *c, struct lane *l, struct call *call)
{
	struct message *m = lane_asks(c, l) ? &call->request : &call->response;

	m->ended = true;
	m->end = l->when;
	if (!m->head.done) {
		m->head.flags |= HTTP_TRUNCATED;
		message_skip(m, UINT64_MAX);
	}
	if (m == &call->response && call->waits && !may_come(c, call->stream))
		waits_no_more(c, call);
	else
		call_check(c, call);
}

/* ---- heads */

static void begin(struct http_conn *c, struct lane *l, struct message *m)
{
	m->begun = true;
	m->start = l->h2.block.when;
	head_move(&c->memory, &m->head, &l->h2.block.head);
	m->head.done = true;
	m->is_told = l->h2.block.is_told;
	head_move(&c->memory, &m->told, &l->h2.block.told);
}

static void take_host(struct head *h)
{
	for (unsigned i = 0; !h->authority.p && i < h->nfields; i++)
		if (h->fields[i].name.n == 4 && !memcmp(h->fields[i].name.p, "host", 4))
			h->authority = h->fields[i].value;
}

static void request_head(struct http_conn *c, struct lane *l, struct call *call)
{
	struct head *h = &call->request.head;

	begin(c, l, &call->request);
	take_host(h);
	take_host(&call->request.told);
	call->connect = h->method.n == 7 && !memcmp(h->method.p, "CONNECT", 7);
	call_headed(c, call);
}

static void trailers(struct http_conn *c, struct lane *l, struct message *m)
{
	head_move(&c->memory, &m->trailers, &l->h2.block.head);
}

/* The request of a new call, or of one whose response was told first. */
static struct call *asked(struct http_conn *c, struct lane *l)
{
	uint32_t stream = l->h2.block.stream;
	struct call *call = h2_call(c, stream);
	struct head *h = &l->h2.block.head;

	if (call && !call->waits) {
		if (call->flags & HTTP_NO_REQUEST)
			return NULL;	/* of one that began before we came */
		trailers(c, l, &call->request);
		return call;
	}
	/* trailers of a request that we did not see: only that one was there could be said, where nothing could be read */
	if (!h->pseudo && (!(h->flags & HTTP_TRUNCATED) || h->nfields))
		return NULL;
	if (!call && (stream % 2 == 0 || stream <= c->highest))
		return NULL;	/* it was given before it ended */
	request_seen(c, stream);
	if (!call)
		call = call_new(c, stream);
	if (!call)
		return NULL;
	call->waits = false;
	call->flags &= ~(uint32_t)HTTP_NO_REQUEST;
	request_head(c, l, call);
	return call;
}

/* A response without its request, or NULL: it is of a call that was given already, or it is no head. */
static struct call *answered_first(struct http_conn *c, const struct lane *l)
{
	const struct head *h = &l->h2.block.head;
	bool unread = !h->pseudo && !l->h2.block.ends && h->flags & HTTP_UNKNOWN_NAMES;
	uint32_t stream = l->h2.block.stream;
	struct call *call;

	if (!missed(c, stream) || (!h->status && !unread))
		return NULL;
	call = call_new(c, stream);
	if (!call)
		return NULL;
	call->flags |= HTTP_NO_REQUEST | (stream % 2 ? 0 : HTTP_PUSHED);
	call->waits = may_come(c, stream);
	call->request.ended = !call->waits;
	return call;
}

/* A block without readable status that ends the stream: trailers, or a head without body. Where that cannot be told, neither. */
static void ending(struct http_conn *c, struct lane *l, struct message *m)
{
	uint32_t unread = l->h2.block.head.flags & (HTTP_TRUNCATED | HTTP_UNKNOWN_NAMES);

	if (!unread || m->head.status || m->sure) {
		m->sure = true;
		trailers(c, l, m);
	} else {
		m->head.flags |= unread;
		message_skip(m, UINT64_MAX);
	}
}

static struct call *answered(struct http_conn *c, struct lane *l)
{
	struct call *call = h2_call(c, l->h2.block.stream);
	unsigned status = l->h2.block.head.status ?: l->h2.block.told.status;

	if (!call)
		call = answered_first(c, l);
	if (!call)
		return NULL;
	if (status / 100 == 1) {
		call->informational++;
		return call;
	}
	if (!status && l->h2.block.ends) {
		ending(c, l, &call->response);
		return call;
	}
	if (call->response.head.done) {	/* with a status that we could not read: it was a 1xx */
		call->informational++;
		call->answered = false;
	}
	begin(c, l, &call->response);
	if (!call->waits && call->flags & HTTP_NO_REQUEST)
		call_headed(c, call);
	call_answered(c, call);
	return call;
}

static void promised(struct http_conn *c, struct lane *l)
{
	uint32_t stream = l->h2.block.promised;
	struct call *call;

	if (!stream || stream % 2 || h2_call(c, stream))
		return;
	call = call_new(c, stream);
	if (!call)
		return;
	call->flags |= HTTP_PUSHED;
	call->request.ended = true;
	call->request.end = l->when;
	request_head(c, l, call);
}

/* Joined late: who asks? Requests have a method or scheme that every encoder takes from the static table, responses a status. */
static bool role_known(struct http_conn *c, const struct lane *l)
{
	const struct head *h = &l->h2.block.head;
	bool asks = h->method.p || h->scheme.p || h->target.p || h->authority.p, answers = h->status || l->h2.block.promised;

	if (!c->role && asks != answers)
		c->role = (l->dir == HTTP_SENT) == (asks && !l->h2.block.promised) ? HTTP_CLIENT : HTTP_SERVER;
	return c->role;
}

void h2_block_end(struct http_conn *c, struct lane *l)
{
	struct call *call = NULL;

	l->h2.block.open = false;
	zbuf_reset(&l->h2.block.rest);
	h2_told_ask(c, l);
	if (l->h2.block.stream && role_known(c, l)) {
		if (l->h2.block.promised)
			promised(c, l);
		else
			call = lane_asks(c, l) ? asked(c, l) : answered(c, l);
	}
	head_reset(&c->memory, &l->h2.block.head);
	h2_told_reset(c, l);
	if (!call)
		return;
	if (!lane_asks(c, l) && call->connect && call->response.head.status / 100 == 2) {
		call->flags |= HTTP_UPGRADED;	/* from here on it is another protocol's */
		call->request.ended = true;
		h2_message_end(c, l, call);
	} else if (l->h2.block.ends) {
		h2_message_end(c, l, call);
	}
}

/* Who has answered may say so that the rest of the request is not needed: that is no error (RFC 9113, 8.1). */
void h2_reset(struct http_conn *c, const struct lane *l, uint32_t stream, uint32_t code)
{
	struct call *call = h2_call(c, stream);

	if (!call)
		return;
	if (code || !call->response.ended || lane_asks(c, l))
		call->flags |= HTTP_RESET;
	call->reset_code = code;
	call_give(c, call);
}

/* Any stream may have had a part, or its end, in what is missing. */
void h2_frames_lost(struct http_conn *c, struct lane *l)
{
	struct call *call, *next;

	if (!c->role)
		return;
	if (lane_asks(c, l))
		c->request_lost = true;
	for (call = c->open; call; call = next) {
		struct message *m = lane_asks(c, l) ? &call->request : &call->response;

		next = call->next;
		if (m->ended || (call->flags & HTTP_PUSHED && m == &call->request))
			continue;
		message_skip(m, UINT64_MAX);
		if (m != &call->request)
			continue;
		if (call->waits)
			continue;
		m->ended = true;
		call_check(c, call);
	}
}
