/* SPDX-License-Identifier: Apache-2.0 */
/* test_api.c - what is the same for all rules, and the one that fits every call. */
#include "agent/api/uri.h"
#include "callmake.h"
#include "proto/redact.h"
#include "tests/tap.h"

static struct callmake m;

static const struct {
	const char *request, *fields, *source, *name, *parameters;
	unsigned status;
	bool read_only;
	const char *error;
} rows[] = {
	{ "GET https://Example.COM:8443/users/42?page=2&q=x", NULL, "example.com", "GET /users/{id}",
	  "{\"path\":\"/users/42\",\"query\":{\"page\":\"2\",\"q\":\"" REDACT_HIDDEN "\"}}", 200, true, NULL },
	{ "POST https://example.com/", "content-type: text/plain; charset=utf-8", "example.com", "POST /",
	  "{\"path\":\"/\",\"contentType\":\"text/plain\"}", 404, false, "NotFound" },
	{ "HEAD https://[2001:db8::1]:443/x", NULL, "[2001:db8::1]", "HEAD /x", "{\"path\":\"/x\"}", 200, true, NULL },
	{ "GET http://bob:pw@proxied.test/x#frag", NULL, "proxied.test", "GET /x", "{\"path\":\"/x\"}", 503, true, "ServiceUnavailable" },
	{ "CONNECT db.test:5432", NULL, "db.test", "CONNECT", NULL, 200, false, NULL },
	{ "OPTIONS *", NULL, "192.0.2.7", "OPTIONS *", "{\"path\":\"*\"}", 200, true, NULL },
	{ "GET https://ws.test/live", "upgrade: websocket", "ws.test", "UpgradeToWebSocket", "{\"path\":\"/live\"}", 101, false, NULL },
	{ "GET https://b\"ad/x", NULL, "192.0.2.7", "GET /x", "{\"path\":\"/x\"}", 418, true, "ClientError" },
	{ "G\"T https://a.test/x", NULL, "a.test", "G?T /x", "{\"path\":\"/x\"}", 599, false, "ServerError" },
};

static void any_call_is_described(void)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		callmake(&m, rows[i].request, rows[i].fields, NULL, rows[i].status, NULL, NULL);
		must(!callmake_describe(&m));
		ok_str(m.out.rule, "http");
		ok_str(m.out.event_type, "HostTlsApiCall");
		ok_str(callmake_text(&m, m.out.event_source), rows[i].source);
		ok_str(callmake_text(&m, m.out.event_name), rows[i].name);
		ok_str(callmake_text(&m, m.out.request_parameters), rows[i].parameters ? rows[i].parameters : "(absent)");
		ok_int(m.out.read_only, rows[i].read_only);
		ok_int(m.out.category, rows[i].read_only ? CATEGORY_DATA : CATEGORY_MANAGEMENT);
		ok_str(callmake_text(&m, m.out.error_code), rows[i].error ? rows[i].error : "(absent)");
	}
}

/* WebSocket over HTTP/2. */
static void extended_connect(void)
{
	callmake(&m, "CONNECT https://ws.test/live?token=x", "x: websocket", NULL, 200, NULL, NULL);
	m.fields[0][0].name = STR(":protocol");
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.event_name), "UpgradeToWebSocket");
	ok_str(callmake_text(&m, m.out.request_parameters), "{\"path\":\"/live\",\"query\":{\"token\":\"" REDACT_HIDDEN "\"}}");
	ok(!m.out.read_only);
}

static void common_fields_are_filled(void)
{
	callmake(&m, "POST https://a.test/x", "user-agent: curl/7.88.1\nauthorization: Basic Ym9iOnB3\nx-forwarded-for: 203.0.113.9", "12345", 500,
		 "x-request-id: r-1", "123");
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.user_agent), "curl/7.88.1");
	ok_str(callmake_text(&m, m.out.request_id), "r-1");
	ok_str(callmake_text(&m, m.out.error_message), "HTTP status 500");
	ok(!m.out.forwarded_for.p);
	ok_str(callmake_text(&m, m.out.additional),
	       "{\"httpVersion\":\"1.1\",\"httpStatus\":500,\"bytesTransferredIn\":5,\"bytesTransferredOut\":3,\"authorizationScheme\":\"Basic\"}");
	m.call.role = HTTP_SERVER;
	m.call.request.head.authority = (struct str){ 0 };
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.forwarded_for), "203.0.113.9");
	ok_str(callmake_text(&m, m.out.event_source), "192.0.2.1");
	m.peer.server_name = STR("sni.test");
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.event_source), "sni.test");
}

static void what_is_missing_is_told(void)
{
	callmake(&m, "GET https://a.test/x", NULL, NULL, 0, NULL, NULL);
	m.call.flags = HTTP_NO_RESPONSE | HTTP_TRUNCATED;
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.error_code), "NoResponse");
	ok_str(callmake_text(&m, m.out.additional), "{\"httpVersion\":\"1.1\",\"truncated\":true,\"responseMissing\":true}");
	m.call.flags = HTTP_RESET;
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.error_code), "StreamReset");
	callmake(&m, "", NULL, NULL, 200, NULL, NULL);
	m.call.flags = HTTP_NO_REQUEST;
	m.call.request = (struct http_message){ 0 };
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.event_name), "UnknownRequest");
	m.call.flags = 0;
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.event_name), "UnknownMethod");
}

static void targets_are_taken_apart(void)
{
	struct uri_path p;
	struct uri u;
	struct str v;

	uri_split(STR("https://u:p@h:1/a?b=c#d"), &u);
	ok(str_is(u.host, "h:1") && str_is(u.path, "/a") && str_is(u.query, "b=c"));
	uri_split(STR("/a?"), &u);
	ok(str_is(u.path, "/a") && u.query.p && !u.query.n && !u.host.p);
	uri_split(STR("http://h"), &u);
	ok(str_is(u.path, "/"));
	uri_split((struct str){ 0 }, &u);
	ok(!u.path.p);
	uri_segments(STR("/a//b/"), &p);
	ok(p.n == 4 && str_is(p.segment[2], "b") && str_is(p.segment[3], ""));
	uri_segments(STR("/"), &p);
	ok_int(p.n, 0);
	ok(uri_query_get(STR("a=1&b&c=3=4"), "b", &v) && !v.p);
	ok(uri_query_get(STR("a=1&b&c=3=4"), "c", &v) && str_is(v, "3=4"));
	ok(!uri_query_get(STR("a=1"), "b", &v) && !uri_query_get((struct str){ 0 }, "b", &v));
	ok(str_is(uri_decode(m.arena, STR("a%2fb%zz%4"), false), "a/b%zz%4"));
}

static const struct tap_case cases[] = {
	CASE(any_call_is_described), CASE(extended_connect), CASE(common_fields_are_filled), CASE(what_is_missing_is_told), CASE(targets_are_taken_apart),
};

int main(void)
{
	int r = tap_run(cases, sizeof(cases) / sizeof(cases[0]));

	api_arena_free(&m.arena);
	return r;
}
