// SPDX-License-Identifier: Apache-2.0
/* tlscalls run CALLS SPOOL [KIND...]: that many API calls, as the TLS probes give them, through the real reader, parser, semantics, framer
 * and spool; prints records per CPU second, bytes per record on disk, and records. KIND: only those of the samples.
 * tlscalls print SPOOL [KIND...]: the records of 100 calls of each as JSON lines, for a comparison of two builds.
 * tlscalls kinds: which there are. */
#include <nghttp2/nghttp2.h>

#include "proto/recordread.h"
#include "tests/bench/spooled.h"
#include "tests/bench/tlssamples.h"
#include "tests/unit/tlspiece.h"

#define CALLS 100	/* of a connection */
#define NSAMPLES (sizeof(samples) / sizeof(samples[0]))

static int fail(const char *what, int r)
{
	fprintf(stderr, "tlscalls: %s: %s\n", what, strerror(r < 0 ? -r : r));
	return 1;
}

/* ---- entries, with the room that the kernel side gives them */

static void put(struct buf *image, const void *event, uint32_t n)
{
	static const uint8_t zeros[8];
	uint32_t head[2] = { n, 0 };

	buf_add(image, head, sizeof(head));
	buf_add(image, event, n);
	buf_add(image, zeros, (8 - n % 8) % 8);
}

static void put_identity(struct buf *image)
{
	struct ht_ident id = { .h = { .kind = HT_EV_IDENT, .len = sizeof(id), .gen = 1, .time = 1, .start = 7, .tid = 7, .tgid = 7, .class = HT_CLASS_TLS },
			       .leader_start = 7, .loginuid = UINT32_MAX, .audit_session = UINT32_MAX, .comm = "client" };

	put(image, &id, sizeof(id));
}

static void put_data(struct buf *image, struct piece_conn *c, enum ht_tls_dir dir, const struct buf *text)
{
	static const uint32_t rooms[] = { 128, 256, 512, 1024, 2048, 4096, HT_TLS_CHUNK };
	static struct piece p;
	unsigned i = 0;

	while (rooms[i] < text->n && i < 6)
		i++;
	if (text->n > rooms[i])
		abort();
	piece_data(&p, c, dir, text->p, (uint32_t)text->n, text->n);
	p.e.h.len = (uint32_t)sizeof(p.e) + rooms[i];
	put(image, &p.e, p.e.h.len);
}

/* ---- HTTP/1.1 */

static void h1_message(struct buf *b, const char *first, const char *const *fields, const char *body, bool length, unsigned i)
{
	buf_adds(b, first);
	for (; *fields; fields += 2) {
		buf_addf(b, "%s: ", fields[0]);
		buf_addf(b, fields[1], i * 2654435761u);
		buf_adds(b, "\r\n");
	}
	if (length)
		buf_addf(b, "Content-Length: %zu\r\n", strlen(body));
	buf_addf(b, "\r\n%s", body);
}

static void h1_call(const struct sample *s, unsigned i, struct buf *ask, struct buf *answer)
{
	char target[256], first[400];

	snprintf(target, sizeof(target), s->target, i);
	snprintf(first, sizeof(first), "%s %s HTTP/1.1\r\nHost: %s\r\n", s->method, target, s->host);
	h1_message(ask, first, s->ask, s->body, *s->body, i);
	snprintf(first, sizeof(first), "HTTP/1.1 %s\r\n", s->status);
	h1_message(answer, first, s->answer, s->answer_body, true, i);
}

/* ---- HTTP/2 */

static void frame(struct buf *b, uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t n)
{
	const uint8_t head[9] = { 0, (uint8_t)(n >> 8), (uint8_t)n, type, flags, 0, 0, (uint8_t)(stream >> 8), (uint8_t)stream };

	buf_add(b, head, sizeof(head));
	buf_add(b, p, n);
}

struct headers {
	nghttp2_nv nv[32];
	char text[32][640];
	size_t n;
};

static void header(struct headers *h, const char *name, const char *format, unsigned i)
{
	snprintf(h->text[h->n], sizeof(h->text[0]), format, i);
	h->nv[h->n] = (nghttp2_nv){ (uint8_t *)name, (uint8_t *)h->text[h->n], strlen(name), strlen(h->text[h->n]), 0 };
	h->n++;
}

static void h2_message(struct buf *b, nghttp2_hd_deflater *d, struct headers *h, const char *const *fields, const char *body, unsigned i)
{
	uint8_t block[8192];
	char lower[64];
	ssize_t n;

	for (; *fields; fields += 2) {
		static char names[32][64];
		char *name = names[h->n];

		snprintf(lower, sizeof(lower), "%s", fields[0]);
		for (size_t k = 0; k <= strlen(lower); k++)
			name[k] = (char)(lower[k] >= 'A' && lower[k] <= 'Z' ? lower[k] + 32 : lower[k]);
		header(h, name, fields[1], i * 2654435761u);
	}
	n = nghttp2_hd_deflate_hd(d, block, sizeof(block), h->nv, h->n);
	if (n < 0)
		abort();
	frame(b, 1, *body ? 4 : 5, 2 * i + 1, block, (size_t)n);
	if (*body)
		frame(b, 0, 1, 2 * i + 1, body, strlen(body));
}

static void h2_call(const struct sample *s, unsigned i, nghttp2_hd_deflater **d, struct buf *ask, struct buf *answer)
{
	static struct headers h;

	if (!i) {
		buf_adds(ask, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
		frame(ask, 4, 0, 0, "", 0);
		frame(answer, 4, 0, 0, "", 0);
	}
	h.n = 0;
	header(&h, ":method", s->method, 0);
	header(&h, ":scheme", "https", 0);
	header(&h, ":path", s->target, i);
	header(&h, ":authority", s->host, 0);
	h2_message(ask, d[0], &h, s->ask, s->body, i);
	h.n = 0;
	header(&h, ":status", s->status, 0);
	h.nv[0].valuelen = 3;
	h2_message(answer, d[1], &h, s->answer, s->answer_body, i);
}

/* ---- the image */

static void put_connection(struct buf *image, const struct sample *s, uint64_t id, uint64_t *time)
{
	struct piece_conn c = { .id = id, .tid = 7, .tgid = 7, .gen = 1, .time = *time };
	_cleanup_buf_ struct buf ask = { 0 }, answer = { 0 };
	nghttp2_hd_deflater *d[2];
	static struct piece p;

	for (unsigned i = 0; i < 2; i++)
		if (nghttp2_hd_deflate_new(&d[i], 4096))
			abort();
	put(image, &p.e, piece_socket(&p, &c, 40000, 443));
	for (unsigned i = 0; i < CALLS; i++) {
		buf_reset(&ask);
		buf_reset(&answer);
		if (s->h2)
			h2_call(s, i, d, &ask, &answer);
		else
			h1_call(s, i, &ask, &answer);
		put_data(image, &c, HT_TLS_SENT, &ask);
		put_data(image, &c, HT_TLS_RECEIVED, &answer);
	}
	put(image, &p.e, piece_end(&p, &c));
	*time = c.time;
	for (unsigned i = 0; i < 2; i++)
		nghttp2_hd_deflate_del(d[i]);
}

static bool chosen(const struct sample *s, char **kinds)
{
	for (char **k = kinds; *k; k++)
		if (!strcmp(*k, s->kind))
			return true;
	return !*kinds;
}

/* At least so many calls; how many it became. */
static uint64_t make_image(struct buf *image, uint64_t calls, char **kinds)
{
	uint64_t n = 0, id = 0, time = 1000;

	put_identity(image);
	do {
		uint64_t before = n;

		for (unsigned i = 0; i < NSAMPLES && n < calls; i++) {
			if (!chosen(&samples[i], kinds))
				continue;
			put_connection(image, &samples[i], ++id, &time);
			n += CALLS;
		}
		if (n == before)
			break;
	} while (n < calls);
	return image->failed ? 0 : n;
}

/* ---- what is measured */

static int pass(struct buf *b, const char *dir, struct spooled *x, double *ret_seconds)
{
	struct image m = { .n = { [HT_CLASS_TLS] = b->n }, .p = { [HT_CLASS_TLS] = b->p } };

	return spooled_open(x, &m, dir, true) ?: spooled_run(x, ret_seconds);
}

static int run(uint64_t calls, const char *dir, char **kinds)
{
	struct buf b = { 0 };
	struct spooled x = { 0 };
	uint64_t n = make_image(&b, calls, kinds), done, bytes;
	double seconds;
	int r = n ? pass(&b, dir, &x, &seconds) : -ENODATA;

	if (r < 0)
		return fail("run", r);
	done = spooled_records(&x, &bytes);
	printf("%.0f %.2f %llu\n", (double)done / seconds, (double)bytes / (double)done, (unsigned long long)done);
	return done == n ? 0 : fail("not every call became a record", -ENODATA);
}

static void show(struct spooled *x, unsigned chain)
{
	struct record_frame f = { .first_time = batch_first_time(pipeline_batch(x->pipeline, chain)) };
	_cleanup_buf_ struct buf out = { 0 };
	struct reader *r = NULL;
	const uint8_t *raw;
	const char *why;
	size_t n;

	if (chain != CHAIN_TLS || batch_finish(pipeline_batch(x->pipeline, chain), &raw, &n) < 0 || reader_open(raw, n, &f, &r, &why) < 0)
		return;
	for (unsigned i = 0; i < reader_count(r); i++) {
		buf_reset(&out);
		if (!reader_json(r, i, &out))
			printf("%s\n", buf_text(&out));
	}
	reader_free(&r);
}

static int print(const char *dir, char **kinds)
{
	struct buf b = { 0 };
	struct spooled x = { .closing = show };
	double seconds;
	int r;

	make_image(&b, NSAMPLES * CALLS, kinds);
	r = pass(&b, dir, &x, &seconds);
	return r < 0 ? fail("print", r) : 0;
}

int main(int argc, char **argv)
{
	if (argc >= 4 && !strcmp(argv[1], "run"))
		return run(strtoull(argv[2], NULL, 10), argv[3], argv + 4);
	if (argc >= 3 && !strcmp(argv[1], "print"))
		return print(argv[2], argv + 3);
	for (unsigned i = 0; i < NSAMPLES && argc == 2 && !strcmp(argv[1], "kinds"); i++)
		printf("%s\n", samples[i].kind);
	return argc == 2 ? 0 : 2;
}
