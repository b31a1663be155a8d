// SPDX-License-Identifier: Apache-2.0
/* test_h2lists.c - which list a block was made of: the one that it can only have been, or none. nghttp2 makes the blocks of the last cases. */
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "agent/h2lists.h"
#include "agent/tlscalls.h"
#include "tests/tap.h"
#include "tests/unit/tlspiece.h"

#define FIELDS 3
static struct piece p;

/* An entry with these names and values, in pairs. */
static uint32_t list_entry(uint64_t session, uint32_t tid, uint32_t stream, unsigned n, const char *const *texts)
{
	struct piece_conn c = { .id = session, .tid = tid, .tgid = 1 };
	uint32_t at = 0;

	piece_begin(&p, &c, HT_TLS_FIELDS, 0);
	for (unsigned i = 0; i < n; i++) {
		struct ht_tls_field f = { .name = (uint16_t)strlen(texts[2 * i]), .value = texts[2 * i + 1] ? (uint32_t)strlen(texts[2 * i + 1]) : 5 };

		f.no_value = !texts[2 * i + 1];
		memcpy(p.u.bytes + at, &f, sizeof(f));
		memcpy(p.u.bytes + at + sizeof(f), texts[2 * i], f.name);
		if (!f.no_value)
			memcpy(p.u.bytes + at + sizeof(f) + f.name, texts[2 * i + 1], f.value);
		at += (uint32_t)((sizeof(f) + f.name + (f.no_value ? 0 : f.value) + 7) & ~7ul);
	}
	p.e.offset = stream;
	p.e.full = n;
	p.e.captured = at;
	p.e.h.len = (uint32_t)sizeof(p.e) + at;
	return p.e.h.len;
}

#define LIST(session, tid, stream, host) \
	list_entry(session, tid, stream, FIELDS, (const char *const[]){ ":method", "GET", ":authority", host, "User-Agent", "u" })

static uint64_t give(struct h2lists *l, uint32_t n)
{
	uint64_t unwanted = 0;

	ok_int(h2lists_event(l, &p.e, n, &unwanted), 0);
	return unwanted;
}

static struct str text(const char *s)
{
	return (struct str){ s, s ? strlen(s) : 0 };
}

/* What a late reader sees of such a list: the method, and an entry from before it came; the last one's name alone. */
static const char *find(struct h2lists *l, uint64_t conn, uint32_t tid, uint32_t stream, uint64_t older)
{
	struct http_part parts[FIELDS] = { { text(":method"), text("GET"), 0, false }, { .older = older }, { .name = text("user-agent") } };
	struct http_block b = { HTTP_SENT, stream, UINT64_MAX, parts, FIELDS };
	struct h2lists_where w = { .conn = conn, .by = tid, .tgid = 1 };
	const struct http_part *found = h2lists_find(l, &w, &b);
	static char host[32];

	if (!found)
		return "";
	ok(http_block_agrees(&b, found, FIELDS));
	snprintf(host, sizeof(host), "%.*s", (int)found[1].value.n, found[1].value.p);
	return host;
}

#define NEW(l)               \
	struct h2lists *l;   \
	must(h2lists_new(&l) == 0)

static void found_and_kept(void)
{
	NEW(l);

	give(l, LIST(70, 1, 5, "a"));
	ok_str(find(l, 9, 2, 5, 1), "");	/* of another thread */
	ok_str(find(l, 9, 1, 7, 1), "");	/* of another stream */
	ok_str(find(l, 9, 1, 5, 1), "a");
	ok_str(find(l, 9, 1, 5, 1), "");	/* it was one block's */
	give(l, LIST(70, 1, 7, "b"));
	ok_str(find(l, 9, 1, 7, 2), "b");
	give(l, LIST(70, 1, 9, "c"));
	ok_str(find(l, 9, 2, 9, 3), "c");	/* by now the session is known */
	ok(h2lists_holds(l, 9));
	ok(h2lists_end(l, 70) && !h2lists_end(l, 70));
	ok_int(h2lists_count(l), 0);
	h2lists_free(&l);
}

static void not_from_later(void)
{
	struct http_part parts[1] = { { .older = 1 } };
	struct http_block b = { HTTP_SENT, 5, 1000, parts, 1 };
	struct h2lists_where w = { .conn = 9, .by = 1, .tgid = 1 };
	NEW(l);

	list_entry(70, 1, 5, 1, (const char *const[]){ "x", "y" });
	p.e.h.time = 1001;
	give(l, p.e.h.len);
	ok(!h2lists_find(l, &w, &b));
	b.when = 1001;
	w.tgid = 2;
	ok(!h2lists_find(l, &w, &b));
	w.tgid = 1;
	b.dir = HTTP_RECEIVED;
	ok(!h2lists_find(l, &w, &b));
	b.dir = HTTP_SENT;
	ok(h2lists_find(l, &w, &b));
	h2lists_free(&l);
}

static bool agrees(const char *name, const char *value, unsigned n)
{
	static const char *const texts[] = { "Host", "h", "accept", NULL, "x", "1" };
	struct http_part told[FIELDS], read[FIELDS] = { { text("host"), text("h"), 0, false }, { .older = 4 }, { text("x"), text("1"), 0, false } };
	struct http_block b = { HTTP_SENT, 1, 1, read, n };

	for (unsigned i = 0; i < FIELDS; i++)
		told[i] = (struct http_part){ text(texts[2 * i]), text(texts[2 * i + 1]), 0, false };
	read[0] = (struct http_part){ text(name), text(value), 0, false };
	return http_block_agrees(&b, told, FIELDS);
}

static void must_agree(void)
{
	ok(agrees("host", "h", 3));
	ok(agrees(NULL, "h", 3));
	ok(agrees("host", NULL, 3));
	ok(!agrees("host", "h", 2));
	ok(!agrees("hosu", "h", 3));
	ok(!agrees("hos", "h", 3));
	ok(!agrees("host", "g", 3));
	ok(!agrees("host", "H", 3));
	ok(!agrees(NULL, "", 3));
}

/* Two that could be meant: none is, unless it does not matter. */
static void open_which(void)
{
	NEW(l);

	give(l, LIST(70, 1, 5, "a"));
	give(l, LIST(71, 1, 5, "b"));
	ok_str(find(l, 9, 1, 5, 1), "");
	give(l, LIST(70, 1, 7, "c"));
	give(l, LIST(71, 1, 7, "c"));
	ok_str(find(l, 9, 1, 7, 2), "c");
	give(l, LIST(70, 1, 9, "d"));
	ok_str(find(l, 9, 1, 9, 3), "d");	/* alone */
	give(l, LIST(71, 1, 9, "e"));
	ok_str(find(l, 8, 1, 9, 1), "e");	/* what is left is the other one's */
	give(l, LIST(71, 1, 11, "f"));
	give(l, LIST(70, 1, 11, "g"));
	ok_str(find(l, 9, 1, 11, 4), "g");
	ok_str(find(l, 8, 1, 11, 2), "f");
	ok(h2lists_holds(l, 8) && h2lists_holds(l, 9));
	h2lists_free(&l);
}

/* The list of a block was not seen, and another session's fits it: that one's own connection shows that. */
static void taken_from_another(void)
{
	NEW(l);

	give(l, LIST(70, 1, 5, "a"));
	ok_str(find(l, 9, 1, 5, 1), "a");
	ok(h2lists_holds(l, 9));
	ok_str(find(l, 8, 1, 5, 1), "");
	ok(!h2lists_holds(l, 9));
	give(l, LIST(70, 1, 7, "b"));
	ok_str(find(l, 9, 1, 7, 2), "");
	h2lists_free(&l);
}

/* But one that has been found right twice is not given up because of a stranger. */
static void sure_of_it(void)
{
	NEW(l);

	for (uint32_t stream = 5; stream < 9; stream += 2) {
		give(l, LIST(70, 1, stream, "a"));
		ok_str(find(l, 9, 1, stream, 1), "a");
	}
	ok_str(find(l, 8, 1, 7, 1), "");
	ok(h2lists_holds(l, 9));
	h2lists_free(&l);
}

static void contradictions(void)
{
	NEW(l);

	give(l, LIST(70, 1, 5, "a"));
	ok_str(find(l, 9, 1, 5, 1), "a");
	give(l, LIST(70, 1, 7, "b"));
	ok_str(find(l, 9, 1, 7, 1), "");	/* the first entry stands for "a" */
	ok(!h2lists_holds(l, 9));
	give(l, LIST(80, 1, 5, "a"));
	ok_str(find(l, 10, 1, 5, 1), "a");
	give(l, list_entry(80, 1, 7, 1, (const char *const[]){ ":method", "GET" }));
	ok_str(find(l, 10, 1, 7, 1), "");	/* this stream's list is not the block's */
	ok(!h2lists_holds(l, 10));
	h2lists_free(&l);
}

/* The list was lost on its way: nothing is known of that one, and the next one is found. */
static void lost_list(void)
{
	NEW(l);

	give(l, LIST(70, 1, 5, "a"));
	ok_str(find(l, 9, 1, 5, 1), "a");
	ok_str(find(l, 9, 1, 7, 1), "");
	give(l, LIST(70, 1, 9, "a"));
	ok_str(find(l, 9, 1, 9, 1), "a");
	ok(h2lists_holds(l, 9));
	h2lists_free(&l);
}

static void bounded(void)
{
	NEW(l);

	for (uint32_t i = 0; i <= H2LISTS_WAIT; i++)
		ok_int(give(l, LIST(70, 1, 1 + 2 * i, "a")), i == H2LISTS_WAIT ? 70 : 0);
	ok_int(h2lists_count(l), 0);
	ok_int(give(l, LIST(70, 1, 9001, "a")), 70);
	for (uint64_t i = 0; i < 2 * H2LISTS_SESSIONS; i++)
		give(l, LIST(100 + i, 1, 5, "a"));
	ok_int(h2lists_count(l), H2LISTS_MAX);
	ok(!h2lists_end(l, 100) && h2lists_end(l, 100 + 2 * H2LISTS_SESSIONS - 1));
	h2lists_process_gone(l, 1);
	ok_int(h2lists_count(l), 0);
	h2lists_free(&l);
}

static void goes_with_its_connection(void)
{
	NEW(l);

	give(l, LIST(70, 1, 5, "a"));
	ok_str(find(l, 9, 1, 5, 1), "a");
	h2lists_conn_gone(l, 9);
	ok_int(give(l, LIST(70, 1, 7, "a")), 70);
	ok_str(find(l, 8, 1, 7, 1), "");
	h2lists_free(&l);
}

/* One field of a list, or (NULL) its end. */
static uint32_t part(struct piece_conn *c, uint32_t stream, const char *name, const char *value)
{
	uint64_t seq = c->seq++;
	uint32_t n = list_entry(c->id, c->tid, stream, name ? 1 : 0, (const char *const[]){ name, value });

	p.e.h.seq = seq;
	return n;
}

static void three(struct h2lists *l, struct piece_conn *c, const char *host)
{
	give(l, part(c, 0, ":method", "GET"));
	give(l, part(c, 0, ":authority", host));
	give(l, part(c, 0, "user-agent", "u"));
}

static void field_by_field(void)
{
	struct piece_conn c = { .id = 70, .tid = 1, .tgid = 1 };
	unsigned kept;
	NEW(l);

	three(l, &c, "a");
	ok_int(h2lists_count(l), 0);
	give(l, part(&c, 5, NULL, NULL));
	ok_int(h2lists_count(l), 1);
	ok_str(find(l, 9, 1, 5, 1), "a");
	c.tid = 2;	/* another goroutine's */
	three(l, &c, "b");
	give(l, part(&c, 7, NULL, NULL));
	ok_str(find(l, 9, 2, 7, 2), "b");
	three(l, &c, "c");
	c.seq++;	/* lost: a field, or an end and the next one's beginning */
	kept = h2lists_count(l);
	give(l, part(&c, 9, NULL, NULL));
	ok_int(h2lists_count(l), kept);
	ok_str(find(l, 9, 2, 9, 3), "");
	three(l, &c, "d");
	c.tid = 3;
	give(l, part(&c, 0, "x", "of another"));
	give(l, part(&c, 11, NULL, NULL));
	ok_int(h2lists_count(l), kept);
	three(l, &c, "e");
	give(l, part(&c, 13, NULL, NULL));
	ok_str(find(l, 9, 3, 13, 4), "e");
	ok(h2lists_holds(l, 9));
	for (unsigned i = 0; i <= HT_TLS_FIELDS_MAX; i++)
		give(l, part(&c, 0, "x", "y"));
	kept = h2lists_count(l);
	give(l, part(&c, 15, NULL, NULL));
	ok_int(h2lists_count(l), kept);
	three(l, &c, "f");
	h2lists_free(&l);
}

static void nonsense(void)
{
	uint32_t n = LIST(70, 1, 5, "a");
	struct piece good = p;
	uint64_t unwanted;
	NEW(l);

#define BAD(change)                                                      \
	do {                                                             \
		p = good;                                                \
		change;                                                  \
		ok_int(h2lists_event(l, &p.e, n, &unwanted), -EBADMSG);  \
	} while (0)
	BAD(n = sizeof(p.e) - 1);
	BAD(n = good.e.h.len - 1);
	n = good.e.h.len;
	BAD(p.e.captured--);
	BAD(p.e.captured = 0);
	BAD(p.e.full = 0);
	BAD(p.e.full = p.e.offset = 0);
	BAD(p.e.full++);
	BAD(p.e.full = UINT64_MAX);
	BAD(p.e.offset = 1ull << 40);
	BAD(((struct ht_tls_field *)p.u.bytes)->name = 0);
	BAD(((struct ht_tls_field *)p.u.bytes)->name = UINT16_MAX);
	BAD(((struct ht_tls_field *)p.u.bytes)->value = UINT32_MAX);
	p = good;
	ok_int(h2lists_event(l, &p.e, n, &unwanted), 0);
	p.e.h.tgid = 2;
	ok_int(h2lists_event(l, &p.e, n, &unwanted), -EBADMSG);	/* a session is one process's */
	h2lists_free(&l);
}

/* ---- with a real encoder, and the connection's parser */

#define CALLS 12

struct client {
	nghttp2_session *session;
	struct piece_conn conn;
	uint64_t number;
	char host[CALLS][32];
	unsigned n, other;
};

struct answers {
	unsigned n;
	char host[CALLS][32];
	uint32_t flags[CALLS];
	unsigned status[CALLS];
};

static int on_call(void *ctx, const struct tlscalls_call *c)
{
	struct answers *a = ctx;
	const struct http_head *h = &c->http->request.head;

	if (a->n < CALLS) {
		snprintf(a->host[a->n], sizeof(a->host[0]), "%.*s", (int)h->authority.n, h->authority.p ?: "");
		a->status[a->n] = c->http->response.head.status;
		a->flags[a->n++] = c->http->flags;
	}
	return 0;
}

static void on_wanted(void *ctx, uint64_t conn, const struct ht_tls_wanted *w)
{
}

static void client_begin(struct client *c, uint64_t conn)
{
	nghttp2_session_callbacks *callbacks;
	const uint8_t *out;

	memset(c, 0, sizeof(*c));
	must(!nghttp2_session_callbacks_new(&callbacks) && !nghttp2_session_client_new(&c->session, callbacks, NULL));
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(c->session, 0, NULL, 0);
	while (nghttp2_session_mem_send(c->session, &out) > 0)
		;
	c->conn = (struct piece_conn){ .id = conn, .tid = 1, .tgid = 1, .seq = 40, .off = { 5000, 5000 } };
	c->number = conn + 1000;
}

/* A request for one of two hosts. list: it is told. */
static void submit(struct client *c, struct tlscalls *t, bool list)
{
	const char *texts[] = { ":method", "GET", ":scheme", "https", ":authority", (c->n + c->other) % 2 ? "odd" : "even", ":path", "/p", "x-a", "b" };
	nghttp2_nv nv[5];
	int32_t stream;

	for (unsigned i = 0; i < 5; i++)
		nv[i] = (nghttp2_nv){ (uint8_t *)texts[2 * i], (uint8_t *)texts[2 * i + 1], strlen(texts[2 * i]), strlen(texts[2 * i + 1]), 0 };
	stream = nghttp2_submit_request(c->session, NULL, nv, 5, NULL, NULL);
	must(stream > 0);
	if (list)
		ok_int(tlscalls_event(t, &p.e, list_entry(c->number, 1, (uint32_t)stream, 5, texts)), 0);
	snprintf(c->host[c->n++], sizeof(c->host[0]), "%s", texts[5]);
}

/* What was submitted is sent. bytes: seen. */
static void flush(struct client *c, struct tlscalls *t, bool bytes)
{
	const uint8_t *out;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(c->session, &out)) > 0)
		if (bytes)
			ok_int(tlscalls_event(t, &p.e, piece_data(&p, &c->conn, HT_TLS_SENT, (const char *)out, (uint32_t)n, (uint64_t)n)), 0);
}

static void ask(struct client *c, struct tlscalls *t, bool list, bool bytes)
{
	submit(c, t, list);
	flush(c, t, bytes);
}

#define LAB(t, a)                                                                          \
	struct answers a = { 0 };                                                          \
	struct tlscalls_ops ops_of_##t = { .ctx = &a, .call = on_call, .wanted = on_wanted }; \
	struct tlscalls *t;                                                                \
	must(tlscalls_new(&ops_of_##t, &t) == 0)

static void late_with_lists(void)
{
	struct client c;
	LAB(t, a);

	client_begin(&c, 7);
	for (unsigned i = 0; i < CALLS; i++)
		ask(&c, t, i >= 4, i >= 4);
	ok_int(tlscalls_end(t, 1), 0);
	ok_int(a.n, CALLS - 4);
	for (unsigned i = 0; i < a.n; i++) {
		ok_str(a.host[i], c.host[i + 4]);
		ok_int(a.flags[i] & HTTP_UNKNOWN_NAMES, 0);
	}
	ok_int(tlscalls_stats(t)->malformed, 0);
	nghttp2_session_del(c.session);
	tlscalls_free(&t);
}

static void late_without(void)
{
	struct client c;
	LAB(t, a);

	client_begin(&c, 7);
	for (unsigned i = 0; i < CALLS; i++)
		ask(&c, t, false, i >= 4);
	ok_int(tlscalls_end(t, 1), 0);
	ok_int(a.n, CALLS - 4);
	for (unsigned i = 0; i < a.n; i++) {
		ok_str(a.host[i], "");
		ok(a.flags[i] & HTTP_UNKNOWN_NAMES);
	}
	nghttp2_session_del(c.session);
	tlscalls_free(&t);
}

/* Bytes of `from` for `to`, which are of direction `dir` of the connection; -1: not seen. */
static void pass(nghttp2_session *from, nghttp2_session *to, struct tlscalls *t, struct piece_conn *c, int dir)
{
	const uint8_t *out;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(from, &out)) > 0) {
		must(nghttp2_session_mem_recv(to, out, (size_t)n) == n);
		if (dir >= 0)
			ok_int(tlscalls_event(t, &p.e, piece_data(&p, c, (enum ht_tls_dir)dir, out, (uint32_t)n, (uint64_t)n)), 0);
	}
}

/* A server's answers: what it was asked nobody tells, but the status that its table has is known. */
static void late_server(bool lists)
{
	const char *texts[] = { ":status", "201", "server", "s" };
	nghttp2_nv nv[2];
	nghttp2_session_callbacks *callbacks;
	nghttp2_session *server;
	struct client c;
	LAB(t, a);

	client_begin(&c, 7);
	nghttp2_session_del(c.session);
	must(!nghttp2_session_callbacks_new(&callbacks) && !nghttp2_session_server_new(&server, callbacks, NULL));
	must(!nghttp2_session_client_new(&c.session, callbacks, NULL));
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(c.session, 0, NULL, 0);
	nghttp2_submit_settings(server, 0, NULL, 0);
	for (unsigned i = 0; i < 2; i++)
		nv[i] = (nghttp2_nv){ (uint8_t *)texts[2 * i], (uint8_t *)texts[2 * i + 1], strlen(texts[2 * i]), strlen(texts[2 * i + 1]), 0 };
	for (unsigned i = 0; i < CALLS; i++) {
		submit(&c, t, false);
		pass(c.session, server, t, &c.conn, i >= 4 ? HT_TLS_RECEIVED : -1);
		must(!nghttp2_submit_response(server, (int32_t)(2 * i + 1), nv, 2, NULL));
		if (i >= 4 && lists)
			ok_int(tlscalls_event(t, &p.e, list_entry(c.number, 1, 2 * i + 1, 2, texts)), 0);
		pass(server, c.session, t, &c.conn, i >= 4 ? HT_TLS_SENT : -1);
	}
	ok_int(tlscalls_end(t, 1), 0);
	ok_int(a.n, CALLS - 4);
	for (unsigned i = 0; i < a.n; i++) {
		ok_int(a.status[i], lists ? 201 : 0);
		ok_str(a.host[i], "");
	}
	nghttp2_session_del(server);
	nghttp2_session_del(c.session);
	tlscalls_free(&t);
}

static void late_answers(void)
{
	late_server(false);
	late_server(true);
}

/* The first connection's list was not seen, and the second one's fits its block: what that said is given as nobody's. */
static void doubted_before_it_is_given(void)
{
	struct client one, two;
	LAB(t, a);

	client_begin(&one, 7);
	client_begin(&two, 8);
	two.other = 1;
	for (unsigned i = 0; i < 4; i++) {
		ask(&one, t, false, false);
		ask(&two, t, false, false);
	}
	submit(&one, t, false);
	submit(&two, t, true);
	flush(&one, t, true);
	flush(&two, t, true);
	ok_int(tlscalls_end(t, 1), 0);
	ok_int(a.n, 2);
	for (unsigned i = 0; i < a.n; i++) {
		ok_str(a.host[i], "");
		ok(a.flags[i] & HTTP_UNKNOWN_NAMES);
	}
	nghttp2_session_del(one.session);
	nghttp2_session_del(two.session);
	tlscalls_free(&t);
}

static const struct tap_case cases[] = {
	CASE(found_and_kept), CASE(not_from_later), CASE(must_agree), CASE(open_which), CASE(taken_from_another), CASE(sure_of_it),
	CASE(contradictions), CASE(lost_list), CASE(bounded), CASE(goes_with_its_connection), CASE(field_by_field), CASE(nonsense), CASE(late_with_lists),
	CASE(late_without), CASE(late_answers), CASE(doubted_before_it_is_given),
};
TAP_MAIN(cases)
