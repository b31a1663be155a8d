/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_s3.c - S3: which operation a method, a bucket, a key and subresources mean, and parameters as CloudTrail writes them for S3:
 * names as they are on the wire, bucketName, key, Host, and the subresource itself.
 */
#include <errno.h>

#include "agent/api/aws_internal.h"

/* Operations of a subresource: of GET, PUT, DELETE, POST. NULL: there is none. */
struct row {
	const char *subresource;
	bool key;			/* of an object; else of a bucket */
	const char *get, *put, *delete, *post;
};

/* A parameter `id` or `list` tells one of several from all of them: names of the second are behind a blank. */
static const struct row rows[] = {
	{ "accelerate", false, "GetBucketAccelerateConfiguration", "PutBucketAccelerateConfiguration", NULL, NULL },
	{ "acl", false, "GetBucketAcl", "PutBucketAcl", NULL, NULL },
	{ "analytics", false, "GetBucketAnalyticsConfiguration ListBucketAnalyticsConfigurations", "PutBucketAnalyticsConfiguration",
	  "DeleteBucketAnalyticsConfiguration", NULL },
	{ "cors", false, "GetBucketCors", "PutBucketCors", "DeleteBucketCors", NULL },
	{ "delete", false, NULL, NULL, NULL, "DeleteObjects" },
	{ "encryption", false, "GetBucketEncryption", "PutBucketEncryption", "DeleteBucketEncryption", NULL },
	{ "intelligent-tiering", false, "GetBucketIntelligentTieringConfiguration ListBucketIntelligentTieringConfigurations",
	  "PutBucketIntelligentTieringConfiguration", "DeleteBucketIntelligentTieringConfiguration", NULL },
	{ "inventory", false, "GetBucketInventoryConfiguration ListBucketInventoryConfigurations", "PutBucketInventoryConfiguration",
	  "DeleteBucketInventoryConfiguration", NULL },
	{ "lifecycle", false, "GetBucketLifecycleConfiguration", "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle", NULL },
	{ "location", false, "GetBucketLocation", NULL, NULL, NULL },
	{ "logging", false, "GetBucketLogging", "PutBucketLogging", NULL, NULL },
	{ "metadataTable", false, "GetBucketMetadataTableConfiguration", NULL, "DeleteBucketMetadataTableConfiguration",
	  "CreateBucketMetadataTableConfiguration" },
	{ "metrics", false, "GetBucketMetricsConfiguration ListBucketMetricsConfigurations", "PutBucketMetricsConfiguration",
	  "DeleteBucketMetricsConfiguration", NULL },
	{ "notification", false, "GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration", NULL, NULL },
	{ "object-lock", false, "GetObjectLockConfiguration", "PutObjectLockConfiguration", NULL, NULL },
	{ "ownershipControls", false, "GetBucketOwnershipControls", "PutBucketOwnershipControls", "DeleteBucketOwnershipControls", NULL },
	{ "policy", false, "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy", NULL },
	{ "policyStatus", false, "GetBucketPolicyStatus", NULL, NULL, NULL },
	{ "publicAccessBlock", false, "GetPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock", NULL },
	{ "replication", false, "GetBucketReplication", "PutBucketReplication", "DeleteBucketReplication", NULL },
	{ "requestPayment", false, "GetBucketRequestPayment", "PutBucketRequestPayment", NULL, NULL },
	{ "session", false, "CreateSession", NULL, NULL, NULL },
	{ "tagging", false, "GetBucketTagging", "PutBucketTagging", "DeleteBucketTagging", NULL },
	{ "uploads", false, "ListMultipartUploads", NULL, NULL, NULL },
	{ "versioning", false, "GetBucketVersioning", "PutBucketVersioning", NULL, NULL },
	{ "versions", false, "ListObjectVersions", NULL, NULL, NULL },
	{ "website", false, "GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite", NULL },
	{ "acl", true, "GetObjectAcl", "PutObjectAcl", NULL, NULL },
	{ "attributes", true, "GetObjectAttributes", NULL, NULL, NULL },
	{ "legal-hold", true, "GetObjectLegalHold", "PutObjectLegalHold", NULL, NULL },
	{ "renameObject", true, NULL, "RenameObject", NULL, NULL },
	{ "restore", true, NULL, NULL, NULL, "RestoreObject" },
	{ "retention", true, "GetObjectRetention", "PutObjectRetention", NULL, NULL },
	{ "select", true, NULL, NULL, NULL, "SelectObjectContent" },
	{ "tagging", true, "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging", NULL },
	{ "torrent", true, "GetObjectTorrent", NULL, NULL, NULL },
	{ "uploads", true, NULL, NULL, NULL, "CreateMultipartUpload" },
	/* what is told by a part of an upload */
	{ "uploadId", true, "ListParts", "UploadPart", "AbortMultipartUpload", "CompleteMultipartUpload" },
};

static bool has(const struct aws_found *f, const char *name)
{
	struct str value;

	return uri_query_get(f->uri.query, name, &value);
}

static const char *of_method(const struct row *r, struct str method)
{
	return str_is(method, "GET") || str_is(method, "HEAD") ? r->get : str_is(method, "PUT") ? r->put : str_is(method, "DELETE") ? r->delete :
	       str_is(method, "POST") ? r->post : NULL;
}

/* Without subresource. */
static const char *plain_name(const struct aws_found *f, struct str method, bool copies)
{
	static const struct {
		const char *method, *service, *bucket, *object;
	} names[] = {
		{ "GET", "ListBuckets", "ListObjects", "GetObject" }, { "HEAD", NULL, "HeadBucket", "HeadObject" },
		{ "PUT", NULL, "CreateBucket", "PutObject" }, { "DELETE", NULL, "DeleteBucket", "DeleteObject" },
		{ "POST", NULL, "PostObject", NULL }, { "OPTIONS", NULL, "PreflightRequest", "PreflightRequest" },
	};

	if (f->key.n && copies && str_is(method, "PUT"))
		return "CopyObject";
	if (f->bucket.n && !f->key.n && str_is(method, "GET") && has(f, "list-type"))
		return "ListObjectsV2";
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_is(method, names[i].method))
			return f->key.n ? names[i].object : f->bucket.n ? names[i].bucket : names[i].service;
	return NULL;
}

static struct str name_of(const struct aws_found *f, struct str method, bool copies)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]) && f->bucket.n; i++) {
		const char *name = rows[i].key == (f->key.n > 0) && has(f, rows[i].subresource) ? of_method(&rows[i], method) : NULL;
		struct str one, all;

		if (!name)
			continue;
		if (copies && !strcmp(name, "UploadPart"))
			return STR("UploadPartCopy");
		all = str_of(name);
		one = str_cut(&all, ' ');
		return all.n && !has(f, "id") ? all : one;
	}
	return str_of(plain_name(f, method, copies));
}

void aws_s3_find(const struct http_call *call, struct aws_found *f)
{
	const struct http_head *h = &call->request.head;
	struct str path = str_from(f->uri.path, 1);
	unsigned first;

	f->bucket = f->host.bucket;
	if (!f->bucket.p)
		f->bucket = str_cut(&path, '/');
	f->key = path;
	f->name = name_of(f, h->method, api_field(h, "x-amz-copy-source").p != NULL);
	if (str_is(f->uri.path, "/WriteGetObjectResponse") && str_is(h->method, "POST")) {
		f->bucket = f->key = NO_KEY;
		f->name = STR("WriteGetObjectResponse");
	}
	for (unsigned i = 0, n = aws_services_signing(STR("s3"), &first); i < n; i++)
		if (str_is(STR("2006-03-01"), aws_services[first + i].version))
			f->service = &aws_services[first + i];
	f->op = f->service && f->name.p ? aws_op_find(f->service, f->name) : NULL;
}

/* ---- parameters */

/* What a presigned URL has, as far as it may be read. */
#define PRESIGNED "X-Amz-Algorithm X-Amz-Date X-Amz-Expires X-Amz-SignedHeaders"
#define PRESIGNED_SECRET "X-Amz-Signature X-Amz-Credential X-Amz-Security-Token Signature AWSAccessKeyId Expires"

static bool is_subresource(struct str name)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_is(name, rows[i].subresource))
			return true;
	return false;
}

static void put_query(struct aws_emit *e, const struct aws_found *f)
{
	struct str rest = f->uri.query, key, value;
	unsigned count = 0;
	struct aws_member m;

	while (uri_query_next(&rest, &key, &value)) {
		if (++count > 64) {
			e->j.omitted = true;
			return;
		}
		key = uri_decode(e->arena, key, true);
		value = value.p ? uri_decode(e->arena, value, true) : STR("");
		if (str_among(key, PRESIGNED_SECRET))
			continue;
		if (f->op && aws_member_find(f->op->input, key, AWS_QUERYSTRING, &m))
			aws_emit_text(e, key, value, m.shape == AWS_SECRET ? AWS_SECRET : AWS_STRING);
		else if (is_subresource(key) || str_among(key, PRESIGNED) || str_among(key, "list-type select-type x-id"))
			jsontext_text(&e->j, key, value);
		else if (secret_form(key) || key.n > 64)
			e->j.omitted = true;
		else
			jsontext_hidden(&e->j, key);
	}
}

void aws_s3_headers(struct aws_emit *e, const struct http_head *h, unsigned shape)
{
	struct aws_member m;
	struct aws_shape s;

	if (!aws_shape_get(shape, &s))
		return;
	while (aws_member_next(&s, &m)) {
		struct str name = aws_name(m.wire), value = { 0 };

		if (m.location != AWS_HEADER || !str_begins_nocase(name, "x-amz-"))
			continue;
		for (unsigned i = 0; i < h->nfields && !value.p; i++)
			if (h->fields[i].name.n == name.n && !strncasecmp(h->fields[i].name.p, name.p, name.n))
				value = h->fields[i].value;
		if (value.p)
			aws_emit_text(e, name, value, m.shape == AWS_SECRET ? AWS_SECRET : AWS_STRING);
	}
}

/* A configuration under the name of its root element; a policy as what it is. */
static void put_body(struct aws_emit *e, struct aws_tree *t, const struct http_call *call, const struct aws_found *f)
{
	bool partial = call->flags & HTTP_BODY_PARTIAL || call->request.body.prefix.n < call->request.body.length;
	struct str body = call->request.body.prefix;
	struct aws_member m;
	struct aws_shape s;
	struct aws_node *n;

	if (!body.n || !aws_shape_get(f->op->input, &s) || !s.payload)
		return;
	for (unsigned i = 0; i < s.payload; i++)
		if (!aws_member_next(&s, &m))
			return;
	if (m.shape == AWS_STREAM || m.shape == AWS_BLOB)
		return;
	if (m.shape == AWS_STRING) {
		n = str_is(f->name, "PutBucketPolicy") ? aws_json_parse(t, body, partial) : NULL;
		if (n)
			aws_emit_any(e, STR("bucketPolicy"), n);
		return;
	}
	n = aws_xml_parse(t, body, partial);
	if (n)
		aws_emit_value(e, n->name, n, m.shape);
}

int aws_s3_parameters(const struct http_call *call, const struct aws_found *f, struct api_arena *a, struct api_call *ret_call)
{
	struct aws_emit e = { .arena = a, .call = ret_call, .protocol = AWS_REST_XML, .wire_names = true };
	struct aws_tree t = { .arena = a };

	jsontext_begin(&e.j, a);
	if (f->bucket.n)
		jsontext_text(&e.j, STR("bucketName"), uri_decode(a, f->bucket, false));
	if (f->key.n)
		jsontext_text(&e.j, STR("key"), uri_decode(a, f->key, false));
	jsontext_text(&e.j, STR("Host"), uri_authority(call));
	put_query(&e, f);
	if (f->op) {
		aws_s3_headers(&e, &call->request.head, f->op->input);
		put_body(&e, &t, call, f);
	}
	if (t.failed)
		return -ENOMEM;
	e.j.omitted |= t.cut;
	return jsontext_end(&e.j, &ret_call->request_parameters);
}
