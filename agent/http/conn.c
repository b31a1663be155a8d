// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "agent/http/internal.h"
#include "lib/cleanup.h"

int http_conn_new(const struct http_sink *sink, struct http_conn **ret_c)
{
	struct http_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->sink = *sink;
	for (unsigned i = 0; i < 2; i++)
		c->lanes[i].dir = (enum http_dir)i;
	*ret_c = c;
	return 0;
}

void http_conn_fresh(struct http_conn *c)
{
	c->paired = true;
}

static void lane_free(struct memory *m, struct lane *l)
{
	h2_lane_free(m, l);
	zbuf_free(&l->held);
	zbuf_free(&l->line);
	zbuf_free(&l->found);
}

void http_conn_free(struct http_conn **pc)
{
	struct http_conn *c = *pc;

	if (!c)
		return;
	calls_free(c);
	for (unsigned i = 0; i < 2; i++)
		lane_free(&c->memory, &c->lanes[i]);
	explicit_bzero(c, sizeof(*c));
	free(c);
	*pc = NULL;
}

static int result(const struct http_conn *c)
{
	return c->memory.failed ? -ENOMEM : 0;
}

/* ---- a protocol's parsers */

struct protocol {
	void (*feed)(struct http_conn *c, struct lane *l, const char *p, size_t n);
	void (*skip)(struct http_conn *c, struct lane *l, uint64_t n);
	void (*end)(struct http_conn *c);
	uint64_t (*unwanted)(const struct http_conn *c, const struct lane *l);
};

static const struct protocol protocols[] = {
	[PROTOCOL_1] = { h1_feed, h1_skip, h1_end, h1_unwanted },
	[PROTOCOL_2] = { h2_feed, h2_skip, h2_end, h2_unwanted },
};

/* What was held back while nobody knew what it was, at its times. */
void lane_replay(struct http_conn *c, struct lane *l, size_t from)
{
	const struct protocol *protocol = &protocols[c->protocol];
	struct zbuf held = l->held;
	uint64_t when = l->when;
	struct mark marks[MARKS_MAX];
	unsigned n = l->nmarks;

	/* the parser may hold some of it back again */
	memcpy(marks, l->marks, sizeof(marks));
	l->held = (struct zbuf){ 0 };
	l->nmarks = 0;
	for (unsigned i = 0; i < n; i++) {
		size_t at = marks[i].at, end = i + 1 < n ? marks[i + 1].at : held.n;

		at = at < from ? from : at;
		l->when = marks[i].when;
		if (end > at && c->state == HTTP_PARSING)
			protocol->feed(c, l, held.p + at, end - at);
	}
	l->when = when;
	zbuf_free(&held);
}

int http_conn_feed(struct http_conn *c, enum http_dir dir, uint64_t when, const void *p, size_t n)
{
	struct lane *l = &c->lanes[dir];
	const char *q = p;

	if (c->over)
		return result(c);
	l->when = when;
	if (c->state == HTTP_DETECTING) {
		size_t k = detect_feed(c, l, q, n);

		q += k;
		n -= k;
	}
	if (n && c->state == HTTP_PARSING)
		protocols[c->protocol].feed(c, l, q, n);
	return result(c);
}

int http_conn_skip(struct http_conn *c, enum http_dir dir, uint64_t when, uint64_t n)
{
	struct lane *l = &c->lanes[dir];

	if (c->over || !n)
		return result(c);
	l->when = when;
	if (c->state == HTTP_DETECTING)
		detect_skip(l);
	else if (c->state == HTTP_PARSING)
		protocols[c->protocol].skip(c, l, n);
	return result(c);
}

uint64_t http_conn_unwanted(const struct http_conn *c, enum http_dir dir)
{
	const struct lane *l = &c->lanes[dir];

	if (c->state == HTTP_DETECTING)
		return l->exhausted ? QUIET_STEP : 0;	/* the other direction may tell what this is */
	if (c->state == HTTP_PARSING && !c->over)
		return protocols[c->protocol].unwanted(c, l);
	return UINT64_MAX;
}

bool http_conn_spares(const struct http_conn *c, enum http_dir dir, uint64_t n)
{
	if (c->state == HTTP_PARSING && !c->over && c->protocol == PROTOCOL_1)
		return h1_spares(c, &c->lanes[dir], n);
	return n <= http_conn_unwanted(c, dir);
}

static bool is_h2(const struct http_conn *c)
{
	return c->state == HTTP_PARSING && !c->over && c->protocol == PROTOCOL_2;
}

int http_conn_frames(struct http_conn *c, enum http_dir dir, uint64_t when, uint64_t n, uint64_t data)
{
	if (!is_h2(c))
		return http_conn_skip(c, dir, when, n);
	c->lanes[dir].when = when;
	h2_frames(c, &c->lanes[dir], data);
	return result(c);
}

bool http_conn_wants_data(const struct http_conn *c, enum http_dir dir)
{
	return is_h2(c) && h2_wants_data(c, &c->lanes[dir]);
}

uint32_t http_conn_unwanted_streams(const struct http_conn *c, enum http_dir dir)
{
	return is_h2(c) ? h2_unwanted_streams(c, &c->lanes[dir]) : 0;
}

void http_conn_end(struct http_conn *c, uint64_t when)
{
	if (c->over)
		return;
	for (unsigned i = 0; i < 2; i++)
		c->lanes[i].when = when;
	if (c->state == HTTP_PARSING)
		protocols[c->protocol].end(c);
	c->over = true;
	while (c->open && !c->memory.failed)
		call_give(c, c->open);
}

enum http_state http_conn_state(const struct http_conn *c)
{
	return c->state;
}
