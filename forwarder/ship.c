/* SPDX-License-Identifier: Apache-2.0 */
#include "ship.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <utlist.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/keys.h"

#define TICK_MS 1000

/* ---- cursor */

static void cursor_trouble(struct ship *s, int r)
{
	if (!s->cursor_failed)
		log_warn(r, "cursor in %s; going on with it in memory", s->config->cursor_dir);
	s->cursor_failed = true;
	s->cursor_try = loop_now() + CURSOR_RETRY_MS;
}

static void moved(struct ship *s, const struct outlet *o)
{
	if (!s->dirty)
		s->dirty_since = loop_now();
	s->dirty = true;
	if (s->cursor && cursor_set(s->cursor, o->stream, o->chain, o->acked) < 0)
		log_limited(LOG_LEVEL_WARN, 0, "cursor: no place for %s", o->name);
}

/* After a start without a cursor: all that is known goes in. */
static int open_cursor(struct ship *s)
{
	char path[PATH_MAX];
	struct outlet *o;
	int r;

	if (s->cursor)
		return 0;
	if (snprintf(path, sizeof(path), "%s/cursor", s->config->cursor_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = cursor_open(path, true, &s->cursor);
	if (r < 0)
		return r;
	DL_FOREACH(s->follow.outlets, o)
		if (o->placed)
			cursor_set(s->cursor, o->stream, o->chain, o->acked);
	return 0;
}

static void save_cursor(struct ship *s, uint64_t now, bool at_once)
{
	int r;

	if (!s->dirty || (!at_once && (now < s->dirty_since + CURSOR_MS || now < s->cursor_try)))
		return;
	r = open_cursor(s);
	if (!r)
		r = cursor_sync(s->cursor);
	if (r < 0) {
		cursor_trouble(s, r);
		return;
	}
	if (s->cursor_failed)
		log_info("cursor in %s can be written again", s->config->cursor_dir);
	s->cursor_failed = s->dirty = false;
	s->cursor_try = 0;
}

/* ---- what to send next */

/* An outlet whose beginning the store must be asked for. */
static struct outlet *unplaced(const struct ship *s)
{
	struct outlet *o;

	DL_FOREACH(s->follow.outlets, o)
		if (!o->placed && !o->gone)
			return o;
	return NULL;
}

/* Control first; then the one after the last that had its turn. */
static struct outlet *next_outlet(struct ship *s)
{
	struct outlet *o, *after = NULL, *before = NULL;
	bool passed = false;

	DL_FOREACH(s->follow.outlets, o) {
		bool ready = !o->gone && outlet_peek(o, s->config->spool_dir);

		if (ready && o->chain == CHAIN_CONTROL)
			return o;
		if (ready && passed && !after)
			after = o;
		if (ready && !passed && !before)
			before = o;
		if (o == s->turn)
			passed = true;
	}
	return after ? after : before;
}

static int ask_heads(struct ship *s, const struct outlet *o)
{
	_cleanup_buf_ struct buf body = { 0 };
	struct request *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	memcpy(q->stream, o->stream, sizeof(q->stream));
	r = link_body(s->link, &body);
	if (!r)
		r = heads_request_build(&body, q->stream);
	if (!r)
		r = link_call(s->link, HEADS_METHOD, &body, q);
	if (r < 0) {
		free(q);
		return r;
	}
	s->question = q;
	return 0;
}

static int send_frames(struct ship *s, struct outlet *o)
{
	_cleanup_buf_ struct buf body = { 0 };
	struct request *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	r = link_body(s->link, &body);
	if (!r)
		r = outlet_fill(o, s->config->spool_dir, q, &body);
	if (r < 0) {
		free(q);
		return r;
	}
	/* from here on the outlet owns q; out of memory: the link goes down, and with it the request */
	r = ship_request_time(&body, clock_wall());
	s->requests++;
	s->bytes += q->bytes;
	s->counts.frames_sent += q->frames;
	s->counts.bytes_sent += q->bytes;
	if (o->chain != CHAIN_CONTROL)
		s->turn = o;
	follow_found(&s->follow);
	return r < 0 ? r : link_call(s->link, SHIP_METHOD, &body, q);
}

/* Makes calls as long as the link and the window take them. */
static void pump(struct ship *s)
{
	int r = 0;

	while (!r && link_idle(s->link)) {
		struct outlet *o = s->question ? NULL : unplaced(s);

		if (o) {
			r = ask_heads(s, o);
			continue;
		}
		if (s->requests >= (unsigned)s->config->inflight || s->bytes >= INFLIGHT_BYTES)
			return;
		o = next_outlet(s);
		if (!o)
			return;
		r = send_frames(s, o);
	}
	if (r < 0 && s->link)
		link_shut(s->link, strerror(-r));
}

static void kick(void *ctx)
{
	struct ship *s = ctx;

	pump(s);
	if (s->link)
		link_flush(s->link);
}

/* ---- answers */

static void placed(struct ship *s, struct outlet *o, const struct ship_head *head)
{
	outlet_place(o, s->config->spool_dir, head);
	if (o->acked)
		moved(s, o);
}

static void on_heads(struct ship *s, struct request *q, const uint8_t *p, size_t n)
{
	struct wire_span span = { p, p + n };
	struct ship_head heads[CHAIN__MAX] = { 0 }, h;
	bool known[CHAIN__MAX] = { false };
	struct outlet *o;
	int r;

	while ((r = heads_reply_next(&span, &h)) == 1) {
		if (h.chain >= CHAIN__MAX)
			continue;
		heads[h.chain] = h;
		known[h.chain] = true;
	}
	if (r < 0) {
		link_shut(s->link, "the store's heads are malformed");
		return;
	}
	DL_FOREACH(s->follow.outlets, o)
		if (!o->placed && !memcmp(o->stream, q->stream, sizeof(q->stream)))
			placed(s, o, known[o->chain] ? &heads[o->chain] : NULL);
	s->question = NULL;
	free(q);
}

/* One frame's result; false: the request ends here. */
static bool take_result(struct ship *s, struct request *q, const struct ship_result *result)
{
	char text[300];

	switch (result->status) {
	case SHIP_STORED:
		s->counts.frames_acked++;
		break;
	case SHIP_REJECTED:
		/* It will never be taken; what is behind it must not wait for ever. The store has set it aside. */
		s->counts.frames_rejected++;
		log_limited(LOG_LEVEL_ERROR, 0, "%s: frame %llu was refused: %.*s", q->outlet->name,
			    (unsigned long long)q->numbers[q->settled],
			    (int)(result->reason_len < 200 ? result->reason_len : 200), result->reason);
		break;
	case SHIP_RETRY:
		s->counts.retries++;
		snprintf(text, sizeof(text), "the store asks to wait: %.*s",
			 (int)(result->reason_len < 200 ? result->reason_len : 200), result->reason);
		link_shut(s->link, text);
		return false;
	default:
		link_shut(s->link, "the store's reply has an unknown status");
		return false;
	}
	q->settled++;
	s->attempts = 0;
	return true;
}

static void on_shipped(struct ship *s, struct request *q, const uint8_t *p, size_t n)
{
	struct wire_span span = { p, p + n };
	struct outlet *o = q->outlet;
	struct ship_result result;
	int r = 0;

	while (q->settled < q->frames) {
		r = ship_reply_next(&span, &result);
		if (r != 1 || !take_result(s, q, &result))
			break;
	}
	if (q->settled < q->frames && r != 1)
		link_shut(s->link, "the store's reply has too few results");
	q->answered = true;
	s->requests--;
	s->bytes -= q->bytes;
	if (outlet_settle(o))
		moved(s, o);
}

static void on_reply(void *ctx, void *request, const uint8_t *p, size_t n)
{
	struct ship *s = ctx;
	struct request *q = request;

	if (q->outlet)
		on_shipped(s, q, p, n);
	else
		on_heads(s, q, p, n);
	/* the window may have opened; sent when nghttp2 is done with what it received */
	pump(s);
}

/* ---- the link */

static void on_ready(void *ctx)
{
	struct ship *s = ctx;

	s->counts.connects++;
	if (s->why[0] || s->counts.connects == 1)
		log_info("connected to %s", s->store);
	s->why[0] = '\0';
	pump(s);
}

static uint64_t random_below(uint64_t n)
{
	uint64_t v = 0;

	random_bytes(&v, sizeof(v));
	return n ? v % n : 0;
}

/* Full jitter: anywhere between nothing and a bound that doubles with each failure in a row. */
static void schedule(struct ship *s, const char *why)
{
	uint64_t bound = (uint64_t)s->config->retry_min;

	for (unsigned i = 0; i < s->attempts && bound < (uint64_t)s->config->retry_max; i++)
		bound *= 2;
	if (bound > (uint64_t)s->config->retry_max)
		bound = (uint64_t)s->config->retry_max;
	s->counts.failures++;
	if (strcmp(s->why, why))
		log_warnx("store %s: %s", s->store, why);
	snprintf(s->why, sizeof(s->why), "%s", why);
	s->retry_at = loop_now() + (s->round_ends ? random_below(bound) + 1 : 0);
	if (s->round_ends)
		s->attempts++;
}

static void on_down(void *ctx, const char *why)
{
	struct ship *s = ctx;

	s->news = true;
	schedule(s, why);
}

/* After the turn in which the link went down. */
static void bury(struct ship *s)
{
	struct outlet *o;

	if (!s->news)
		return;
	s->news = false;
	link_free(&s->link);
	free(s->question);
	s->question = NULL;
	DL_FOREACH(s->follow.outlets, o)
		outlet_rewind(o);
	s->requests = 0;
	s->bytes = 0;
}

static void connect_next(struct ship *s, uint64_t now)
{
	static const struct link_events events = { on_ready, kick, on_reply, on_down };
	struct link_target target;
	char why[256];
	int r;

	if (s->link || now < s->retry_at)
		return;
	snprintf(s->store, sizeof(s->store), "%s", s->config->stores.v[s->targets.at % s->config->stores.n]);
	r = targets_next(&s->targets, &target, &s->round_ends, why);
	if (r < 0) {
		schedule(s, why);
		return;
	}
	r = link_open(s->loop, s->tls, &target, &events, s, &s->link);
	if (r < 0)
		schedule(s, strerror(-r));
}

/* ---- chains come and go */

static void on_outlet(void *ctx, struct outlet *o)
{
	struct ship *s = ctx;

	if (!s->cursor || !cursor_get(s->cursor, o->stream, o->chain, &o->acked))
		return;
	o->placed = true;
	outlet_rewind(o);
}

static void on_gone(void *ctx, const uint8_t stream[16])
{
	struct ship *s = ctx;

	if (!s->cursor)
		return;
	cursor_forget(s->cursor, stream);
	if (!s->dirty)
		s->dirty_since = loop_now();
	s->dirty = true;
}

/* ---- life */

int ship_init(struct ship *s, const struct config *config, struct loop *loop, SSL_CTX *tls)
{
	int r;

	s->config = config;
	s->loop = loop;
	s->tls = tls;
	s->targets.stores = &config->stores;
	s->follow = (struct follow){ .on_news = kick, .on_outlet = on_outlet, .on_gone = on_gone, .ctx = s };
	r = open_cursor(s);
	if (r < 0)
		cursor_trouble(s, r);
	return follow_init(&s->follow, loop, config->spool_dir);
}

void ship_close(struct ship *s)
{
	link_free(&s->link);
	free(s->question);
	save_cursor(s, loop_now(), true);
	follow_close(&s->follow);
	targets_close(&s->targets);
	cursor_free(&s->cursor);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int ship_tick(struct ship *s)
{
	uint64_t now = loop_now(), next;

	bury(s);
	follow_tick(&s->follow, now);
	if (s->link)
		link_tick(s->link, now);
	bury(s);
	connect_next(s, now);
	save_cursor(s, now, false);
	next = earlier(now + TICK_MS, follow_next(&s->follow));
	if (!s->link)
		next = earlier(next, s->retry_at);
	if (s->dirty)
		next = earlier(next, s->cursor_failed ? s->cursor_try : s->dirty_since + CURSOR_MS);
	return next > now ? (int)(next - now) : 0;
}

void ship_status(struct ship *s, struct json *j)
{
	struct outlet *o;
	uint64_t corrupt = 0;

	follow_scan(&s->follow);
	json_boolean(j, "connected", s->link && link_ready(s->link));
	json_string(j, "store", s->store);
	json_string(j, "lastError", s->why);
	json_uint(j, "sent", s->counts.frames_sent);
	json_uint(j, "sentBytes", s->counts.bytes_sent);
	json_uint(j, "acked", s->counts.frames_acked);
	json_uint(j, "rejected", s->counts.frames_rejected);
	json_uint(j, "retries", s->counts.retries);
	json_uint(j, "connects", s->counts.connects);
	json_uint(j, "failures", s->counts.failures);
	json_uint(j, "inflight", s->requests);
	json_uint(j, "inflightBytes", s->bytes);
	json_boolean(j, "cursorSaved", !s->cursor_failed);
	json_open(j, "lag", '{');
	DL_FOREACH(s->follow.outlets, o) {
		json_uint(j, o->name, outlet_lag(o, s->config->spool_dir));
		corrupt += o->corrupt;
	}
	json_close(j, '}');
	json_uint(j, "corrupt", corrupt);
}
