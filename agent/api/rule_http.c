/* SPDX-License-Identifier: Apache-2.0 */
/* rule_http.c - any HTTP call: method and path as a template; and what begins as HTTP and goes on as something else. */
#include <errno.h>

#include "rules.h"

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	return true;
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
	*ret_wants = (struct http_wants){ 0 };
}

static bool is_websocket(const struct http_call *call)
{
	const struct http_head *h = &call->request.head;

	return str_is_nocase(api_field(h, "upgrade"), "websocket") || str_is_nocase(api_field(h, ":protocol"), "websocket");
}

static struct str name_of(const struct http_call *call, struct str template, struct api_arena *a)
{
	struct str method = call->request.head.method;

	if (call->flags & HTTP_NO_REQUEST)
		return STR("UnknownRequest");
	if (is_websocket(call))
		return STR("UpgradeToWebSocket");
	if (!method.n)
		return STR("UnknownMethod");
	return template.p ? api_join(a, method, STR(" "), template, NO_KEY) : method;
}

static struct str media_type(struct str value)
{
	return str_trim(str_cut(&value, ';'));
}

static int parameters(const struct http_call *call, const struct uri *u, struct str path, struct api_arena *a, struct str *ret_text)
{
	struct jsontext j;

	jsontext_begin(&j, a);
	jsontext_text(&j, STR("path"), path);
	if (u->query.n) {
		jsontext_open(&j, STR("query"), '{');
		secret_put_query(&j, u->query, NULL);
		jsontext_close(&j);
	}
	secret_put(&j, STR("contentType"), media_type(api_field(&call->request.head, "content-type")));
	return jsontext_end(&j, ret_text);
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str target = call->request.head.target, host = ret_call->event_source;
	bool connect = str_is(call->request.head.method, "CONNECT");
	struct str path = { 0 }, template = { 0 };
	struct uri u;

	uri_split(target, &u);
	if (connect && u.host.p)	/* host:port, and nothing behind it */
		u.path = (struct str){ 0 };
	if (u.path.p && !secret_path_both(a, host, u.path, &path, &template))
		return -ENOMEM;
	ret_call->event_name = name_of(call, template, a);
	ret_call->read_only = api_method_reads(call->request.head.method) && !is_websocket(call);
	ret_call->category = ret_call->read_only ? CATEGORY_DATA : CATEGORY_MANAGEMENT;
	return parameters(call, &u, path, a, &ret_call->request_parameters);
}

const struct api_rule api_rule_http = { "http", match, wants, describe, NULL, false };
