/* SPDX-License-Identifier: Apache-2.0 */
/* rule_grpc.c - gRPC over HTTP/2: service and method, and the status in the trailers. Messages have no names in them: only their sizes
 * are told, by api_additional(). */
#include <errno.h>

#include "rules.h"

static const char *const statuses[] = {
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
	"UNAUTHENTICATED",
};
#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

/* "application/grpc", "application/grpc+proto", "application/grpc-web". */
static bool match(const struct api_peer *peer, const struct http_call *call)
{
	struct str type = api_field(&call->request.head, "content-type");
	struct uri_path p;
	struct uri u;

	uri_split(call->request.head.target, &u);
	uri_segments(u.path, &p);
	return str_begins_nocase(type, "application/grpc") && p.n == 2;
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
}

static struct str answer(const struct http_call *call, const char *name)
{
	struct http_head trailers = { .fields = call->response.trailers, .nfields = call->response.ntrailers };
	struct str s = api_field(&trailers, name);

	return s.p ? s : api_field(&call->response.head, name);
}

static void status(const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str code = answer(call, "grpc-status"), message = uri_decode(a, answer(call, "grpc-message"), false);
	uint64_t n;

	if (!str_number(code, 1000, &n))
		return;
	ret_call->error_code = ret_call->error_message = (struct str){ 0 };
	if (!n)
		return;
	ret_call->error_code = n < STATUSES ? str_of(statuses[n]) : STR("UNKNOWN");
	if (message.n && message.n <= 512 && !secret_form(message) && !secret_told(message, true))
		ret_call->error_message = api_arena_str(a, message);
}

/* By how methods are named everywhere: gRPC itself does not tell. */
static bool reads(struct str method)
{
	static const char *const verbs[] = { "Get", "List", "Watch", "Read", "Query", "Search", "Describe", "Lookup", "Check", "BatchGet", "Count",
					     "Fetch", "Find", "Status", "Export", "Version", "Range", "ServerReflectionInfo", "StreamingPull", "Pull" };

	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		struct str behind = str_from(method, strlen(verbs[i]));

		if (str_begins(method, verbs[i]) && (!behind.n || behind.p[0] < 'a' || behind.p[0] > 'z'))
			return true;
	}
	return false;
}

static struct str safe(struct str s)
{
	return s.n > 120 || secret_segment(s) == SEGMENT_SECRET ? STR("{id}") : s;
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str routing = api_field(&call->request.head, "x-goog-request-params");
	struct uri_path p;
	struct jsontext j;
	struct uri u;

	uri_split(call->request.head.target, &u);
	uri_segments(u.path, &p);
	ret_call->event_name = api_join(a, safe(p.segment[0]), STR("/"), safe(p.segment[1]), NO_KEY);
	if (!ret_call->event_name.p)
		return -ENOMEM;
	ret_call->read_only = reads(p.segment[1]);
	ret_call->category = ret_call->read_only ? CATEGORY_DATA : CATEGORY_MANAGEMENT;
	status(call, a, ret_call);
	jsontext_begin(&j, a);
	jsontext_text(&j, STR("service"), safe(p.segment[0]));
	jsontext_text(&j, STR("method"), safe(p.segment[1]));
	if (routing.n) {	/* what the call is about, for Google's front ends: "name=projects/p/topics/t" */
		jsontext_open(&j, STR("routing"), '{');
		secret_put_query(&j, routing, "name parent project topic subscription database resource bucket session.name table_name");
		jsontext_close(&j);
	}
	return jsontext_end(&j, &ret_call->request_parameters);
}

const struct api_rule api_rule_grpc = { "grpc", match, wants, describe, NULL, false };
