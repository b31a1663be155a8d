/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awskit - what agent/api makes of HTTP calls. Reads pairs of messages and prints what each means as a line of JSON:
 *
 *	<bytes of request> <bytes of response> <bytes of both bodies that were captured, at most>\n<request><response>
 *
 * Messages are HTTP/1.1 with all of their body behind the head; of bodies as much is given on as the rule asks for.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api/rules.h"
#include "proto/json.h"

#define SIZE_MAX_OF_ONE (64 * 1024 * 1024)

struct message {
	struct http_field fields[HTTP_FIELDS_MAX];
	struct http_message *to;
};

static void die(const char *why)
{
	fprintf(stderr, "awskit: %s\n", why);
	exit(1);
}

static struct str line(struct str *rest)
{
	struct str s = str_cut(rest, '\n');

	if (s.n && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

static void fields(struct message *m, struct str *rest)
{
	struct http_head *h = &m->to->head;
	struct str s;

	h->fields = m->fields;
	while ((s = line(rest)).n) {
		struct str value = s, name = str_cut(&value, ':');

		if (h->nfields == HTTP_FIELDS_MAX)
			die("too many fields");
		for (size_t i = 0; i < name.n; i++)
			((char *)name.p)[i] = (char)tolower((unsigned char)name.p[i]);
		m->fields[h->nfields++] = (struct http_field){ name, str_trim(value), false };
	}
}

static void request(struct message *m, struct str rest)
{
	struct str first = line(&rest);

	m->to->head.version = HTTP_1_1;
	m->to->head.method = str_cut(&first, ' ');
	m->to->head.target = str_cut(&first, ' ');
	fields(m, &rest);
	m->to->head.authority = api_field(&m->to->head, "host");
	m->to->body = (struct http_body){ rest, rest.n };
}

static void response(struct message *m, struct str rest)
{
	struct str first = line(&rest);

	str_cut(&first, ' ');
	m->to->head.version = HTTP_1_1;
	m->to->head.status = (unsigned)strtoul(first.n ? first.p : "0", NULL, 10);
	fields(m, &rest);
	m->to->body = (struct http_body){ rest, rest.n };
}

static void limit(struct http_call *call, struct http_message *m, size_t want, size_t captured)
{
	if (captured < want && captured < m->body.prefix.n)
		call->flags |= HTTP_BODY_PARTIAL;
	if (m->body.prefix.n > want)
		m->body.prefix.n = want;
	if (m->body.prefix.n > captured)
		m->body.prefix.n = captured;
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

static void describe(char *p, size_t n, size_t m, size_t captured, struct api_arena *a)
{
	struct api_peer peer = { .role = HTTP_CLIENT, .address = STR("192.0.2.7"), .port = 443, .local_address = STR("192.0.2.1") };
	struct http_call call = { .role = HTTP_CLIENT };
	struct message v[2] = { { .to = &call.request }, { .to = &call.response } };
	struct str bodies[2];
	struct http_wants w;
	struct api_call c;
	unsigned status;

	request(&v[0], (struct str){ p, n });
	if (m)
		response(&v[1], (struct str){ p + n, m });
	else
		call.flags |= HTTP_NO_RESPONSE;
	for (unsigned i = 0; i < 2; i++) {	/* rules see heads first */
		bodies[i] = v[i].to->body.prefix;
		v[i].to->body.prefix.n = 0;
	}
	status = call.response.head.status;
	call.response.head.status = 0;
	api_wants(&peer, &call, &w);
	call.request.body.prefix = bodies[0];
	limit(&call, &call.request, w.request, captured);
	call.response.head.status = status;
	api_wants(&peer, &call, &w);
	call.response.body.prefix = bodies[1];
	limit(&call, &call.response, w.response, captured);
	api_arena_reset(a);
	if (api_describe(&peer, &call, a, &c) < 0)
		die("no memory");
	print(&c, &w);
}

int main(void)
{
	size_t n, m, captured;
	struct api_arena *a;

	if (api_arena_new(&a) < 0)
		die("no memory");
	while (scanf("%zu %zu %zu", &n, &m, &captured) == 3) {
		char *p = n <= SIZE_MAX_OF_ONE && m <= SIZE_MAX_OF_ONE ? malloc(n + m + 1) : NULL;

		if (!p || getchar() != '\n' || fread(p, 1, n + m, stdin) != n + m)
			die("a pair that is not whole");
		describe(p, n, m, captured, a);
		free(p);
	}
	api_arena_free(&a);
	return 0;
}
