// SPDX-License-Identifier: Apache-2.0
/* http CALLS: so many calls of HTTP/1.1, then of HTTP/2, out of connections of 100 calls each, as an API's client makes them (a dozen
 * fields, a JSON body each way); prints calls per CPU second of both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nghttp2/nghttp2.h>

#include "agent/http/http.h"
#include "lib/buf.h"

#define CALLS 100

struct piece {
	enum http_dir dir;
	size_t at, n;
};

struct connection {
	struct buf bytes;
	struct piece pieces[2 * CALLS + 1];
	unsigned n;
};

static const char *const request_fields[][2] = {
	{ "user-agent", "aws-cli/2.9.19 Python/3.11.2 Linux/6.1.0 exe/x86_64.debian.12 prompt/off command/dynamodb.put-item" },
	{ "content-type", "application/x-amz-json-1.0" },
	{ "x-amz-target", "DynamoDB_20120810.PutItem" },
	{ "accept-encoding", "identity" },
	{ "authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261129/eu-west-1/dynamodb/aws4_request, "
			   "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024" },
};
static const char *const response_fields[][2] = {
	{ "server", "Server" },
	{ "date", "Sun, 29 Nov 2026 06:00:00 GMT" },
	{ "content-type", "application/x-amz-json-1.0" },
	{ "x-amz-crc32", "2745614147" },
};
static const char body[] = "{\"TableName\":\"orders\",\"Item\":{\"id\":{\"S\":\"0123456789\"},\"total\":{\"N\":\"42\"},\"note\":{\"S\":\"a note that is not short\"}}}";

static void add(struct connection *c, enum http_dir dir, size_t from)
{
	c->pieces[c->n++] = (struct piece){ dir, from, c->bytes.n - from };
}

static void add_fields(struct buf *b, const char *const (*f)[2], size_t n, unsigned i)
{
	for (size_t j = 0; j < n; j++)
		buf_addf(b, "%s: %s\r\n", f[j][0], f[j][1]);
	buf_addf(b, "x-amzn-requestid: %08x-1234-4321-9876-0123456789ab\r\nContent-Length: %zu\r\n\r\n%s", i * 2654435761u, sizeof(body) - 1, body);
}

static void make_h1(struct connection *c)
{
	for (unsigned i = 0; i < CALLS; i++) {
		size_t from = c->bytes.n;

		buf_adds(&c->bytes, "POST / HTTP/1.1\r\nHost: dynamodb.eu-west-1.amazonaws.com\r\n");
		add_fields(&c->bytes, request_fields, 5, i);
		add(c, HTTP_SENT, from);
		from = c->bytes.n;
		buf_adds(&c->bytes, "HTTP/1.1 200 OK\r\n");
		add_fields(&c->bytes, response_fields, 4, i);
		add(c, HTTP_RECEIVED, from);
	}
}

static void frame(struct buf *b, uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t n)
{
	const uint8_t head[9] = { 0, (uint8_t)(n >> 8), (uint8_t)n, type, flags, 0, 0, (uint8_t)(stream >> 8), (uint8_t)stream };

	buf_add(b, head, sizeof(head));
	buf_add(b, p, n);
}

static void frames(struct connection *c, nghttp2_hd_deflater *d, bool asks, unsigned i)
{
	const char *const (*f)[2] = asks ? request_fields : response_fields;
	char id[64], text[16];
	const char *first[][2] = { { ":method", "POST" }, { ":scheme", "https" }, { ":path", "/" }, { ":authority", "dynamodb.eu-west-1.amazonaws.com" } };
	const char *status[][2] = { { ":status", "200" } };
	uint8_t block[4096];
	nghttp2_nv nv[16];
	size_t n = 0, from = c->bytes.n;
	ssize_t used;

#define ADD(k, v) nv[n++] = (nghttp2_nv){ (uint8_t *)(k), (uint8_t *)(v), strlen(k), strlen(v), 0 }
	for (unsigned j = 0; j < (asks ? 4 : 1); j++)
		ADD((asks ? first : status)[j][0], (asks ? first : status)[j][1]);
	for (unsigned j = 0; j < (asks ? 5 : 4); j++)
		ADD(f[j][0], f[j][1]);
	snprintf(id, sizeof(id), "%08x-1234-4321-9876-0123456789ab", i * 2654435761u);
	snprintf(text, sizeof(text), "%zu", sizeof(body) - 1);
	ADD("x-amzn-requestid", id);
	ADD("content-length", text);
	used = nghttp2_hd_deflate_hd(d, block, sizeof(block), nv, n);
	if (used < 0)
		abort();
	if (!i && asks)
		buf_adds(&c->bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	if (!i)
		frame(&c->bytes, 4, 0, 0, "", 0);
	frame(&c->bytes, 1, 4, 2 * i + 1, block, (size_t)used);
	frame(&c->bytes, 0, 1, 2 * i + 1, body, sizeof(body) - 1);
	add(c, asks ? HTTP_SENT : HTTP_RECEIVED, from);
}

static void make_h2(struct connection *c)
{
	nghttp2_hd_deflater *d[2];

	for (unsigned i = 0; i < 2; i++)
		if (nghttp2_hd_deflate_new(&d[i], 4096))
			abort();
	for (unsigned i = 0; i < CALLS; i++) {
		frames(c, d[0], true, i);
		frames(c, d[1], false, i);
	}
	nghttp2_hd_deflate_del(d[0]);
	nghttp2_hd_deflate_del(d[1]);
}

static void on_head(void *ctx, const struct http_call *call, struct http_wants *ret_wants)
{
	*ret_wants = (struct http_wants){ 4096, 4096 };
}

static void on_call(void *ctx, const struct http_call *call)
{
	if (call->flags || call->request.head.nfields < 7 || call->request.body.length != sizeof(body) - 1 || call->response.head.status != 200)
		abort();
	++*(unsigned long *)ctx;
}

static double run(const struct connection *c, unsigned long calls)
{
	unsigned long seen = 0;
	struct http_sink sink = { .ctx = &seen, .head = on_head, .call = on_call };
	clock_t start = clock();

	while (seen < calls) {
		struct http_conn *conn;

		if (http_conn_new(&sink, &conn))
			abort();
		for (unsigned i = 0; i < c->n; i++)
			if (http_conn_feed(conn, c->pieces[i].dir, i, c->bytes.p + c->pieces[i].at, c->pieces[i].n))
				abort();
		http_conn_end(conn, c->n);
		http_conn_free(&conn);
	}
	return (double)seen / ((double)(clock() - start) / CLOCKS_PER_SEC);
}

int main(int argc, char **argv)
{
	unsigned long calls = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
	struct connection h1 = { 0 }, h2 = { 0 };

	make_h1(&h1);
	make_h2(&h2);
	printf("%.0f", run(&h1, calls));
	printf(" %.0f\n", run(&h2, calls));
	buf_free(&h1.bytes);
	buf_free(&h2.bytes);
	return 0;
}
