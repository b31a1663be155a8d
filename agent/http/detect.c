// SPDX-License-Identifier: Apache-2.0
/*
 * What is spoken here? A byte at a time, so that the answer depends on the stream and not on how it was cut: the first thing that can
 * only be HTTP decides, in either direction. Until then bytes are held back, at most DETECT_MAX of a direction.
 */
#include "agent/http/internal.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_LEN (sizeof(PREFACE) - 1)

static void found(struct http_conn *c, enum http_protocol protocol, struct lane *requests)
{
	c->protocol = protocol;
	c->state = HTTP_PARSING;
	if (requests)	/* else: header blocks will tell */
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

/* l is the client's, and all of it has been seen. */
static void found_preface(struct http_conn *c, struct lane *l)
{
	struct lane *server = other(c, l);

	found(c, PROTOCOL_2, l);
	h2_begin(c, l, true);
	h2_begin(c, server, !server->skipped);
	server->h2.first = !server->skipped;
	lane_replay(c, server, 0);
	lane_replay(c, l, PREFACE_LEN);
}

/* Frames, but not from the beginning. */
static void found_frames(struct http_conn *c, struct lane *l, size_t start)
{
	found(c, PROTOCOL_2, NULL);
	h2_begin(c, l, false);
	h2_begin(c, other(c, l), false);
	l->h2.state = H2_FRAME;
	l->h2.scan.n = other(c, l)->h2.scan.n = 0;
	lane_replay(c, other(c, l), 0);
	lane_replay(c, l, start);
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

static void detect_byte(struct http_conn *c, struct lane *l)
{
	size_t start, n = l->held.n;

	if (!l->skipped && n <= PREFACE_LEN && !memcmp(l->held.p, PREFACE, n)) {
		if (n == PREFACE_LEN)
			found_preface(c, l);
		return;
	}
	if (l->held.p[n - 1] == '\n')
		detect_line(c, l);
	if (c->state == HTTP_DETECTING && scan_step(&l->h2.scan, (uint8_t *)l->held.p, n, &start))
		found_frames(c, l, start);
}

void lane_mark(struct lane *l)
{
	if (l->nmarks < MARKS_MAX && (!l->nmarks || l->marks[l->nmarks - 1].when != l->when))
		l->marks[l->nmarks++] = (struct mark){ l->held.n, l->when };
}

/* One more than DETECT_MAX bytes, and nothing of it was HTTP. A direction alone may be in the middle of a long body. */
static void exhausted(struct http_conn *c, struct lane *l)
{
	l->exhausted = true;
	zbuf_free(&l->held);
	detect_skip(l);
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
	lane_mark(l);
	while (i < n && c->state == HTTP_DETECTING && !l->exhausted && !c->memory.failed) {
		if (!zbuf_add(&c->memory, &l->held, p + i++, 1))
			break;
		detect_byte(c, l);
		if (c->state == HTTP_DETECTING && l->held.n == (other(c, l)->exhausted ? DETECT_MAX / 8 : DETECT_MAX))
			exhausted(c, l);
	}
	return l->exhausted ? n : i;
}

void detect_skip(struct lane *l)
{
	zbuf_reset(&l->held);
	l->h2.scan.n = 0;
	l->nmarks = 0;
	l->line_at = 0;
	l->found_at = false;
	l->seen = l->skipped = true;
}
