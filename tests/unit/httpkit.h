/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpkit.h - streams for an http_conn and what must come out of them, as facts: a line each, of what one call says. What was
 * generated states its facts; what was parsed states its own; a parser may know less, but nothing else.
 */
#ifndef HOSTTRAIL_TESTS_HTTPKIT_H
#define HOSTTRAIL_TESTS_HTTPKIT_H

#include "agent/http/http.h"
#include "lib/buf.h"
#include "tests/sizes.h"
#include "tests/tap.h"
#include "tests/unit/framekit.h"

#define KIT_CALLS_MAX 4096

/* ---- chance, from a seed */

static inline uint32_t chance(uint64_t *seed, uint32_t n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)((*seed >> 11) % n);
}

/* ---- facts */

static inline void fact_bytes(struct buf *b, const char *p, size_t n)
{
	if (buf_reserve(b, 3 * n) < 0)
		abort();
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)p[i], *to = b->p + b->n;

		if (c >= ' ' && c < 0x7f && c != '\\') {
			*to = c;
			b->n++;
		} else {
			*to++ = '\\';
			*to++ = (uint8_t)"0123456789abcdef"[c >> 4];
			*to = (uint8_t)"0123456789abcdef"[c & 15];
			b->n += 3;
		}
	}
}

static inline void fact(struct buf *b, const char *what, const char *p, size_t n)
{
	buf_adds(b, what);
	fact_bytes(b, p, n);
	buf_addc(b, '\n');
}

static inline void fact_str(struct buf *b, const char *what, struct str s)
{
	if (s.p)
		fact(b, what, s.p, s.n);
}

static inline void fact_field(struct buf *b, const char *what, struct str name, struct str value)
{
	buf_adds(b, what);
	fact_bytes(b, name.p, name.n);
	buf_adds(b, ": ");
	fact_bytes(b, value.p, value.n);
	buf_addc(b, '\n');
}

static inline void facts_of_message(struct buf *b, const char *prefix, const struct http_message *m, bool counted)
{
	char what[64];
#define WHAT(s) (snprintf(what, sizeof(what), "%s %s ", prefix, s), what)
	fact_str(b, WHAT("method"), m->head.method);
	fact_str(b, WHAT("scheme"), m->head.scheme);
	fact_str(b, WHAT("authority"), m->head.authority);
	fact_str(b, WHAT("target"), m->head.target);
	if (m->head.status)
		buf_addf(b, "%s status %u\n", prefix, m->head.status);
	for (unsigned i = 0; i < m->head.nfields; i++)
		fact_field(b, WHAT("field"), m->head.fields[i].name, m->head.fields[i].value);
	for (unsigned i = 0; i < m->ntrailers; i++)
		fact_field(b, WHAT("trailer"), m->trailers[i].name, m->trailers[i].value);
	if (m->body.prefix.n)
		fact_str(b, WHAT("body"), m->body.prefix);
	if (counted)
		buf_addf(b, "%s length %llu\n", prefix, (unsigned long long)m->body.length);
#undef WHAT
}

/* Everything in `given` is in `truth`; a body may be shorter. */
static inline bool facts_within(const char *given, const char *truth)
{
	while (*given) {
		size_t n = strcspn(given, "\n");
		const char *t = truth;
		bool body = n > 7 && !strncmp(given + 2, "body ", 5), there = false;

		while (*t && !there) {
			size_t k = strcspn(t, "\n");

			there = (k == n || (body && k > n)) && !strncmp(t, given, n);
			t += k + 1;
		}
		if (!there)
			return false;
		given += n + 1;
	}
	return true;
}

/* ---- a sink that writes facts down */

struct kit {
	struct http_wants wants;
	bool late;			/* what is wanted of the response is said at its head */
	bool flags;			/* they are facts, too */
	struct buf calls[KIT_CALLS_MAX];	/* facts, NUL-terminated */
	uint32_t call_flags[KIT_CALLS_MAX];
	enum http_role role;
	unsigned n, heads, answers;
	uint64_t fed, skipped;
	struct framed framed;
};

static inline void kit_head(void *ctx, const struct http_call *call, struct http_wants *ret_wants)
{
	struct kit *k = ctx;

	k->heads++;
	*ret_wants = k->late ? (struct http_wants){ k->wants.request, 0 } : k->wants;
}

static inline void kit_answer(void *ctx, const struct http_call *call, struct http_wants *wants)
{
	struct kit *k = ctx;

	k->answers++;
	wants->response = k->wants.response;
}

static inline void kit_call(void *ctx, const struct http_call *call)
{
	bool counted = !(call->flags & (HTTP_LENGTH_UNKNOWN | HTTP_NO_RESPONSE | HTTP_RESET));
	struct kit *k = ctx;
	struct buf *b;

	if (k->n == KIT_CALLS_MAX)
		return;
	k->role = call->role;
	k->call_flags[k->n] = call->flags;
	b = &k->calls[k->n++];
	buf_reset(b);
	if (k->flags)
		buf_addf(b, "flags %x\nnumber %llu\ninformational %u\n", call->flags, (unsigned long long)call->number, call->informational);
	facts_of_message(b, "q", &call->request, counted && !(call->flags & HTTP_NO_REQUEST));
	facts_of_message(b, "r", &call->response, counted);
	buf_addc(b, '\0');
}

static inline struct http_conn *kit_conn(struct kit *k)
{
	struct http_sink sink = { .ctx = k, .head = kit_head, .answer = kit_answer, .call = kit_call };
	struct http_conn *c = NULL;

	k->n = k->heads = k->answers = 0;
	k->fed = k->skipped = 0;
	if (http_conn_new(&sink, &c))
		abort();
	return c;
}

static inline void kit_free(struct kit *k)
{
	for (unsigned i = 0; i < KIT_CALLS_MAX; i++)
		buf_free(&k->calls[i]);
	free(k);
}

/* ---- streams: pieces in the order in which they were sent and received */

struct piece {
	enum http_dir dir;
	size_t at, n;	/* in the stream's bytes */
	bool gap;
};

struct stream {
	struct buf bytes;
	struct piece *pieces;
	unsigned n, cap;
};

static inline void stream_free(struct stream *s)
{
	buf_free(&s->bytes);
	free(s->pieces);
	*s = (struct stream){ 0 };
}

static inline void stream_add(struct stream *s, enum http_dir dir, const void *p, size_t n)
{
	if (!n)
		return;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->pieces = realloc(s->pieces, s->cap * sizeof(*s->pieces));
	}
	s->pieces[s->n++] = (struct piece){ dir, s->bytes.n, n, false };
	buf_add(&s->bytes, p, n);
}

static inline void stream_text(struct stream *s, enum http_dir dir, const char *text)
{
	stream_add(s, dir, text, strlen(text));
}

/* How a stream is fed: in pieces of at most `piece` bytes (0: as they are; with a seed: by chance), and where `skip` what is unwanted is not. */
struct feeding {
	size_t piece;
	uint64_t seed;
	bool skip, swap;	/* swap: the other side of the connection looks at it */
	bool unknown;		/* how long gaps are is not known */
	bool framed, pressed;	/* as the kernel side sends it, while its ring is pressed; gaps are calls that are lost */
};

static inline void kit_feed_piece(struct kit *k, struct http_conn *c, enum http_dir dir, const char *p, size_t n, bool skip)
{
	uint64_t unwanted = skip ? http_conn_unwanted(c, dir) : 0;
	size_t s = unwanted < n ? (size_t)unwanted : n;
	char *copy;

	if (s && http_conn_skip(c, dir, 1, s))
		abort();
	k->skipped += s;
	k->fed += n - s;
	copy = malloc(n - s + 1);	/* of its own: reading beyond it is seen by ASan */
	memcpy(copy, p + s, n - s);
	if (http_conn_feed(c, dir, 1, copy, n - s))
		abort();
	memset(copy, 0xee, n - s);
	free(copy);
	if (skip && s && s < n && http_conn_unwanted(c, dir) == unwanted && unwanted == UINT64_MAX)
		abort();
}

static inline void kit_feed_framed(struct kit *k, struct http_conn *c, const struct stream *s, const struct feeding *f)
{
	uint64_t seed = f->seed;

	k->framed = (struct framed){ .pressed = f->pressed };
	for (unsigned i = 0; i < s->n; i++) {
		const struct piece *piece = &s->pieces[i];
		enum http_dir dir = f->swap ? (enum http_dir)!piece->dir : piece->dir;

		for (size_t done = 0, n; done < piece->n; done += n) {
			n = seed ? 1 + chance(&seed, (uint32_t)(f->piece ? f->piece : 300)) : f->piece ? f->piece : piece->n;
			n = n > piece->n - done ? piece->n - done : n;
			framed_call(&k->framed, c, dir, s->bytes.p + piece->at + done, n, piece->gap);
		}
	}
	framed_end(&k->framed, c);
}

static inline void kit_feed(struct kit *k, struct http_conn *c, const struct stream *s, const struct feeding *f)
{
	uint64_t seed = f->seed;

	for (unsigned i = 0; i < s->n; i++) {
		const struct piece *piece = &s->pieces[i];
		enum http_dir dir = f->swap ? (enum http_dir)!piece->dir : piece->dir;
		size_t done = 0;

		if (piece->gap)
			http_conn_skip(c, dir, 1, f->unknown ? UINT64_MAX : piece->n);
		while (!piece->gap && done < piece->n) {
			size_t n = seed ? 1 + chance(&seed, (uint32_t)(f->piece ? f->piece : 300)) : f->piece ? f->piece : piece->n;

			n = n > piece->n - done ? piece->n - done : n;
			kit_feed_piece(k, c, dir, (const char *)s->bytes.p + piece->at + done, n, f->skip);
			done += n;
		}
	}
}

static inline struct kit *kit_run(const struct stream *s, const struct feeding *f, struct http_wants wants, bool flags)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct http_conn *c;

	k->wants = wants;
	k->flags = flags;
	c = kit_conn(k);
	if (f->framed)
		kit_feed_framed(k, c, s, f);
	else
		kit_feed(k, c, s, f);
	http_conn_end(c, 2);
	http_conn_free(&c);
	return k;
}

/* Both gave the same. */
static inline bool kit_same(const struct kit *a, const struct kit *b)
{
	for (unsigned i = 0; i < a->n || i < b->n; i++)
		if (i >= a->n || i >= b->n || strcmp((char *)a->calls[i].p, (char *)b->calls[i].p)) {
			printf("# call %u of %u, %u:\n%s# but:\n%s", i, a->n, b->n, i < a->n ? (char *)a->calls[i].p : "",
			       i < b->n ? (char *)b->calls[i].p : "");
			return false;
		}
	return true;
}

static inline bool stream_whole(const struct stream *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->pieces[i].gap)
			return false;
	return true;
}

/* However a stream is cut, and whether what is unwanted is fed or not: the same comes out. */
static inline bool kit_cuts(const struct stream *s, struct http_wants wants, uint64_t seed)
{
	const struct feeding ways[] = {
		{ 0 }, { .piece = 1 }, { .seed = seed }, { .seed = seed + 1, .piece = 20 }, { .skip = true }, { .piece = 1, .skip = true },
		{ .seed = seed + 2, .skip = true }, { .piece = 7 },
		{ .framed = true }, { .framed = true, .piece = 1 }, { .framed = true, .seed = seed + 3, .piece = 5000 },
	};
	unsigned n = sizeof(ways) / sizeof(*ways) - (stream_whole(s) ? 0 : 3);
	struct kit *whole = kit_run(s, &ways[0], wants, true);
	bool same = true;

	for (unsigned i = 1; same && i < n; i++) {
		struct kit *k = kit_run(s, &ways[i], wants, true);

		same = kit_same(whole, k);
		if (!same)
			printf("# way %u\n", i);
		kit_free(k);
	}
	kit_free(whole);
	return same;
}

/* Whatever is given is true of one call, and no call is given twice. Returns how many had both their sides. */
static inline unsigned kit_only_truth(const struct kit *k, const struct buf *truth, unsigned n, unsigned *ret_lies)
{
	bool *used = calloc(n + 1, 1);
	unsigned full = 0;

	for (unsigned i = 0; i < k->n; i++) {
		const char *given = (char *)k->calls[i].p;
		unsigned j = 0;

		while (j < n && (used[j] || !facts_within(given, (char *)truth[j].p)))
			j++;
		if (j == n)
			printf("# flags %x, nowhere true:\n%s\n", k->call_flags[i], given);
		if (j == n)
			*ret_lies = *ret_lies + 1;
		if (j < n && !(k->call_flags[i] & (HTTP_NO_REQUEST | HTTP_NO_RESPONSE | HTTP_TRUNCATED)))
			used[j] = true;
		full += j < n && !(k->call_flags[i] & (HTTP_NO_REQUEST | HTTP_NO_RESPONSE | HTTP_TRUNCATED));
	}
	free(used);
	return full;
}

/* What was given of many streams' calls: with both sides; of how many; and what of it was true nowhere. */
struct kit_sum {
	unsigned full, calls, lies;
};

/* Of one stream, the n-th; calls: how many of them it has, of which truth tells. */
static inline void kit_sum_add(struct kit_sum *t, unsigned n, const struct stream *s, const struct feeding *f, struct http_wants wants, const struct buf *truth,
			     unsigned calls)
{
	struct kit *k = kit_run(s, f, wants, false);

	t->full += kit_only_truth(k, truth, calls, &t->lies);
	t->calls += calls;
	ok(!t->lies);
	if (tap_failed)
		printf("# stream %u\n", n);
	kit_free(k);
}

/* Nothing was untrue, and of so many in a hundred both sides were given. */
static inline void kit_sum_ends(const struct kit_sum *t, unsigned percent)
{
	printf("# %u of %u calls given with both sides\n", t->full, t->calls);
	ok(!t->lies && t->full > t->calls * percent / 100);
}

/* Takes the first bytes off: we came later. */
static inline void cut_front(struct stream *s, size_t n)
{
	unsigned i = 0;

	while (i < s->n && s->pieces[i].n <= n)
		n -= s->pieces[i++].n;
	memmove(s->pieces, s->pieces + i, (s->n - i) * sizeof(*s->pieces));
	s->n -= i;
	if (s->n) {
		s->pieces[0].at += n;
		s->pieces[0].n -= n;
	}
}

/* Takes the first pieces off. */
static inline void cut_pieces(struct stream *s, unsigned n)
{
	s->n -= n;
	memmove(s->pieces, s->pieces + n, s->n * sizeof(*s->pieces));
}

/* Splits a piece where a gap begins and where it ends. */
static inline void cut_gap(struct stream *s, uint64_t *seed)
{
	unsigned i = chance(seed, s->n);
	struct piece whole, *p;
	size_t from, n;

	while (!s->pieces[i].n)
		i = (i + 1) % s->n;
	whole = s->pieces[i];
	from = chance(seed, (uint32_t)whole.n);
	n = 1 + chance(seed, chance(seed, 2) ? 30 : 4000);

	n = n > whole.n - from ? whole.n - from : n;
	s->pieces = realloc(s->pieces, (s->n + 2) * sizeof(*s->pieces));
	s->cap = s->n + 2;
	p = s->pieces + i;
	memmove(p + 3, p + 1, (s->n - i - 1) * sizeof(*p));
	s->n += 2;
	p[0] = (struct piece){ whole.dir, whole.at, from, whole.gap };
	p[1] = (struct piece){ whole.dir, whole.at + from, n, true };
	p[2] = (struct piece){ whole.dir, whole.at + from + n, whole.n - from - n, whole.gap };
}

/* One gap to three: of the n-th stream. */
static inline void cut_gaps(struct stream *s, unsigned n, uint64_t *seed)
{
	for (unsigned i = 0; i <= n % 3; i++)
		cut_gap(s, seed);
}

#endif
