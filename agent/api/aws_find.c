/* SPDX-License-Identifier: Apache-2.0 */
/* aws_find.c - which service and operation a request is for: by signature, host and protocol. */
#include "agent/api/aws_internal.h"

#define S3_SCOPES "s3 s3express s3-outposts s3-object-lambda"

static bool is_word(struct str s)
{
	if (!s.n || s.n > 100)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '_' || s.p[i] == '-'))
			return false;
	return true;
}

/* One whose operations paths tell; S3 itself has aws_s3.c. */
static bool rest(const struct aws_service *s)
{
	return s->protocol == AWS_REST_JSON || (s->protocol == AWS_REST_XML && strcmp(s->prefix, "s3"));
}

/* The services that the signature's scope, or else the host, may mean. */
static unsigned candidates(const struct aws_found *f, unsigned *ret_first)
{
	unsigned n = f->sign.service.p ? aws_services_signing(f->sign.service, ret_first) : 0;

	if (n || !f->host.service)
		return n;
	*ret_first = (unsigned)(f->host.service - aws_services);
	return 1;
}

/* Of several with one signing name: the one that has the operation, whose version it is, whose host is called. */
static void by_name(struct aws_found *f)
{
	unsigned first = 0, n = candidates(f, &first), best = 0;

	for (unsigned i = first; i < first + n; i++) {
		const struct aws_service *s = &aws_services[i];
		const struct aws_op *op = f->name.p ? aws_op_find(s, f->name) : NULL;
		unsigned score = 1 + 8 * (op != NULL) + 4 * str_is(f->version, s->version) + 2 * (f->host.service && !strcmp(s->prefix, f->host.service->prefix));

		/* databases that share RDS's API: RDS has the most of it */
		if (score < best || (score == best && s->count <= f->service->count))
			continue;
		best = score;
		f->service = s;
		f->op = op;
	}
}

/* Where neither signature nor host says which service it is (version 2 has no scope): the one that has such an operation in such a version. */
static void by_version(struct aws_found *f)
{
	for (unsigned i = 0; i < aws_nservices; i++) {
		const struct aws_service *s = &aws_services[i];
		bool form = s->protocol == AWS_QUERY || s->protocol == AWS_EC2;
		const struct aws_op *op = form && str_is(f->version, s->version) ? aws_op_find(s, f->name) : NULL;

		if (!op || (f->op && s->count <= f->service->count))	/* RDS again */
			continue;
		f->service = s;
		f->op = op;
	}
}

static struct str last_of(struct str s, char separator)
{
	size_t i = s.n;

	while (i && s.p[i - 1] != separator)
		i--;
	return str_from(s, i);
}

/* "Prefix.Operation"; some SDKs write only the last part of a prefix that has dots in it. */
static bool by_target(const struct http_call *call, struct aws_found *f)
{
	struct str target = api_field(&call->request.head, "x-amz-target"), name = last_of(target, '.'), prefix;
	const struct aws_service *s;

	if (!is_word(name))
		return false;
	prefix = last_of(str_first(target, target.n > name.n ? target.n - name.n - 1 : 0), '.');
	f->name = name;
	for (unsigned i = 0; (s = aws_service_target(prefix, i)); i++) {
		const struct aws_op *op = aws_op_find(s, name);

		if (f->op && (!op || s != f->host.service))	/* two that share a prefix: the one that is called */
			continue;
		f->service = s;
		f->op = op;
	}
	if (!f->service)
		by_name(f);
	return f->service || f->sign.service.p;
}

/* Smithy's RPC v2: /service/X/operation/Y */
static bool by_rpc(const struct http_call *call, struct aws_found *f)
{
	struct str protocol = api_field(&call->request.head, "smithy-protocol"), path = f->uri.path, name = last_of(path, '/');

	if (!str_begins(protocol, "rpc-v2-") || !str_ends(str_first(path, path.n - name.n), "/operation/") || !is_word(name))
		return false;
	f->cbor = str_is(protocol, "rpc-v2-cbor");
	f->name = name;
	by_name(f);
	return true;
}

/* Do only paths tell operations of what is called? Then an "Action" or a form is a parameter of one. */
static bool only_paths(const struct aws_found *f)
{
	unsigned first = 0, n = candidates(f, &first);

	for (unsigned i = first; i < first + n; i++)
		if (!rest(&aws_services[i]))
			return false;
	return n > 0;
}

static bool by_form(const struct http_call *call, struct aws_found *f)
{
	bool form = api_content_type(&call->request.head, "application/x-www-form-urlencoded");
	struct str fields = form && str_is(call->request.head.method, "POST") ? call->request.body.prefix : f->uri.query;
	struct str name = aws_form_field(fields, "Action"), version = aws_form_field(fields, "Version");

	if ((!form && !is_word(name)) || only_paths(f))
		return false;
	if (form && !name.p && f->uri.query.n)
		name = aws_form_field(f->uri.query, "Action");
	f->form = true;
	f->name = is_word(name) ? name : (struct str){ 0 };
	f->version = is_word(version) ? version : (struct str){ 0 };
	by_name(f);
	if (!f->service)
		by_version(f);
	return true;
}

static void by_path(const struct http_call *call, struct aws_found *f)
{
	unsigned first = 0, n = candidates(f, &first);

	if (f->host.service && rest(f->host.service) && aws_route(f->host.service, call->request.head.method, &f->uri, f))
		return;
	for (unsigned i = first; i < first + n; i++)
		if (rest(&aws_services[i]))
			aws_route(&aws_services[i], call->request.head.method, &f->uri, f);
	if (!f->op)
		by_name(f);
}

void aws_find(const struct api_peer *peer, const struct http_call *call, struct aws_found *ret)
{
	*ret = (struct aws_found){ 0 };
	uri_split(call->request.head.target, &ret->uri);
	aws_sign_get(call, &ret->sign);
	aws_host_get(uri_host_raw(peer, call), &ret->host);
	if (by_target(call, ret) || by_rpc(call, ret))
		return;
	ret->s3 = str_among(ret->sign.service, S3_SCOPES) || (!ret->sign.service.p && ret->host.s3);
	/* what stands before S3 for accounts and outposts has paths of its own */
	if (ret->s3 && str_begins(ret->uri.path, "/v20180820/"))
		ret->s3 = false;
	if (ret->s3 && str_is(ret->sign.service, "s3-outposts") && str_begins(ret->uri.path, "/S3Outposts/"))
		ret->s3 = false;
	if (ret->s3)
		aws_s3_find(call, ret);
	else if (!by_form(call, ret))
		by_path(call, ret);
}
