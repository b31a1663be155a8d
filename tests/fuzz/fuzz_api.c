/* SPDX-License-Identifier: Apache-2.0 */
/* A call as text: "METHOD target host", header lines, and behind a NUL its body; behind another one the status with its header lines, and
 * behind a third the answer's body; a first byte chooses flags, or what is absent. Whatever it is: described, printable names, JSON within its bound. */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "agent/api/api.h"
#include "agent/api/text.h"

#define FIELDS 64

static void need(bool good)
{
	if (!good)
		abort();
}

static void is_json(struct str s)
{
	struct json_tokener *t;
	struct json_object *o;

	if (!s.p)
		return;
	need(s.n && s.n <= API_JSON_MAX && s.p[0] == '{');
	t = json_tokener_new_ex(200);
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, s.p, (int)s.n);
	need(json_tokener_get_error(t) == json_tokener_success && json_tokener_get_parse_end(t) == s.n);
	json_object_put(o);
	json_tokener_free(t);
}

static void is_name(struct str s)
{
	need(s.p && s.n && s.n <= 255);
	for (size_t i = 0; i < s.n; i++)
		need(s.p[i] >= ' ' && s.p[i] <= '~' && s.p[i] != '"' && s.p[i] != '\\');
}

static unsigned fields(struct str text, struct http_field *v)
{
	unsigned n = 0;

	while (text.n && n < FIELDS) {
		struct str value = str_cut(&text, '\n'), name = str_cut(&value, ':');

		v[n++] = (struct http_field){ name, value.p ? str_trim(value) : (struct str){ "", 0 }, false };
	}
	return n;
}

static void body(struct http_body *b, struct str s, uint32_t wanted, bool all)
{
	b->length = s.n;
	b->prefix = all || s.n < wanted ? s : str_first(s, wanted);
}

/* What was found out when the head was known leads to the same. */
static void describe_by_head(const struct api_peer *peer, const struct http_call *call, const struct api_call *want, struct api_arena *a)
{
	struct http_call head = *call;
	struct http_wants w, less;
	struct api_call c;
	api_rule_no rule;

	head.request.body = (struct http_body){ 0 };
	head.response = (struct http_message){ 0 };
	rule = api_wants(peer, &head, &w);
	less = w;
	head.response.head = call->response.head;
	api_wants_answer(rule, peer, &head, &less);
	need(less.request == w.request && less.response <= w.response);
	api_wants(peer, &head, &w);
	need(less.response <= w.response);
	need(!api_describe_by(rule, peer, call, a, &c));
	need(c.rule == want->rule && str_equal(c.event_name, want->event_name) && str_equal(c.request_parameters, want->request_parameters));
}

static void describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a)
{
	struct api_call c;

	need(!api_describe(peer, call, a, &c));
	is_name(c.event_source);
	is_name(c.event_name);
	is_json(c.request_parameters);
	is_json(c.response_elements);
	is_json(c.additional);
	need(c.event_type && c.rule && (c.category == CATEGORY_MANAGEMENT || c.category == CATEGORY_DATA) && c.nresources <= API_RESOURCES_MAX);
	describe_by_head(peer, call, &c, a);
	api_arena_reset(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct api_arena *a;
	static struct http_field f[3][FIELDS];
	struct str all = { (const char *)data + (size ? 1 : 0), size ? size - 1 : 0 }, head = str_cut(&all, '\0'), request = str_cut(&all, '\0');
	struct str answer = str_cut(&all, '\0'), line = str_cut(&head, '\n'), status = str_cut(&answer, '\n');
	struct api_peer peer = { .role = HTTP_CLIENT, .address = STR("192.0.2.1"), .port = 443 };
	struct http_call call = { .role = HTTP_CLIENT, .flags = size && data[0] & 0x80 ? data[0] & 0x3f : 0 };
	struct http_wants w;
	uint64_t n = 0;

	if (!a && api_arena_new(&a) < 0)
		return 0;
	call.request.head = (struct http_head){ .version = HTTP_1_1, .method = str_cut(&line, ' '), .target = str_cut(&line, ' '), .authority = line,
						.fields = f[0], .nfields = fields(head, f[0]) };
	str_number(status, 999, &n);
	call.response.head = (struct http_head){ .status = (unsigned)n, .fields = f[1], .nfields = fields(answer, f[1]) };
	if (size && !(data[0] & 0x80)) {
		call.request.head.method = data[0] & 1 ? (struct str){ 0 } : call.request.head.method;
		call.request.head.target = data[0] & 2 ? (struct str){ 0 } : call.request.head.target;
		call.request.head.authority = data[0] & 4 ? (struct str){ 0 } : call.request.head.authority;
		call.role = peer.role = data[0] & 8 ? HTTP_SERVER : HTTP_CLIENT;
		peer.address = data[0] & 16 ? (struct str){ 0 } : peer.address;
	}
	call.response.trailers = f[1];
	call.response.ntrailers = call.response.head.nfields;
	api_wants(&peer, &call, &w);
	need(w.request <= HTTP_BODY_MAX && w.response <= HTTP_BODY_MAX);
	for (unsigned i = 0; i < 2; i++) {
		body(&call.request.body, request, w.request, i);
		body(&call.response.body, all, w.response, i);
		describe(&peer, &call, a);
	}
	return 0;
}
