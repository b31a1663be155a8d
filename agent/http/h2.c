// SPDX-License-Identifier: Apache-2.0
/* Frames of one direction of HTTP/2: as in h1.c, a table of states. */
#include <errno.h>

#include "agent/http/internal.h"

#define END_STREAM 0x01
#define END_HEADERS 0x04
#define PADDED 0x08
#define PRIORITY 0x20
#define REPLAY_DEPTH 8
#define LARGE (16u << 10)	/* bytes of a body */
#define BLOCK_REST_MAX (2 * HTTP_HEAD_MAX)	/* one field of a block, encoded */

/* What stands before the payload of a frame, and what is done with both. */
struct frame_kind {
	uint8_t flags;		/* those of PADDED and PRIORITY that it knows */
	uint8_t before;		/* bytes that are always there */
	uint32_t min, max;	/* its length */
	int stream;		/* 1: some stream's, 0: the connection's, -1: either */
	void (*begin)(struct http_conn *c, struct lane *l);
	void (*payload)(struct http_conn *c, struct lane *l, const uint8_t *p, size_t n);
	void (*missing)(struct http_conn *c, struct lane *l, uint64_t n);
	void (*end)(struct http_conn *c, struct lane *l);
};

static const struct frame_kind *kind_of(uint8_t type);

static uint32_t read_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- frames lost, and found again */

/* The rest of the block cannot be read, nor what later blocks refer to. */
static void block_lost(struct lane *l)
{
	hpack_lost(&l->h2.hpack);
	l->h2.block.lost = true;
	l->h2.block.head.flags |= HTTP_TRUNCATED;
	zbuf_reset(&l->h2.block.rest);
}

static void h2_lose(struct http_conn *c, struct lane *l)
{
	struct h2_lane *h = &l->h2;

	hpack_lost(&h->hpack);
	if (h->block.open) {
		block_lost(l);
		h2_block_end(c, l);
	}
	h2_frames_lost(c, l);
	l->call = NULL;
	h->late = true;
	h->state = H2_SCAN;
	h->scan.n = 0;
	h->have = 0;
	zbuf_reset(&l->held);
	l->nmarks = 0;
}

/* What cannot be: a misunderstanding where bytes were missed, else an end. */
static void h2_broken(struct http_conn *c, struct lane *l)
{
	if (l->h2.late)
		h2_lose(c, l);
	else
		c->state = HTTP_BROKEN;
}

void h2_begin(struct http_conn *c, struct lane *l, bool preface)
{
	l->h2.late = !preface;
	l->h2.state = preface ? H2_FRAME : H2_SCAN;
	hpack_begin(&l->h2.hpack, preface);
}

/* ---- header blocks */

/* Of three digits, or 0. */
static unsigned read_status(struct str s)
{
	unsigned v = 0;

	for (size_t i = 0; i < s.n; i++)
		if (s.n != 3 || s.p[i] < '0' || s.p[i] > '9')
			return 0;
		else
			v = 10 * v + (unsigned)(s.p[i] - '0');
	return v < 100 ? 0 : v;
}

void h2_field(struct http_conn *c, struct head *h, const struct hpack_field *f)
{
	static const struct {
		const char *name;
		size_t offset;
	} pseudo[] = {
		{ ":method", offsetof(struct head, method) },
		{ ":scheme", offsetof(struct head, scheme) },
		{ ":authority", offsetof(struct head, authority) },
		{ ":path", offsetof(struct head, target) },
	};

	if (!f->known) {
		h->flags |= HTTP_UNKNOWN_NAMES;
		return;
	}
	if (!f->name.n || f->name.p[0] != ':') {
		head_field(&c->memory, h, f->name, f->value, f->sensitive);
		return;
	}
	h->pseudo = true;
	for (unsigned i = 0; i < 4; i++)
		if (strlen(pseudo[i].name) == f->name.n && !memcmp(pseudo[i].name, f->name.p, f->name.n))
			*(struct str *)((char *)h + pseudo[i].offset) = head_text(&c->memory, h, f->value);
	if (f->name.n == 7 && !memcmp(f->name.p, ":status", 7))
		h->status = read_status(f->value);
	if (f->name.n == 9 && !memcmp(f->name.p, ":protocol", 9))	/* of an extended CONNECT (RFC 8441) */
		head_field(&c->memory, h, f->name, f->value, f->sensitive);
}

static void block_field(void *ctx, const struct hpack_field *f)
{
	struct http_conn *c = ((void **)ctx)[0];
	struct lane *l = ((void **)ctx)[1];

	h2_field(c, &l->h2.block.head, f);
	h2_told_field(c, l, f);
}

static void block_read(struct http_conn *c, struct lane *l, const uint8_t *p, size_t n)
{
	struct zbuf *rest = &l->h2.block.rest;
	void *ctx[] = { c, l };
	size_t used;
	int r;

	if (l->h2.block.lost)
		return;
	if (rest->n) {
		if (!zbuf_add(&c->memory, rest, p, n))
			return;
		p = (uint8_t *)rest->p;
		n = rest->n;
	}
	r = hpack_read(&c->memory, &l->h2.hpack, p, n, &used, block_field, ctx);
	if (r < 0) {
		block_lost(l);
		l->h2.block.bad = r != -ENOMEM;	/* that counts at the frame's end, however its bytes come */
		return;
	}
	if (rest->n)
		zbuf_drop(rest, used);
	else if (used < n)
		zbuf_add(&c->memory, rest, p + used, n - used);
	if (rest->n > BLOCK_REST_MAX)
		block_lost(l);
}

static void block_begin(struct http_conn *c, struct lane *l)
{
	struct h2_lane *h = &l->h2;
	const uint8_t *p = h->bytes + !!(h->frame.flags & PADDED);

	h->block.open = true;
	h->block.lost = h->block.bad = false;
	h->block.ends = h->frame.type == 1 && h->frame.flags & END_STREAM;
	h->block.stream = h->frame.stream;
	h->block.promised = h->frame.type == 5 ? read_u32(p) & 0x7fffffff : 0;
	head_reset(&c->memory, &h->block.head);
	h2_told_reset(c, l);
	h->block.head.version = HTTP_2;
}

static void block_continue(struct http_conn *c, struct lane *l)
{
	if (l->h2.block.open)
		return;
	block_begin(c, l);	/* we missed how it began */
	block_lost(l);
	l->h2.block.stream = 0;
}

static void block_missing(struct http_conn *c, struct lane *l, uint64_t n)
{
	block_lost(l);
}

static void block_end(struct http_conn *c, struct lane *l)
{
	bool last = l->h2.frame.flags & END_HEADERS;

	if (l->h2.block.bad || (last && l->h2.block.rest.n && !l->h2.block.lost))	/* or half a field */
		h2_broken(c, l);
	else if (last)
		h2_block_end(c, l);
}

/* ---- bodies */

static void data_begin(struct http_conn *c, struct lane *l)
{
	l->call = c->role ? h2_call(c, l->h2.frame.stream) : NULL;
	if (l->call && lane_asks(c, l) && !l->call->request.head.done)
		l->call = NULL;	/* the rest of a body from before we came */
	if (!l->call)
		return;
	lane_message(c, l)->sure = true;
	if (!lane_message(c, l)->head.done)
		message_skip(lane_message(c, l), UINT64_MAX);	/* more than the head may be missing */
}

/* It may be worth telling that no more of it is wanted. */
static void data_counted(struct http_conn *c, struct lane *l)
{
	const struct message *m = lane_message(c, l);

	if (m->length >= LARGE && l->call->stream % 2 && l->call->stream > l->h2.large && message_unwanted(m, 1))
		l->h2.large = l->call->stream;
}

static void data_payload(struct http_conn *c, struct lane *l, const uint8_t *p, size_t n)
{
	if (!l->call)
		return;
	message_body(&c->memory, lane_message(c, l), (const char *)p, n);
	data_counted(c, l);
}

static void data_missing(struct http_conn *c, struct lane *l, uint64_t n)
{
	if (!l->call)
		return;
	message_skip(lane_message(c, l), n);
	data_counted(c, l);
}

static void data_end(struct http_conn *c, struct lane *l)
{
	struct call *call = l->call;

	l->call = NULL;
	if (call && l->h2.frame.flags & END_STREAM)
		h2_message_end(c, l, call);
}

static void reset_begin(struct http_conn *c, struct lane *l)
{
	h2_reset(c, l, l->h2.frame.stream, read_u32(l->h2.bytes));
}

/* ---- frames */

#define LONGEST 0xffffff
static const struct frame_kind kinds[] = {
	[0] = { PADDED, 0, 0, LONGEST, 1, data_begin, data_payload, data_missing, data_end },
	[1] = { PADDED | PRIORITY, 0, 0, LONGEST, 1, block_begin, block_read, block_missing, block_end },
	[2] = { .min = 5, .max = 5, .stream = 1 },
	[3] = { .before = 4, .min = 4, .max = 4, .stream = 1, .begin = reset_begin },
	[4] = { .max = LONGEST },
	[5] = { PADDED, 4, 4, LONGEST, 1, block_begin, block_read, block_missing, block_end },
	[6] = { .min = 8, .max = 8 },
	[7] = { .min = 8, .max = LONGEST },
	[8] = { .min = 4, .max = 4, .stream = -1 },
	[9] = { 0, 0, 0, LONGEST, 1, block_continue, block_read, block_missing, block_end },
};
static const struct frame_kind other_kind = { .max = LONGEST, .stream = -1 };

static const struct frame_kind *kind_of(uint8_t type)
{
	return type < sizeof(kinds) / sizeof(*kinds) ? &kinds[type] : &other_kind;
}

static bool frame_sound(const struct lane *l)
{
	const struct frame *f = &l->h2.frame;
	const struct frame_kind *k = kind_of(f->type);

	if (l->h2.block.open ? f->type != 9 || (l->h2.block.stream && f->stream != l->h2.block.stream) : f->type == 9 && !l->h2.late)
		return false;
	if (k->stream >= 0 && !f->stream == !!k->stream)
		return false;
	return f->length >= k->min && f->length <= k->max && (!l->h2.first || (f->type == 4 && !(f->flags & 1)));
}

static void frame_end(struct http_conn *c, struct lane *l)
{
	const struct frame_kind *k = kind_of(l->h2.frame.type);

	l->h2.state = H2_FRAME;
	if (k->end)
		k->end(c, l);
}

/* What stands before the payload has been read. */
static void payload_begin(struct http_conn *c, struct lane *l)
{
	struct h2_lane *h = &l->h2;
	const struct frame_kind *k = kind_of(h->frame.type);

	h->have = 0;
	h->padding = k->flags & h->frame.flags & PADDED ? h->bytes[0] : 0;
	if (h->padding > h->left) {
		h2_broken(c, l);
		return;
	}
	h->left -= h->padding;
	h->state = h->left ? H2_PAYLOAD : H2_PADDING;
	if (k->begin)
		k->begin(c, l);
	if (h->state != H2_SCAN && !h->left && !h->padding)
		frame_end(c, l);
}

static void frame_begin(struct http_conn *c, struct lane *l)
{
	struct h2_lane *h = &l->h2;
	const struct frame_kind *k;

	h->have = 0;
	h->frame = frame_read(h->bytes);
	if (!frame_sound(l)) {
		h->late |= h->first;	/* it is not the connection's first */
		h2_broken(c, l);
		return;
	}
	k = kind_of(h->frame.type);
	h->first = false;
	h->need = k->before + !!(k->flags & h->frame.flags & PADDED) + (k->flags & h->frame.flags & PRIORITY ? 5 : 0);
	if (h->need > h->frame.length) {
		h2_broken(c, l);
		return;
	}
	h->left = h->frame.length - h->need;
	h->state = H2_PRE;
	if (!h->need)
		payload_begin(c, l);
}

/* ---- states */

static size_t collect(struct h2_lane *h, unsigned need, const char *p, size_t n)
{
	size_t k = n < need - h->have ? n : need - h->have;

	memcpy(h->bytes + h->have, p, k);
	h->have += (unsigned)k;
	return k;
}

static size_t step_frame(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	size_t k;

	if (!l->h2.have && !l->h2.block.open)
		l->h2.block.when = l->when;
	k = collect(&l->h2, FRAME_HEADER, p, n);
	if (l->h2.have == FRAME_HEADER)
		frame_begin(c, l);
	return k;
}

static size_t step_pre(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	size_t k = collect(&l->h2, l->h2.need, p, n);

	if (l->h2.have == l->h2.need)
		payload_begin(c, l);
	return k;
}

static size_t step_payload(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	struct h2_lane *h = &l->h2;
	const struct frame_kind *kind = kind_of(h->frame.type);
	size_t k = n < h->left ? n : h->left;

	h->left -= (uint32_t)k;
	if (kind->payload)
		kind->payload(c, l, (const uint8_t *)p, k);
	if (h->left || h->state != H2_PAYLOAD)
		return k;
	h->state = H2_PADDING;
	if (!h->padding)
		frame_end(c, l);
	return k;
}

static size_t step_padding(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	size_t k = n < l->h2.padding ? n : l->h2.padding;

	l->h2.padding -= (uint32_t)k;
	if (!l->h2.padding)
		frame_end(c, l);
	return k;
}

static size_t step_scan(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	size_t start, forgotten;

	if (!l->held.n)
		l->nmarks = 0;
	lane_mark(l);
	if (!zbuf_add(&c->memory, &l->held, p, 1))
		return 1;
	if (scan_step(&l->h2.scan, (uint8_t *)l->held.p, l->held.n, &start)) {
		l->h2.scan.n = 0;
		if (l->h2.depth == REPLAY_DEPTH) {
			zbuf_reset(&l->held);
			return 1;
		}
		l->h2.state = H2_FRAME;
		l->h2.depth++;
		lane_replay(c, l, start);
		l->h2.depth--;
		if (l->h2.state != H2_SCAN)
			h2_found(c, l);
	} else if (l->held.n >= SCAN_HELD || (!l->h2.scan.n && l->held.n >= 4096)) {
		forgotten = scan_forget(&l->h2.scan, l->held.n);
		zbuf_drop(&l->held, forgotten);
		l->nmarks = 0;
		l->marks[l->nmarks++] = (struct mark){ 0, l->when };
	}
	return 1;
}

typedef size_t step_fn(struct http_conn *c, struct lane *l, const char *p, size_t n);
static step_fn *const steps[H2__MAX] = {
	[H2_FRAME] = step_frame, [H2_PRE] = step_pre, [H2_PAYLOAD] = step_payload, [H2_PADDING] = step_padding, [H2_SCAN] = step_scan,
};

void h2_feed(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	while (n && c->state == HTTP_PARSING && !c->memory.failed) {
		size_t k = steps[l->h2.state](c, l, p, n);

		p += k;
		n -= k;
	}
}

void h2_skip(struct http_conn *c, struct lane *l, uint64_t n)
{
	struct h2_lane *h = &l->h2;
	uint64_t k;

	if (n != UINT64_MAX && h->state == H2_PAYLOAD) {
		k = n < h->left ? n : h->left;
		h->left -= (uint32_t)k;
		n -= k;
		if (kind_of(h->frame.type)->missing)
			kind_of(h->frame.type)->missing(c, l, k);
		if (!h->left)
			h->state = H2_PADDING;
	}
	if (n != UINT64_MAX && h->state == H2_PADDING) {
		k = n < h->padding ? n : h->padding;
		h->padding -= (uint32_t)k;
		n -= k;
		if (!h->padding)
			frame_end(c, l);
	}
	if (n)
		h2_lose(c, l);
}

/* The last frame was DATA, and not the end of its stream. */
static bool data_goes_on(const struct h2_lane *h)
{
	return h->state == H2_FRAME && !h->have && h->frame.stream && !h->frame.type && !(h->frame.flags & END_STREAM);
}

void h2_frames(struct http_conn *c, struct lane *l, uint64_t data)
{
	struct h2_lane *h = &l->h2;

	if (h->state != H2_FRAME || h->have || h->block.open || h->first || (data && !data_goes_on(h))) {
		h2_lose(c, l);
	} else if (data) {
		data_begin(c, l);
		data_missing(c, l, data);
		l->call = NULL;
	}
}

bool h2_wants_data(const struct http_conn *c, const struct lane *l)
{
	struct call *call = c->role && data_goes_on(&l->h2) ? h2_call((struct http_conn *)c, l->h2.frame.stream) : NULL;

	return call && !message_unwanted(lane_asks(c, l) ? &call->request : &call->response, 1);
}

/* Nothing of this direction's body is wanted, and that stays so. */
static bool spares_body(const struct http_conn *c, const struct lane *l, const struct call *call)
{
	const struct message *m = lane_asks(c, l) ? &call->request : &call->response;

	return m->ended || (call->headed && message_unwanted(m, 1));
}

uint32_t h2_unwanted_streams(const struct http_conn *c, const struct lane *l)
{
	uint32_t large = l->h2.large;

	if (!large || !c->role || l->h2.state == H2_SCAN)
		return 0;
	for (const struct call *call = c->open; call; call = call->next)
		if (call->stream <= large && !spares_body(c, l, call))
			return 0;
	return large;
}

void h2_end(struct http_conn *c)
{
	for (unsigned i = 0; i < 2; i++)
		if (c->lanes[i].h2.block.open) {
			c->lanes[i].h2.block.head.flags |= HTTP_TRUNCATED;
			c->lanes[i].h2.block.ends = false;
			h2_block_end(c, &c->lanes[i]);
		}
}

uint64_t h2_unwanted(const struct http_conn *c, const struct lane *l)
{
	const struct h2_lane *h = &l->h2;

	if (h->state == H2_PADDING)
		return h->padding;
	if (h->state != H2_PAYLOAD || kind_of(h->frame.type)->payload == block_read)
		return 0;
	return l->call ? message_unwanted(lane_message(c, l), h->left + h->padding) : h->left + h->padding;
}

void h2_lane_free(struct memory *m, struct lane *l)
{
	arena_free(m, &l->h2.block.text);
	arena_free(m, &l->h2.block.told.text);
	hpack_free(&l->h2.hpack);
	zbuf_free(&l->h2.block.rest);
	arena_free(m, &l->h2.block.head.text);
}
