/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awskit - what agent/http and agent/api make of HTTP calls. Reads pairs of messages and prints what each means as a line of JSON:
 *
 *	<bytes of request> <bytes of response> <bytes of the request's body that were captured, at most>\n<request><response>
 *
 * Messages are HTTP/1.1 as a client writes and reads them, each pair a connection of its own. An empty response: there was none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api/rules.h"
#include "proto/json.h"

#define SIZE_MAX_OF_ONE (64 * 1024 * 1024)

struct kit {
	struct api_peer peer;
	struct api_arena *arena;
	struct http_wants wants;	/* of the call at hand */
	unsigned calls;
};

static void die(const char *why)
{
	fprintf(stderr, "awskit: %s\n", why);
	exit(1);
}

static void text(struct json *j, const char *key, struct str s)
{
	if (s.p)
		json_text(j, key, s.p, s.n);
}

/* Text that is JSON already. */
static void object(struct json *j, const char *key, struct str s)
{
	if (!s.p)
		return;
	json_key(j, key);
	buf_add(j->out, s.p, s.n);
	j->comma = true;
}

static void print(const struct api_call *c, const struct http_wants *w)
{
	_cleanup_buf_ struct buf out = { 0 };
	struct json j = { .out = &out };

	json_open(&j, NULL, '{');
	json_string(&j, "rule", c->rule);
	text(&j, "eventSource", c->event_source);
	text(&j, "eventName", c->event_name);
	json_string(&j, "eventType", c->event_type);
	text(&j, "apiVersion", c->api_version);
	json_boolean(&j, "readOnly", c->read_only);
	json_string(&j, "category", c->category == CATEGORY_DATA ? "Data" : c->category == CATEGORY_MANAGEMENT ? "Management" : "?");
	text(&j, "errorCode", c->error_code);
	text(&j, "errorMessage", c->error_message);
	text(&j, "requestID", c->request_id);
	text(&j, "region", c->region);
	text(&j, "accessKeyId", c->access_key);
	text(&j, "userAgent", c->user_agent);
	object(&j, "requestParameters", c->request_parameters);
	object(&j, "responseElements", c->response_elements);
	object(&j, "additionalEventData", c->additional);
	json_open(&j, "resources", '[');
	for (unsigned i = 0; i < c->nresources; i++) {
		json_open(&j, NULL, '{');
		text(&j, "ARN", c->resources[i].arn);
		text(&j, "type", c->resources[i].type);
		text(&j, "accountId", c->resources[i].account);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_uint(&j, "requestWanted", w->request);
	json_uint(&j, "responseWanted", w->response);
	json_close(&j, '}');
	puts(buf_text(&out));
}

static void on_head(void *ctx, const struct http_call *call, struct http_wants *ret_wants)
{
	struct kit *k = ctx;

	api_wants(&k->peer, call, ret_wants);
	k->wants = *ret_wants;
}

static void on_answer(void *ctx, const struct http_call *call, struct http_wants *wants)
{
	struct kit *k = ctx;

	api_wants(&k->peer, call, wants);
	k->wants = *wants;
}

static void on_call(void *ctx, const struct http_call *call)
{
	struct kit *k = ctx;
	struct api_call c;

	api_arena_reset(k->arena);
	if (api_describe(&k->peer, call, k->arena, &c) < 0)
		die("no memory");
	print(&c, &k->wants);
	k->calls++;
}

/* Of the request's body only the first bytes, the rest as not captured. */
static int feed_request(struct http_conn *c, const char *p, size_t n, size_t captured)
{
	const char *head = memmem(p, n, "\r\n\r\n", 4);
	size_t have = head ? (size_t)(head + 4 - p) : n;
	int r;

	have = captured < n - have ? have + captured : n;
	r = http_conn_feed(c, HTTP_SENT, 1, p, have);
	return r < 0 || have == n ? r : http_conn_skip(c, HTTP_SENT, 2, n - have);
}

static void describe(struct kit *k, const char *p, size_t n, size_t m, size_t captured)
{
	struct http_sink sink = { .ctx = k, .head = on_head, .answer = on_answer, .call = on_call };
	unsigned before = k->calls;
	struct http_conn *c;

	if (http_conn_new(&sink, &c) < 0 || feed_request(c, p, n, captured) < 0 || (m && http_conn_feed(c, HTTP_RECEIVED, 3, p + n, m) < 0))
		die("no memory");
	http_conn_end(c, 4);
	http_conn_free(&c);
	if (k->calls != before + 1)
		die("a pair that is not one call");
}

int main(void)
{
	struct kit k = { .peer = { .role = HTTP_CLIENT, .address = STR("192.0.2.7"), .port = 443, .local_address = STR("192.0.2.1") } };
	size_t n, m, captured;

	if (api_arena_new(&k.arena) < 0)
		die("no memory");
	while (scanf("%zu %zu %zu", &n, &m, &captured) == 3) {
		char *p = n <= SIZE_MAX_OF_ONE && m <= SIZE_MAX_OF_ONE ? malloc(n + m + 1) : NULL;

		if (!p || getchar() != '\n' || fread(p, 1, n + m, stdin) != n + m)
			die("a pair that is not whole");
		describe(&k, p, n, m, captured);
		free(p);
	}
	api_arena_free(&k.arena);
	return 0;
}
