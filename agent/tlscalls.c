// SPDX-License-Identifier: Apache-2.0
#include "tlscalls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(e) ((e)->unhashed = true)
#include <uthash.h>
#include <utlist.h>

#include "h2lists.h"
#include "lib/cleanup.h"

#define WANTED_STEP 16384	/* fewer bytes than that are not worth telling the kernel */
#define OPEN_MIN 4
#define BEGIN_MAX 8

struct open_call {
	uint64_t number, lost;
	api_rule_no rule;
	struct tlscalls_who who;
};

struct conn {
	UT_hash_handle hh;
	struct conn *prev, *next;	/* in order of use */
	uint64_t id;
	struct tlscalls *all;
	struct http_conn *http;		/* NULL: foreign */
	uint64_t seq, off[2], last, lost;
	uint64_t missing;		/* entries that may still come late */
	struct ht_tls_wanted told;
	struct tlscalls_who who;	/* of the entry at hand */
	uint64_t by;			/* its thread or goroutine */
	bool known, fresh, unhashed;
	bool gap[2];			/* by direction: entries are missing behind its last bytes */
	unsigned gone;			/* passes until it ends; 0: lives */
	struct open_call *open;
	unsigned nopen, open_max;
	struct api_peer peer;
	uint16_t local_port;
	uint64_t sock;			/* its inode number; 0: not known */
	char address[TLSCALLS_ADDRESS], local[TLSCALLS_ADDRESS];
};

struct tlscalls {
	struct tlscalls_ops ops;
	struct conn *conns, *used;	/* used: the least recently used one first */
	unsigned n;
	struct tlssocks *socks;
	struct h2lists *lists;
	struct api_arena *arena;
	int error;			/* what a callback answered while a connection was fed */
	struct tlscalls_stats stats;
};

/* One of the process whose socket is not known. */
static bool maybe_seen(void *ctx, uint32_t tgid)
{
	struct tlscalls *t = ctx;
	struct conn *c;

	DL_FOREACH(t->used, c)
		if (!c->sock && c->who.tgid == tgid)
			return true;
	return false;
}

static int is_mapped(void *ctx, uint32_t tgid)
{
	struct tlscalls *t = ctx;

	return t->ops.mapped ? t->ops.mapped(t->ops.ctx, tgid) : -1;
}

static int on_unobserved(void *ctx, const struct tlssocks_unobserved *u)
{
	struct tlscalls *t = ctx;

	t->stats.unobserved++;
	return t->ops.unobserved ? t->ops.unobserved(t->ops.ctx, u) : 0;
}

int tlscalls_new(const struct tlscalls_ops *ops, struct tlscalls **ret_t)
{
	_cleanup_(tlscalls_free) struct tlscalls *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->ops = *ops;
	r = api_arena_new(&t->arena);
	if (!r)
		r = h2lists_new(&t->lists);
	if (!r)
		r = tlssocks_new(&(struct tlssocks_ops){ t, maybe_seen, is_mapped, on_unobserved }, &t->socks);
	if (!r)
		*ret_t = TAKE_PTR(t);
	return r;
}

static void conn_free(struct tlscalls *t, struct conn *c)
{
	h2lists_conn_gone(t->lists, c->id);
	HASH_DEL(t->conns, c);
	DL_DELETE(t->used, c);
	t->n--;
	http_conn_free(&c->http);
	free(c->open);
	free(c);
}

void tlscalls_free(struct tlscalls **t)
{
	if (!*t)
		return;
	while ((*t)->used)
		conn_free(*t, (*t)->used);
	tlssocks_free(&(*t)->socks);
	h2lists_free(&(*t)->lists);
	api_arena_free(&(*t)->arena);
	free(*t);
	*t = NULL;
}

const struct tlscalls_stats *tlscalls_stats(const struct tlscalls *t)
{
	return &t->stats;
}

/* ---- calls ------------------------------------------------------------------------------------- */

static struct open_call *open_find(struct conn *c, uint64_t number)
{
	for (unsigned i = 0; i < c->nopen; i++)
		if (c->open[i].number == number)
			return &c->open[i];
	return NULL;
}

static struct open_call *open_room(struct conn *c)
{
	unsigned max = c->open_max ? c->open_max * 2 : OPEN_MIN;
	struct open_call *v;

	if (c->nopen < c->open_max)
		return &c->open[c->nopen++];
	v = max > HTTP_CALLS_MAX * 2 ? NULL : realloc(c->open, max * sizeof(*v));
	if (!v)
		return NULL;
	c->open = v;
	c->open_max = max;
	return &c->open[c->nopen++];
}

/* What the handshake on its socket said, as far as it is known by now. */
static const struct tlssock *details(struct conn *c)
{
	const struct tlssock *s = c->sock ? tlssocks_find(c->all->socks, c->sock) : NULL;

	c->peer.server_name = s && s->name[0] ? (struct str){ s->name, strlen(s->name) } : (struct str){ 0 };
	return s;
}

static void on_head(void *ctx, const struct http_call *call, struct http_wants *ret_wants)
{
	struct conn *c = ctx;
	struct open_call *o = open_find(c, call->number) ?: open_room(c);
	api_rule_no rule;

	c->peer.role = call->role;
	details(c);
	rule = api_wants(&c->peer, call, ret_wants);
	if (o)
		*o = (struct open_call){ .number = call->number, .rule = rule, .lost = c->lost, .who = c->who };
}

/* With the response's head known, less of its body may be wanted. */
static void on_answer(void *ctx, const struct http_call *call, struct http_wants *wants)
{
	struct conn *c = ctx;
	struct open_call *o = open_find(c, call->number);

	api_wants_answer(o ? o->rule : API_RULE_UNKNOWN, &c->peer, call, wants);
}

static const struct http_part *on_block(void *ctx, const struct http_block *b)
{
	struct conn *c = ctx;
	struct h2lists_where w = { .conn = c->id, .by = c->by, .tgid = c->who.tgid };

	return h2lists_find(c->all->lists, &w, b);
}

static bool on_doubt(void *ctx, uint32_t stream)
{
	struct conn *c = ctx;

	return h2lists_holds(c->all->lists, c->id);
}

static void on_call(void *ctx, const struct http_call *call)
{
	struct conn *c = ctx;
	struct tlscalls *t = c->all;
	struct open_call *o = open_find(c, call->number);
	struct tlscalls_call x = { .who = o ? o->who : c->who, .peer = &c->peer, .http = call, .conn = c->id, .local_port = c->local_port,
				   .fresh = c->fresh, .lost = o && c->lost > o->lost ? c->lost - o->lost : 0 };
	api_rule_no rule = o ? o->rule : API_RULE_UNKNOWN;
	struct api_call api;
	int r;

	if (o)
		*o = c->open[--c->nopen];
	if (t->error)
		return;
	c->peer.role = call->role;
	x.tls = details(c);
	r = api_describe_by(rule, &c->peer, call, t->arena, &api);
	x.api = &api;
	if (!r)
		r = t->ops.call(t->ops.ctx, &x);
	api_arena_reset(t->arena);
	t->stats.calls++;
	t->error = r;
}

/* ---- connections ---------------------------------------------------------------------------------- */

static int conn_end(struct tlscalls *t, struct conn *c, uint64_t when)
{
	int r;

	if (c->http)
		http_conn_end(c->http, when);
	conn_free(t, c);
	r = t->error;
	t->error = 0;
	return r;
}

static int conn_new(struct tlscalls *t, uint64_t id, struct conn **ret_c)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct http_sink sink = { .ctx = c, .head = on_head, .answer = on_answer, .call = on_call, .told = on_block, .holds = on_doubt };
	int r;

	if (!c)
		return -ENOMEM;
	c->id = id;
	c->all = t;
	r = http_conn_new(&sink, &c->http);
	if (!r) {
		HASH_ADD(hh, t->conns, id, sizeof(c->id), c);
		r = c->unhashed ? -ENOMEM : 0;
	}
	if (r < 0) {
		http_conn_free(&c->http);
		free(c);
		return r;
	}
	DL_APPEND(t->used, c);
	t->n++;
	t->stats.connections++;
	*ret_c = c;
	return 0;
}

static int conn_of(struct tlscalls *t, uint64_t id, struct conn **ret_c)
{
	struct conn *c;
	int r;

	HASH_FIND(hh, t->conns, &id, sizeof(id), c);
	if (c) {
		DL_DELETE(t->used, c);
		DL_APPEND(t->used, c);
		*ret_c = c;
		return 0;
	}
	if (t->n >= TLSCALLS_CONNS) {
		t->stats.evicted++;
		r = conn_end(t, t->used, t->used->last);
		if (r < 0)
			return r;
	}
	return conn_new(t, id, ret_c);
}

void tlscalls_address(uint16_t family, const uint8_t a[16], char text[TLSCALLS_ADDRESS])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == AF_INET6 && !memcmp(a, mapped, sizeof(mapped)))
		inet_ntop(AF_INET, a + 12, text, TLSCALLS_ADDRESS);
	else if (!inet_ntop(family, a, text, TLSCALLS_ADDRESS))
		text[0] = 0;
}

static struct str text_of(const char *s)
{
	return (struct str){ *s ? s : NULL, strlen(s) };
}

static void take_socket(struct conn *c, const struct ht_sock *s)
{
	tlscalls_address(s->family, s->daddr, c->address);
	tlscalls_address(s->family, s->saddr, c->local);
	c->peer.address = text_of(c->address);
	c->peer.local_address = text_of(c->local);
	c->peer.port = s->dport;
	c->local_port = s->sport;
	c->sock = s->ino;
	if (s->ino)
		tlssocks_seen(c->all->socks, s->ino);
}

/* ---- bytes --------------------------------------------------------------------------------------------- */

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* Tells the kernel what need not come, where that is worth it. */
static void tell_wanted(struct tlscalls *t, struct conn *c)
{
	struct ht_tls_wanted w = c->told;
	bool news = false;

	for (unsigned dir = 0; dir < 2; dir++) {
		uint64_t n = c->http ? http_conn_unwanted(c->http, dir) : UINT64_MAX, until = add_capped(c->off[dir], n);
		uint32_t streams = c->http ? http_conn_unwanted_streams(c->http, dir) : 0;

		if (streams > w.streams[dir]) {
			w.streams[dir] = streams;
			news = true;
		}
		if (n < WANTED_STEP || until == w.until[dir])
			continue;
		w.until[dir] = until;
		news = true;
	}
	if (!news)
		return;
	c->told = w;
	t->ops.wanted(t->ops.ctx, c->id, &w);
}

static void skip_to(struct conn *c, unsigned dir, uint64_t when, uint64_t to, int *ret_r)
{
	if (to <= c->off[dir])
		return;
	if (c->http && !*ret_r)
		*ret_r = http_conn_skip(c->http, dir, when, to - c->off[dir]);
	c->off[dir] = to;
}

/*
 * The same of bytes that no entry tells of. If they are not what we did not want, and no entry is missing, the kernel held them back, for the ring was pressed.
 * Inside a body that is no loss; else what stood there is.
 */
static void hole_to(struct conn *c, unsigned dir, uint64_t when, uint64_t to, int *ret_r)
{
	if (c->http && !c->gap[dir] && to > c->off[dir] && to > c->told.until[dir] && !http_conn_spares(c->http, dir, to - c->off[dir])) {
		c->lost++;
		c->all->stats.lost++;
	}
	skip_to(c, dir, when, to, ret_r);
}

/* Frames of HTTP/2 that the kernel left out. */
static void frames_to(struct conn *c, const struct ht_tls *ev, int *ret_r)
{
	unsigned dir = ev->dir;

	if (!ev->held || ev->offset - ev->held != c->off[dir] || !c->http || *ret_r)
		return;
	if (ev->body && http_conn_wants_data(c->http, dir)) {
		c->lost++;
		c->all->stats.lost++;
	}
	*ret_r = http_conn_frames(c->http, dir, ev->h.time, ev->held, ev->body);
	c->off[dir] = ev->offset;
}

static int take_data(struct tlscalls *t, struct conn *c, const struct ht_tls *ev)
{
	unsigned dir = ev->dir;
	uint64_t when = ev->h.time;
	int r = 0;

	if (ev->offset < c->off[dir])		/* was there before: rings hold each entry once, so this is no good one */
		return -EBADMSG;
	hole_to(c, !dir, when, ev->lost, &r);	/* first: its answer is not this one's, nor an answer that of what follows */
	hole_to(c, dir, when, ev->offset - ev->held, &r);
	frames_to(c, ev, &r);
	hole_to(c, dir, when, ev->offset, &r);
	c->gap[dir] = false;
	if (c->http && ev->captured && !r)
		r = http_conn_feed(c->http, dir, when, ev + 1, ev->captured);
	c->off[dir] += ev->captured;
	skip_to(c, dir, when, ev->offset + ev->full, &r);
	if (!r && c->http && http_conn_state(c->http) == HTTP_FOREIGN) {
		http_conn_free(&c->http);
		t->stats.foreign++;
	}
	if (!r)
		tell_wanted(t, c);
	return r;
}

static int take_end(struct tlscalls *t, struct conn *c, const struct ht_tls *ev)
{
	uint64_t when = ev->h.time;
	int r = 0;

	hole_to(c, HT_TLS_SENT, when, ev->offset, &r);
	hole_to(c, HT_TLS_RECEIVED, when, ev->full, &r);
	return conn_end(t, c, when) ?: r;
}

static bool entry_good(const struct ht_tls *ev, uint32_t n)
{
	uint32_t more;

	if (n < sizeof(*ev))
		return false;
	more = n - (uint32_t)sizeof(*ev);
	switch (ev->what) {
	case HT_TLS_DATA:
		return ev->dir <= HT_TLS_RECEIVED && ev->captured <= more && ev->captured <= ev->full && ev->full <= UINT64_MAX / 4 &&
		       ev->offset <= UINT64_MAX / 4 && ev->lost <= UINT64_MAX / 4 && ev->held <= ev->offset && ev->body <= ev->held;
	case HT_TLS_SOCKET:
		return more >= sizeof(struct ht_sock);
	case HT_TLS_END:
		return ev->offset <= UINT64_MAX / 2 && ev->full <= UINT64_MAX / 2;
	}
	return false;
}

/* Among the first entries of a connection that is known since its handshake. */
static bool begins(const struct ht_tls *ev)
{
	return ev->fresh && ev->h.seq < BEGIN_MAX;
}

/* Two threads of one connection: the entry that is numbered first may be second in the ring. Its bytes are of the other direction. */
static bool comes_late(struct tlscalls *t, struct conn *c, const struct ht_tls *ev)
{
	if (!c->missing || (ev->what == HT_TLS_DATA && ev->offset < c->off[ev->dir]))
		return false;
	c->missing--;
	c->lost--;
	t->stats.lost--;
	return true;
}

/* Entries that are missing between the last one and this are lost, if they do not come late. */
static bool in_order(struct tlscalls *t, struct conn *c, const struct ht_tls *ev)
{
	uint64_t missing = ev->h.seq - c->seq;

	if (c->known && ev->h.seq < c->seq)
		return comes_late(t, c, ev);
	if (!c->known && begins(ev))
		http_conn_fresh(c->http);
	else if (!c->known)
		missing = 0;		/* it began before we came */
	if (missing || !c->known)
		c->gap[0] = c->gap[1] = true;
	c->missing += missing;
	c->lost += missing;
	t->stats.lost += missing;
	c->known = true;
	c->seq = ev->h.seq + 1;
	return true;
}

static int take_fields(struct tlscalls *t, const struct ht_tls *ev, uint32_t n)
{
	static const struct ht_tls_wanted nothing = { .until = { UINT64_MAX, UINT64_MAX } };
	uint64_t unwanted = 0;
	int r = h2lists_event(t->lists, ev, n, &unwanted);

	t->stats.malformed += r == -EBADMSG;
	if (unwanted)
		t->ops.wanted(t->ops.ctx, unwanted, &nothing);
	return r;
}

int tlscalls_event(struct tlscalls *t, const struct ht_tls *ev, uint32_t n)
{
	struct conn *c;
	int r;

	if (n >= sizeof(*ev) && ev->what == HT_TLS_FIELDS)
		return take_fields(t, ev, n);
	if (n >= sizeof(*ev) && ev->what >= HT_TLS_HELLO && ev->what <= HT_TLS_OPTED_OUT) {
		r = tlssocks_event(t->socks, ev, n);
		t->stats.malformed += r == -EBADMSG;
		return r;
	}
	if (!entry_good(ev, n)) {
		t->stats.malformed++;
		return -EBADMSG;
	}
	if (ev->what == HT_TLS_END && h2lists_end(t->lists, ev->conn))
		return 0;
	r = conn_of(t, ev->conn, &c);
	if (r < 0)
		return r;
	if (!in_order(t, c, ev)) {
		t->stats.malformed++;
		return -EBADMSG;
	}
	c->last = ev->h.time;
	c->fresh |= ev->fresh;
	if (ev->what == HT_TLS_DATA) {
		uint32_t gen = ev->h.gen ?: c->who.tid == ev->h.tid && c->who.start == ev->h.start ? c->who.gen : 0;

		c->who = (struct tlscalls_who){ ev->h.tid, ev->h.tgid, ev->h.start, gen };
		c->by = ev->by;
		r = take_data(t, c, ev);
	} else if (ev->what == HT_TLS_SOCKET) {
		struct ht_sock s;

		memcpy(&s, ev + 1, sizeof(s));
		take_socket(c, &s);
	} else {
		return take_end(t, c, ev);
	}
	r = t->error ?: r;
	t->error = 0;
	return r;
}

/* ---- ends ------------------------------------------------------------------------------------------------ */

void tlscalls_gone(struct tlscalls *t, uint32_t tgid, uint64_t when)
{
	struct conn *c;

	DL_FOREACH(t->used, c)
		if (c->who.tgid == tgid && c->last <= when && !c->gone)
			c->gone = 2;
	tlssocks_gone(t->socks, tgid);
	h2lists_process_gone(t->lists, tgid);
}

int tlscalls_pass_end(struct tlscalls *t, uint64_t now)
{
	struct conn *c, *next;
	int r = 0;

	DL_FOREACH_SAFE(t->used, c, next)
		if (c->gone && !--c->gone && !r)
			r = conn_end(t, c, c->last);
	return r ?: tlssocks_due(t->socks, now, false);
}

int tlscalls_end(struct tlscalls *t, uint64_t when)
{
	int r = tlssocks_due(t->socks, when, true);

	while (t->used && !r)
		r = conn_end(t, t->used, when);
	return r;
}
