/* SPDX-License-Identifier: Apache-2.0 */
/* A connection as a script: a byte (1: direction, 6: what), two bytes of length, bytes. Fed whole, byte by byte, and with what is
 * unwanted skipped: the same calls come out, and all of them are sound. And as the kernel side sends it: sound. */
#include <stdlib.h>
#include <string.h>

#include "agent/http/http.h"
#include "tests/unit/framekit.h"

struct seen {
	uint64_t hash, heads, calls;
	struct http_wants wants;
};

static void mix(struct seen *s, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->hash = (s->hash ^ ((const uint8_t *)p)[i]) * 0x100000001b3;
	s->hash = (s->hash ^ n) * 0x100000001b3;
}

static void mix_str(struct seen *s, struct str str)
{
	if (!str.p && str.n)
		abort();
	mix(s, str.p, str.n);
}

static void mix_fields(struct seen *s, const struct http_field *f, unsigned n)
{
	if (n > HTTP_FIELDS_MAX)
		abort();
	for (unsigned i = 0; i < n; i++) {
		mix_str(s, f[i].name);
		mix_str(s, f[i].value);
	}
}

static void mix_message(struct seen *s, const struct http_message *m)
{
	const struct http_head *h = &m->head;

	mix_str(s, h->method);
	mix_str(s, h->scheme);
	mix_str(s, h->authority);
	mix_str(s, h->target);
	mix(s, &h->status, sizeof(h->status));
	mix_fields(s, h->fields, h->nfields);
	mix_fields(s, m->trailers, m->ntrailers);
	mix_str(s, m->body.prefix);
	mix(s, &m->body.length, sizeof(m->body.length));
	if (m->body.prefix.n > HTTP_BODY_MAX || m->body.prefix.n > m->body.length || h->status > 999)
		abort();
}

static void on_head(void *ctx, const struct http_call *call, struct http_wants *ret_wants)
{
	struct seen *s = ctx;

	s->heads++;
	*ret_wants = s->wants;
}

static void on_answer(void *ctx, const struct http_call *call, struct http_wants *wants)
{
	if (call->response.head.status & 1)
		wants->response = 5;
}

/* Somebody knows what was never seen, of every other stream; of half of them he takes it back. */
static const struct http_part *on_told(void *ctx, const struct http_block *b)
{
	static struct http_part parts[HTTP_FIELDS_MAX];

	if (b->n > HTTP_FIELDS_MAX || !b->stream)
		abort();
	for (unsigned i = 0; i < b->n; i++) {
		parts[i] = (struct http_part){ b->parts[i].name, b->parts[i].value, 0, false };
		if (!parts[i].name.p)
			parts[i].name = (struct str){ i % 2 ? "Told" : ":path", i % 2 ? 4 : 5 };
		if (!parts[i].value.p && i % 5)
			parts[i].value = (struct str){ "v", 1 };
	}
	if (!http_block_agrees(b, parts, b->n))
		abort();
	return b->stream & 2 ? parts : NULL;
}

static bool on_holds(void *ctx, uint32_t stream)
{
	return stream & 4;
}

static void on_call(void *ctx, const struct http_call *call)
{
	struct seen *s = ctx;

	s->calls++;
	if (s->heads < s->calls)
		abort();
	if (call->flags & HTTP_NO_REQUEST && (call->request.head.nfields || call->request.body.length))
		abort();
	mix(s, &call->flags, sizeof(call->flags));
	mix(s, &call->number, sizeof(call->number));
	mix_message(s, &call->request);
	mix_message(s, &call->response);
}

static void feed(struct http_conn *c, enum http_dir dir, const uint8_t *p, size_t n, size_t piece, bool skip)
{
	while (n) {
		uint64_t unwanted = skip ? http_conn_unwanted(c, dir) : 0;
		size_t k = piece && piece < n ? piece : n;

		if (unwanted && unwanted < k)
			k = (size_t)unwanted;
		if (unwanted ? http_conn_skip(c, dir, 1, k) : http_conn_feed(c, dir, 1, p, k))
			abort();
		p += k;
		n -= k;
	}
}

/* framed: as the kernel side sends it, with frames left out; gaps are none then. */
static void run(struct seen *s, const uint8_t *p, size_t n, size_t piece, bool skip, bool framed)
{
	struct framed kernel = { .pressed = n & 2 };
	struct http_sink sink = { .ctx = s, .head = on_head, .answer = on_answer, .call = on_call, .told = on_told, .holds = on_holds };
	struct http_conn *c;

	*s = (struct seen){ .wants = { n ? p[0] * 8u : 0, n > 1 ? p[1] * 8u : 0 } };
	if (http_conn_new(&sink, &c))
		abort();
	for (size_t i = 2; i + 3 <= n;) {
		size_t k = p[i + 1] | (size_t)p[i + 2] << 8, left = n - i - 3;
		enum http_dir dir = (enum http_dir)(p[i] & 1);
		unsigned what = p[i] >> 1 & 3;

		i += 3;
		if (!framed && (what == 1 || what == 2)) {
			http_conn_skip(c, dir, 1, what == 2 ? UINT64_MAX : k);
			continue;
		}
		k = k < left ? k : left;
		if (framed)
			framed_call(&kernel, c, dir, p + i, k, what == 1);
		else
			feed(c, dir, p + i, k, piece, skip);
		i += k;
	}
	if (framed)
		framed_end(&kernel, c);
	if (!(n & 1))
		http_conn_end(c, 2);
	http_conn_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, bytes, skipped, framed;

	run(&whole, data, size, 0, false, false);
	run(&bytes, data, size, 1, false, false);
	run(&skipped, data, size, 0, true, false);
	run(&framed, data, size, 0, false, true);
	if (whole.hash != bytes.hash || whole.calls != bytes.calls || whole.hash != skipped.hash || whole.calls != skipped.calls)
		abort();
	return 0;
}
