/* SPDX-License-Identifier: Apache-2.0 */
/* rule_rpc.c - calls whose name stands in their body: JSON-RPC 2.0 (and with it MCP), and GraphQL. Of the body only the name, the id and
 * what of MCP names a thing; of a GraphQL text only its kind and name. A body that is neither: the call is the next rule's. */
#include <errno.h>

#include "jsonread.h"
#include "rules.h"

#define RPC_MAX (8 * 1024)
#define GRAPHQL_MAX (32 * 1024)
#define ANSWER_MAX 1024
#define NAME_MAX_RPC 128

static bool is_mcp(const struct http_call *call)
{
	return api_field(&call->request.head, "mcp-protocol-version").p || api_field(&call->request.head, "mcp-session-id").p;
}

static bool is_graphql_path(const struct http_call *call)
{
	struct uri u;

	uri_split(call->request.head.target, &u);
	return u.path.p && memmem(u.path.p, u.path.n, "graphql", 7);
}

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	const struct http_head *h = &call->request.head;

	return str_is(h->method, "POST") && (api_content_type(h, "application/json") || api_content_type(h, "application/json-rpc") ||
					     api_content_type(h, "application/graphql-response+json") || (is_graphql_path(call) && api_content_type(h, "application/graphql+json")));
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
	ret_wants->request = is_graphql_path(call) ? GRAPHQL_MAX : RPC_MAX;
	if (is_mcp(call) || api_content_type(&call->request.head, "application/json-rpc"))
		ret_wants->response = ANSWER_MAX;
}

/* A name as programs give them, or an absent one: what is not may be anything. */
static struct str name_of(struct api_arena *a, struct jsonread_value v)
{
	struct str s = jsonread_text(a, v);

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("\"\\<>?&=", s.p[i]))
			return (struct str){ 0 };
	return s.n && s.n <= NAME_MAX_RPC && secret_segment(s) != SEGMENT_SECRET ? s : (struct str){ 0 };
}

/* ---- JSON-RPC */

static bool rpc_reads(struct str method)
{
	static const char *const heads[] = { "get", "list", "eth_get", "eth_call", "eth_block", "notifications/", "tools/list", "resources/", "prompts/" };

	if (str_among(method, "initialize ping completion/complete logging/setLevel"))
		return true;
	for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		if (str_begins(method, heads[i]))
			return true;
	return false;
}

/* What MCP's calls are about: the tool, prompt or resource, never the arguments. */
static void put_subject(struct jsontext *j, struct str method, struct str body)
{
	struct jsonread_value params = jsonread_get(body, "params");
	struct str name = name_of(j->arena, jsonread_get(params.text, "name"));

	if (params.kind != JSON_OBJECT)
		return;
	if (str_among(method, "tools/call prompts/get"))
		jsontext_text(j, STR("name"), name);
	if (str_among(method, "resources/read resources/subscribe resources/unsubscribe"))
		secret_put(j, STR("uri"), str_first(jsonread_text(j->arena, jsonread_get(params.text, "uri")), 1024));
	if (str_is(method, "initialize"))
		jsontext_text(j, STR("protocolVersion"), name_of(j->arena, jsonread_get(params.text, "protocolVersion")));
}

static void rpc_error(const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct jsonread_value code = jsonread_at(call->response.body.prefix, "error.code");

	if (code.kind == JSON_NUMBER && code.text.n <= 16) {
		ret_call->error_code = api_join(a, STR("JsonRpcError"), code.text, NO_KEY);
		ret_call->error_message = (struct str){ 0 };
	}
}

/* 1: it is one, 0: it is none, -ENOMEM. */
static int rpc(const struct http_call *call, struct str body, unsigned more, struct api_arena *a, struct api_call *ret_call)
{
	struct str method = name_of(a, jsonread_get(body, "method")), version = jsonread_text(a, jsonread_get(body, "jsonrpc"));
	struct jsonread_value id = jsonread_get(body, "id");
	struct jsontext j;

	if (!method.p || !str_among(version, "2.0 1.0 1.1"))
		return 0;
	ret_call->event_name = api_arena_str(a, method);
	ret_call->read_only = rpc_reads(method);
	jsontext_begin(&j, a);
	jsontext_text(&j, STR("jsonrpc"), version);
	if (id.kind == JSON_NUMBER || (id.kind == JSON_STRING && id.text.n <= 66))
		jsonread_copy(&j, STR("id"), id, 0);
	put_subject(&j, method, body);
	if (more)
		jsontext_uint(&j, STR("batch"), more + 1);
	rpc_error(call, a, ret_call);
	return jsontext_end(&j, &ret_call->request_parameters) < 0 || !ret_call->event_name.p ? -ENOMEM : 1;
}

/* Several calls in one: named by the first. */
static int rpc_batch(const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct jsonread_value v, first = { 0 };
	struct jsonread r;
	struct str name;
	unsigned n = 0;

	jsonread_begin(&r, call->request.body.prefix);
	if (r.close != ']')
		return rpc(call, call->request.body.prefix, 0, a, ret_call);
	while (jsonread_next(&r, &name, &v))
		if (!n++)
			first = v;
	return first.kind == JSON_OBJECT ? rpc(call, first.text, n - 1, a, ret_call) : 0;
}

/* ---- GraphQL */

static size_t word(struct str s, size_t at)
{
	while (at < s.n && (s.p[at] == '_' || (s.p[at] >= '0' && s.p[at] <= '9') || ((s.p[at] | 0x20) >= 'a' && (s.p[at] | 0x20) <= 'z')))
		at++;
	return at;
}

/* Behind white space, commas and comments. */
static size_t ignored(struct str s, size_t at)
{
	while (at < s.n && s.p[at] && strchr(" \t\r\n,#", s.p[at])) {
		if (s.p[at] == '#')
			while (at < s.n && s.p[at] != '\n')
				at++;
		at += at < s.n;
	}
	return at;
}

/* The kind and name of the first operation of a document; false: it is no document. Fragments before it: the kind stays absent. */
static bool operation(struct str text, struct str *ret_kind, struct str *ret_name)
{
	size_t at = ignored(text, 0), end = word(text, at);
	struct str kind = { text.p + at, end - at };

	*ret_kind = *ret_name = (struct str){ 0 };
	if (at < text.n && text.p[at] == '{') {
		*ret_kind = STR("query");
		return true;
	}
	if (str_is(kind, "fragment"))
		return true;
	if (!str_among(kind, "query mutation subscription"))
		return false;
	*ret_kind = kind;
	at = ignored(text, end);
	end = word(text, at);
	if (end > at)
		*ret_name = (struct str){ text.p + at, end - at };
	return at < text.n;
}

static int graphql(const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str body = call->request.body.prefix, kind = { 0 }, name = { 0 }, text = jsonread_text(a, jsonread_get(body, "query"));
	struct str given = name_of(a, jsonread_get(body, "operationName"));
	bool persisted = jsonread_get(body, "extensions").kind == JSON_OBJECT;
	struct jsontext j;

	if (text.p ? !operation(text, &kind, &name) : !(is_graphql_path(call) && (given.p || persisted)))
		return 0;
	if (!is_graphql_path(call) && !given.p && jsonread_get(body, "variables").kind != JSON_OBJECT)
		return 0;	/* "query" is a common name: anybody's search */
	if (given.p)
		name = given;
	if (name.n > NAME_MAX_RPC || secret_segment(name) == SEGMENT_SECRET)
		name = (struct str){ 0 };
	ret_call->event_name = api_join(a, kind.p ? kind : STR("operation"), name.n ? STR(" ") : STR(""), name.n ? name : STR(""), NO_KEY);
	ret_call->read_only = str_among(kind, "query subscription");
	jsontext_begin(&j, a);
	jsontext_text(&j, STR("operationType"), kind);
	jsontext_text(&j, STR("operationName"), name);
	if (persisted)
		jsontext_bool(&j, STR("persistedQuery"), jsonread_at(body, "extensions.persistedQuery").kind == JSON_OBJECT);
	return jsontext_end(&j, &ret_call->request_parameters) < 0 || !ret_call->event_name.p ? -ENOMEM : 1;
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	int r = rpc_batch(call, a, ret_call);

	ret_call->rule = r == 1 && is_mcp(call) ? "mcp" : "jsonrpc";
	if (!r) {
		r = graphql(call, a, ret_call);
		ret_call->rule = "graphql";
	}
	if (!r)
		return 1;
	ret_call->category = ret_call->read_only ? CATEGORY_DATA : CATEGORY_MANAGEMENT;
	return r < 0 ? r : 0;
}

const struct api_rule api_rule_rpc = { "jsonrpc", match, wants, describe, NULL, false };
