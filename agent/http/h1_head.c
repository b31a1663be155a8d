// SPDX-License-Identifier: Apache-2.0
/* Fields of HTTP/1, and what they and the start line say of the message's length. */
#include <ctype.h>
#include <strings.h>

#include "agent/http/h1.h"
#include "lib/cleanup.h"

static bool str_is(struct str s, const char *lower)
{
	return s.n == strlen(lower) && !strncasecmp(s.p, lower, s.n);
}

static struct str trimmed(const char *p, size_t n)
{
	while (n && (*p == ' ' || *p == '\t')) {
		p++;
		n--;
	}
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	return str_of(p, n);
}

/* ---- fields that say how long the body is */

static void frame_length(struct framing *f, struct str value)
{
	uint64_t length = 0;

	f->bad |= !value.n;
	for (size_t i = 0; i < value.n; i++) {
		f->bad |= !isdigit((unsigned char)value.p[i]) || length > UINT64_MAX / 100;
		length = 10 * length + (uint64_t)(value.p[i] - '0');
	}
	f->bad |= f->has_length && f->length != length;
	f->has_length = true;
	f->length = length;
}

/* Only the last coding of all such fields decides. */
static void frame_coding(struct framing *f, struct str value)
{
	size_t i = value.n;

	while (i && value.p[i - 1] != ',')
		i--;
	f->coded = true;
	f->chunked = str_is(trimmed(value.p + i, value.n - i), "chunked");
}

static bool says_length(struct str name)
{
	return str_is(name, "content-length") || str_is(name, "transfer-encoding");
}

/* "Content-Length : 3", and without the colon: no field, but some take it for one. */
static bool nearly_says_length(const char *p, size_t n)
{
	const char *colon = memchr(p, ':', n);

	return says_length(trimmed(p, colon ? (size_t)(colon - p) : n));
}

void h1_field_line(struct http_conn *c, struct head *h, struct framing *f, const char *p, size_t n)
{
	const char *colon = memchr(p, ':', n);
	struct str name, value;

	if (*p == ' ' || *p == '\t') {
		if (f && h->nfields && !h->dropped) {	/* nobody folds these in good faith */
			f->doubt |= says_length(h->fields[h->nfields - 1].name);
		}
		head_continue(&c->memory, h, trimmed(p, n));
		return;
	}
	if (!line_is_field(p, n)) {
		if (f)
			f->doubt |= nearly_says_length(p, n);
		h->dropped = true;
		h->flags |= HTTP_TRUNCATED;
		return;
	}
	name = str_of(p, (size_t)(colon - p));
	value = trimmed(colon + 1, n - name.n - 1);
	if (f && str_is(name, "content-length"))
		frame_length(f, value);
	else if (f && str_is(name, "transfer-encoding"))
		frame_coding(f, value);
	head_field(&c->memory, h, name, value, false);
	if (f && !h->dropped && !h->authority.p && str_is(name, "host"))
		h->authority = h->fields[h->nfields - 1].value;
}

/* ---- the end of a head */

static enum h1_state body_state(const struct framing *f, bool response)
{
	if (f->chunked)
		return H1_CHUNK;
	if (f->coded || (!f->has_length && response))
		return H1_CLOSE;
	return f->has_length && f->length ? H1_LENGTH : H1_START;
}

/* What it says of its length cannot be true: everything behind it could be read in two ways. */
static void broken(struct http_conn *c, struct lane *l, struct message *m)
{
	m->uncounted = true;
	c->state = HTTP_BROKEN;
	h1_body_begin(c, l, H1_START);
}

static void request_head_end(struct http_conn *c, struct lane *l)
{
	struct framing *f = &l->framing;
	struct call *call = l->call;

	call_headed(c, call);
	if (f->chunked)
		f->bad = false;
	if (f->bad || f->doubt || (f->coded && !f->chunked))
		broken(c, l, &call->request);
	else
		h1_body_begin(c, l, call->connect ? H1_START : body_state(f, false));
}

/* From here on the bytes are another protocol's. */
static void tunnel(struct http_conn *c, struct lane *l)
{
	struct call *call = l->call;

	call->flags |= HTTP_UPGRADED;
	call->request.ended = true;
	h1_body_begin(c, l, H1_START);
	c->state = HTTP_TUNNEL;
}

/* A CONNECT was refused: its side speaks HTTP again. */
static void refused(struct http_conn *c)
{
	struct lane *l = &c->lanes[c->role == HTTP_CLIENT ? HTTP_SENT : HTTP_RECEIVED];

	if (l->h1 != H1_WAIT)
		return;
	if (l->skipped)
		h1_lose(c, l);
	else
		l->h1 = H1_START;
}

static void informational(struct http_conn *c, struct lane *l)
{
	struct message *m = &l->call->response;

	l->call->informational++;
	head_reset(&c->memory, &m->head);
	m->begun = false;
	m->start = 0;
	l->h1 = H1_START;
}

static void response_head_end(struct http_conn *c, struct lane *l)
{
	struct call *call = l->call;
	struct framing *f = &l->framing;
	unsigned status = call->response.head.status;
	bool alone = call->flags & HTTP_NO_REQUEST, unknown = alone || !call->request.head.method.p;

	call->response.head.done = true;
	if (alone && !call->waits)
		call_headed(c, call);
	call_answered(c, call);
	if (status == 101 || (call->connect && status / 100 == 2)) {
		tunnel(c, l);
		return;
	}
	if (call->connect)
		refused(c);
	if (f->chunked)
		f->bad = false;
	l->after = body_state(f, true);
	if (call->head_method || status == 204 || status == 304) {
		h1_body_begin(c, l, H1_START);
	} else if (f->bad || f->doubt) {
		broken(c, l, &call->response);
	} else if (unknown && l->after != H1_START) {
		l->h1 = H1_MAYBE;
	} else {
		h1_body_begin(c, l, l->after);
	}
}

static void head_end(struct http_conn *c, struct lane *l)
{
	struct message *m = lane_message(c, l);

	if (lane_asks(c, l)) {
		m->head.done = true;
		request_head_end(c, l);
	} else if (m->head.status / 100 == 1 && m->head.status != 101) {
		informational(c, l);
	} else {
		response_head_end(c, l);
	}
}

void h1_head_line(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	if (n)
		h1_field_line(c, &lane_message(c, l)->head, &l->framing, p, n);
	else
		head_end(c, l);
}

void h1_head_lost(struct http_conn *c, struct lane *l)
{
	struct message *m = lane_message(c, l);
	struct call *call = l->call;

	m->head.flags |= HTTP_TRUNCATED;
	m->uncounted = true;
	if (!lane_asks(c, l) && m->head.status / 100 == 1) {
		informational(c, l);
		l->call = NULL;
	} else {
		m->head.done = true;
		l->framing = (struct framing){ 0 };
		if (lane_asks(c, l) || ((call->flags & HTTP_NO_REQUEST) && !call->waits))
			call_headed(c, call);
		if (!lane_asks(c, l))
			call_answered(c, call);
		m->ended = true;
		l->call = NULL;
		call_check(c, call);
	}
	l->h1 = H1_RESYNC;
}
