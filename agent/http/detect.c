// SPDX-License-Identifier: Apache-2.0
/*
 * What is spoken here? A byte at a time, so that the answer depends on the stream and not on how it was cut: the first thing that can
 * only be HTTP decides, in either direction. Until then bytes are held back, at most DETECT_MAX of a direction.
 */
#include "agent/http/internal.h"

static void found(struct http_conn *c, enum http_protocol protocol, struct lane *requests)
{
	c->protocol = protocol;
	c->state = HTTP_PARSING;
	c->role = requests->dir == HTTP_SENT ? HTTP_CLIENT : HTTP_SERVER;
}

static struct lane *other(struct http_conn *c, struct lane *l)
{
	return &c->lanes[!l->dir];
}

/* exact: l's stream begins with a start line. */
static void found_h1(struct http_conn *c, struct lane *l, bool response, bool exact)
{
	found(c, PROTOCOL_1, response ? other(c, l) : l);
	other(c, l)->h1 = other(c, l)->skipped ? H1_RESYNC : H1_START;
	l->h1 = exact ? H1_START : H1_RESYNC;
	lane_replay(c, other(c, l), 0);
	lane_replay(c, l, 0);
}

/* A line of HTTP/1 has ended: a start line that the stream begins with, or what confirms one behind other bytes. */
static void detect_line(struct http_conn *c, struct lane *l)
{
	const char *p = l->held.p + l->line_at;
	size_t n = l->held.n - l->line_at - 1;
	bool cr = n && p[n - 1] == '\r', first = !l->line_at && !l->skipped;
	struct start s;

	n -= cr;
	if (l->found_at && cr && (!n || line_is_field(p, n))) {
		found_h1(c, l, l->found_response, false);
		return;
	}
	if (first && start_read(p, n, &s) && (s.response || start_known_method(s.method))) {
		found_h1(c, l, s.response, true);
		return;
	}
	l->found_at = cr && start_find(p, n, &s);
	l->found_response = l->found_at && s.response;
	l->line_at = l->held.n;
}

static void mark(struct lane *l)
{
	if (l->nmarks < MARKS_MAX && (!l->nmarks || l->marks[l->nmarks - 1].when != l->when))
		l->marks[l->nmarks++] = (struct mark){ l->held.n, l->when };
}

/* One more than DETECT_MAX bytes, and nothing of it was HTTP. A direction alone may be in the middle of a long body. */
static void exhausted(struct http_conn *c, struct lane *l)
{
	l->exhausted = true;
	zbuf_free(&l->held);
	l->nmarks = 0;
	l->line_at = 0;
	l->found_at = false;
	l->skipped = true;
	if (other(c, l)->seen)
		c->state = HTTP_FOREIGN;
}

size_t detect_feed(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	size_t i = 0;

	if (n)
		l->seen = true;
	if (l->exhausted)
		return n;
	mark(l);
	while (i < n && c->state == HTTP_DETECTING && !l->exhausted && !c->memory.failed) {
		if (!zbuf_add(&c->memory, &l->held, p + i++, 1))
			break;
		if (l->held.p[l->held.n - 1] == '\n')
			detect_line(c, l);
		if (c->state == HTTP_DETECTING && l->held.n == (other(c, l)->exhausted ? DETECT_MAX / 8 : DETECT_MAX))
			exhausted(c, l);
	}
	return l->exhausted ? n : i;
}

void detect_skip(struct lane *l)
{
	zbuf_reset(&l->held);
	l->nmarks = 0;
	l->line_at = 0;
	l->found_at = false;
	l->seen = l->skipped = true;
}
