// SPDX-License-Identifier: Apache-2.0
/* test_tlscalls.c - entries of TLS connections become calls: each once, by whoever began it, and none that was not there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/tlscalls.h"
#include "tests/tap.h"
#include "tests/unit/hellos.h"
#include "tests/unit/tlspiece.h"

struct seen {
	unsigned n, fail_at;
	char name[8][64], peer[8][64];
	uint32_t tid[8], gen[8], flags[8];
	unsigned status[8];
	uint16_t version[8], cipher[8];
	char server_name[8][64];
	uint64_t lost[8], body[8], asked[8];
	unsigned told;
	struct ht_tls_wanted wanted;
};

static int on_call(void *ctx, const struct tlscalls_call *c)
{
	struct seen *s = ctx;
	unsigned i = s->n++ & 7;

	if (s->n == s->fail_at)
		return -ENOSPC;
	snprintf(s->name[i], sizeof(s->name[i]), "%.*s", (int)c->api->event_name.n, c->api->event_name.p);
	snprintf(s->peer[i], sizeof(s->peer[i]), "%.*s:%u", (int)c->peer->address.n, c->peer->address.p ?: "", c->peer->port);
	s->tid[i] = c->who.tid;
	s->gen[i] = c->who.gen;
	s->flags[i] = c->http->flags;
	s->status[i] = c->http->response.head.status;
	s->body[i] = c->http->response.body.length;
	s->asked[i] = c->http->request.body.length;
	s->lost[i] = c->lost;
	s->version[i] = c->tls ? c->tls->version : 0;
	s->cipher[i] = c->tls ? c->tls->cipher : 0;
	snprintf(s->server_name[i], sizeof(s->server_name[i]), "%.*s", (int)c->peer->server_name.n, c->peer->server_name.p ?: "");
	return 0;
}

static void on_wanted(void *ctx, uint64_t conn, const struct ht_tls_wanted *w)
{
	struct seen *s = ctx;

	s->told++;
	s->wanted = *w;
}

static struct piece p;

#define LAB(s, t)                                                                                     \
	struct seen s = { 0 };                                                                        \
	struct tlscalls_ops ops_of_##t = { .ctx = &s, .call = on_call, .wanted = on_wanted };         \
	struct tlscalls *t = NULL;                                                                    \
	must(tlscalls_new(&ops_of_##t, &t) == 0)
#define GIVE(t, n)                                     \
	do {                                           \
		uint32_t given = (n);                  \
		ok_int(tlscalls_event(t, &p.e, given), 0); \
	} while (0)

#define REQUEST "GET /a/b HTTP/1.1\r\nHost: example.com\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void one_call_by_who_began_it(void)
{
	struct piece_conn c = { .id = 7, .tid = 100, .tgid = 100, .gen = 3 };
	LAB(s, t);

	GIVE(t, piece_socket(&p, &c, 40000, 443));
	GIVE(t, piece_data(&p, &c, HT_TLS_SENT, REQUEST, 10, 10));
	c.off[0] = 10;
	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST + 10));
	c.tid = 101;
	c.gen = 4;
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, ANSWER));
	ok_int(s.n, 1);
	ok_str(s.name[0], "GET /a/b");
	ok_str(s.peer[0], "192.0.2.7:443");
	ok_int(s.status[0], 200);
	ok_int(s.tid[0], 100);
	ok_int(s.gen[0], 3);
	ok_int(s.lost[0], 0);
	GIVE(t, piece_end(&p, &c));
	ok_int(s.n, 1);
	tlscalls_free(&t);
}

/* A gigabyte of body: told to the kernel, then one entry with the last byte. */
static void body_is_not_wanted(void)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
	uint64_t end = sizeof(head) - 1 + 1000000000;
	struct piece_conn c = { .id = 8, .tid = 1, .tgid = 1, .gen = 1 };
	LAB(s, t);

	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, head));
	ok_int(s.n, 0);
	ok(s.told >= 1);
	ok(s.wanted.until[HT_TLS_RECEIVED] == end);
	c.off[HT_TLS_RECEIVED] = end - 10;	/* all that was not sent */
	GIVE(t, piece_data(&p, &c, HT_TLS_RECEIVED, "", 0, 10));
	ok_int(s.n, 1);
	ok(s.body[0] == 1000000000);
	ok_int(s.flags[0] & (HTTP_TRUNCATED | HTTP_LENGTH_UNKNOWN | HTTP_NO_RESPONSE), 0);
	ok_int(s.lost[0], 0);
	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, ANSWER));
	ok_int(s.n, 2);
	tlscalls_free(&t);
}

/* A rule that reads only why a call failed wants nothing of an answer that tells of no failure. */
static void body_is_wanted_by_status(void)
{
	static const char request[] = "GET /api/v1/namespaces/d/pods HTTP/1.1\r\nHost: k8s.test\r\n\r\n";
	static const char *const heads[] = { "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", "HTTP/1.1 404 No\r\nContent-Length: 1000000000\r\n\r\n" };

	for (unsigned i = 0; i < 2; i++) {
		struct piece_conn c = { .id = 20 + i, .tid = 1, .tgid = 1, .gen = 1 };
		LAB(s, t);

		GIVE(t, piece_text(&p, &c, HT_TLS_SENT, request));
		GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, heads[i]));
		ok((s.wanted.until[HT_TLS_RECEIVED] == strlen(heads[i]) + 1000000000) == !i);
		tlscalls_free(&t);
	}
}

/* An entry inside the request's head is lost: what is left of it is never shown as if it were whole. */
static void loss_is_seen(void)
{
	struct piece_conn c = { .id = 9, .tid = 1, .tgid = 1, .gen = 1 };
	LAB(s, t);

	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, "GET /secret/"));
	piece_text(&p, &c, HT_TLS_SENT, "path HTTP/1.1\r\nHost: h\r\n");
	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, "X: y\r\n\r\n"));
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, ANSWER));
	GIVE(t, piece_end(&p, &c));
	ok_int(tlscalls_stats(t)->lost, 1);
	for (unsigned i = 0; i < s.n; i++)
		ok(strncmp(s.name[i], "GET /secret", 11) || (s.flags[i] & HTTP_TRUNCATED) || s.lost[i]);
	tlscalls_free(&t);
}

#define LONG_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nhello"

/* Bytes that no entry tells of, and that were wanted: inside a body of known length they are nothing. */
static void held_back_inside_a_body(void)
{
	struct piece_conn c = { .id = 9, .tid = 1, .tgid = 1, .gen = 1 };
	LAB(s, t);

	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, "PUT /a/b HTTP/1.1\r\nHost: h\r\nContent-Length: 7000\r\n\r\nabc"));
	c.off[HT_TLS_SENT] += 6997;
	c.lost[HT_TLS_SENT] = c.off[HT_TLS_SENT];
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, LONG_ANSWER));
	c.off[HT_TLS_RECEIVED] += 8990;
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, "world"));
	ok_int(s.n, 1);
	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, LONG_ANSWER));
	c.off[HT_TLS_RECEIVED] += 8995;
	GIVE(t, piece_end(&p, &c));
	ok_int(s.n, 2);
	for (unsigned i = 0; i < s.n; i++)
		ok(!s.lost[i] && !(s.flags[i] & HTTP_TRUNCATED));
	ok_int(tlscalls_stats(t)->lost, 0);
	tlscalls_free(&t);
}

#define H2_BEGIN "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
#define H2_SETTINGS "\0\0\0\4\0\0\0\0\0"
#define H2_PUT "\0\0\14\1\4\0\0\0\1\2\3PUT\x87\4\4/a/b"
#define H2_DATA "\0\100\0\0\0\0\0\0\1"
#define H2_LAST "\0\0\0\0\1\0\0\0\1"
#define H2_ANSWER "\0\0\1\1\5\0\0\0\1\x88"
#define H2_TEXT(s, dir) piece_data(&p, &c, dir, s, sizeof(s) - 1, sizeof(s) - 1)

/* Of a body of HTTP/2 one frame came, and then none for a gigabyte: the kernel was told that the stream's DATA is not wanted, and says what it left out. */
static void frames_left_out(void)
{
	struct piece_conn c = { .id = 10, .tid = 1, .tgid = 1, .gen = 1 };
	uint8_t first[9 + 16384] = H2_DATA;
	uint32_t n;
	LAB(s, t);

	GIVE(t, H2_TEXT(H2_BEGIN, HT_TLS_SENT));
	GIVE(t, H2_TEXT(H2_SETTINGS, HT_TLS_RECEIVED));
	GIVE(t, H2_TEXT(H2_PUT, HT_TLS_SENT));
	ok_int(s.wanted.streams[HT_TLS_SENT], 0);
	GIVE(t, piece_data(&p, &c, HT_TLS_SENT, first, 9, sizeof(first)));
	ok_int(s.wanted.streams[HT_TLS_SENT], 1);
	ok_int(s.wanted.streams[HT_TLS_RECEIVED], 0);
	c.off[HT_TLS_SENT] += 60000ull * (9 + 16384) + 13;
	n = H2_TEXT(H2_LAST, HT_TLS_SENT);
	p.e.held = 60000 * (9 + 16384) + 13;
	p.e.body = 60000 * 16384;
	GIVE(t, n);
	GIVE(t, H2_TEXT(H2_ANSWER, HT_TLS_RECEIVED));
	ok_int(s.n, 1);
	ok(s.asked[0] == 60001ull * 16384);
	ok_int(s.flags[0], 0);
	ok_int(s.lost[0], 0);
	GIVE(t, piece_end(&p, &c));
	ok_int(tlscalls_stats(t)->lost, 0);
	tlscalls_free(&t);
}

/* What it says does not fit: more is missing, or there was no such body, or it cannot be. */
static void frames_left_out_and_lost(void)
{
	for (unsigned i = 0; i < 3; i++) {
		struct piece_conn c = { .id = 11 + i, .tid = 1, .tgid = 1, .gen = 1 };
		uint32_t n;
		LAB(s, t);

		GIVE(t, H2_TEXT(H2_BEGIN, HT_TLS_SENT));
		GIVE(t, H2_TEXT(H2_PUT, HT_TLS_SENT));
		c.off[HT_TLS_SENT] += i ? 1009 : 5000;
		n = H2_TEXT(H2_LAST, HT_TLS_SENT);
		p.e.held = 1009;
		p.e.body = i < 2 ? 1000 : 1010;
		ok_int(tlscalls_event(t, &p.e, n), i < 2 ? 0 : -EBADMSG);
		GIVE(t, H2_TEXT(H2_ANSWER, HT_TLS_RECEIVED));
		GIVE(t, piece_end(&p, &c));
		ok_int(s.n, 1);
		ok(s.flags[0] & (HTTP_LENGTH_UNKNOWN | HTTP_TRUNCATED));
		tlscalls_free(&t);
	}
}

/* Beyond its end there was something else, in either direction, and each such hole is one loss; a lost entry explains the hole that it leaves. */
static void held_back_elsewhere(void)
{
	struct piece_conn c = { .id = 9, .tid = 1, .tgid = 1, .gen = 1 };
	LAB(s, t);

	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, LONG_ANSWER));
	c.off[HT_TLS_RECEIVED] += 9500;
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, "world"));
	ok_int(tlscalls_stats(t)->lost, 1);
	c.off[HT_TLS_RECEIVED] += 200;
	c.lost[HT_TLS_RECEIVED] = c.off[HT_TLS_RECEIVED];
	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	ok_int(tlscalls_stats(t)->lost, 2);
	piece_data(&p, &c, HT_TLS_RECEIVED, "x", 1, 5000);
	piece_lost(&p, &c);
	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, ANSWER));
	GIVE(t, piece_end(&p, &c));
	ok_int(tlscalls_stats(t)->lost, 3);
	tlscalls_free(&t);
}

static void ends_with_its_process(void)
{
	struct piece_conn c = { .id = 10, .tid = 50, .tgid = 50, .gen = 1 }, other = { .id = 11, .tid = 51, .tgid = 51, .gen = 1 };
	LAB(s, t);

	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_text(&p, &other, HT_TLS_SENT, REQUEST));
	tlscalls_gone(t, 50, 1000);
	ok_int(tlscalls_pass_end(t, 0), 0);
	ok_int(s.n, 0);
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, "HTTP/1.1 204 No Content\r\n\r\n"));	/* was still in the ring */
	ok_int(s.n, 1);
	ok_int(s.status[0], 204);
	ok_int(tlscalls_pass_end(t, 0), 0);
	ok_int(s.n, 1);
	ok_int(tlscalls_end(t, 2000), 0);
	ok_int(s.n, 2);
	ok(s.flags[1] & HTTP_NO_RESPONSE);
	ok_int(s.tid[1], 51);
	tlscalls_free(&t);
}

/* What another program does on the same object later is its own. */
static void newer_ones_live(void)
{
	struct piece_conn c = { .id = 12, .tid = 60, .tgid = 60, .gen = 1 };
	LAB(s, t);

	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	tlscalls_gone(t, 60, 0);	/* ended before this was sent: another process by that number */
	tlscalls_pass_end(t, 0);
	tlscalls_pass_end(t, 0);
	ok_int(s.n, 0);
	tlscalls_free(&t);
}

static void foreign_costs_nothing_more(void)
{
	struct piece_conn c = { .id = 13, .tid = 1, .tgid = 1, .gen = 1 };
	LAB(s, t);

	for (unsigned i = 0; i < 20000 && s.wanted.until[0] != UINT64_MAX; i++)
		GIVE(t, piece_text(&p, &c, i & 1, "\x01\x02\x03\x04 no web here, just some bytes of another protocol\n"));
	ok(s.wanted.until[0] == UINT64_MAX && s.wanted.until[1] == UINT64_MAX);
	ok_int(tlscalls_stats(t)->foreign, 1);
	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_end(&p, &c));
	ok_int(s.n, 0);
	tlscalls_free(&t);
}

static void joined_late(void)
{
	struct piece_conn c = { .id = 14, .tid = 1, .tgid = 1, .gen = 1, .seq = 40, .off = { 5000, 70000 } };
	LAB(s, t);

	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, ANSWER));
	ok_int(s.n, 1);
	ok_str(s.name[0], "GET /a/b");
	ok_int(s.lost[0], 0);
	tlscalls_free(&t);
}

/* What one thread read of a new connection is told before what another thread wrote; then the numbers are in order, or not. */
static void answer_before_its_request(bool numbers)
{
	struct piece_conn c = { .id = 17, .tid = 1, .tgid = 1, .gen = 1 };
	struct piece ask;
	LAB(s, t);
	uint32_t n;

	for (unsigned i = 0; i < 2; i++) {
		n = piece_text(&p, &c, HT_TLS_SENT, REQUEST);
		ask = p;
		piece_text(&p, &c, HT_TLS_RECEIVED, ANSWER);
		if (numbers) {
			ask.e.h.seq++;
			p.e.h.seq--;
		}
		GIVE(t, p.e.h.len);
		ok_int(s.n, i);
		p = ask;
		GIVE(t, n);
		ok_int(s.n, i + 1);
		ok_str(s.name[i], "GET /a/b");
		ok_int(s.status[i], 200);
		ok_int(s.lost[i], 0);
	}
	ok_int(tlscalls_stats(t)->lost, 0);
	ok_int(tlscalls_stats(t)->malformed, 0);
	tlscalls_free(&t);
}

static void answer_first(void)
{
	answer_before_its_request(true);
	answer_before_its_request(false);
}

/* That a request was lost is told with the next one: its answer, which was told before, is not the next one's. */
static void lost_request_keeps_its_answer(void)
{
	struct piece_conn c = { .id = 19, .tid = 1, .tgid = 1, .gen = 1 };
	LAB(s, t);

	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, ANSWER));
	piece_text(&p, &c, HT_TLS_SENT, "GET /lost HTTP/1.1\r\nHost: h\r\n\r\n");
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"));
	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, ANSWER));
	ok_int(s.n, 3);
	ok_str(s.name[1], "UnknownRequest");
	ok_int(s.status[1], 404);
	ok_str(s.name[2], "GET /a/b");
	ok_int(s.status[2], 200);
	tlscalls_free(&t);
}

/* A server's connection on which such pieces are lost ("q": a request, "a": an answer), each in its round: the other rounds are whole, and so is
 * what came of that one. */
static void lost_in_rounds(const char *const *gone, unsigned rounds)
{
	struct piece_conn c = { .id = 21, .tid = 1, .tgid = 1, .gen = 1 };
	unsigned whole = 0, unknown = 0, unanswered = 0, want[3] = { 0 };
	LAB(s, t);

	for (unsigned i = 0; i < rounds; i++) {
		bool ask = !strchr(gone[i], 'q'), answer = !strchr(gone[i], 'a');

		piece_text(&p, &c, HT_TLS_RECEIVED, REQUEST);
		if (ask)
			GIVE(t, p.e.h.len);
		else
			piece_lost(&p, &c);
		piece_text(&p, &c, HT_TLS_SENT, ask ? ANSWER : "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
		if (answer)
			GIVE(t, p.e.h.len);
		else
			piece_lost(&p, &c);
		want[0] += ask && answer;
		want[1] += answer && !ask;
		want[2] += ask && !answer;
	}
	GIVE(t, piece_end(&p, &c));
	for (unsigned i = 0; i < s.n; i++) {
		if (!strcmp(s.name[i], "UnknownRequest"))
			unknown += s.status[i] == 404;
		else if (s.status[i])
			whole += s.status[i] == 200;
		else
			unanswered++;
	}
	ok_int(whole, want[0]);
	ok_int(unknown, want[1]);
	ok_int(unanswered, want[2]);
	ok_int(s.n, want[0] + want[1] + want[2]);
	ok_int(tlscalls_stats(t)->malformed, 0);
	tlscalls_free(&t);
}

static void each_loss_is_its_own_rounds(void)
{
	static const char *const kinds[] = { "", "q", "a", "qa" };
	unsigned n = sizeof(kinds) / sizeof(*kinds);

	for (unsigned i = 0; i < n * n * n; i++) {	/* between a whole one first and two last */
		const char *gone[6] = { "", kinds[i % n], kinds[i / n % n], kinds[i / n / n], "", "" };

		lost_in_rounds(gone, 6);
	}
}

/* "400 Bad Request" to nobody. */
static void answer_to_no_request(void)
{
	struct piece_conn c = { .id = 18, .tid = 1, .tgid = 1, .gen = 1 };
	LAB(s, t);

	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
	GIVE(t, piece_end(&p, &c));
	ok_int(s.n, 1);
	ok_str(s.name[0], "UnknownRequest");
	ok_int(s.status[0], 400);
	tlscalls_free(&t);
}

static void refuse(struct tlscalls *t, uint32_t n)
{
	ok_int(tlscalls_event(t, &p.e, n), -EBADMSG);
}

static void nonsense_is_refused(void)
{
	struct piece_conn c = { .id = 15, .tid = 1, .tgid = 1, .gen = 1 };
	uint32_t n;
	LAB(s, t);

	n = piece_text(&p, &c, HT_TLS_SENT, REQUEST);
	refuse(t, n - 1);
	refuse(t, sizeof(struct ht_event));
	p.e.what = 9;
	refuse(t, n);
	p.e.what = HT_TLS_DATA;
	p.e.dir = 2;
	refuse(t, n);
	p.e.dir = 0;
	p.e.full = 1;
	refuse(t, n);
	p.e.full = UINT64_MAX;
	refuse(t, n);
	p.e.full = strlen(REQUEST);
	ok_int(tlscalls_event(t, &p.e, n), 0);
	refuse(t, n);			/* the same again */
	p.e.h.seq = 1;
	p.e.offset = 3;			/* was there before */
	refuse(t, n);
	ok_int(tlscalls_stats(t)->malformed, 7);
	n = piece_socket(&p, &c, 1, 2);
	refuse(t, n - 1);
	tlscalls_free(&t);
}

static void connections_are_bounded(void)
{
	LAB(s, t);

	for (uint64_t id = 1; id <= TLSCALLS_CONNS + 3; id++) {
		struct piece_conn c = { .id = id, .tid = 1, .tgid = 1, .gen = 1 };

		GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	}
	ok_int(tlscalls_stats(t)->evicted, 3);
	ok_int(s.n, 3);
	ok(s.flags[0] & HTTP_NO_RESPONSE);
	tlscalls_free(&t);
}

static void callbacks_errors_come_back(void)
{
	struct piece_conn c = { .id = 16, .tid = 1, .tgid = 1, .gen = 1 };
	LAB(s, t);
	uint32_t n;

	s.fail_at = 1;
	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	n = piece_text(&p, &c, HT_TLS_RECEIVED, ANSWER);
	ok_int(tlscalls_event(t, &p.e, n), -ENOSPC);
	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, ANSWER));
	ok_int(s.n, 2);
	tlscalls_free(&t);
}

/* An entry of the socket, not of the library's connection. */
static uint32_t hello(uint64_t ino, enum ht_tls_dir dir, const uint8_t *bytes, uint32_t n)
{
	struct piece_conn none = { .id = ino, .tid = 1, .tgid = 1 };
	struct ht_sock sock = { .family = AF_INET, .type = SOCK_STREAM, .ino = ino };
	uint32_t len = piece_begin(&p, &none, HT_TLS_HELLO, (uint32_t)sizeof(sock) + n);

	p.e.dir = dir;
	p.e.captured = n;
	p.e.full = n;
	memcpy(p.u.bytes, &sock, sizeof(sock));
	memcpy(p.u.bytes + sizeof(sock), bytes, n);
	return len;
}

/* The handshake of its own socket (5), whichever was told first; not of another one. */
static void handshake_is_its_sockets(void)
{
	struct piece_conn c = { .id = 7, .tid = 100, .tgid = 100 }, other = { .id = 8, .tid = 100, .tgid = 100 };
	LAB(s, t);

	GIVE(t, piece_text(&p, &other, HT_TLS_SENT, REQUEST));
	GIVE(t, piece_text(&p, &other, HT_TLS_RECEIVED, ANSWER));
	GIVE(t, piece_socket(&p, &c, 40000, 443));
	GIVE(t, piece_text(&p, &c, HT_TLS_SENT, REQUEST));
	GIVE(t, hello(5, HT_TLS_SENT, client_hello, sizeof(client_hello)));
	GIVE(t, hello(5, HT_TLS_RECEIVED, server_hello, sizeof(server_hello)));
	GIVE(t, hello(6, HT_TLS_SENT, client_hello, sizeof(client_hello)));
	GIVE(t, piece_text(&p, &c, HT_TLS_RECEIVED, ANSWER));
	ok_int(s.n, 2);
	ok_int(s.version[0], 0);
	ok_str(s.server_name[0], "");
	ok_int(s.version[1], 0x0303);
	ok_int(s.cipher[1], 0xc02f);
	ok_str(s.server_name[1], "a.example");
	tlscalls_free(&t);
}

static const struct tap_case cases[] = {
	CASE(handshake_is_its_sockets),
	CASE(one_call_by_who_began_it), CASE(body_is_not_wanted), CASE(body_is_wanted_by_status), CASE(loss_is_seen), CASE(held_back_inside_a_body), CASE(frames_left_out), CASE(frames_left_out_and_lost), CASE(held_back_elsewhere), CASE(ends_with_its_process), CASE(newer_ones_live),
	CASE(foreign_costs_nothing_more), CASE(joined_late), CASE(answer_first), CASE(answer_to_no_request), CASE(lost_request_keeps_its_answer), CASE(each_loss_is_its_own_rounds),
	CASE(nonsense_is_refused), CASE(connections_are_bounded),
	CASE(callbacks_errors_come_back),
};
TAP_MAIN(cases)
