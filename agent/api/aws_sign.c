/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_sign.c - whose signature a request has: Signature Version 4 (also 4A), 3 and 2, in a header, the query (presigned) or a form.
 * Only the credential's id and scope are looked at; the signature and session tokens are not.
 */
#include "agent/api/aws_internal.h"

static bool all_of(struct str s, size_t max, const char *also)
{
	if (!s.n || s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) && (!c || !strchr(also, c)))
			return false;
	}
	return true;
}

/* Bytes of a separator: '/', or "%2F" as queries have it. */
static size_t separator(const char *p, size_t n)
{
	if (*p == '/')
		return 1;
	return *p == '%' && n >= 3 && p[1] == '2' && (p[2] | 0x20) == 'f' ? 3 : 0;
}

static struct str scope_part(struct str *rest)
{
	struct str part = *rest;

	for (size_t i = 0; i < rest->n; i++) {
		size_t width = separator(rest->p + i, rest->n - i);

		if (!width)
			continue;
		part.n = i;
		*rest = str_from(*rest, i + width);
		return part;
	}
	*rest = (struct str){ 0 };
	return part;
}

/* key/date/region/service/aws4_request; without region for 4A. False: it is none. */
static bool scope_get(struct str credential, bool regions, struct aws_sign *ret)
{
	struct str key = scope_part(&credential), date = scope_part(&credential);
	struct str region = regions ? scope_part(&credential) : (struct str){ 0 };
	struct str service = scope_part(&credential);

	if (!all_of(key, 128, "_-") || !all_of(service, 64, "-_.") || !str_digits(date) || !str_is(credential, "aws4_request"))
		return false;
	ret->access_key = key;
	ret->service = service;
	ret->region = all_of(region, 64, "-") ? region : (struct str){ 0 };
	ret->version = regions ? "SigV4" : "SigV4A";
	return true;
}

static bool from_header(struct str value, struct aws_sign *ret)
{
	bool regions = str_begins(value, "AWS4-HMAC-SHA256 ");
	struct str part;

	if (!regions && !str_begins(value, "AWS4-ECDSA-P256-SHA256 ")) {
		part = str_begins(value, "AWS ") ? str_from(value, 4) : (struct str){ 0 };
		value = part;
		part = str_cut(&value, ':');
		if (!value.n || !all_of(part, 128, "_-"))
			return false;
		ret->access_key = part;
		ret->service = STR("s3");	/* only S3 has this form */
		ret->version = "SigV2";
		return true;
	}
	str_cut(&value, ' ');
	while ((part = str_trim(str_cut(&value, ','))).p)
		if (str_begins(part, "Credential="))
			return scope_get(str_from(part, strlen("Credential=")), regions, ret);
	return false;
}

/* Version 3, in a header of its own: the first clients of SES, Route 53 and DynamoDB. */
static bool from_old_header(struct str value, struct aws_sign *ret)
{
	struct str part;

	if (!str_begins(value, "AWS3 ") && !str_begins(value, "AWS3-HTTPS "))
		return false;
	str_cut(&value, ' ');
	while ((part = str_trim(str_cut(&value, ','))).p) {
		struct str key = str_begins(part, "AWSAccessKeyId=") ? str_from(part, strlen("AWSAccessKeyId=")) : (struct str){ 0 };

		if (!all_of(key, 128, "_-"))
			continue;
		ret->access_key = key;
		ret->version = "SigV3";
		return true;
	}
	return false;
}

static bool from_pairs(struct str pairs, struct aws_sign *ret)
{
	struct str algorithm, value;

	if (uri_query_get(pairs, "X-Amz-Credential", &value) && uri_query_get(pairs, "X-Amz-Signature", &algorithm))
		return scope_get(value, !uri_query_get(pairs, "X-Amz-Algorithm", &algorithm) || !str_is(algorithm, "AWS4-ECDSA-P256-SHA256"), ret);
	if (!uri_query_get(pairs, "AWSAccessKeyId", &value) || !uri_query_get(pairs, "Signature", &algorithm) || !all_of(value, 128, "_-"))
		return false;
	ret->access_key = value;
	ret->version = "SigV2";
	/* of a query protocol's calls each has both; URLs of S3's neither */
	if (!uri_query_get(pairs, "SignatureVersion", &value) && !uri_query_get(pairs, "Action", &value))
		ret->service = STR("s3");
	return true;
}

void aws_sign_get(const struct http_call *call, struct aws_sign *ret)
{
	const struct http_head *h = &call->request.head;
	struct str regions;
	struct uri u;

	*ret = (struct aws_sign){ 0 };
	uri_split(h->target, &u);
	if (!from_header(api_field(h, "authorization"), ret) && !from_old_header(api_field(h, "x-amzn-authorization"), ret))
		ret->in_query = from_pairs(u.query, ret);
	/* version 2 of the query protocol stands in the form itself */
	if (!ret->version && api_content_type(h, "application/x-www-form-urlencoded") && call->request.body.prefix.n)
		ret->in_query = from_pairs(call->request.body.prefix, ret);
	regions = api_field(h, "x-amz-region-set");
	if (ret->version && !ret->region.p && all_of(regions, 64, "-"))
		ret->region = regions;
}
