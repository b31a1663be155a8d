// SPDX-License-Identifier: Apache-2.0
/*
 * One direction of HTTP/1. Each state takes what it can of a piece and answers how much that was. A state ends at a byte of the stream,
 * never at the end of a piece, so how a stream is cut into pieces makes no difference.
 */
#include "agent/http/h1.h"

#define RESYNC_KEPT (HTTP_HEAD_MAX / 2)
#define MAYBE_LEN 12	/* "HTTP/1.1 200" */
#define CHUNK_END 2	/* CR LF behind a chunk's data */

/* ---- lines */

struct line {
	const char *p;	/* without its end */
	size_t n;
	bool lost;	/* too long */
	bool cr;	/* it ended with CR LF */
};

/* Takes bytes of the next line. True: it is all there; line_done() when it is not needed any more. */
static bool line_take(struct http_conn *c, struct lane *l, const char *p, size_t n, size_t *ret_taken, struct line *ret_line)
{
	const char *nl = memchr(p, '\n', n);
	size_t k = nl ? (size_t)(nl - p) + 1 : n;

	if (!l->line.n && !l->line_lost)
		l->line_when = l->when;
	*ret_taken = k;
	if (!nl || l->line.n || l->line_lost) {
		if (!l->line_lost && l->line.n + k > HTTP_HEAD_MAX) {
			l->line_lost = true;
			zbuf_reset(&l->line);
		}
		if (!l->line_lost && !zbuf_add(&c->memory, &l->line, p, k))
			return false;
		if (!nl)
			return false;
		*ret_line = (struct line){ l->line.p, l->line.n, l->line_lost, false };
	} else {
		*ret_line = (struct line){ p, k, k > HTTP_HEAD_MAX, false };
	}
	if (ret_line->n && !ret_line->lost)
		ret_line->n--;
	else
		ret_line->n = 0;
	if (ret_line->n && ret_line->p[ret_line->n - 1] == '\r') {
		ret_line->n--;
		ret_line->cr = true;
	}
	return true;
}

static void line_done(struct lane *l)
{
	zbuf_reset(&l->line);
	l->line_lost = false;
}

/* ---- messages begin and end */

static void message_end(struct http_conn *c, struct lane *l, uint64_t when)
{
	struct message *m = lane_message(c, l);
	struct call *call = l->call;

	m->ended = true;
	m->end = when;
	l->call = NULL;
	l->h1 = call->connect && lane_asks(c, l) ? H1_WAIT : H1_START;
	l->skipped = false;
	call_check(c, call);
}

static void request_begin(struct http_conn *c, struct lane *l, const struct start *s)
{
	struct call *call = l->call = h1_ask(c);
	struct head *h = call ? &call->request.head : NULL;

	if (!h)
		return;
	h->version = s->version;
	if (s->method.p)
		h->method = head_text(&c->memory, h, s->method);
	else
		h->flags |= HTTP_TRUNCATED;
	h->target = head_text(&c->memory, h, s->target);
	call->head_method = s->method.n == 4 && !memcmp(s->method.p, "HEAD", 4);
	call->connect = s->method.n == 7 && !memcmp(s->method.p, "CONNECT", 7);
}

static void response_begin(struct http_conn *c, struct lane *l, const struct start *s)
{
	if (!l->call || l->call->response.begun)	/* else: there was a 1xx before */
		l->call = h1_answer(c);
	if (!l->call)
		return;
	l->call->response.head.version = s->version;
	l->call->response.head.status = s->status;
}

/* False: this direction has the other kind of message. */
static bool message_begin(struct http_conn *c, struct lane *l, const struct start *s, uint64_t when)
{
	struct message *m;

	if (s->response == lane_asks(c, l))
		return false;
	l->begun = true;
	(s->response ? response_begin : request_begin)(c, l, s);
	if (!l->call)
		return true;
	m = lane_message(c, l);
	m->begun = true;
	m->start = when;
	l->framing = (struct framing){ 0 };
	l->h1 = H1_FIELDS;
	return true;
}

/* ---- start lines where they may be anywhere */

static void resync_line(struct http_conn *c, struct lane *l, const struct line *line, uint64_t when)
{
	struct start s;

	l->h1 = H1_RESYNC;
	if (!line->cr || line->lost || !start_find(line->p, line->n, &s) || s.response == lane_asks(c, l))
		return;
	zbuf_reset(&l->found);
	if (zbuf_add(&c->memory, &l->found, line->p, line->n))
		l->h1 = H1_CONFIRM;
	l->found_when = when;
}

/* The line need not have begun at the last line's end: of one that is too long its later half is kept. */
static size_t step_resync(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	const char *nl = memchr(p, '\n', n);
	size_t taken = nl ? (size_t)(nl - p) + 1 : n;
	struct line line = { 0 };

	if (l->line.n + taken > HTTP_HEAD_MAX)
		taken = HTTP_HEAD_MAX - l->line.n;
	if (!zbuf_add(&c->memory, &l->line, p, taken))
		return taken;
	if (l->line.p[l->line.n - 1] == '\n') {
		line.cr = l->line.n > 1 && l->line.p[l->line.n - 2] == '\r';
		line.p = l->line.p;
		line.n = l->line.n - 1 - line.cr;
		resync_line(c, l, &line, l->when);
		line_done(l);
	} else if (l->line.n == HTTP_HEAD_MAX) {
		zbuf_drop(&l->line, HTTP_HEAD_MAX - RESYNC_KEPT);
	}
	return taken;
}

/* What looks like a start line is one if a field or an empty line follows. */
static size_t step_confirm(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	struct line line;
	struct start s;
	size_t taken;

	if (!line_take(c, l, p, n, &taken, &line))
		return taken;
	if (!line.lost && line.cr && (!line.n || line_is_field(line.p, line.n)) && start_find(l->found.p, l->found.n, &s) &&
	    message_begin(c, l, &s, l->found_when)) {
		if (l->call)
			h1_head_line(c, l, line.p, line.n);
	} else {
		resync_line(c, l, &line, l->line_when);
	}
	if (l->h1 != H1_CONFIRM)
		zbuf_reset(&l->found);
	line_done(l);
	return taken;
}

/* ---- heads */

/* A line at whose place a message begins; only the first one may be anything, the end of a body for instance. */
static bool starts(struct http_conn *c, struct lane *l, const struct line *line)
{
	struct start s;

	return !line->lost && start_read(line->p, line->n, &s) && (l->begun || s.response || start_known_method(s.method)) &&
	       message_begin(c, l, &s, l->line_when);
}

static size_t step_start(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	struct line line;
	size_t taken;

	if (!line_take(c, l, p, n, &taken, &line))
		return taken;
	if (line.lost || (line.n && !starts(c, l, &line))) {
		h1_lost(c, l);
		resync_line(c, l, &line, l->line_when);
	}
	line_done(l);
	return taken;
}

static size_t step_fields(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	struct line line;
	size_t taken;

	if (!line_take(c, l, p, n, &taken, &line))
		return taken;
	if (line.lost) {
		lane_message(c, l)->head.flags |= HTTP_TRUNCATED;
		lane_message(c, l)->head.dropped = true;
	} else {
		h1_head_line(c, l, line.p, line.n);
	}
	line_done(l);
	return taken;
}

/* ---- bodies */

void h1_body_begin(struct http_conn *c, struct lane *l, enum h1_state state)
{
	l->h1 = state;
	l->left = state == H1_LENGTH ? l->framing.length : 0;
	if (state == H1_START || (state == H1_LENGTH && !l->left))
		message_end(c, l, l->when);
	else
		lane_message(c, l)->end = state == H1_CLOSE ? l->when : 0;
}

/* How many of n bytes belong to what is being read. */
static size_t body_take(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	size_t k = n < l->left ? n : (size_t)l->left;

	message_body(&c->memory, lane_message(c, l), p, k);
	l->left -= k;
	return k;
}

static size_t step_length(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	size_t k = body_take(c, l, p, n);

	if (!l->left)
		message_end(c, l, l->when);
	return k;
}

static size_t step_close(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	struct message *m = lane_message(c, l);

	message_body(&c->memory, m, p, n);
	m->end = l->when;
	return n;
}

/* "1a2b;extension" */
static bool chunk_size(const struct line *line, uint64_t *ret_size)
{
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < line->n; i++) {
		char ch = line->p[i];
		int digit = ch >= '0' && ch <= '9' ? ch - '0' : (ch | 0x20) >= 'a' && (ch | 0x20) <= 'f' ? (ch | 0x20) - 'a' + 10 : -1;

		if (digit < 0)
			break;
		if (size >> 58)
			return false;
		size = 16 * size + (unsigned)digit;
	}
	if (!i || line->lost || (i < line->n && !strchr("; \t", line->p[i])))
		return false;
	*ret_size = size;
	return true;
}

static size_t step_chunk(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	struct line line;
	size_t taken;

	if (!line_take(c, l, p, n, &taken, &line))
		return taken;
	if (!chunk_size(&line, &l->left))
		h1_lose(c, l);
	else
		l->h1 = l->left ? H1_DATA : H1_TRAILERS;
	line_done(l);
	return taken;
}

static size_t step_data(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	size_t k = body_take(c, l, p, n);

	if (!l->left)
		l->h1 = H1_DATA_END;
	return k;
}

static size_t step_data_end(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	struct line line;
	size_t taken;

	if (!line_take(c, l, p, n, &taken, &line))
		return taken;
	if (line.n || line.lost)
		h1_lose(c, l);
	else
		l->h1 = H1_CHUNK;
	line_done(l);
	return taken;
}

static size_t step_trailers(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	struct head *h = &lane_message(c, l)->trailers;
	struct line line;
	size_t taken;

	if (!line_take(c, l, p, n, &taken, &line))
		return taken;
	if (line.lost)
		h->flags |= HTTP_TRUNCATED;
	else if (!line.n)
		message_end(c, l, l->when);
	else
		h1_field_line(c, h, NULL, line.p, line.n);
	line_done(l);
	return taken;
}

/*
 * A response to a request that we did not see: was that a HEAD? Then the next response follows at once, though this head speaks
 * of a body. A body that begins like a response is not worth telling apart.
 */
static size_t step_maybe(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	size_t k = n < MAYBE_LEN - l->line.n ? n : MAYBE_LEN - l->line.n;
	enum h1_state body = l->after;
	char seen[MAYBE_LEN];
	struct start s;
	size_t got;

	if (!zbuf_add(&c->memory, &l->line, p, k))
		return k;
	got = l->line.n;
	if (got < MAYBE_LEN && !memcmp(l->line.p, "HTTP/1.1 ", got < 7 ? got : 7))
		return k;
	memcpy(seen, l->line.p, got);
	zbuf_reset(&l->line);
	if (got == MAYBE_LEN && start_read(seen, got, &s) && s.response)
		message_end(c, l, l->when);
	else
		h1_body_begin(c, l, body);
	h1_feed(c, l, seen, got);
	explicit_bzero(seen, sizeof(seen));
	return k;
}

/* Behind a CONNECT that has no answer yet, bytes are nobody's. */
static size_t step_wait(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	l->skipped = true;
	return n;
}

typedef size_t step_fn(struct http_conn *c, struct lane *l, const char *p, size_t n);
static step_fn *const steps[H1__MAX] = {
	[H1_START] = step_start,
	[H1_FIELDS] = step_fields,
	[H1_LENGTH] = step_length,
	[H1_CHUNK] = step_chunk,
	[H1_DATA] = step_data,
	[H1_DATA_END] = step_data_end,
	[H1_TRAILERS] = step_trailers,
	[H1_CLOSE] = step_close,
	[H1_MAYBE] = step_maybe,
	[H1_RESYNC] = step_resync,
	[H1_CONFIRM] = step_confirm,
	[H1_WAIT] = step_wait,
};

void h1_feed(struct http_conn *c, struct lane *l, const char *p, size_t n)
{
	while (n && c->state == HTTP_PARSING && !c->memory.failed) {
		size_t k = steps[l->h1](c, l, p, n);

		p += k;
		n -= k;
	}
}

/* ---- what is missing */

/* The framing is lost: whatever is being read ends here, as far as it goes. */
void h1_lose(struct http_conn *c, struct lane *l)
{
	struct message *m;

	line_done(l);
	zbuf_reset(&l->found);
	h1_lost(c, l);	/* may give calls */
	m = l->call ? lane_message(c, l) : NULL;
	if (l->h1 == H1_FIELDS) {
		m->head.flags |= HTTP_TRUNCATED;
		h1_head_lost(c, l);
	} else if (m && m->begun) {
		if (l->h1 == H1_TRAILERS)
			m->trailers.flags |= HTTP_TRUNCATED;
		else
			message_skip(m, UINT64_MAX);
		message_end(c, l, 0);
	}
	l->call = NULL;	/* of one that had only a 1xx, too */
	l->h1 = H1_RESYNC;
}

void h1_skip(struct http_conn *c, struct lane *l, uint64_t n)
{
	struct message *m = l->call ? lane_message(c, l) : NULL;
	uint64_t k;

	if (!n)
		return;
	if (l->h1 == H1_CLOSE) {
		message_skip(m, n);
		m->end = l->when;
		return;
	}
	if (l->h1 == H1_MAYBE) {
		struct zbuf seen = l->line;

		l->line = (struct zbuf){ 0 };
		h1_body_begin(c, l, l->after);
		h1_feed(c, l, seen.p, seen.n);
		zbuf_free(&seen);
		h1_skip(c, l, n);
		return;
	}
	if (n != UINT64_MAX && (l->h1 == H1_LENGTH || l->h1 == H1_DATA)) {
		k = n < l->left ? n : l->left;
		message_skip(m, k);
		l->left -= k;
		n -= k;
		if (!l->left && l->h1 == H1_LENGTH)
			message_end(c, l, l->when);
		else if (!l->left)
			l->h1 = H1_DATA_END;
	}
	/* between a chunk and its CR LF */
	if (n == CHUNK_END && l->h1 == H1_DATA_END && !l->line.n) {
		l->h1 = H1_CHUNK;
		n = 0;
	}
	if (n && l->h1 == H1_WAIT)
		l->skipped = true;
	else if (n)
		h1_lose(c, l);
}

void h1_end(struct http_conn *c)
{
	struct lane *l = &c->lanes[c->role == HTTP_CLIENT ? HTTP_RECEIVED : HTTP_SENT];
	bool to_the_end = l->h1 == H1_CLOSE || (l->h1 == H1_MAYBE && l->after == H1_CLOSE);

	if (l->call && l->call->response.begun && to_the_end)
		message_end(c, l, l->call->response.end);
}

/* As h1_skip() goes on behind n bytes. */
bool h1_spares(const struct http_conn *c, const struct lane *l, uint64_t n)
{
	uint64_t unwanted = h1_unwanted(c, l);

	if (l->h1 == H1_DATA_END)
		return n == CHUNK_END && !l->line.n;
	return n <= unwanted || (l->h1 == H1_DATA && unwanted == l->left && n == l->left + CHUNK_END) || l->h1 == H1_WAIT;
}

uint64_t h1_unwanted(const struct http_conn *c, const struct lane *l)
{
	switch (l->h1) {
	case H1_LENGTH:
	case H1_DATA:
		return message_unwanted(lane_message(c, l), l->left);
	case H1_CLOSE:
		return message_unwanted(lane_message(c, l), UINT64_MAX);
	default:
		return 0;
	}
}
