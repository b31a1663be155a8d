// SPDX-License-Identifier: Apache-2.0
/*
 * Where do frames begin in bytes of which the beginning is missing? Every place could be a frame's header; most cannot. One is taken when
 * several frames in a row fit, headers and payloads, or at once when it is of HEADERS whose block is a request's or a response's. What is
 * rare in real connections and frequent in other bytes (empty DATA, pushes) does not count: it only costs time.
 */
#include "agent/http/internal.h"

#define ENOUGH 4	/* frames, of which a large one counts twice */
#define LARGE 1024
#define LENGTH_MAX 16384	/* without a larger SETTINGS_MAX_FRAME_SIZE */
#define SETTINGS_MAX (6 * 64)

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION, TYPES };

static const struct {
	uint32_t min, max;
	uint8_t flags;
	uint8_t stream;		/* 0: the connection's, 1: a client's, 2: any but 0, 3: any */
} types[TYPES] = {
	[DATA] = { 1, LENGTH_MAX, 0x09, 1 },
	[HEADERS] = { 1, LENGTH_MAX, 0x2d, 1 },
	[PRIORITY] = { 5, 5, 0, 2 },
	[RST_STREAM] = { 4, 4, 0, 2 },
	[SETTINGS] = { 0, SETTINGS_MAX, 0x01, 0 },
	[PUSH_PROMISE] = { 5, LENGTH_MAX, 0x0c, 1 },
	[PING] = { 8, 8, 0x01, 0 },
	[GOAWAY] = { 8, 1024, 0, 0 },
	[WINDOW_UPDATE] = { 4, 4, 0, 3 },
	[CONTINUATION] = { 1, LENGTH_MAX, 0x04, 1 },
};

struct frame frame_read(const uint8_t *p)
{
	return (struct frame){
		.length = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2],
		.type = p[3],
		.flags = p[4],
		.stream = ((uint32_t)p[5] << 24 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8]) & 0x7fffffff,
	};
}

static bool stream_plausible(unsigned kind, uint32_t stream)
{
	return kind == 3 || (kind == 0 ? !stream : kind == 1 ? stream % 2 : stream);
}

static bool plausible(const uint8_t *p)
{
	struct frame f = frame_read(p);

	if (f.type >= TYPES || p[5] & 0x80 || f.flags & ~types[f.type].flags || !stream_plausible(types[f.type].stream, f.stream))
		return false;
	if (f.type == SETTINGS && (f.length % 6 || (f.flags && f.length)))
		return false;
	if (f.type == DATA && !f.length && f.flags & 1)
		return true;	/* ends a stream */
	return f.length >= types[f.type].min && f.length <= types[f.type].max;
}

/* The part of a whole HEADERS frame that is block. */
static bool block_of(const uint8_t *p, const struct frame *f, const uint8_t **ret_block, size_t *ret_n)
{
	uint32_t before = 0, padding = 0;

	if (f->flags & 0x08) {
		padding = p[FRAME_HEADER];
		before = 1;
	}
	if (f->flags & 0x20)
		before += 5;
	if (before + padding >= f->length)
		return false;
	*ret_block = p + FRAME_HEADER + before;
	*ret_n = f->length - before - padding;
	return true;
}

/* p: a whole frame. */
static bool is_head(const uint8_t *p)
{
	struct frame f = frame_read(p);
	const uint8_t *block;
	size_t n;

	return f.type == HEADERS && f.flags & 0x04 && block_of(p, &f, &block, &n) && hpack_is_head(block, n);
}

static bool settings_sound(const uint8_t *p, size_t n)
{
	for (; n; n -= 6, p += 6)
		if (!p[0] && !p[1])
			return false;
	return true;
}

/* p: a whole frame whose header is plausible. */
static bool payload_sound(const uint8_t *p)
{
	struct frame f = frame_read(p);
	const uint8_t *q = p + FRAME_HEADER, *block;
	size_t n;

	switch (f.type) {
	case HEADERS:
		return block_of(p, &f, &block, &n) && (!(f.flags & 0x04) || hpack_is_block(block, n));
	case RST_STREAM:
		return !q[0] && !q[1] && !q[2];
	case SETTINGS:
		return settings_sound(q, f.length);
	case GOAWAY:
		return !(q[0] & 0x80) && !q[4] && !q[5] && !q[6];
	case WINDOW_UPDATE:
		return !(q[0] & 0x80) && (q[0] || q[1] || q[2] || q[3]);
	default:
		return true;
	}
}

/* May `f` follow `before`? CONTINUATION, and nothing else, behind a block that goes on. */
static bool follows(const struct frame *before, const struct frame *f)
{
	bool goes_on = (before->type == HEADERS || before->type == PUSH_PROMISE || before->type == CONTINUATION) && !(before->flags & 0x04);

	return goes_on ? f->type == CONTINUATION && f->stream == before->stream : f->type != CONTINUATION;
}

static void chain_drop(struct scan *s, unsigned i)
{
	s->chains[i] = s->chains[--s->n];
}

/* The frame whose header ends at n belongs to a chain, or begins one. */
static bool chain_on(struct scan *s, const uint8_t *p, size_t n, size_t *ret_start)
{
	size_t at = n - FRAME_HEADER;
	struct frame f = frame_read(p + at);
	bool fits = plausible(p + at), known = false;

	for (unsigned i = s->n; i-- > 0;) {
		struct frame before;

		if (s->chains[i].next != at)
			continue;
		before = frame_read(p + s->chains[i].last);
		if (!fits || !follows(&before, &f) || !payload_sound(p + s->chains[i].last)) {
			chain_drop(s, i);
			continue;
		}
		known = true;
		s->chains[i].last = at;
		s->chains[i].next = n + f.length;
		s->chains[i].score += before.length >= LARGE ? 2 : 1;
		if (s->chains[i].score >= ENOUGH) {
			*ret_start = s->chains[i].start;
			return true;
		}
	}
	if (fits && !known && f.type != CONTINUATION && s->n < SCAN_MAX) {
		s->chains[s->n].start = s->chains[s->n].last = at;
		s->chains[s->n].next = n + f.length;
		s->chains[s->n++].score = 0;
	}
	return false;
}

bool scan_step(struct scan *s, const uint8_t *p, size_t n, size_t *ret_start)
{
	if (n < FRAME_HEADER)
		return false;
	for (unsigned i = 0; i < s->n; i++)
		if (s->chains[i].next == n && is_head(p + s->chains[i].last)) {
			*ret_start = s->chains[i].start;
			return true;
		}
	return chain_on(s, p, n, ret_start);
}

size_t scan_forget(struct scan *s, size_t n)
{
	size_t keep = n - (n < FRAME_HEADER - 1 ? n : FRAME_HEADER - 1);

	for (unsigned i = s->n; i-- > 0;)
		if (n >= SCAN_HELD && s->chains[i].last < n / 2)
			chain_drop(s, i);	/* the frame that it waits for is too long */
		else if (n >= SCAN_HELD && s->chains[i].start < n / 2)
			s->chains[i].start = s->chains[i].last;
	for (unsigned i = 0; i < s->n; i++)
		if (s->chains[i].start < keep)
			keep = s->chains[i].start;
	for (unsigned i = 0; i < s->n; i++) {
		s->chains[i].start -= keep;
		s->chains[i].last -= keep;
		s->chains[i].next -= keep;
	}
	return keep;
}
