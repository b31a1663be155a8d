// SPDX-License-Identifier: Apache-2.0
/* test_pipeline_tls.c - entries of a tls ring become records of the tls chain: whose they are, their numbers, what is not selected. */
#include <limits.h>
#include <string.h>

#include "tests/unit/eventmake.h"
#include "tests/unit/pipelinekit.h"
#include "tests/unit/tlspiece.h"

static struct piece piece;

static void put_ident(uint32_t gen)
{
	struct ht_ident id = { .h = { .kind = HT_EV_IDENT, .len = sizeof(id), .gen = gen, .time = 1, .start = 7, .tid = 7, .tgid = 7, .class = HT_CLASS_TLS },
			       .leader_start = 7, .loginuid = UINT32_MAX, .audit_session = UINT32_MAX, .comm = "client" };

	put(HT_CLASS_TLS, &id, sizeof(id));
}

/* The first n bytes of the piece. */
static void put_piece(uint32_t n)
{
	put(HT_CLASS_TLS, &piece.e, n);
}

static void put_call(struct piece_conn *c, const char *method)
{
	char text[200];

	snprintf(text, sizeof(text), "%s /things/a HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer s3cr3t-t0ken-v4lue\r\n\r\n", method);
	put_piece(piece_text(&piece, c, HT_TLS_SENT, text));
	put_piece(piece_text(&piece, c, HT_TLS_RECEIVED, "HTTP/1.1 200 OK\r\nX-Request-Id: req-77\r\nContent-Length: 2\r\n\r\nok"));
}

static void a_call_is_a_record(void)
{
	struct piece_conn c = { .id = 3, .tid = 7, .tgid = 7, .gen = 1, .time = 1000 };
	const char *text;

	put_ident(1);
	put_piece(piece_socket(&piece, &c, 40000, 443));
	put_call(&c, "GET");
	put_call(&c, "DELETE");
	open_all(true);
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok_int(pipeline_stats(pipeline)->records[HT_CLASS_TLS], 2);
	ok_int(pipeline_stats(pipeline)->unknown_identity, 0);
	text = json_of(CHAIN_TLS);
	ok(has(text, "\"eventSource\":\"api.example.com\",\"eventName\":\"GET /things/a\""));
	ok(has(text, "\"eventType\":\"HostTlsApiCall\""));
	ok(has(text, "\"sourceIPAddress\":\"10.0.0.1\""));
	ok(has(text, "\"requestID\":\"req-77\""));
	ok(has(text, "\"requestParameters\":{\"path\":\"/things/a\""));
	ok(has(text, "\"peer\":{\"address\":\"192.0.2.7\",\"port\":443}"));
	ok(has(text, "\"command\":\"client\""));
	ok(has(text, "-8003-bffc-000000000000\""));	/* ring class 3, CPU 4095, sequence 0 */
	ok(has(text, "\"readOnly\":false"));
	ok(!strstr(text, "s3cr3t"));
	close_all();
}

static void who_is_not_known(void)
{
	struct piece_conn c = { .id = 3, .tid = 7, .tgid = 7, .gen = 9, .time = 1000 };

	put_ident(1);
	put_call(&c, "GET");
	open_all(true);
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok_int(pipeline_stats(pipeline)->unknown_identity, 1);
	ok(has(json_of(CHAIN_TLS), "\"type\":\"Unknown\""));
	close_all();
}

/* Not selected: no record, and no number, so that nothing looks lost. */
static void what_nobody_selects(void)
{
	static const char selectors[] = "[{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Management\"]},{\"Field\":\"readOnly\",\"Equals\":[\"false\"]}]}]";
	struct piece_conn c = { .id = 3, .tid = 7, .tgid = 7, .gen = 1, .time = 1000 };
	char why[SELECTORS_WHY_MAX];
	struct selection *s;

	put_ident(1);
	put_call(&c, "GET");
	put_call(&c, "DELETE");
	open_all(true);
	must(selection_of("test", selectors, strlen(selectors), &s, why) == 0);
	ok_int(pipeline_select(pipeline, s), 0);
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok_int(pipeline_stats(pipeline)->records[HT_CLASS_TLS], 1);
	ok_int(pipeline_stats(pipeline)->filtered[HT_CLASS_TLS], 1);
	ok(has(json_of(CHAIN_TLS), "\"eventName\":\"DELETE /things/a\""));
	ok(has(json_of(CHAIN_TLS), "-8003-bffc-000000000000\""));	/* its number is the first */
	close_all();
}

/* What is open when everything ends is a record as it is; what makes no sense is counted. */
static void ends_and_nonsense(void)
{
	struct piece_conn c = { .id = 3, .tid = 7, .tgid = 7, .gen = 1, .time = 1000 };
	uint32_t n;

	put_ident(1);
	put_piece(piece_text(&piece, &c, HT_TLS_SENT, "GET /open HTTP/1.1\r\nHost: h\r\n\r\n"));
	n = piece_text(&piece, &c, HT_TLS_SENT, "x");
	piece.e.captured = 4000;
	put(HT_CLASS_TLS, &piece.e, n);
	open_all(true);
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok_int(pipeline_stats(pipeline)->malformed, 1);
	ok_int(pipeline_stats(pipeline)->records[HT_CLASS_TLS], 0);
	ok_int(pipeline_tls_end(pipeline), 0);
	ok(has(json_of(CHAIN_TLS), "\"eventName\":\"GET /open\""));
	ok(has(json_of(CHAIN_TLS), "\"errorCode\":\"NoResponse\""));
	close_all();
}

/* Asked within a pass: how much of the ring has not been given back. */
static void on_wanted(void *ctx, uint64_t conn, const struct ht_tls_wanted *w)
{
	uint64_t size;

	rings_fill(rings, HT_CLASS_TLS, ctx, &size);
}

/* The kernel finds room while a long pass goes on. */
static void a_pass_frees_as_it_goes(void)
{
	struct piece_conn c = { .id = 3, .tid = 7, .tgid = 7, .gen = 1, .time = 1000 };
	uint64_t used = 0;

	put_ident(1);
	for (unsigned i = 0; i < 1000; i++)
		put_call(&c, "GET");
	put_piece(piece_text(&piece, &c, HT_TLS_SENT, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n"));
	put_piece(piece_text(&piece, &c, HT_TLS_RECEIVED, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n"));
	open_all(true);
	pipeline->ops.ctx = &used;
	pipeline->ops.tls_wanted = on_wanted;
	must(image[HT_CLASS_TLS].n > 256 << 10);
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok_int(pipeline_stats(pipeline)->records[HT_CLASS_TLS], 1000);
	ok(used && used <= 128 << 10);
	rings_fill(rings, HT_CLASS_TLS, &used, &(uint64_t){ 0 });
	ok_int(used, 0);
	close_all();
}

static void on_library(void *ctx, const struct tls_mapping *m)
{
	struct buf *all = ctx;

	buf_addf(all, "%s%s %s in %u of %u at %llx to %llx: %llu\n", m->path, m->in_root ? "" : "!", m->path + m->in_root, m->pid, m->parent,
		 (unsigned long long)m->at, (unsigned long long)m->end, (unsigned long long)m->exe.ino);
}

/* Somebody mapped that; its names are leaf first, and root_at of them lie in the process' root. */
static void put_mapping(const char *path, unsigned root_at, uint32_t cut)
{
	struct ht_tls_mapping m = { .exe = { .ino = 77 }, .at = 0x7000, .parent = 6, .pages = 3 };
	static struct event e;
	struct ht_tls t = { .what = HT_TLS_MAPPED };
	struct ht_walk w = walk_of(77, root_at ? HT_WALK_F_IN_ROOT : 0);
	_cleanup_buf_ struct buf b = { 0 };

	e.n = 0;
	w.root_at = (uint16_t)root_at;
	event_walk(&e, HT_WALK_FD, HT_ARG_TASK, path, w);
	t.h = (struct ht_event){ .kind = HT_EV_TLS, .class = HT_CLASS_TLS, .tid = 9, .tgid = 8, .time = 5 };
	t.h.len = (uint32_t)(sizeof(t) + sizeof(m) + e.n) - cut;
	buf_add(&b, &t, sizeof(t));
	buf_add(&b, &m, sizeof(m));
	buf_add(&b, e.bytes, e.n);
	put(HT_CLASS_TLS, b.p, t.h.len);
}

/* What was mapped by a name that TLS libraries have is said to whoever can look at it. */
static void a_library_appears(void)
{
	_cleanup_buf_ struct buf said = { 0 };
	char longest[HT_PATH_MAX];

	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < sizeof(longest); i += 200)
		longest[i] = '/';
	strcpy(longest + sizeof(longest) - 12, "/libssl.so");
	put_mapping("/opt/x/libssl.so.3", 0, 0);
	put_mapping("/opt/x/libc.so.6", 0, 0);
	put_mapping("/root/of/lib/_ssl.so", 2, 0);
	put_mapping(longest, 0, 0);
	put_mapping("/opt/x/libssl.so.3", 0, 8);
	put_mapping("", 0, 0);
	open_all(true);
	pipeline->ops.ctx = &said;
	pipeline->ops.library = on_library;
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok(said.n > 4000);
	ok(has(buf_text(&said), "/opt/x/libssl.so.3! /opt/x/libssl.so.3 in 8 of 6 at 7000 to a000: 77\n"));
	ok(has(buf_text(&said), "/root/of/lib/_ssl.so /lib/_ssl.so in 8 of 6"));
	ok(!strstr(buf_text(&said), "libc"));
	ok_int(pipeline_stats(pipeline)->malformed, 1);
	close_all();
}

static const struct tap_case cases[] = {
	CASE(a_call_is_a_record), CASE(who_is_not_known), CASE(what_nobody_selects), CASE(ends_and_nonsense), CASE(a_library_appears), CASE(a_pass_frees_as_it_goes),
};
TAP_MAIN(cases)
