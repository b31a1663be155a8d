// SPDX-License-Identifier: Apache-2.0
/* test_pipeline_tls.c - entries of a tls ring become records of the tls chain: whose they are, their numbers, what is not selected. */
#include <string.h>

#include "agent/pipeline.h"
#include "agent/pipeline_internal.h"
#include "lib/buf.h"
#include "proto/recordread.h"
#include "tests/tap.h"
#include "tests/unit/tlspiece.h"

static struct buf image;
static struct rings *rings;
static struct settle *settle;
static struct pipeline *p;
static struct piece piece;
static const struct record_host host = { .host_id = "h", .machine_id = "", .boot_id = "", .hostname = "n",
					 .kernel_release = "6", .agent_version = "1", .region = "local", .account = "0" };

static int on_close(void *ctx, unsigned chain)
{
	settle_frame_done(settle, chain);
	return pipeline_restart(p, chain);
}

static void on_name(void *ctx, uint32_t uid)
{
}

static void on_exe(void *ctx, const struct exe_ref *ref)
{
}

static void on_login(void *ctx, uint32_t session, uint32_t pid, uint64_t start)
{
}

static void put(const void *event, uint32_t n)
{
	static const uint8_t zeros[8];
	uint32_t head[2] = { n, 0 };

	buf_add(&image, head, sizeof(head));
	buf_add(&image, event, n);
	buf_add(&image, zeros, (8 - n % 8) % 8);
}

static void put_ident(uint32_t gen)
{
	struct ht_ident id = { .h = { .kind = HT_EV_IDENT, .len = sizeof(id), .gen = gen, .time = 1, .start = 7, .tid = 7, .tgid = 7, .class = HT_CLASS_TLS },
			       .leader_start = 7, .loginuid = UINT32_MAX, .audit_session = UINT32_MAX, .comm = "client" };

	put(&id, sizeof(id));
}

#define PUT(n)                             \
	do {                               \
		uint32_t put_n = (n);      \
		put(&piece.e, put_n);      \
	} while (0)

static void put_call(struct piece_conn *c, const char *method)
{
	char text[200];

	snprintf(text, sizeof(text), "%s /things/a HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer s3cr3t-t0ken-v4lue\r\n\r\n", method);
	PUT(piece_text(&piece, c, HT_TLS_SENT, text));
	PUT(piece_text(&piece, c, HT_TLS_RECEIVED, "HTTP/1.1 200 OK\r\nX-Request-Id: req-77\r\nContent-Length: 2\r\n\r\nok"));
}

static void open_all(void)
{
	struct pipeline_ops ops = { .close = on_close, .ask_name = on_name, .ask_exe = on_exe, .ask_login = on_login };
	struct pipeline_config pc = { .host = &host, .program = "test", .tls = true };
	const void *images[HT_CLASS__MAX] = { [HT_CLASS_TLS] = image.p };
	uint64_t bytes[HT_CLASS__MAX] = { [HT_CLASS_TLS] = image.n };

	ok_int(rings_open_image(images, bytes, &rings), 0);
	ok_int(settle_new(2, &settle), 0);
	ok_int(pipeline_new(&pc, &ops, rings, settle, &p), 0);
}

static void close_all(void)
{
	pipeline_free(&p);
	settle_free(&settle);
	rings_free(&rings);
	buf_free(&image);
}

static const char *json(void)
{
	static struct buf out;
	struct record_frame f = { .wall_offset = 0 };
	struct reader *r = NULL;
	const uint8_t *raw;
	const char *why;
	size_t n;

	buf_reset(&out);
	f.first_time = batch_first_time(pipeline_batch(p, CHAIN_TLS));
	ok_int(batch_finish(pipeline_batch(p, CHAIN_TLS), &raw, &n), 0);
	ok_int(reader_open(raw, n, &f, &r, &why), 0);
	for (unsigned i = 0; r && i < reader_count(r); i++) {
		ok_int(reader_json(r, i, &out), 0);
		buf_addc(&out, '\n');
	}
	reader_free(&r);
	return buf_text(&out);
}

static bool has(const char *text, const char *part)
{
	if (strstr(text, part))
		return true;
	printf("# %s\n# is not in\n# %s\n", part, text);
	return false;
}

static void a_call_is_a_record(void)
{
	struct piece_conn c = { .id = 3, .tid = 7, .tgid = 7, .gen = 1, .time = 1000 };
	const char *text;

	put_ident(1);
	PUT(piece_socket(&piece, &c, 40000, 443));
	put_call(&c, "GET");
	put_call(&c, "DELETE");
	open_all();
	ok_int(pipeline_drain(p, 1), 0);
	ok_int(pipeline_stats(p)->records[HT_CLASS_TLS], 2);
	ok_int(pipeline_stats(p)->unknown_identity, 0);
	text = json();
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
	open_all();
	ok_int(pipeline_drain(p, 1), 0);
	ok_int(pipeline_stats(p)->unknown_identity, 1);
	ok(has(json(), "\"type\":\"Unknown\""));
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
	open_all();
	must(selection_of("test", selectors, strlen(selectors), &s, why) == 0);
	ok_int(pipeline_select(p, s), 0);
	ok_int(pipeline_drain(p, 1), 0);
	ok_int(pipeline_stats(p)->records[HT_CLASS_TLS], 1);
	ok_int(pipeline_stats(p)->filtered[HT_CLASS_TLS], 1);
	ok(has(json(), "\"eventName\":\"DELETE /things/a\""));
	ok(has(json(), "-8003-bffc-000000000000\""));	/* its number is the first */
	close_all();
}

/* What is open when everything ends is a record as it is; what makes no sense is counted. */
static void ends_and_nonsense(void)
{
	struct piece_conn c = { .id = 3, .tid = 7, .tgid = 7, .gen = 1, .time = 1000 };
	uint32_t n;

	put_ident(1);
	PUT(piece_text(&piece, &c, HT_TLS_SENT, "GET /open HTTP/1.1\r\nHost: h\r\n\r\n"));
	n = piece_text(&piece, &c, HT_TLS_SENT, "x");
	piece.e.captured = 4000;
	put(&piece.e, n);
	open_all();
	ok_int(pipeline_drain(p, 1), 0);
	ok_int(pipeline_stats(p)->malformed, 1);
	ok_int(pipeline_stats(p)->records[HT_CLASS_TLS], 0);
	ok_int(pipeline_tls_end(p), 0);
	ok(has(json(), "\"eventName\":\"GET /open\""));
	ok(has(json(), "\"errorCode\":\"NoResponse\""));
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
	PUT(piece_text(&piece, &c, HT_TLS_SENT, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n"));
	PUT(piece_text(&piece, &c, HT_TLS_RECEIVED, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n"));
	open_all();
	p->ops.ctx = &used;
	p->ops.tls_wanted = on_wanted;
	must(image.n > 256 << 10);
	ok_int(pipeline_drain(p, 1), 0);
	ok_int(pipeline_stats(p)->records[HT_CLASS_TLS], 1000);
	ok(used && used <= 128 << 10);
	rings_fill(rings, HT_CLASS_TLS, &used, &(uint64_t){ 0 });
	ok_int(used, 0);
	close_all();
}

static const struct tap_case cases[] = {
	CASE(a_call_is_a_record), CASE(who_is_not_known), CASE(what_nobody_selects), CASE(ends_and_nonsense), CASE(a_pass_frees_as_it_goes),
};
TAP_MAIN(cases)
