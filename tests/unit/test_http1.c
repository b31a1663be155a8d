/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1 out of streams: cases by hand, and generated ones against llhttp and against what was generated. */
#include <ctype.h>
#include <llhttp.h>

#include "tests/tap.h"
#include "tests/unit/httpkit.h"

#define S(text) { HTTP_SENT, text, 0 }
#define R(text) { HTTP_RECEIVED, text, 0 }
#define GAP(dir, n) { HTTP_##dir, "", n }
static const struct http_wants all = { HTTP_BODY_MAX, HTTP_BODY_MAX };

/* ---- by hand */

struct hand {
	const char *name;
	struct {
		enum http_dir dir;
		const char *text;	/* "" and a number: a gap */
		size_t gap;
	} pieces[12];
	const char *calls[6];
	enum http_state state;
};

#define OK200 "HTTP/1.1 200 OK\r\n"
#define LEN(n) "Content-Length: " #n "\r\n"
#define F(flags, number, informational) "flags " #flags "\nnumber " #number "\ninformational " #informational "\n"

static const struct hand hands[] = {
	{ "get", { S("GET /a HTTP/1.1\r\nHost: h\r\nX-Y:  z \r\n\r\n"), R(OK200 LEN(3) "\r\nabc") },
	  { F(0, 0, 0) "q method GET\nq authority h\nq target /a\nq field host: h\nq field x-y: z\nq length 0\n"
	    "r status 200\nr field content-length: 3\nr body abc\nr length 3\n" }, HTTP_PARSING },
	{ "served", { R("GET /a HTTP/1.0\n\n"), S("HTTP/1.0 200\n\nab"), S("cd") },
	  { F(0, 0, 0) "q method GET\nq target /a\nq length 0\nr status 200\nr body abcd\nr length 4\n" }, HTTP_PARSING },
	{ "chunks", { S("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3\r\nabc\r\n00a;x=y\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n"),
		      R("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n") },
	  { F(0, 0, 2) "q method POST\nq target /\nq field transfer-encoding: gzip, Chunked\nq trailer x-t: 1\nq body abc0123456789\nq length 13\n"
	    "r status 204\nr length 0\n" }, HTTP_PARSING },
	{ "head", { S("HEAD / HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"), R(OK200 LEN(9) "\r\n" "HTTP/1.1 304 N\r\n" LEN(7) "\r\n") },
	  { F(0, 0, 0) "q method HEAD\nq target /\nq length 0\nr status 200\nr field content-length: 9\nr length 0\n",
	    F(0, 1, 0) "q method GET\nq target /2\nq length 0\nr status 304\nr field content-length: 7\nr length 0\n" }, HTTP_PARSING },
	{ "upgrade", { S("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"), R("HTTP/1.1 101 Sw\r\nUpgrade: websocket\r\n\r\n\x81\x05"),
		       S("GET /no HTTP/1.1\r\n\r\n") },
	  { F(80, 0, 0) "q method GET\nq target /ws\nq field upgrade: websocket\nq length 0\nr status 101\nr field upgrade: websocket\nr length 0\n" }, HTTP_TUNNEL },
	{ "connect", { S("CONNECT h:443 HTTP/1.1\r\n\r\n"), R("HTTP/1.1 407 Auth\r\n" LEN(0) "\r\n"), S("CONNECT h:443 HTTP/1.1\r\nA: b\r\n\r\n"),
		       R("HTTP/1.1 200 Yes\r\n\r\n\x16\x03") },
	  { F(0, 0, 0) "q method CONNECT\nq target h:443\nq length 0\nr status 407\nr field content-length: 0\nr length 0\n",
	    F(80, 1, 0) "q method CONNECT\nq target h:443\nq field a: b\nq length 0\nr status 200\nr length 0\n" }, HTTP_TUNNEL },
	{ "cut off", { S("PUT / HTTP/1.1\r\n" LEN(5) "\r\nab"), R(OK200 LEN(9) "\r\nabc") },
	  { F(10, 0, 0) "q method PUT\nq target /\nq field content-length: 5\nq body ab\nr status 200\nr field content-length: 9\nr body abc\n" }, HTTP_PARSING },
	{ "gap in a body", { S("GET / HTTP/1.1\r\n\r\n"), R(OK200 LEN(9) "\r\nabc"), GAP(RECEIVED, 4), R("hi" OK200 LEN(0) "\r\n") },
	  { F(4, 0, 0) "q method GET\nq target /\nq length 0\nr status 200\nr field content-length: 9\nr body abc\nr length 9\n",
	    F(20, 1, 0) "r status 200\nr field content-length: 0\nr length 0\n" }, HTTP_PARSING },
	{ "gap in a head", { S("GET /1 HTTP/1.1\r\nA: 1\r\nB: "), GAP(SENT, 40), S("rest\r\n\r\nGET /2 HTTP/1.1\r\nC: 3\r\n\r\n"), R(OK200 LEN(0) "\r\n") },
	  { F(d, 0, 0) "q method GET\nq target /1\nq field a: 1\n", F(d, 1, 0) "q method GET\nq target /2\nq field c: 3\n",
	    F(20, 2, 0) "r status 200\nr field content-length: 0\nr length 0\n" }, HTTP_PARSING },
	{ "joined in a body", { R("rest of it}HTTP/1.1 200 OK\r\n" LEN(1) "\r\nx"), S("GET /2 HTTP/1.1\r\n\r\n"), R("HTTP/1.1 201 C\r\n" LEN(0) "\r\n") },
	  { F(20, 0, 0) "r status 200\nr field content-length: 1\nr body x\nr length 1\n",
	    F(0, 1, 0) "q method GET\nq target /2\nq length 0\nr status 201\nr field content-length: 0\nr length 0\n" }, HTTP_PARSING },
	{ "was it a HEAD", { R(OK200 LEN(100) "\r\n" "HTTP/1.1 404 Not\r\n" LEN(0) "\r\n") },
	  { F(20, 0, 0) "r status 200\nr field content-length: 100\nr length 0\n", F(20, 1, 0) "r status 404\nr field content-length: 0\nr length 0\n" }, HTTP_PARSING },
	{ "a body like a request", { R(OK200 "X: y\r\n\r\nT / HTTP/1.1\r\n\r\n") },
	  { F(20, 0, 0) "r status 200\nr field x: y\nr body T / HTTP/1.1\\0d\\0a\\0d\\0a\nr length 16\n" }, HTTP_PARSING },
	{ "told late", { S("GET /1 HTTP/1.1\r\n\r\n"), R(OK200 LEN(0) "\r\n"), R("HTTP/1.1 202 A\r\n" LEN(2) "\r\nok"), S("GET /2 HTTP/1.1\r\n\r\n") },
	  { F(0, 0, 0) "q method GET\nq target /1\nq length 0\nr status 200\nr field content-length: 0\nr length 0\n",
	    F(4, 1, 0) "q method GET\nq target /2\nq length 0\nr status 202\nr field content-length: 2\nr length 2\n" }, HTTP_PARSING },
	{ "two lengths", { S("POST / HTTP/1.1\r\n" LEN(5) LEN(6) "\r\nabcdefGET / HTTP/1.1\r\n\r\n") },
	  { F(18, 0, 0) "q method POST\nq target /\nq field content-length: 5\nq field content-length: 6\n" }, HTTP_BROKEN },
	{ "folded", { S("GET / HTTP/1.1\r\nA: 1\r\n  2\r\nbad line\r\n : x\r\nB: 3\r\n\r\n"), R("HTTP/1.1 204 N\r\n\r\n") },
	  { F(1, 0, 0) "q method GET\nq target /\nq field a: 1 2\nq field b: 3\nq length 0\nr status 204\nr length 0\n" }, HTTP_PARSING },
	{ "smtp", { R("220 mail ESMTP\r\n"), S("EHLO x\r\n") }, { NULL }, HTTP_DETECTING },
};

static void by_hand(void)
{
	for (unsigned i = 0; i < sizeof(hands) / sizeof(*hands); i++) {
		const struct hand *h = &hands[i];
		struct stream s = { 0 };
		struct http_conn *c;
		struct kit *k;

		for (unsigned j = 0; j < 12 && h->pieces[j].text; j++) {
			stream_add(&s, h->pieces[j].dir, h->pieces[j].gap ? "................................................" : h->pieces[j].text,
				   h->pieces[j].gap ? h->pieces[j].gap : strlen(h->pieces[j].text));
			s.pieces[s.n - 1].gap = h->pieces[j].gap;
		}
		k = calloc(1, sizeof(*k));
		k->wants = all;
		k->flags = true;
		c = kit_conn(k);
		kit_feed(k, c, &s, &(struct feeding){ 0 });
		ok_int(http_conn_state(c), h->state);
		http_conn_end(c, 2);
		http_conn_free(&c);
		for (unsigned j = 0; j < 6 && (j < k->n || h->calls[j]); j++)
			ok_str(j < k->n ? (char *)k->calls[j].p : NULL, h->calls[j]);
		ok_int(k->heads, k->n);
		ok(kit_cuts(&s, all, 77 + i));
		if (tap_failed)
			printf("# in: %s\n", h->name);
		kit_free(k);
		stream_free(&s);
		if (tap_failed)
			return;
	}
}

/* ---- generated exchanges */

struct exchange {
	struct stream s;
	struct buf truth[256];	/* facts of each call, in order */
	struct buf sent, received;	/* whole streams */
	uint8_t heads[256];	/* was a HEAD */
	unsigned n;
};

static void exchange_free(struct exchange *e)
{
	for (unsigned i = 0; i < e->n; i++)
		buf_free(&e->truth[i]);
	stream_free(&e->s);
	buf_free(&e->sent);
	buf_free(&e->received);
	free(e);
}

static void random_body(uint64_t *seed, struct buf *b)
{
	static const uint16_t sizes[] = { 1, 5, 40, 300, 3000, 9000 };
	size_t n = chance(seed, 3) ? chance(seed, sizes[chance(seed, 6)]) : 0;

	for (size_t i = 0; i < n; i++)
		buf_addc(b, chance(seed, 4) ? (uint8_t)" \r\n:{}GETHTTP/1.1"[chance(seed, 17)] : (uint8_t)chance(seed, 256));
}

static void random_fields(uint64_t *seed, const char *prefix, struct buf *head, struct buf *facts, bool trailer)
{
	static const char *const names[] = { "X-A", "accept", "User-Agent", "X-Amz-Date", "ETag", "x" };
	char value[300], name[40];

	for (unsigned n = chance(seed, 6); n; n--) {
		unsigned len = chance(seed, chance(seed, 8) ? 20 : 299);

		for (unsigned i = 0; i < len; i++)
			value[i] = "abc /=,;:\"Z9"[chance(seed, 12)];
		while (len && value[len - 1] == ' ')
			len--;
		snprintf(name, sizeof(name), "%s-%u", names[chance(seed, 6)], chance(seed, 30));
		buf_addf(head, "%s:%s%.*s%s\r\n", name, chance(seed, 3) ? " " : "", (int)len, value, chance(seed, 9) ? "" : " \t");
		for (char *p = name; *p; p++)
			*p = (char)tolower(*p);
		while (len && *value == ' ')
			memmove(value, value + 1, --len);
		buf_addf(facts, "%s %s ", prefix, trailer ? "trailer" : "field");
		fact_field(facts, "", (struct str){ name, strlen(name) }, (struct str){ value, len });
	}
}

/* A body and what frames it: 0 none, 1 length, 2 chunks, 3 until the end. */
static void random_framed(uint64_t *seed, unsigned framing, const char *prefix, struct buf *head, struct buf *facts, bool silent)
{
	struct buf body = { 0 }, chunks = { 0 };
	char what[16];

	if (framing)
		random_body(seed, &body);
	if (framing == 1) {
		buf_addf(head, "Content-Length: %zu\r\n", body.n);
		buf_addf(facts, "%s field content-length: %zu\n", prefix, body.n);
	} else if (framing == 2) {
		buf_adds(head, "Transfer-Encoding: chunked\r\n");
		buf_addf(facts, "%s field transfer-encoding: chunked\n", prefix);
	}
	buf_adds(head, "\r\n");
	if (silent)
		body.n = 0;
	if (silent)
		framing = 0;
	for (size_t i = 0; framing == 2 && i < body.n;) {
		size_t n = 1 + chance(seed, 700);

		n = n > body.n - i ? body.n - i : n;
		buf_addf(&chunks, "%zx%s\r\n", n, chance(seed, 5) ? "" : ";ext=1");
		buf_add(&chunks, body.p + i, n);
		buf_adds(&chunks, "\r\n");
		i += n;
	}
	if (framing == 2) {
		buf_adds(&chunks, "0\r\n");
		random_fields(seed, prefix, &chunks, facts, true);
		buf_adds(&chunks, "\r\n");
	}
	snprintf(what, sizeof(what), "%s body ", prefix);
	if (body.n)
		fact(facts, what, (char *)body.p, body.n);
	buf_addf(facts, "%s length %zu\n", prefix, body.n);
	buf_add(head, framing == 2 ? chunks.p : body.p, framing == 2 ? chunks.n : body.n);
	buf_free(&body);
	buf_free(&chunks);
}

static void random_request(uint64_t *seed, struct exchange *e, struct buf *b)
{
	static const char *const methods[] = { "GET", "POST", "HEAD", "PUT", "DELETE", "GET", "PROPFIND" };
	const char *method = methods[chance(seed, 7)];
	struct buf *facts = &e->truth[e->n];

	e->heads[e->n] = !strcmp(method, "HEAD");
	buf_addf(b, "%s /%u/x?q=%u HTTP/1.1\r\nHost: h%u\r\nX-Id: %u\r\n", method, e->n, chance(seed, 99), e->n, e->n);
	buf_addf(facts, "q method %s\nq authority h%u\n", method, e->n);
	buf_addf(facts, "q target %.*s\n", (int)strcspn((char *)b->p + strlen(method) + 1, " "), b->p + strlen(method) + 1);
	buf_addf(facts, "q field host: h%u\nq field x-id: %u\n", e->n, e->n);
	random_fields(seed, "q", b, facts, false);
	random_framed(seed, chance(seed, 3), "q", b, facts, false);
}

static void random_response(uint64_t *seed, struct exchange *e, unsigned i, struct buf *b, bool last)
{
	static const uint16_t statuses[] = { 200, 200, 200, 404, 204, 304, 500 };
	unsigned status = statuses[chance(seed, 7)];
	bool silent = e->heads[i] || status == 204 || status == 304;
	struct buf *facts = &e->truth[i];

	for (; !chance(seed, 5);)
		buf_addf(b, "HTTP/1.1 100 Continue\r\nX-No: %u\r\n\r\n", i);
	buf_addf(b, "HTTP/1.1 %u %s\r\nX-Re: %u\r\n", status, chance(seed, 3) ? "All Right" : "", i);
	buf_addf(facts, "r status %u\nr field x-re: %u\n", status, i);
	random_fields(seed, "r", b, facts, false);
	random_framed(seed, last ? 3 : 1 + chance(seed, 2), "r", b, facts, silent);
}

static void exchange_piece(struct exchange *e, enum http_dir dir, struct buf *b)
{
	stream_add(&e->s, dir, b->p, b->n);
	buf_add(dir == HTTP_SENT ? &e->sent : &e->received, b->p, b->n);
	buf_free(b);
}

static struct exchange *exchange_make(uint64_t seed, unsigned n, unsigned depth)
{
	struct exchange *e = calloc(1, sizeof(*e));
	unsigned answered = 0;

	while (answered < n) {
		struct buf b = { 0 };

		if (e->n < n && e->n - answered < depth && (e->n == answered || chance(&seed, 2))) {
			random_request(&seed, e, &b);
			e->n++;
			exchange_piece(e, HTTP_SENT, &b);
		} else {
			random_response(&seed, e, answered, &b, answered == n - 1);
			answered++;
			exchange_piece(e, HTTP_RECEIVED, &b);
		}
	}
	for (unsigned i = 0; i < n; i++)
		buf_addc(&e->truth[i], '\0');
	return e;
}

/* All of them, and of each all that is to be known. */
static bool complete(const struct exchange *e, const struct kit *k)
{
	bool same = k->n == e->n;

	for (unsigned i = 0; same && i < e->n; i++) {
		const char *given = (char *)k->calls[i].p, *truth = (char *)e->truth[i].p;

		same = facts_within(given, truth) && facts_within(truth, given) && !k->call_flags[i];
		if (!same)
			printf("# call %u, flags %x:\n%s# but:\n%s", i, k->call_flags[i], given, truth);
	}
	return same;
}

static void generated(void)
{
	for (unsigned i = 0; i < 60; i++) {
		struct exchange *e = exchange_make(1000 + i, 1 + i % 20, i % 3 ? 1 : 5);
		struct kit *k = kit_run(&e->s, &(struct feeding){ .seed = 1 + i % 2 * i, .swap = i & 1 }, all, false);

		ok_int(k->role, i & 1 ? HTTP_SERVER : HTTP_CLIENT);
		ok_int(k->n, e->n);
		ok(complete(e, k));
		ok(i % 6 || kit_cuts(&e->s, all, 5 + i));
		ok(i % 6 || kit_cuts(&e->s, (struct http_wants){ 100, 7 }, 5 + i));
		if (tap_failed)
			printf("# i %u\n", i);
		kit_free(k);
		exchange_free(e);
		must(1);
	}
}

static void joined_late(void)
{
	struct kit_sum sum = { 0 };
	uint64_t seed = 4711;

	for (unsigned i = 0; i < size("http1.late"); i++) {
		struct exchange *e = exchange_make(5000 + i, 10, 1);

		cut_front(&e->s, chance(&seed, (uint32_t)e->s.bytes.n));
		kit_sum_add(&sum, i, &e->s, &(struct feeding){ .seed = 9 + i, .swap = i & 1 }, all, e->truth, e->n);
		exchange_free(e);
		must(1);
	}
	kit_sum_ends(&sum, 35);	/* half of them are to be had */
}

static void gaps(void)
{
	struct kit_sum sum = { 0 };
	uint64_t seed = 815;

	for (unsigned i = 0; i < size("http1.gaps"); i++) {
		struct exchange *e = exchange_make(7000 + i, 12, i % 4 ? 1 : 4);
		const struct feeding f = { .seed = 9 + i, .swap = i & 1, .unknown = i % 5 == 0 };

		cut_gaps(&e->s, i, &seed);
		if (i % 4)
			kit_sum_add(&sum, i, &e->s, &f, all, e->truth, e->n);
		else
			kit_free(kit_run(&e->s, &f, all, false));
		exchange_free(e);
		must(1);
	}
	kit_sum_ends(&sum, 70);
}

/* ---- llhttp as the judge */

struct judge {
	llhttp_t parser;
	struct buf name, value, body, out;	/* out: facts of all messages */
	const uint8_t *heads;
	unsigned n;
	char prefix;
	bool trailing, skip;
};

static int j_begin(llhttp_t *p)
{
	struct judge *j = p->data;

	j->trailing = false;
	buf_reset(&j->body);
	return 0;
}

static int j_url(llhttp_t *p, const char *at, size_t n)
{
	return buf_add(&((struct judge *)p->data)->value, at, n);
}

static int j_url_done(llhttp_t *p)
{
	struct judge *j = p->data;

	buf_addf(&j->out, "%c method %s\n", j->prefix, llhttp_method_name((llhttp_method_t)p->method));
	fact(&j->out, "q target ", (char *)j->value.p, j->value.n);
	buf_reset(&j->value);
	return 0;
}

static int j_name(llhttp_t *p, const char *at, size_t n)
{
	return buf_add(&((struct judge *)p->data)->name, at, n);
}

static int j_value(llhttp_t *p, const char *at, size_t n)
{
	return buf_add(&((struct judge *)p->data)->value, at, n);
}

static int j_value_done(llhttp_t *p)
{
	struct judge *j = p->data;

	for (size_t i = 0; i < j->name.n; i++)
		j->name.p[i] = (uint8_t)tolower(j->name.p[i]);
	while (j->value.n && strchr(" \t", j->value.p[j->value.n - 1]))
		j->value.n--;
	/* it takes ": x" and "x y: z" for fields */
	if (j->name.n && !memchr(j->name.p, ' ', j->name.n) && (p->type == HTTP_REQUEST || p->status_code / 100 != 1)) {
		buf_addf(&j->out, "%c %s ", j->prefix, j->trailing ? "trailer" : "field");
		fact_field(&j->out, "", (struct str){ (char *)j->name.p, j->name.n }, (struct str){ (char *)j->value.p, j->value.n });
	}
	buf_reset(&j->name);
	buf_reset(&j->value);
	return 0;
}

static int j_headers_done(llhttp_t *p)
{
	struct judge *j = p->data;

	j->trailing = true;
	if (p->http_major != 1 || p->http_minor > 1)
		return -1;	/* 0.9, without a version */
	if (p->type == HTTP_REQUEST)
		return 0;
	if (p->status_code < 100)
		return -1;	/* there is none such */
	if (p->status_code / 100 == 1)
		return 0;
	buf_addf(&j->out, "r status %u\n", p->status_code);
	/* that these have no body is its user's to know */
	return (j->heads && j->heads[j->n]) || p->status_code == 204 || p->status_code == 304 ? 1 : 0;
}

static int j_body(llhttp_t *p, const char *at, size_t n)
{
	return buf_add(&((struct judge *)p->data)->body, at, n);
}

static int j_done(llhttp_t *p)
{
	struct judge *j = p->data;

	if (p->type == HTTP_RESPONSE && p->status_code / 100 == 1)
		return 0;
	buf_addf(&j->out, "%c ends\n", j->prefix);
	if (j->body.n)
		fact(&j->out, j->prefix == 'q' ? "q body " : "r body ", (char *)j->body.p, j->body.n);
	buf_addf(&j->out, "%c length %zu\n", j->prefix, j->body.n);
	j->n++;
	return 0;
}

static struct judge *judge_run(llhttp_type_t type, const struct buf *b, const uint8_t *heads, bool *ret_sound)
{
	static llhttp_settings_t settings;
	struct judge *j = calloc(1, sizeof(*j));
	llhttp_errno_t e;

	llhttp_settings_init(&settings);
	settings.on_message_begin = j_begin;
	settings.on_url = j_url;
	settings.on_url_complete = j_url_done;
	settings.on_header_field = j_name;
	settings.on_header_value = j_value;
	settings.on_header_value_complete = j_value_done;
	settings.on_headers_complete = j_headers_done;
	settings.on_body = j_body;
	settings.on_message_complete = j_done;
	llhttp_init(&j->parser, type, &settings);
	j->parser.data = j;
	j->prefix = type == HTTP_REQUEST ? 'q' : 'r';
	j->heads = heads;
	e = llhttp_execute(&j->parser, (char *)b->p, b->n);
	if (e == HPE_OK)
		e = llhttp_finish(&j->parser);
	*ret_sound = e == HPE_OK;
	return j;
}

static void judge_free(struct judge *j)
{
	buf_free(&j->name);
	buf_free(&j->value);
	buf_free(&j->body);
	buf_free(&j->out);
	free(j);
}

/* Lines of one side, without what the judge does not say; sorted by what they are where the order may differ. */
static void one_side(const char *facts, char side, struct buf *out)
{
	struct buf late = { 0 };

	for (size_t n; *facts; facts += n + 1) {
		n = strcspn(facts, "\n");
		if (*facts != side || !strncmp(facts + 1, " authority", 10) || !strncmp(facts + 1, " ends", 5))
			continue;
		/* status, trailers and bodies come at different times */
		buf_add(!strncmp(facts + 1, " body", 5) || !strncmp(facts + 1, " length", 7) || !strncmp(facts + 1, " status", 7) ? &late : out, facts, n + 1);
		if (!strncmp(facts + 1, " length", 7)) {
			buf_add(out, late.p, late.n);
			buf_reset(&late);
		}
	}
	buf_addc(out, '\0');
	buf_free(&late);
}

static bool agree(const struct judge *j, const struct kit *k, char side)
{
	struct buf ours = { 0 }, all_ours = { 0 }, theirs = { 0 };
	bool same;

	for (unsigned i = 0; i < k->n; i++)
		if (side == 'q' ? !(k->call_flags[i] & HTTP_NO_REQUEST) : !(k->call_flags[i] & HTTP_NO_RESPONSE))
			buf_adds(&all_ours, (char *)k->calls[i].p);
	one_side(buf_text(&all_ours), side, &ours);
	one_side(buf_text((struct buf *)&j->out), side, &theirs);
	same = !strcmp((char *)ours.p, (char *)theirs.p);
	if (!same) {
		size_t at = 0;

		while (ours.p[at] == theirs.p[at])
			at++;
		for (; at && ours.p[at - 1] != '\n'; at--)
			;
		printf("# ours:\n%.300s\n# llhttp's:\n%.300s\n", ours.p + at, theirs.p + at);
	}
	buf_free(&ours);
	buf_free(&all_ours);
	buf_free(&theirs);
	return same;
}

static void as_llhttp(void)
{
	for (unsigned i = 0; i < 100; i++) {
		struct exchange *e = exchange_make(300 + i, 1 + i % 30, i % 3 ? 1 : 5);
		struct kit *k = kit_run(&e->s, &(struct feeding){ .seed = i }, all, false);
		struct judge *q, *r;
		bool sound;

		q = judge_run(HTTP_REQUEST, &e->sent, NULL, &sound);
		ok(sound && q->n == e->n && agree(q, k, 'q'));
		r = judge_run(HTTP_RESPONSE, &e->received, e->heads, &sound);
		ok(sound && r->n == e->n && agree(r, k, 'r'));
		judge_free(q);
		judge_free(r);
		kit_free(k);
		exchange_free(e);
		must(1);
	}
}

/* Bytes changed by chance: where llhttp still reads the whole stream, so do we, and alike. */
static void as_llhttp_changed(void)
{
	unsigned sound_ones = 0;
	uint64_t seed = 99;

	for (unsigned i = 0; i < size("http1.changed"); i++) {
		struct exchange *e = exchange_make(9000 + i % 50, 3, 1);
		struct buf *b = i & 1 ? &e->sent : &e->received;
		struct stream s = { 0 };
		struct judge *j;
		struct kit *k;
		bool sound;

		for (unsigned n = 1 + chance(&seed, 3); n; n--) {
			size_t at = chance(&seed, (uint32_t)(b->n < 300 ? b->n : 300));

			if (!strchr("\r\n", b->p[at]))	/* for llhttp, CR and anything, or anything and LF, may be an end of line */
				b->p[at] = (uint8_t) "\n\n :;,AZaz09_\"\x80/"[chance(&seed, 17)];
		}
		/* the other side, so that the first line need not tell what this is */
		if (i & 1) {
			stream_add(&s, HTTP_SENT, b->p, b->n);
			for (unsigned n = 0; n < e->n; n++)
				stream_text(&s, HTTP_RECEIVED, "HTTP/1.1 204 N\r\n\r\n");
		} else {
			for (unsigned n = 0; n < e->n; n++)
				stream_text(&s, HTTP_SENT, e->heads[n] ? "HEAD / HTTP/1.1\r\n\r\n" : "GET / HTTP/1.1\r\n\r\n");
			stream_add(&s, HTTP_RECEIVED, b->p, b->n);
		}
		j = judge_run(i & 1 ? HTTP_REQUEST : HTTP_RESPONSE, b, i & 1 ? NULL : e->heads, &sound);
		k = kit_run(&s, &(struct feeding){ 0 }, all, false);
		/* folded lines: it keeps the white space at the fold */
		if (sound && j->n == e->n && !memmem(b->p, b->n < 300 ? b->n : 300, "\n ", 2)) {
			sound_ones++;
			ok(agree(j, k, i & 1 ? 'q' : 'r'));
		}
		if (tap_failed)
			printf("# i %u: %.*s\n", i, (int)(b->n < 700 ? b->n : 700), (char *)b->p);
		judge_free(j);
		kit_free(k);
		stream_free(&s);
		exchange_free(e);
		must(1);
	}
	printf("# %u were sound for llhttp\n", sound_ones);
	ok(sound_ones > 300);
}

/* ---- what is odd: where llhttp reads it, so do we, and alike; where it does not, nothing in a body is taken for a call */

#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define POST "POST /a HTTP/1.1\r\n"
#define NEXT "GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
#define HIDDEN "1e\r\nGET /not-a-call HTTP/1.1\r\n\r\n..\r\n0\r\n\r\n"

static const struct {
	char side;		/* q or r; Q, R: we end where it goes on, or go on where it ends */
	const char *text;
} odd[] = {
	{ 'q', "\r\n\r\n" NEXT }, { 'q', POST LEN(3) "\r\nabc\r\n" NEXT }, { 'q', "GET /a HTTP/1.1\nHost: h\n\n" NEXT }, { 'q', "get /a HTTP/1.1\r\n\r\n" NEXT },
	{ 'q', "GET  /a  HTTP/1.1\r\n\r\n" NEXT }, { 'q', "GET /a b HTTP/1.1\r\n\r\n" NEXT }, { 'q', "GET /a HTTP/1.2\r\n\r\n" NEXT }, { 'q', "GET /a HTTP/3.1\r\n\r\n" NEXT },
	{ 'q', "GET http://u:p@h/x?y HTTP/1.1\r\nHost: h\r\n\r\n" NEXT }, { 'q', "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n" NEXT },
	{ 'q', "GET h:443 HTTP/1.1\r\n\r\n" NEXT }, { 'Q', "GET /a HTTP/1.1\r\nConnection: close\r\n\r\n" NEXT },
	/* lengths */
	{ 'q', POST LEN(3) LEN(3) "\r\nabc" NEXT }, { 'q', POST LEN(3) LEN(4) "\r\nabc" NEXT }, { 'q', POST "Content-Length: 3, 3\r\n\r\nabc" NEXT },
	{ 'q', POST "Content-Length: +3\r\n\r\nabc" NEXT }, { 'q', POST "Content-Length: -3\r\n\r\nabc" NEXT }, { 'q', POST "Content-Length: 0x3\r\n\r\nabc" NEXT },
	{ 'q', POST "Content-Length: 003\r\n\r\nabc" NEXT }, { 'q', POST "Content-Length:\t3 \t\r\n\r\nabc" NEXT }, { 'q', POST "Content-Length: 3 3\r\n\r\nabc" NEXT },
	{ 'q', POST "Content-Length:\r\n\r\n" NEXT }, { 'q', POST "Content-Length: 18446744073709551619\r\n\r\nabc" NEXT },
	{ 'q', POST "Content-Length : 30\r\n\r\n" NEXT NEXT }, { 'q', POST "Content-Length\r\n: 30\r\n\r\n" NEXT NEXT },
	{ 'q', POST "X: y\r\n Content-Length: 3\r\n\r\n" NEXT }, { 'Q', POST "Content-Length:\r\n 3\r\n\r\nabc" NEXT }, { 'q', POST LEN(3) " 0\r\n\r\nabc" NEXT },
	{ 'q', "GET /a HTTP/1.1\r\n" LEN(3) "\r\nabc" NEXT },
	/* codings */
	{ 'q', POST CHUNKED "\r\n3\r\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST CHUNKED LEN(9) "\r\n3\r\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST LEN(9) CHUNKED "\r\n3\r\nabc\r\n0\r\n\r\n" NEXT },
	{ 'q', POST CHUNKED CHUNKED "\r\n3\r\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST "Transfer-Encoding: chunked, gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n" NEXT },
	{ 'q', POST "Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST "Transfer-Encoding: identity\r\n\r\n" NEXT },
	{ 'q', POST "Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST "Transfer-Encoding: \tchunked \r\n\r\n3\r\nabc\r\n0\r\n\r\n" NEXT },
	{ 'q', POST "Transfer-Encoding : chunked\r\n\r\n" HIDDEN NEXT }, { 'q', POST "Transfer-Encoding\r\n: chunked\r\n\r\n" HIDDEN NEXT },
	{ 'Q', POST "Transfer-Encoding:\r\n chunked\r\n\r\n" HIDDEN NEXT }, { 'q', POST CHUNKED "\t, gzip\r\n\r\n" HIDDEN NEXT }, { 'q', POST "Transfer-Encoding: x\r\n chunked\r\n\r\n" HIDDEN NEXT },
	{ 'q', POST "Transfer-Encoding: \"chunked\"\r\n\r\n" HIDDEN NEXT }, { 'q', POST "Transfer-Encoding: chunked;q=1\r\n\r\n" HIDDEN NEXT },
	{ 'q', POST CHUNKED "Transfer-Encoding: identity\r\n\r\n" HIDDEN NEXT }, { 'q', POST "Transfer-Encoding: chunked,\r\n\r\n" HIDDEN NEXT },
	/* chunks */
	{ 'q', POST CHUNKED "\r\n3;a=\"b;c\"\r\nabc\r\n0;last\r\n\r\n" NEXT }, { 'q', POST CHUNKED "\r\n3 \r\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST CHUNKED "\r\n3\t;a\r\nabc\r\n0\r\n\r\n" NEXT },
	{ 'q', POST CHUNKED "\r\n 3\r\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST CHUNKED "\r\n0x3\r\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST CHUNKED "\r\n+3\r\nabc\r\n0\r\n\r\n" NEXT },
	{ 'q', POST CHUNKED "\r\n10000000000000003\r\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST CHUNKED "\r\n0000000000000000003\r\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST CHUNKED "\r\n\r\nabc\r\n0\r\n\r\n" NEXT },
	{ 'q', POST CHUNKED "\r\n3\r\nabcd\r\n0\r\n\r\n" NEXT }, { 'q', POST CHUNKED "\r\n3\r\nabc0\r\n\r\n" NEXT }, { 'q', POST CHUNKED "\r\n3\nabc\n0\n\n" NEXT },
	{ 'q', POST CHUNKED "\r\n3\r\nabc\r\n0\r\nT: 1\r\nU: 2\r\n\r\n" NEXT }, { 'q', POST CHUNKED "\r\n3\r\nabc\r\n0\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\n\r\n" NEXT },
	{ 'q', POST CHUNKED "\r\n3 x\r\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST CHUNKED "\r\n3;\nabc\r\n0\r\n\r\n" NEXT }, { 'q', POST CHUNKED "\r\n000\r\n\r\n" NEXT },
	/* upgrades */
	{ 'q', "GET /a HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" }, { 'q', POST "Expect: 100-continue\r\n" LEN(3) "\r\nabc" NEXT },
	/* answers */
	{ 'r', OK200 "Transfer-Encoding: chunked, gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n" }, { 'r', OK200 "Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" OK200 LEN(0) "\r\n" },
	{ 'r', OK200 "Transfer-Encoding: gzip\r\n" LEN(3) "\r\nabcdef" }, { 'r', OK200 CHUNKED LEN(9) "\r\n3\r\nabc\r\n0\r\n\r\n" OK200 LEN(0) "\r\n" },
	{ 'r', "HTTP/1.1 204 N\r\n" LEN(5) "\r\n" OK200 LEN(0) "\r\n" }, { 'r', "HTTP/1.1 304 N\r\n" CHUNKED "\r\n" OK200 LEN(0) "\r\n" },
	{ 'r', "HTTP/1.1 205 R\r\n" LEN(0) "\r\n" OK200 LEN(0) "\r\n" }, { 'r', "HTTP/1.1 100 C\r\n" LEN(3) "\r\n" OK200 LEN(0) "\r\n" },
	{ 'r', "HTTP/1.1 417 E\r\n" LEN(2) "\r\nno" OK200 LEN(0) "\r\n" }, { 'r', "HTTP/1.1 200\r\n" LEN(0) "\r\n" OK200 LEN(0) "\r\n" }, { 'r', "HTTP/1.1  200 OK\r\n" LEN(0) "\r\n" },
	{ 'r', "HTTP/1.0 200 OK\r\n\r\nabc" }, { 'r', "HTTP/1.1 200 OK\nContent-Length: 1\n\nx" OK200 LEN(0) "\r\n" }, { 'r', OK200 LEN(3) LEN(4) "\r\nabcd" },
	{ 'r', OK200 "Content-Length: 3, 3\r\n\r\nabc" OK200 LEN(0) "\r\n" }, { 'r', OK200 "Content-Length : 3\r\n\r\nabc" OK200 LEN(0) "\r\n" }, { 'r', OK200 "Transfer-Encoding : chunked\r\n\r\n" HIDDEN },
	{ 'R', OK200 CHUNKED "\t, gzip\r\n\r\n" HIDDEN OK200 LEN(0) "\r\n" }, { 'r', "HTTP/1.1 99 X\r\n\r\n" }, { 'r', "HTTP/1.1 1000 X\r\n\r\n" },
};

static bool invented(const struct kit *k)
{
	for (unsigned i = 0; i < k->n; i++)
		if (strstr((char *)k->calls[i].p, "q target /not-a-call"))
			return true;
	return false;
}

static void odd_ones(void)
{
	unsigned sound_ones = 0, failed = 0;

	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct buf b = { .p = (uint8_t *)(uintptr_t)odd[i].text, .n = strlen(odd[i].text) };
		bool asks = odd[i].side == 'q' || odd[i].side == 'Q', alike = odd[i].side == 'q' || odd[i].side == 'r';
		struct stream s = { 0 };
		struct judge *j;
		struct kit *k;
		bool sound;

		j = judge_run(asks ? HTTP_REQUEST : HTTP_RESPONSE, &b, NULL, &sound);
		if (asks) {
			stream_add(&s, HTTP_SENT, b.p, b.n);
			for (unsigned n = 0; n < j->n; n++)
				stream_text(&s, HTTP_RECEIVED, "HTTP/1.1 204 N\r\n\r\n");
		} else {
			for (unsigned n = 0; n < j->n + 2; n++)
				stream_text(&s, HTTP_SENT, "GET / HTTP/1.1\r\n\r\n");
			stream_add(&s, HTTP_RECEIVED, b.p, b.n);
		}
		k = kit_run(&s, &(struct feeding){ 0 }, all, false);
		sound_ones += sound;
		ok(!invented(k));
		if (sound && alike)
			ok(agree(j, k, odd[i].side));
		if (tap_failed) {
			printf("# %u, %s for llhttp, which has %u: %s\n", i, sound ? "sound" : llhttp_errno_name(llhttp_get_errno(&j->parser)), j->n, odd[i].text);
			for (unsigned n = 0; n < k->n && !sound; n++)
				printf("# flags %x\n%s", k->call_flags[n], (char *)k->calls[n].p);
			failed++;
			tap_failed = 0;
		}
		ok(kit_cuts(&s, all, 3 + i));
		judge_free(j);
		kit_free(k);
		stream_free(&s);
	}
	printf("# %u of %zu are sound for llhttp\n", sound_ones, sizeof(odd) / sizeof(odd[0]));
	ok(!failed && sound_ones > 20);
}

/* ---- limits */

static struct kit *run_text(const char *sent, const char *received, struct http_wants wants)
{
	struct stream s = { 0 };
	struct kit *k;

	stream_text(&s, HTTP_SENT, sent);
	stream_text(&s, HTTP_RECEIVED, received);
	k = kit_run(&s, &(struct feeding){ 0 }, wants, true);
	stream_free(&s);
	return k;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what))) {
		n++;
		text++;
	}
	return n;
}

static void large_heads(void)
{
	static char fields[400 * 16 + 64], value[70000 + 64], many[40 * 3000];
	size_t n = 0;
	struct kit *k;

	n = (size_t)sprintf(fields, "GET / HTTP/1.1\r\n");
	for (unsigned i = 0; i < 400; i++)
		n += (size_t)sprintf(fields + n, "f: %u\r\n", i);
	strcpy(fields + n, "\r\n");
	k = run_text(fields, "HTTP/1.1 204 N\r\n\r\n", all);
	ok(k->n == 1 && k->call_flags[0] == HTTP_TRUNCATED && count((char *)k->calls[0].p, "q field f:") == HTTP_FIELDS_MAX);
	kit_free(k);

	n = (size_t)sprintf(value, "GET / HTTP/1.1\r\na: 1\r\nb: ");
	memset(value + n, 'x', 70000);
	strcpy(value + n + 70000, "\r\n y\r\nc: 3\r\n\r\n");
	k = run_text(value, "HTTP/1.1 204 N\r\n\r\n", all);
	ok(k->n == 1 && k->call_flags[0] == HTTP_TRUNCATED);
	ok(k->n == 1 && facts_within((char *)k->calls[0].p, "flags 1\nnumber 0\ninformational 0\nq method GET\nq target /\nq field a: 1\nq field c: 3\n"
							    "q length 0\nr status 204\nr length 0\n"));
	kit_free(k);

	n = (size_t)sprintf(many, "GET / HTTP/1.1\r\n");
	for (unsigned i = 0; i < 38; i++) {
		n += (size_t)sprintf(many + n, "f: ");
		memset(many + n, 'x', 2900);
		n += 2900;
		n += (size_t)sprintf(many + n, "\r\n");
	}
	strcpy(many + n, "Content-Length: 2\r\n\r\nabGET /2 HTTP/1.1\r\n\r\n");
	k = run_text(many, "HTTP/1.1 204 N\r\n\r\nHTTP/1.1 204 N\r\n\r\n", all);
	ok(k->n == 2 && k->call_flags[0] == HTTP_TRUNCATED && !k->call_flags[1]);
	ok(k->n == 2 && strstr((char *)k->calls[0].p, "q length 2\n") && count((char *)k->calls[0].p, "q field f") == 22);
	kit_free(k);
}

/* A body of 1 GB costs what its first bytes do. */
static void large_bodies(void)
{
	static const char *const heads[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n", "HTTP/1.1 200 OK\r\n\r\n",
	};
	static char piece[16384];

	for (unsigned i = 0; i < 9; i++) {
		struct kit *k = calloc(1, sizeof(*k));
		struct http_conn *c;
		uint64_t left = 1 << 30;
		size_t fed = 0;

		k->wants.response = i / 3 == 0 ? 0 : i / 3 == 1 ? 1000 : 5 << 20;
		k->flags = true;
		k->late = i & 1;
		c = kit_conn(k);
		http_conn_feed(c, HTTP_SENT, 1, "GET / HTTP/1.1\r\n\r\n", 18);
		http_conn_feed(c, HTTP_RECEIVED, 1, heads[i % 3], strlen(heads[i % 3]));
		while (left) {
			uint64_t n = http_conn_unwanted(c, HTTP_RECEIVED);

			ok(n == 0 || n == left || n == UINT64_MAX);
			if (n) {
				ok_int(http_conn_skip(c, HTTP_RECEIVED, 1, left), 0);
				break;
			}
			ok_int(http_conn_feed(c, HTTP_RECEIVED, 1, piece, sizeof(piece)), 0);
			left -= sizeof(piece);
			fed += sizeof(piece);
			must(fed <= HTTP_BODY_MAX);
		}
		if (i % 3 == 1)
			http_conn_feed(c, HTTP_RECEIVED, 1, "\r\n0\r\n\r\n", 7);
		http_conn_end(c, 2);
		http_conn_free(&c);
		ok(k->n == 1 && !k->call_flags[0] && strstr((char *)k->calls[0].p, "r length 1073741824\n"));
		ok_int(fed, i / 3 == 0 ? 0 : i / 3 == 1 ? 16384 : HTTP_BODY_MAX);
		kit_free(k);
		must(1);
	}
}

/* More than may be open: the oldest are given, and nothing is paired that need not belong together. */
static void many_open(void)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct http_conn *c = kit_conn(k);
	char text[80];

	for (unsigned i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), "GET /%u HTTP/1.1\r\n\r\n", i);
		http_conn_feed(c, HTTP_SENT, 1, text, strlen(text));
	}
	ok_int(k->n, 3000);	/* pairing has ended: nothing is kept back */
	for (unsigned i = 0; i < 1000; i++)
		http_conn_feed(c, HTTP_RECEIVED, 1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38);
	http_conn_end(c, 2);
	http_conn_free(&c);
	ok_int(k->n, 4000);
	for (unsigned i = 0; i < k->n; i++)
		ok(!strstr((char *)k->calls[i].p, "q target") || !strstr((char *)k->calls[i].p, "r status"));
	kit_free(k);
}

/* ---- what is not HTTP */

static void foreign(void)
{
	uint64_t seed = 5;

	for (unsigned i = 0; i < 20; i++) {
		struct kit *k = calloc(1, sizeof(*k));
		struct http_conn *c = kit_conn(k);
		static char junk[200 << 10];

		for (size_t j = 0; j < sizeof(junk); j++)
			junk[j] = (char)(i & 1 ? chance(&seed, 256) : (uint32_t)"SELECT 1;\n\0\0\0T"[chance(&seed, 14)]);
		if (i & 2)
			http_conn_feed(c, HTTP_SENT, 1, junk, 10);
		http_conn_feed(c, HTTP_RECEIVED, 1, junk, sizeof(junk));
		ok_int(http_conn_state(c), i & 2 ? HTTP_FOREIGN : HTTP_DETECTING);
		ok(http_conn_unwanted(c, HTTP_RECEIVED) == (i & 2 ? UINT64_MAX : 256 << 10));
		/* a long body, perhaps: the other direction decides */
		if (!(i & 2) && i & 4) {
			http_conn_feed(c, HTTP_SENT, 1, "GET / HTTP/1.1\r\n\r\n", 18);
			ok_int(http_conn_state(c), HTTP_PARSING);
			ok(!http_conn_unwanted(c, HTTP_RECEIVED));
		}
		http_conn_end(c, 2);
		http_conn_free(&c);
		kit_free(k);
		must(1);
	}
}

/* ---- nothing is left behind: memory that is given back, and memory that is used again, has no secret in it */

#define SECRET "S3cr3t-that-must-not-stay"
static const char *secret_at;
static unsigned secrets_freed;

/* Every block that is freed, by whomever, while watching. */
static bool watching;
extern void __libc_free(void *p);
extern size_t malloc_usable_size(void *p);
#if !defined(__SANITIZE_ADDRESS__)
void free(void *p);
void free(void *p)
{
	if (watching && p && memmem(p, malloc_usable_size(p), SECRET, sizeof(SECRET) - 1))
		secrets_freed++;
	__libc_free(p);
}
#endif

static void keep_head(void *ctx, const struct http_call *call, struct http_wants *ret_wants)
{
	*ret_wants = all;
}

static void keep_call(void *ctx, const struct http_call *call)
{
	if (call->request.head.nfields)
		secret_at = call->request.head.fields[call->request.head.nfields - 1].value.p;
}

static void wiped(void)
{
	static const struct http_sink sink = { .head = keep_head, .call = keep_call };
	const size_t n = sizeof(SECRET) - 1;
	char text[9000];

	for (unsigned i = 0; i < 20; i++) {
		struct http_conn *c;
		bool clean = true;

		must(!http_conn_new(&sink, &c));
		watching = true;
		secret_at = NULL;
		snprintf(text, sizeof(text), "POST /" SECRET " HTTP/1.1\r\nContent-Length: %u\r\nA: %0*d\r\nAuthorization: " SECRET "\r\n\r\n" SECRET "%0*d" SECRET, i * 100 + 50, i * 300 + 1, 1,
			 (int)(i * 100), 1);
		for (size_t at = 0; text[at]; at += 7 + i)
			http_conn_feed(c, HTTP_SENT, 1, text + at, strnlen(text + at, 7 + i));
		http_conn_feed(c, HTTP_RECEIVED, 1, "HTTP/1.1 200 OK\r\nB: " SECRET "\r\nContent-Length: 0\r\n\r\n", 48 + n - 5);
		if (!i)	/* its memory is kept for the next call */
			clean = secret_at && memcmp(secret_at, SECRET, n) != 0;
		ok(clean);
		http_conn_feed(c, HTTP_SENT, 1, "GET / HTTP/1.1\r\nAuthorization: " SECRET, 31 + n);
		http_conn_feed(c, HTTP_RECEIVED, 1, SECRET "\r\n" SECRET, 2 * n + 2);
		http_conn_free(&c);
		watching = false;
		ok_int(secrets_freed, 0);
		must(1);
	}
}

/* ---- times */

static struct http_call timed;

static void timed_call(void *ctx, const struct http_call *call)
{
	timed = *call;
}

static void times(void)
{
	static const struct http_sink sink = { .head = keep_head, .call = timed_call };
	static const struct {
		enum http_dir dir;
		uint64_t when;
		const char *text;
	} pieces[] = {
		{ HTTP_SENT, 10, "POS" }, { HTTP_SENT, 11, "T / HTTP/1.1\r\nContent-Le" }, { HTTP_SENT, 12, "ngth: 4\r\n\r\nab" }, { HTTP_SENT, 13, "c" },
		{ HTTP_SENT, 14, "d" }, { HTTP_RECEIVED, 19, "HTTP/1.1 100 C\r\n\r\n" }, { HTTP_RECEIVED, 20, "\r\nHTT" },
		{ HTTP_RECEIVED, 21, "P/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" }, { HTTP_RECEIVED, 22, "xHTTP" },
	};
	struct http_conn *c;

	must(!http_conn_new(&sink, &c));
	for (unsigned i = 0; i < sizeof(pieces) / sizeof(*pieces); i++)
		http_conn_feed(c, pieces[i].dir, pieces[i].when, pieces[i].text, strlen(pieces[i].text));
	ok_int(timed.request.start, 10);
	ok_int(timed.request.end, 14);
	ok_int(timed.response.start, 20);
	ok_int(timed.response.end, 22);
	http_conn_free(&c);
}

static void want_nothing(void *ctx, const struct http_call *call, struct http_wants *ret_wants)
{
	*ret_wants = (struct http_wants){ 0 };
}

static void feed_text(struct http_conn *c, enum http_dir dir, const char *text)
{
	ok_int(http_conn_feed(c, dir, 1, text, strlen(text)), 0);
}

/* What may be missing: inside a chunk its rest, alone or with what ends it; elsewhere nothing. */
static void spared(void)
{
	static const struct http_sink sink = { .head = want_nothing, .call = timed_call };
	struct http_conn *c = NULL;

	must(!http_conn_new(&sink, &c));
	feed_text(c, HTTP_SENT, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	feed_text(c, HTTP_RECEIVED, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	ok(!http_conn_spares(c, HTTP_RECEIVED, 1));
	feed_text(c, HTTP_RECEIVED, "1000\r\nabc");
	ok(http_conn_spares(c, HTTP_RECEIVED, 4093));
	ok(!http_conn_spares(c, HTTP_RECEIVED, 4094));
	ok(http_conn_spares(c, HTTP_RECEIVED, 4095));
	ok(!http_conn_spares(c, HTTP_RECEIVED, 4096));
	ok(!http_conn_spares(c, HTTP_SENT, 1));
	ok_int(http_conn_skip(c, HTTP_RECEIVED, 1, 4093), 0);
	ok(http_conn_spares(c, HTTP_RECEIVED, 2));
	ok(!http_conn_spares(c, HTTP_RECEIVED, 3));
	ok_int(http_conn_skip(c, HTTP_RECEIVED, 1, 2), 0);
	ok(!http_conn_spares(c, HTTP_RECEIVED, 1));
	http_conn_free(&c);
}

static const struct tap_case cases[] = {
	CASE(by_hand), CASE(generated), CASE(as_llhttp), CASE(as_llhttp_changed), CASE(odd_ones), CASE(joined_late), CASE(gaps),
	CASE(large_heads), CASE(large_bodies), CASE(many_open), CASE(foreign), CASE(wiped), CASE(times), CASE(spared),
};
TAP_MAIN(cases)
