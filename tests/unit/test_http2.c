/* SPDX-License-Identifier: Apache-2.0 */
/* ht-test: first */
/* HTTP/2 out of streams: two nghttp2 sessions talk, and say what is true. */
#include <errno.h>
#include <nghttp2/nghttp2.h>

#include "tests/tap.h"
#include "tests/unit/httpkit.h"

#define CALLS 64
static const struct http_wants all = { HTTP_BODY_MAX, HTTP_BODY_MAX };

/* ---- two sessions and what they say */

struct body {
	struct buf bytes;
	size_t sent;
	char trailers[4][2][40];
	unsigned ntrailers;
};

struct talk {
	struct stream s;
	nghttp2_session *client, *server;
	uint64_t seed;
	unsigned n;		/* calls */
	unsigned open;
	bool resets, pushes, padding, large, bodies;
	struct buf truth[CALLS];
	struct body request[CALLS], response[CALLS];
	int32_t ids[CALLS];
	bool answered[CALLS];
	uint32_t flags[CALLS];	/* that it must have; HTTP_RESET: may */
};

static int index_of(const struct talk *t, int32_t id)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->ids[i] == id)
			return (int)i;
	return -1;
}

static ssize_t body_read(nghttp2_session *s, int32_t id, uint8_t *p, size_t n, uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct talk *t = ctx;
	struct body *b = source->ptr;
	nghttp2_nv nv[4];
	size_t left = b->bytes.n - b->sent;

	n = n > left ? left : n;
	if (n > 1 && !chance(&t->seed, 3))
		n = 1 + chance(&t->seed, (uint32_t)n);
	if (n)
		memcpy(p, b->bytes.p + b->sent, n);
	b->sent += n;
	if (b->sent < b->bytes.n)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	for (unsigned i = 0; i < b->ntrailers; i++)
		nv[i] = (nghttp2_nv){ (uint8_t *)b->trailers[i][0], (uint8_t *)b->trailers[i][1], strlen(b->trailers[i][0]), strlen(b->trailers[i][1]), 0 };
	if (b->ntrailers) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(s, id, nv, b->ntrailers);
	}
	return (ssize_t)n;
}

static void random_body(struct talk *t, struct body *b, const char *side, struct buf *facts)
{
	static const uint16_t sizes[] = { 1, 30, 200, 2000, 20000 };
	size_t n = chance(&t->seed, sizes[chance(&t->seed, 5)]) * (t->bodies ? 12 : 1);
	char what[16];

	for (size_t i = 0; i < n; i++)
		buf_addc(&b->bytes, chance(&t->seed, 3) ? (uint8_t)"\0\0\0\1\0\0\4\1\0\0\0\0\0\0\0\1"[chance(&t->seed, 16)] : (uint8_t)chance(&t->seed, 256));
	snprintf(what, sizeof(what), "%s body ", side);
	if (n)
		fact(facts, what, (char *)b->bytes.p, n);
	b->ntrailers = chance(&t->seed, 3) ? 0 : 1 + chance(&t->seed, 3);
	for (unsigned i = 0; i < b->ntrailers; i++) {
		snprintf(b->trailers[i][0], 40, "t-%u", chance(&t->seed, 9));
		snprintf(b->trailers[i][1], 40, "%u", chance(&t->seed, 9));
		buf_addf(facts, "%s trailer %s: %s\n", side, b->trailers[i][0], b->trailers[i][1]);
	}
}

struct fields {
	char name[40][24], value[40][3000];
	nghttp2_nv nv[40];
	unsigned n;
};

static void field(struct fields *f, struct buf *facts, const char *side, const char *name, const char *value)
{
	strcpy(f->name[f->n], name);
	snprintf(f->value[f->n], sizeof(f->value[0]), "%s", value);
	f->nv[f->n] = (nghttp2_nv){ (uint8_t *)f->name[f->n], (uint8_t *)f->value[f->n], strlen(name), strlen(f->value[f->n]), 0 };
	f->n++;
	if (!strcmp(name, ":path"))
		name = ":target";
	buf_addf(facts, *name == ':' ? "%s %s %s\n" : "%s field %s: %s\n", side, *name == ':' ? name + 1 : name, f->value[f->n - 1]);
}

static void random_fields(struct talk *t, struct fields *f, struct buf *facts, const char *side)
{
	static const char *const names[] = { "accept", "user-agent", "x-amz-date", "etag", "cookie", "authorization", "x-more", "grpc-status" };
	char value[3000], name[24];

	for (unsigned n = chance(&t->seed, 12); n; n--) {
		unsigned len = t->large && !chance(&t->seed, 4) ? 2900 : chance(&t->seed, 30);

		if (chance(&t->seed, 3))
			strcpy(name, names[chance(&t->seed, 8)]);
		else
			snprintf(name, sizeof(name), "n-%u", chance(&t->seed, 30));
		memset(value, 'a' + (int)chance(&t->seed, 4), len);
		snprintf(value + len, 8, "%u", chance(&t->seed, 6));
		field(f, facts, side, name, value);
	}
}

static void ask(struct talk *t)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "DELETE", "PATCH" };
	unsigned i = t->n;
	struct fields *f = calloc(1, sizeof(*f));
	nghttp2_data_provider provider = { .source.ptr = &t->request[i], .read_callback = body_read };
	bool has_body = chance(&t->seed, 2);
	char text[64];

	field(f, &t->truth[i], "q", ":method", methods[chance(&t->seed, 5)]);
	field(f, &t->truth[i], "q", ":scheme", "https");
	snprintf(text, sizeof(text), "h%u", chance(&t->seed, 3));
	field(f, &t->truth[i], "q", ":authority", text);
	snprintf(text, sizeof(text), "/%u", chance(&t->seed, 4) ? i : 0);
	field(f, &t->truth[i], "q", ":path", text);
	snprintf(text, sizeof(text), "%u", i);
	field(f, &t->truth[i], "q", "x-id", text);
	random_fields(t, f, &t->truth[i], "q");
	if (has_body)
		random_body(t, &t->request[i], "q", &t->truth[i]);
	buf_addf(&t->truth[i], "q length %zu\n", t->request[i].bytes.n);
	t->ids[i] = nghttp2_submit_request(t->client, NULL, f->nv, f->n, has_body ? &provider : NULL, NULL);
	if (t->ids[i] < 0)
		abort();
	t->n++;
	t->open++;
	free(f);
}

static void answer_with(struct talk *t, unsigned i)
{
	static const char *const statuses[] = { "200", "200", "206", "404", "201", "503", "302" };
	struct fields *f = calloc(1, sizeof(*f));
	nghttp2_data_provider provider = { .source.ptr = &t->response[i], .read_callback = body_read };
	bool has_body = chance(&t->seed, 3);
	char text[64];

	field(f, &t->truth[i], "r", ":status", statuses[chance(&t->seed, 7)]);
	snprintf(text, sizeof(text), "%u", i);
	field(f, &t->truth[i], "r", "x-re", text);
	random_fields(t, f, &t->truth[i], "r");
	if (has_body)
		random_body(t, &t->response[i], "r", &t->truth[i]);
	buf_addf(&t->truth[i], "r length %zu\n", t->response[i].bytes.n);
	nghttp2_submit_response(t->server, t->ids[i], f->nv, f->n, has_body ? &provider : NULL);
	t->answered[i] = true;
	free(f);
}

static void push(struct talk *t, unsigned of)
{
	unsigned i = t->n;
	struct fields *f;

	if (i == CALLS)
		return;
	f = calloc(1, sizeof(*f));
	field(f, &t->truth[i], "q", ":method", "GET");
	field(f, &t->truth[i], "q", ":scheme", "https");
	field(f, &t->truth[i], "q", ":authority", "h");
	field(f, &t->truth[i], "q", ":path", "/pushed");
	random_fields(t, f, &t->truth[i], "q");
	buf_adds(&t->truth[i], "q length 0\n");
	t->ids[i] = nghttp2_submit_push_promise(t->server, 0, t->ids[of], f->nv, f->n, NULL);
	free(f);
	if (t->ids[i] < 0) {
		buf_reset(&t->truth[i]);
		return;
	}
	t->n++;
	t->open++;
	t->flags[i] = HTTP_PUSHED;
	answer_with(t, i);
}

static void answer(struct talk *t, unsigned i)
{
	nghttp2_nv early[] = { { (uint8_t *)":status", (uint8_t *)"103", 7, 3, 0 }, { (uint8_t *)"link", (uint8_t *)"</x>", 4, 4, 0 } };

	if (t->answered[i])
		return;
	if (t->pushes && !chance(&t->seed, 3))
		push(t, i);
	while (!chance(&t->seed, 4))
		nghttp2_submit_headers(t->server, 0, t->ids[i], NULL, early, 2, NULL);
	answer_with(t, i);
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *f, void *ctx)
{
	struct talk *t = ctx;
	int i = index_of(t, f->hd.stream_id);

	if (s != t->server || i < 0 || t->answered[i])
		return 0;
	/* at the request's end, or early */
	if ((f->hd.flags & NGHTTP2_FLAG_END_STREAM && (f->hd.type == NGHTTP2_DATA || f->hd.type == NGHTTP2_HEADERS)) ||
	    (f->hd.type == NGHTTP2_HEADERS && !chance(&t->seed, 6))) {
		if (!(f->hd.flags & NGHTTP2_FLAG_END_STREAM))
			t->flags[i] |= HTTP_RESET;	/* it does that when it has answered */
		answer(t, (unsigned)i);
	}
	return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t code, void *ctx)
{
	struct talk *t = ctx;

	t->open -= s == t->client;
	return 0;
}

static ssize_t on_padding(nghttp2_session *s, const nghttp2_frame *f, size_t max, void *ctx)
{
	struct talk *t = ctx;
	size_t n = f->hd.length + (t->padding && chance(&t->seed, 2) ? chance(&t->seed, 60) : 0);

	return (ssize_t)(n > max ? max : n);
}

static void pump(struct talk *t, unsigned steps)
{
	const uint8_t *p;

	for (unsigned idle = 0; idle < 2 && steps; steps--) {
		bool client = chance(&t->seed, 2);
		ssize_t n = nghttp2_session_mem_send(client ? t->client : t->server, &p);

		if (n < 0)
			abort();
		idle = n ? 0 : idle + 1;
		if (!n) {	/* both must be silent, in turn */
			client = !client;
			n = nghttp2_session_mem_send(client ? t->client : t->server, &p);
			idle = n > 0 ? 0 : 2;
		}
		if (n <= 0)
			continue;
		stream_add(&t->s, client ? HTTP_SENT : HTTP_RECEIVED, p, (size_t)n);
		if (nghttp2_session_mem_recv(client ? t->server : t->client, t->s.bytes.p + t->s.bytes.n - n, (size_t)n) != n)
			abort();
	}
}

static void random_settings(struct talk *t)
{
	static const uint32_t sizes[] = { 4096, 0, 100, 300, 65536 };
	nghttp2_settings_entry e = { NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, sizes[chance(&t->seed, 5)] };

	nghttp2_submit_settings(chance(&t->seed, 2) ? t->client : t->server, 0, &e, 1);
}

static void random_reset(struct talk *t)
{
	unsigned i = chance(&t->seed, t->n);

	nghttp2_submit_rst_stream(chance(&t->seed, 2) ? t->client : t->server, 0, t->ids[i], 8);
	t->flags[i] |= HTTP_RESET;
}

enum { RESETS = 1, PUSHES = 2, PADDING = 4, LARGE = 8, SETTINGS = 16, BODIES = 32 };

static struct talk *talk_make(uint64_t seed, unsigned n, unsigned what)
{
	struct talk *t = calloc(1, sizeof(*t));
	nghttp2_session_callbacks *cb;
	nghttp2_option *o;
	unsigned asked = 0;

	t->seed = seed;
	t->resets = what & RESETS;
	t->pushes = what & PUSHES;
	t->padding = what & PADDING;
	t->large = what & LARGE;
	t->bodies = what & BODIES;
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	nghttp2_session_callbacks_set_select_padding_callback(cb, on_padding);
	nghttp2_option_new(&o);
	nghttp2_option_set_max_deflate_dynamic_table_size(o, 65536);
	nghttp2_session_client_new2(&t->client, cb, t, o);
	nghttp2_session_server_new2(&t->server, cb, t, o);
	nghttp2_option_del(o);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(t->client, 0, NULL, 0);
	nghttp2_submit_settings(t->server, 0, NULL, 0);
	while (asked < n && t->n < CALLS) {
		ask(t);
		asked++;
		if (what & SETTINGS && !chance(&t->seed, 5))
			random_settings(t);
		pump(t, chance(&t->seed, 3) ? chance(&t->seed, 12) : 100000);
		if (what & RESETS && !chance(&t->seed, 5))
			random_reset(t);
	}
	pump(t, 10000000);
	for (unsigned i = 0; i < t->n; i++)
		buf_addc(&t->truth[i], '\0');
	nghttp2_session_del(t->client);
	nghttp2_session_del(t->server);
	return t;
}

static void talk_free(struct talk *t)
{
	for (unsigned i = 0; i < CALLS; i++) {
		buf_free(&t->truth[i]);
		buf_free(&t->request[i].bytes);
		buf_free(&t->response[i].bytes);
	}
	stream_free(&t->s);
	free(t);
}

/* Each of the calls, once, and of each all that is to be known. */
static bool complete(const struct talk *t, const struct kit *k)
{
	bool used[CALLS] = { 0 };

	for (unsigned i = 0; i < k->n; i++) {
		const char *given = (char *)k->calls[i].p;
		unsigned j = 0;

		while (j < t->n && (used[j] || !facts_within(given, (char *)t->truth[j].p)))
			j++;
		if (j == t->n || (!(k->call_flags[i] & t->flags[j] & HTTP_RESET) && (k->call_flags[i] != (t->flags[j] & ~HTTP_RESET) || !facts_within((char *)t->truth[j].p, given)))) {
			printf("# call %u, flags %x:\n%s\n", i, k->call_flags[i], given);
			if (j < t->n)
				printf("# but flags %x:\n%s", t->flags[j], (char *)t->truth[j].p);
			return false;
		}
		used[j] = true;
	}
	return k->n == t->n || t->resets;	/* a request that was reset need not have been sent */
}

static void talks(void)
{
	for (unsigned i = 0; i < 64; i++) {
		struct talk *t = talk_make(100 + i, 1 + i % 24, i % 32);
		struct kit *k = kit_run(&t->s, &(struct feeding){ .seed = 1 + i % 2 * i, .swap = i & 1 }, all, false);

		ok_int(t->open, 0);
		ok_int(k->role, i & 1 ? HTTP_SERVER : HTTP_CLIENT);
		ok(complete(t, k));
		ok_int(k->heads, k->n);
		if (i < 16 && i % 3 == 0) {
			ok(kit_cuts(&t->s, all, 5 + i));
			ok(kit_cuts(&t->s, (struct http_wants){ 100, 7 }, 5 + i));
		}
		if (tap_failed)
			printf("# i %u\n", i);
		kit_free(k);
		talk_free(t);
		must(1);
	}
}

/* Joined at any byte: what is given is true, and what begins later is given. */
static void joined_late(void)
{
	struct kit_sum sum = { 0 };
	uint64_t seed = 4711;

	for (unsigned i = 0; i < size("http2.late"); i++) {
		struct talk *t = talk_make(2000 + i, 14, i % 4 == 3 ? PUSHES | PADDING | SETTINGS : SETTINGS);

		if (i % 2)
			cut_front(&t->s, chance(&seed, (uint32_t)t->s.bytes.n));
		else
			cut_pieces(&t->s, t->s.n / 3);
		kit_sum_add(&sum, i, &t->s, &(struct feeding){ .seed = 9 + i, .swap = i / 2 & 1 }, all, t->truth, t->n);
		ok(i >= 4 || kit_cuts(&t->s, all, 5 + i));
		talk_free(t);
		must(1);
	}
	kit_sum_ends(&sum, 10);
}

static void gaps(void)
{
	struct kit_sum sum = { 0 };
	uint64_t seed = 815;

	for (unsigned i = 0; i < size("http2.gaps"); i++) {
		struct talk *t = talk_make(4000 + i, 12, i % 32 & ~RESETS);

		cut_gaps(&t->s, i, &seed);
		kit_sum_add(&sum, i, &t->s, &(struct feeding){ .seed = 9 + i, .swap = i & 1, .unknown = i % 5 == 0 }, all, t->truth, t->n);
		ok(i >= 4 || kit_cuts(&t->s, all, 5 + i));
		talk_free(t);
		must(1);
	}
	kit_sum_ends(&sum, 33);
}

/* Bodies that the kernel side leaves out: whoever wants none of them, or their beginnings, gets the same as with all bytes, and of many bytes few come. */
static void left_out(void)
{
	static const struct http_wants wants[] = { { 0, 0 }, { 100, 7 }, { 0, HTTP_BODY_MAX } };
	uint64_t sent = 0, all_bytes = 0;

	for (unsigned i = 0; i < size("http2.left_out"); i++) {
		struct http_wants want = wants[i % 3];
		struct talk *t = talk_make(9000 + i, 8, BODIES | (i % 32 & (PUSHES | PADDING | SETTINGS)));
		struct kit *k = kit_run(&t->s, &(struct feeding){ .framed = true, .seed = i, .piece = 40000, .pressed = !want.request && !want.response, .swap = i & 1 }, want, true);
		struct kit *whole = kit_run(&t->s, &(struct feeding){ .swap = i & 1 }, want, true);

		ok(kit_same(whole, k));
		ok_int(k->n, t->n);
		sent += want.response ? 0 : k->framed.bytes;
		all_bytes += want.response ? 0 : t->s.bytes.n;
		kit_free(k);
		kit_free(whole);
		talk_free(t);
		must(1);
	}
	printf("# %llu of %llu bytes came where none of the bodies was wanted\n", (unsigned long long)sent, (unsigned long long)all_bytes);
	ok(sent < all_bytes / 2);
}

/* The same where calls are lost, too: what is given is true. */
static void left_out_and_lost(void)
{
	struct kit_sum sum = { 0 };
	uint64_t seed = 4242;

	for (unsigned i = 0; i < size("http2.lost"); i++) {
		struct talk *t = talk_make(12000 + i, 8, (i % 2 ? BODIES : 0) | (i % 32 & (PUSHES | PADDING | SETTINGS)));

		cut_gaps(&t->s, i, &seed);
		kit_sum_add(&sum, i, &t->s, &(struct feeding){ .framed = true, .seed = 9 + i, .piece = 20000, .pressed = i & 4, .swap = i & 1 },
			  (struct http_wants){ 0, 0 }, t->truth, t->n);
		talk_free(t);
		must(1);
	}
	kit_sum_ends(&sum, 33);
}

/* What one thread read is told before what another one wrote. */
static void told_late(void)
{
	unsigned lies = 0;

	for (unsigned i = 0; i < 30; i++) {
		struct talk *t = talk_make(6000 + i, 20, 0);
		uint64_t seed = 7 + i;
		struct kit *k;

		for (unsigned j = 4; j + 1 < t->s.n; j++) {
			struct piece p = t->s.pieces[j];

			if (p.dir == HTTP_RECEIVED || !chance(&seed, 2) || t->s.pieces[j + 1].dir == HTTP_SENT)
				continue;
			t->s.pieces[j] = t->s.pieces[j + 1];
			t->s.pieces[j + 1] = p;
		}
		k = kit_run(&t->s, &(struct feeding){ 0 }, all, false);
		kit_only_truth(k, t->truth, t->n, &lies);
		ok(!lies);
		ok_int(k->n, t->n);
		for (unsigned j = 0; j < k->n; j++)
			ok(!(k->call_flags[j] & ~(HTTP_BODY_PARTIAL | HTTP_RESET | HTTP_LENGTH_UNKNOWN)));
		kit_free(k);
		talk_free(t);
		must(1);
	}
}

/* A body of 1 GB: its frames' headers, and no more. */
static void large_body(void)
{
	static const uint8_t data[9] = { 0, 0x40, 0, 0, 0, 0, 0, 0, 1 }, last[9] = { 0, 0, 0, 0, 1, 0, 0, 0, 1 };
	static const uint8_t settings[9] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };
	static const uint8_t ask[] = { 0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x87, 0x84 }, answers[] = { 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88 };
	struct kit *k = calloc(1, sizeof(*k));
	struct http_conn *c = kit_conn(k);

	http_conn_feed(c, HTTP_RECEIVED, 1, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	http_conn_feed(c, HTTP_RECEIVED, 1, settings, sizeof(settings));
	http_conn_feed(c, HTTP_RECEIVED, 1, ask, sizeof(ask));
	http_conn_feed(c, HTTP_SENT, 1, settings, sizeof(settings));
	http_conn_feed(c, HTTP_SENT, 1, answers, sizeof(answers));
	for (unsigned i = 0; i < 65536 && !tap_failed; i++) {
		http_conn_feed(c, HTTP_SENT, 1, data, sizeof(data));
		ok_int(http_conn_unwanted(c, HTTP_SENT), 16384);
		http_conn_skip(c, HTTP_SENT, 1, 16384);
		ok_int(http_conn_unwanted(c, HTTP_SENT), 0);
	}
	http_conn_feed(c, HTTP_SENT, 1, last, sizeof(last));
	ok(k->n == 1 && !k->call_flags[0] && strstr((char *)k->calls[0].p, "r status 200\n") && strstr((char *)k->calls[0].p, "r length 1073741824\n"));
	ok_int(k->role, HTTP_SERVER);
	http_conn_free(&c);
	kit_free(k);
}

/* ---- by hand: what nghttp2's sessions do not say to one another */

static void frame(struct stream *s, enum http_dir dir, unsigned type, unsigned flags, unsigned stream, const char *payload, size_t n)
{
	uint8_t head[9] = { (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, (uint8_t)type, (uint8_t)flags, 0, 0, 0, (uint8_t)stream };

	stream_add(s, dir, head, sizeof(head));
	stream_add(s, dir, payload, n);
}

/* "name=value" each, up to NULL, as literals that are not indexed. How many bytes. */
static size_t literals(char *p, const char *const *fields)
{
	size_t n = 0;

	for (; *fields; fields++) {
		size_t name = strcspn(*fields, "="), value = strlen(*fields + name + 1);

		p[n++] = 0;
		p[n++] = (char)name;
		memcpy(p + n, *fields, name);
		n += name;
		p[n++] = (char)value;
		memcpy(p + n, *fields + name + 1, value);
		n += value;
	}
	return n;
}

enum { DATA, HEADERS, RST_STREAM = 3, SETTINGS_FRAME = 4, GOAWAY = 7, CONTINUATION = 9 };
#define ENDS 1
#define HEAD_ENDS 4
#define FIELDS(...) (const char *const[]){ __VA_ARGS__, NULL }

static void head(struct stream *s, enum http_dir dir, unsigned flags, const char *const *fields)
{
	char block[1000];

	frame(s, dir, HEADERS, flags | HEAD_ENDS, 1, block, literals(block, fields));
}

static void opened(struct stream *s)
{
	stream_text(s, HTTP_SENT, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	frame(s, HTTP_SENT, SETTINGS_FRAME, 0, 0, "", 0);
	frame(s, HTTP_RECEIVED, SETTINGS_FRAME, 0, 0, "", 0);
}

/* One call, which says this. */
static void says(struct stream *s, const char *facts)
{
	struct kit *k = kit_run(s, &(struct feeding){ 0 }, all, true);

	ok_int(k->n, 1);
	ok_str(k->n ? (char *)k->calls[0].p : "none", facts);
	ok(kit_cuts(s, all, 7));
	kit_free(k);
	stream_free(s);
}

#define ASKED "q method POST\nq scheme https\nq authority h\nq target /a\n"
#define POSTED FIELDS(":method=POST", ":scheme=https", ":authority=h", ":path=/a")

/* Who answers before all has come may say that the rest is not needed: no error. (RFC 9113, 8.1) */
static void answered_early(void)
{
	struct stream s = { 0 };

	opened(&s);
	head(&s, HTTP_SENT, 0, POSTED);
	frame(&s, HTTP_SENT, DATA, 0, 1, "abc", 3);
	head(&s, HTTP_RECEIVED, 0, FIELDS(":status=413"));
	frame(&s, HTTP_RECEIVED, DATA, ENDS, 1, "no", 2);
	frame(&s, HTTP_RECEIVED, RST_STREAM, 0, 1, "\0\0\0\0", 4);
	says(&s, "flags 8\nnumber 0\ninformational 0\n" ASKED "q body abc\nr status 413\nr body no\n");

	/* an answer that is not whole is cut off, whatever the reason */
	opened(&s);
	head(&s, HTTP_SENT, ENDS, POSTED);
	head(&s, HTTP_RECEIVED, 0, FIELDS(":status=200"));
	frame(&s, HTTP_RECEIVED, DATA, 0, 1, "ab", 2);
	frame(&s, HTTP_RECEIVED, RST_STREAM, 0, 1, "\0\0\0\2", 4);
	says(&s, "flags 50\nnumber 0\ninformational 0\n" ASKED "r status 200\nr body ab\n");

	/* and who takes its request back has not asked, answer or not */
	opened(&s);
	head(&s, HTTP_SENT, 0, POSTED);
	head(&s, HTTP_RECEIVED, ENDS, FIELDS(":status=200"));
	frame(&s, HTTP_SENT, RST_STREAM, 0, 1, "\0\0\0\10", 4);
	says(&s, "flags 48\nnumber 0\ninformational 0\n" ASKED "r status 200\n");
}

/* What is another protocol's from the answer on: nothing of it is read. */
static void connected(void)
{
	struct stream s = { 0 };

	opened(&s);
	head(&s, HTTP_SENT, 0, FIELDS(":method=CONNECT", ":protocol=websocket", ":scheme=https", ":path=/chat", ":authority=h"));
	head(&s, HTTP_RECEIVED, 0, FIELDS(":status=200"));
	frame(&s, HTTP_SENT, DATA, 0, 1, "\x81\1a", 3);
	frame(&s, HTTP_RECEIVED, DATA, ENDS, 1, "\x81\1b", 3);
	frame(&s, HTTP_SENT, DATA, ENDS, 1, "\x88", 1);
	says(&s, "flags 80\nnumber 0\ninformational 0\nq method CONNECT\nq scheme https\nq authority h\nq target /chat\nq field :protocol: websocket\nq length 0\n"
		 "r status 200\nr length 0\n");

	opened(&s);
	head(&s, HTTP_SENT, 0, FIELDS(":method=CONNECT", ":authority=h:443"));
	head(&s, HTTP_RECEIVED, 0, FIELDS(":status=200"));
	frame(&s, HTTP_SENT, DATA, ENDS, 1, "x", 1);
	says(&s, "flags 80\nnumber 0\ninformational 0\nq method CONNECT\nq authority h:443\nq length 0\nr status 200\nr length 0\n");

	opened(&s);
	head(&s, HTTP_SENT, 0, FIELDS(":method=CONNECT", ":authority=h:443"));
	head(&s, HTTP_RECEIVED, ENDS, FIELDS(":status=407"));
	frame(&s, HTTP_SENT, DATA, ENDS, 1, "", 0);
	says(&s, "flags 0\nnumber 0\ninformational 0\nq method CONNECT\nq authority h:443\nq length 0\nr status 407\nr length 0\n");
}

/* A stream that the other end says it never looked at, and one that it did. */
static void gone_away(void)
{
	struct stream s = { 0 };

	opened(&s);
	head(&s, HTTP_SENT, ENDS, POSTED);
	frame(&s, HTTP_RECEIVED, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
	says(&s, "flags 10\nnumber 0\ninformational 0\n" ASKED);

	opened(&s);
	head(&s, HTTP_SENT, ENDS, POSTED);
	frame(&s, HTTP_RECEIVED, GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0because", 15);
	head(&s, HTTP_RECEIVED, ENDS, FIELDS(":status=204"));
	says(&s, "flags 0\nnumber 0\ninformational 0\n" ASKED "q length 0\nr status 204\nr length 0\n");
}

/* A head in frames of a byte each, padded data, an early hint, trailers; and no push where none was promised. */
static void in_bits(void)
{
	struct stream s = { 0 };
	char block[1000];
	size_t n = literals(block, POSTED);

	opened(&s);
	frame(&s, HTTP_SENT, HEADERS, 0, 1, "", 0);
	for (size_t i = 0; i < n; i++)
		frame(&s, HTTP_SENT, CONTINUATION, i + 1 == n ? HEAD_ENDS : 0, 1, block + i, 1);
	frame(&s, HTTP_SENT, DATA, 8, 1, "\3abc\0\0\0", 7);
	frame(&s, HTTP_SENT, DATA, 8, 1, "\2\0\0", 3);
	frame(&s, HTTP_SENT, DATA, 8 | ENDS, 1, "\0d", 2);
	head(&s, HTTP_RECEIVED, 0, FIELDS(":status=103", "link=x"));
	head(&s, HTTP_RECEIVED, 0, FIELDS(":status=200"));
	frame(&s, HTTP_RECEIVED, DATA, 0, 1, "x", 1);
	head(&s, HTTP_RECEIVED, ENDS, FIELDS("grpc-status=0"));
	frame(&s, HTTP_RECEIVED, DATA, ENDS, 2, "y", 1);
	says(&s, "flags 0\nnumber 0\ninformational 1\n" ASKED "q body abcd\nq length 4\nr status 200\nr trailer grpc-status: 0\nr body x\nr length 1\n");
}

/* ---- no memory: -ENOMEM, whichever allocation it was, and then it may be freed */

static unsigned until_failure;	/* allocations; 0: all succeed */
#if !defined(__SANITIZE_ADDRESS__)
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
void *malloc(size_t n);
void *malloc(size_t n)
{
	return until_failure && !--until_failure ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size);
void *calloc(size_t n, size_t size)
{
	return until_failure && !--until_failure ? NULL : __libc_calloc(n, size);
}
#endif

static void bare_head(void *ctx, const struct http_call *call, struct http_wants *ret_wants)
{
	*ret_wants = all;
}

static void bare_call(void *ctx, const struct http_call *call)
{
}

/* How many of the first allocations failed, one at a time. */
static unsigned starve(const struct stream *s)
{
	static const struct http_sink sink = { .head = bare_head, .call = bare_call };
	struct http_conn *c;
	unsigned failed = 0;

	for (unsigned n = 1; n < 400; n++) {
		int r = 0;

		until_failure = n;
		if (http_conn_new(&sink, &c)) {
			failed++;
			continue;
		}
		for (unsigned i = 0; i < s->n && !r; i++)
			r = s->pieces[i].gap ? http_conn_skip(c, s->pieces[i].dir, 1, s->pieces[i].n)
					     : http_conn_feed(c, s->pieces[i].dir, 1, s->bytes.p + s->pieces[i].at, s->pieces[i].n);
		ok(!r == !!until_failure);
		ok(!r || r == -ENOMEM);
		failed += !!r;
		if (!r)
			http_conn_end(c, 1);
		http_conn_free(&c);
	}
	until_failure = 0;
	return failed;
}

static void no_memory(void)
{
	struct talk *t = talk_make(77, 6, PUSHES | SETTINGS);
	struct stream h1 = { 0 };

	cut_gap(&t->s, &(uint64_t){ 99 });
	stream_text(&h1, HTTP_SENT, "POST / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
	stream_text(&h1, HTTP_SENT, "c\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\nA");
	stream_text(&h1, HTTP_RECEIVED, "HTTP/1.1 200 OK\r\n\r");
	stream_text(&h1, HTTP_RECEIVED, "\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
	if (starve(&(struct stream){ 0 }) == 0)
		tap_skip_reason = "ASan has its own malloc()";
	else
		ok(starve(&t->s) > 50 && starve(&h1) > 8);
	stream_free(&h1);
	talk_free(t);
}

static const struct tap_case cases[] = {
	CASE(talks), CASE(joined_late), CASE(gaps), CASE(left_out), CASE(left_out_and_lost), CASE(told_late), CASE(large_body),
	CASE(answered_early), CASE(connected), CASE(gone_away), CASE(in_bits), CASE(no_memory),
};
TAP_MAIN(cases)
