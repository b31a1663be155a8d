/* SPDX-License-Identifier: Apache-2.0 */
/* api.c - the list of rules, and what is the same for all of them. */
#include "api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "inflate.h"
#include "jsonread.h"
#include "rules.h"

#define NAME_MAX_BYTES 255	/* SHAPE_SOURCE_MAX */
#define USER_AGENT_MAX 1024
#define FORWARDED_MAX 512
#define ERROR_MAX (16 * 1024)	/* of a failed call's answer */
#define PLAIN_MAX (256 * 1024)	/* of a request that was compressed */

/* In the order in which they are asked. */
static const struct api_rule *const rules[] = {
	&api_rule_files,	/* what the operator says, before what we know */
	&api_rule_aws,
	&api_rule_grpc,
	&api_rule_kube,
	&api_rule_vault,
	&api_rule_github,
	&api_rule_git,
	&api_rule_llm,		/* before Google's other APIs */
	&api_rule_azure,
	&api_rule_google,
	&api_rule_docker,
	&api_rule_oci,
	&api_rule_rpc,		/* may find that it is not */
	&api_rule_http,		/* fits every call */
};

#define NRULES (sizeof(rules) / sizeof(rules[0]))

/* The first rule from `i` on that the call's head fits. */
static unsigned rule_from(unsigned i, const struct api_peer *peer, const struct http_call *call)
{
	while (rules[i] != &api_rule_http && (call->flags & HTTP_NO_REQUEST || !rules[i]->match(peer, call)))
		i++;
	return i;
}

/* With the whole call known, the first rule that it fits: the one that its head fitted, unless one that looks at more fits now, or no longer. */
static unsigned rule_again(api_rule_no known, const struct api_peer *peer, const struct http_call *call)
{
	unsigned i = 0;

	if (known >= NRULES || call->flags & HTTP_NO_REQUEST)
		return rule_from(0, peer, call);
	while (i < known && !(rules[i]->late && rules[i]->match(peer, call)))
		i++;
	return i == known && rules[i]->late ? rule_from(i, peer, call) : i;
}

/* ---- what rules share */

struct str api_field(const struct http_head *h, const char *name)
{
	size_t n = strlen(name);

	for (unsigned i = 0; i < h->nfields; i++)
		if (h->fields[i].name.n == n && !memcmp(h->fields[i].name.p, name, n))
			return h->fields[i].value;
	return (struct str){ 0 };
}

bool api_content_type(const struct http_head *h, const char *type)
{
	struct str value = api_field(h, "content-type");

	return str_is_nocase(str_trim(str_cut(&value, ';')), type);
}

uint32_t api_error_wants(const struct http_call *call, uint32_t n)
{
	return !call->response.head.status || call->response.head.status >= 400 ? n : 0;
}

bool api_method_reads(struct str method)
{
	return str_among(method, "GET HEAD OPTIONS TRACE");
}

struct str api_join(struct api_arena *a, ...)
{
	char *p = api_arena_get(a, NAME_MAX_BYTES + 1);
	struct str part;
	size_t n = 0;
	va_list ap;

	va_start(ap, a);
	while (p && (part = va_arg(ap, struct str), part.p))
		for (size_t i = 0; i < part.n && n < NAME_MAX_BYTES; i++)
			p[n++] = part.p[i];
	va_end(ap);
	return p ? (struct str){ p, n } : (struct str){ 0 };
}

static void put_bytes(struct jsontext *j, const char *key, const struct http_message *m)
{
	if (m->body.length)
		jsontext_uint(j, str_of(key), m->body.length);
}

void api_additional(struct jsontext *j, const struct http_call *call)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} flags[] = {
		{ HTTP_TRUNCATED, "truncated" }, { HTTP_UNKNOWN_NAMES, "fieldsUnknown" }, { HTTP_LENGTH_UNKNOWN, "lengthUnknown" },
		{ HTTP_NO_RESPONSE, "responseMissing" }, { HTTP_NO_REQUEST, "requestMissing" }, { HTTP_PUSHED, "pushed" },
		{ HTTP_UPGRADED, "upgraded" },
	};
	uint32_t all = call->flags | call->request.head.flags | call->response.head.flags;
	static const char *const versions[] = { [HTTP_1_0] = "1.0", [HTTP_1_1] = "1.1", [HTTP_2] = "2" };
	enum http_version version = call->request.head.version ? call->request.head.version : call->response.head.version;

	if (version <= HTTP_2)
		jsontext_string(j, "httpVersion", versions[version]);
	if (call->response.head.status)
		jsontext_uint(j, STR("httpStatus"), call->response.head.status);
	put_bytes(j, "bytesTransferredIn", &call->request);
	put_bytes(j, "bytesTransferredOut", &call->response);
	jsontext_text(j, STR("authorizationScheme"), secret_scheme(api_field(&call->request.head, "authorization")));
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (all & flags[i].flag)
			jsontext_bool(j, str_of(flags[i].name), true);
}

/* ---- errors by status */

static const struct {
	unsigned status;
	const char *code;
} codes[] = {
	{ 400, "BadRequest" }, { 401, "Unauthorized" }, { 402, "PaymentRequired" }, { 403, "Forbidden" }, { 404, "NotFound" },
	{ 405, "MethodNotAllowed" }, { 406, "NotAcceptable" }, { 407, "ProxyAuthenticationRequired" }, { 408, "RequestTimeout" },
	{ 409, "Conflict" }, { 410, "Gone" }, { 411, "LengthRequired" }, { 412, "PreconditionFailed" }, { 413, "ContentTooLarge" },
	{ 415, "UnsupportedMediaType" }, { 416, "RangeNotSatisfiable" }, { 422, "UnprocessableContent" }, { 423, "Locked" },
	{ 429, "TooManyRequests" }, { 500, "InternalServerError" }, { 501, "NotImplemented" }, { 502, "BadGateway" },
	{ 503, "ServiceUnavailable" }, { 504, "GatewayTimeout" }, { 507, "InsufficientStorage" },
};

static int error_by_status(const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	unsigned status = call->response.head.status;
	char text[32];
	int n = snprintf(text, sizeof(text), "HTTP status %u", status);

	if (call->flags & HTTP_RESET)
		ret_call->error_code = STR("StreamReset");
	else if (call->flags & HTTP_NO_RESPONSE && !status)
		ret_call->error_code = STR("NoResponse");
	if (ret_call->error_code.p || status < 400)
		return 0;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].status == status)
			ret_call->error_code = str_of(codes[i].code);
	if (!ret_call->error_code.p)
		ret_call->error_code = status < 500 ? STR("ClientError") : STR("ServerError");
	ret_call->error_message = api_arena_str(a, (struct str){ text, (size_t)n });
	return ret_call->error_message.p ? 0 : -ENOMEM;
}

/* A code, not a sentence: anything else may hold what was sent. */
void api_error_word(struct str word, struct api_arena *a, struct api_call *ret_call)
{
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] <= ' ' || word.p[i] > '~' || word.p[i] == '"' || word.p[i] == '\\')
			return;
	if (word.n && word.n <= 64 && secret_segment(word) == SEGMENT_WORD)
		ret_call->error_code = api_arena_str(a, word);
}

void api_json_error(const struct http_call *call, const char *path, struct api_arena *a, struct api_call *ret_call)
{
	if (call->response.head.status >= 400 && call->response.body.prefix.n)
		api_error_word(jsonread_text(a, jsonread_at(inflate_body(&call->response, ERROR_MAX, a), path)), a, ret_call);
}

/* ---- fields of all calls */

/* A header's value that a stranger chose: bounded, and without secrets. */
static struct str safe_value(struct str s, size_t max, struct api_arena *a)
{
	s = str_first(s, max);
	return secret_text(s) || secret_told(s, false) ? STR(REDACT_HIDDEN) : api_arena_str(a, s);
}

static struct str request_id(const struct http_call *call)
{
	static const char *const names[] = {
		"x-amzn-requestid", "x-amz-request-id", "x-github-request-id", "x-ms-request-id", "x-goog-request-id", "x-request-id", "request-id",
		"x-correlation-id", "audit-id",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct str s = api_field(&call->response.head, names[i]);

		if (s.n && s.n <= 128)
			return s;
	}
	return (struct str){ 0 };
}

static int common(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	*ret_call = (struct api_call){ .event_type = "HostTlsApiCall", .category = CATEGORY_DATA };
	ret_call->event_source = uri_host(peer, call, a);
	ret_call->user_agent = safe_value(api_field(&call->request.head, "user-agent"), USER_AGENT_MAX, a);
	ret_call->request_id = api_arena_str(a, request_id(call));
	if (call->role == HTTP_SERVER)
		ret_call->forwarded_for = safe_value(api_field(&call->request.head, "x-forwarded-for"), FORWARDED_MAX, a);
	return error_by_status(call, a, ret_call);
}

/* Names go into places of 255 printable bytes without quotes (proto/record.h). */
static struct str printable(struct str s, struct api_arena *a)
{
	bool good = s.n <= NAME_MAX_BYTES;
	char *p;

	for (size_t i = 0; i < s.n && good; i++)
		good = s.p[i] >= ' ' && s.p[i] <= '~' && s.p[i] != '"' && s.p[i] != '\\';
	if (good)
		return s;
	s = str_first(s, NAME_MAX_BYTES);
	p = api_arena_get(a, s.n + 1);
	for (size_t i = 0; p && i < s.n; i++)
		p[i] = s.p[i] >= ' ' && s.p[i] <= '~' && s.p[i] != '"' && s.p[i] != '\\' ? s.p[i] : '?';
	return p ? (struct str){ p, s.n } : (struct str){ 0 };
}

/* `host`: the source before the rule named another. */
static int finish(const struct http_call *call, struct str host, struct api_arena *a, struct api_call *ret_call)
{
	struct jsontext j;

	ret_call->event_name = printable(ret_call->event_name, a);
	ret_call->event_source = printable(ret_call->event_source, a);
	if (!ret_call->event_name.p || !ret_call->event_source.p)
		return -ENOMEM;
	if (!ret_call->event_name.n)
		ret_call->event_name = STR("UnknownRequest");
	if (ret_call->additional.p)
		return 0;
	jsontext_begin(&j, a);
	if (!str_equal(host, ret_call->event_source))
		jsontext_text(&j, STR("host"), host);
	api_additional(&j, call);
	return jsontext_end(&j, &ret_call->additional);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

api_rule_no api_wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
	unsigned i = rule_from(0, peer, call), first = i;
	struct http_wants other = { 0 };

	*ret_wants = (struct http_wants){ 0 };
	rules[i]->wants(peer, call, ret_wants);
	if (rules[i] == &api_rule_files)	/* it may turn out to be the next one's */
		rules[i = rule_from(i + 1, peer, call)]->wants(peer, call, &other);
	ret_wants->request = larger(ret_wants->request, other.request);
	ret_wants->response = larger(ret_wants->response, other.response);
	if (ret_wants->request > HTTP_BODY_MAX)
		ret_wants->request = HTTP_BODY_MAX;
	if (ret_wants->response > HTTP_BODY_MAX)
		ret_wants->response = HTTP_BODY_MAX;
	return first;
}

void api_wants_answer(api_rule_no rule, const struct api_peer *peer, const struct http_call *call, struct http_wants *wants)
{
	struct http_wants now = { 0 };

	if (!wants->response)		/* it never becomes more */
		return;
	now.response = rule < NRULES && rules[rule]->answer ? rules[rule]->answer(call, wants->response) : API_ASK_AGAIN;
	if (now.response == API_ASK_AGAIN && rule < NRULES && rules[rule] != &api_rule_files)
		rules[rule]->wants(peer, call, &now);
	else if (now.response == API_ASK_AGAIN)
		api_wants(peer, call, &now);
	if (now.response < wants->response)
		wants->response = now.response;
}

/* The call with its request's body without content coding, as rules read it; its length stays that of the wire. Absent where it cannot be read. */
static const struct http_call *plain_request(const struct http_call *call, struct http_call *room, struct api_arena *a)
{
	struct str coding = api_field(&call->request.head, "content-encoding");
	const struct http_body *body = &call->request.body;

	if (!coding.p || !body->prefix.n || str_is_nocase(coding, "identity") || str_is_nocase(coding, "aws-chunked"))
		return call;
	*room = *call;
	room->request.body.prefix = inflate_body(&call->request, PLAIN_MAX, a);
	if (body->prefix.n < body->length || room->request.body.prefix.n == PLAIN_MAX)
		room->flags |= HTTP_BODY_PARTIAL;
	return room;
}

int api_describe_by(api_rule_no rule, const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct http_call room;
	const struct http_call *plain = plain_request(call, &room, a);
	int r = common(peer, call, a, ret_call);
	struct str host = ret_call->event_source;
	unsigned i = rule_again(rule, peer, call);

	while (!r) {
		ret_call->rule = rules[i]->name;
		r = rules[i]->describe(peer, plain, a, ret_call);
		if (r <= 0)
			break;
		i = rule_from(i + 1, peer, call);	/* the last one never passes on */
		r = 0;
	}
	return r ? r : finish(call, host, a, ret_call);
}

int api_describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	return api_describe_by(API_RULE_UNKNOWN, peer, call, a, ret_call);
}
