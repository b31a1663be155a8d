/* SPDX-License-Identifier: Apache-2.0 */
/* aws.c - the rule for AWS APIs: what is one, what of its bodies is needed, and the description as CloudTrail has it. */
#include <errno.h>

#include "agent/api/aws_internal.h"

/* Signed as AWS signs, but also APIs of customers: only the host tells them from AWS's own. */
#define NOT_AWS "execute-api vpc-lattice-svcs vpc-lattice aoss neptune-db"

/* Programs that make calls to AWS, by what they call themselves. */
static bool is_sdk(struct str agent)
{
	static const char *const names[] = { "aws-sdk", "aws-cli/", "botocore/", "boto3/", "boto/", "awspowershell", "euca2ools" };

	for (agent = str_first(agent, 1024); agent.n; agent = str_from(agent, 1))
		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (str_begins_nocase(agent, names[i]))
				return true;
	return false;
}

/* A form whose head says nothing: version 2's signature stands in the form itself, and some calls have none. */
static bool may_be(const struct http_call *call)
{
	const struct http_head *h = &call->request.head;

	return str_is(h->method, "POST") && api_content_type(h, "application/x-www-form-urlencoded") && !api_field(h, "authorization").p &&
	       is_sdk(api_field(h, "user-agent"));
}

/* By what is known of it: of version 2, that may need the form. */
static bool is_one(const struct api_peer *peer, const struct http_call *call)
{
	struct aws_sign sign;
	struct aws_host host;
	struct uri u;

	aws_sign_get(call, &sign);
	uri_split(call->request.head.target, &u);
	if (str_is(sign.service, "appsync") && str_is(u.path, "/graphql"))
		return false;
	if (sign.version && !str_among(sign.service, NOT_AWS))
		return true;
	aws_host_get(uri_host_raw(peer, call), &host);
	if (host.amazon && host.service)
		return true;
	return api_field(&call->request.head, "x-amz-target").n && str_begins(api_field(&call->request.head, "content-type"), "application/x-amz-json-1.");
}

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	return is_one(peer, call) || may_be(call);
}

/* Members of the body, or of a payload with parts. */
static bool has_body(const struct aws_op *op)
{
	struct aws_member m;
	struct aws_shape s, inner;
	unsigned i = 0;

	if (!aws_shape_get(op->input, &s))
		return false;
	if (!s.payload) {
		while (aws_member_next(&s, &m))
			if (m.location == AWS_BODY)
				return true;
		return false;
	}
	while (i++ < s.payload)
		if (!aws_member_next(&s, &m))
			return false;
	return aws_shape_get(m.shape, &inner);
}

static bool all_tokens(const struct aws_service *s)
{
	for (unsigned i = 0; s && i < s->count; i++)
		if (!(aws_ops[s->first + i].flags & AWS_TOKENS))
			return false;
	return s;
}

static uint32_t answer_wanted(const struct aws_found *f)
{
	if (f->op ? f->op->flags & (AWS_TOKENS | AWS_READ_ONLY) || !f->op->output || f->s3 : !f->form)
		return 0;
	return f->form && all_tokens(f->service) ? 0 : AWS_ANSWER_MAX;
}

/* Until the status is known, as much as an error may need; of what succeeds then only what is told. */
static uint32_t response_wanted(const struct http_call *call, const struct aws_found *f)
{
	uint32_t n = answer_wanted(f);

	if (!call->response.head.status)
		return n > AWS_ERROR_MAX ? n : AWS_ERROR_MAX;
	return aws_failed(call, f) ? AWS_ERROR_MAX : n;
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
	struct aws_found f;

	*ret_wants = (struct http_wants){ 0 };
	aws_find(peer, call, &f);
	if (call->request.body.prefix.n && !f.op && !is_one(peer, call))	/* the form says that it is none */
		return;
	ret_wants->response = response_wanted(call, &f);
	if (f.form ? str_is(call->request.head.method, "POST") : f.op && (has_body(f.op) || str_is(f.name, "PutBucketPolicy")))
		ret_wants->request = AWS_REQUEST_MAX;
}

/* ---- description */

static bool reads(struct str name)
{
	static const char *const verbs[] = { "Get", "List", "Describe", "Head", "BatchGet", "Search", "Query", "Scan", "Lookup" };

	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (str_begins(name, verbs[i]))
			return true;
	return false;
}

static struct str name_of(const struct http_call *call, const struct aws_found *f, struct str host, struct api_arena *a)
{
	if (f->op)
		return aws_event_name(f->service, aws_name(f->op->name));
	if (f->name.p)
		return aws_event_name(f->service, api_arena_str(a, f->name));
	if (f->form || !f->uri.path.p)
		return STR("UnknownOperation");
	return api_join(a, call->request.head.method.p ? call->request.head.method : STR("UnknownMethod"), STR(" "),
			f->s3 ? STR("/{bucket}/{key}") : secret_template(a, host, f->uri.path), NO_KEY);
}

static void names(const struct http_call *call, const struct aws_found *f, struct api_arena *a, struct api_call *ret_call)
{
	struct str source = f->service ? str_of(f->service->source) : f->sign.service;
	struct str host = ret_call->event_source;

	ret_call->event_type = "AwsApiCall";
	ret_call->event_name = name_of(call, f, host, a);
	if (source.p)
		ret_call->event_source = api_join(a, source, STR(".amazonaws.com"), NO_KEY);
	ret_call->api_version = f->version.p ? api_arena_str(a, f->version) : str_of(f->service ? f->service->version : NULL);
	ret_call->region = api_arena_str(a, f->sign.region.p ? f->sign.region : f->host.region);
	ret_call->access_key = api_arena_str(a, f->sign.access_key);
	if (f->op) {
		ret_call->read_only = f->op->flags & AWS_READ_ONLY;
		ret_call->category = f->op->flags & AWS_DATA ? CATEGORY_DATA : CATEGORY_MANAGEMENT;
		return;
	}
	ret_call->read_only = f->name.p ? reads(f->name) : !f->form && api_method_reads(call->request.head.method);
	ret_call->category = f->s3 && f->key.n ? CATEGORY_DATA : CATEGORY_MANAGEMENT;
}

static int additional(const struct http_call *call, const struct aws_found *f, struct api_arena *a, struct api_call *ret_call)
{
	struct jsontext j;

	jsontext_begin(&j, a);
	api_additional(&j, call);
	jsontext_string(&j, "SignatureVersion", f->sign.version);
	if (f->sign.version)
		jsontext_string(&j, "AuthenticationMethod", f->sign.in_query ? "QueryString" : "AuthHeader");
	jsontext_text(&j, STR("x-amz-id-2"), f->s3 ? str_first(api_field(&call->response.head, "x-amz-id-2"), 256) : NO_KEY);
	return jsontext_end(&j, &ret_call->additional);
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct aws_found f;
	int r;

	aws_find(peer, call, &f);
	if (!f.op && !is_one(peer, call))	/* a form that is neither signed nor an operation's */
		return 1;
	names(call, &f, a, ret_call);
	if (f.s3)
		aws_resource_s3(&f, a, ret_call);
	r = (f.s3 ? aws_s3_parameters : aws_request_parameters)(call, &f, a, ret_call);
	if (!r && aws_failed(call, &f))
		r = aws_error(call, &f, a, ret_call);
	else if (!r)
		r = aws_response_elements(call, &f, a, ret_call);
	return r ? r : additional(call, &f, a, ret_call);
}

/* Where nothing but an error was wanted, the status says it all; of the rest, a form's operation may be known only now. */
static uint32_t answer(const struct http_call *call, uint32_t n)
{
	if (call->response.head.status / 100 == 3 || n != AWS_ERROR_MAX)
		return API_ASK_AGAIN;
	return api_error_wants(call, n);
}

const struct api_rule api_rule_aws = { "aws", match, wants, describe, answer, .late = true };
