/* SPDX-License-Identifier: Apache-2.0 */
/* aws_params.c - requestParameters out of path, query, headers and body, as the operation's shape says where they are. */
#include <errno.h>

#include "agent/api/aws_internal.h"

/* Of a query or a form: how it is signed and sent, not what is asked for. */
#define SENDING "Action Version AWSAccessKeyId Signature SignatureMethod SignatureVersion Timestamp Expires SecurityToken x-id"

static void put_labels(struct aws_emit *e, const struct aws_found *f)
{
	struct aws_member m;

	for (unsigned i = 0; i < f->nlabels; i++)
		if (f->op && aws_member_find(f->op->input, aws_name(f->labels[i].name), AWS_PATH, &m))
			aws_emit_text(e, aws_member_key(e, &m), uri_decode(e->arena, f->labels[i].value, false), m.shape);
}

/* A parameter that may be there several times is a list. */
static void put_values(struct aws_emit *e, struct str query, struct str key, const struct aws_member *m)
{
	struct aws_shape s;
	struct str k, value;

	if (!aws_shape_get(m->shape, &s) || s.kind != AWS_LIST) {
		if (uri_query_next(&query, &k, &value))
			aws_emit_text(e, aws_member_key(e, m), value.p ? uri_decode(e->arena, value, true) : STR(""), m->shape);
		return;
	}
	jsontext_open(&e->j, aws_member_key(e, m), '[');
	while (uri_query_next(&query, &k, &value))
		if (str_equal(uri_decode(e->arena, k, true), key))
			aws_emit_text(e, NO_KEY, value.p ? uri_decode(e->arena, value, true) : STR(""), s.element);
	jsontext_close(&e->j);
}

/* Does the template of the operation's path ask for it itself? */
static bool of_template(const struct aws_found *f, struct str key)
{
	struct str t = str_of(f->op ? aws_uri_text + f->op->uri : ""), k, value;

	str_cut(&t, '?');
	while (uri_query_next(&t, &k, &value))
		if (str_equal(k, key))
			return true;
	return false;
}

/* A member that is a map of whatever the query has besides. */
static bool rest_map(const struct aws_found *f, struct aws_member *ret)
{
	struct aws_shape s, map;

	if (!f->op || !aws_shape_get(f->op->input, &s))
		return false;
	while (aws_member_next(&s, ret))
		if (ret->location == AWS_QUERYSTRING && aws_shape_get(ret->shape, &map) && map.kind == AWS_MAP)
			return true;
	return false;
}

/* Known ones, or (`rest`) the others, of which only the names are shown. */
static void put_query_part(struct aws_emit *e, const struct aws_found *f, struct str *seen, bool rest)
{
	struct str query = f->uri.query, here = query, key, value;
	unsigned n = 0;
	struct aws_member m;

	for (; uri_query_next(&query, &key, &value); here = query) {
		bool again = false, known;

		key = uri_decode(e->arena, key, true);
		known = f->op && aws_member_find(f->op->input, key, AWS_QUERYSTRING, &m);
		if (known == rest || str_among(key, SENDING) || str_begins_nocase(key, "X-Amz-") || (rest && of_template(f, key)))
			continue;
		for (unsigned i = 0; i < n && !again; i++)
			again = str_equal(seen[i], key);
		if (again)
			continue;
		if (n == 64 || (rest && (key.n > 64 || secret_form(key)))) {
			e->j.omitted = true;
			continue;
		}
		seen[n++] = key;
		if (known)
			put_values(e, here, key, &m);
		else
			jsontext_hidden(&e->j, key);
	}
}

static void put_query(struct aws_emit *e, const struct aws_found *f)
{
	struct str seen[64];
	struct aws_member m;

	put_query_part(e, f, seen, false);
	if (rest_map(f, &m)) {
		size_t before = jsontext_mark(&e->j), open;

		jsontext_open(&e->j, aws_member_key(e, &m), '{');
		open = jsontext_mark(&e->j);
		put_query_part(e, f, seen, true);
		if (jsontext_mark(&e->j) == open) {
			jsontext_close(&e->j);
			jsontext_back(&e->j, before);
			return;
		}
		jsontext_close(&e->j);
		return;
	}
	put_query_part(e, f, seen, true);
}

static struct str header(const struct http_head *h, struct str name)
{
	for (unsigned i = 0; i < h->nfields; i++)
		if (h->fields[i].name.n == name.n && !strncasecmp(h->fields[i].name.p, name.p, name.n))
			return h->fields[i].value;
	return (struct str){ 0 };
}

void aws_put_headers(struct aws_emit *e, const struct http_head *h, unsigned shape)
{
	struct aws_member m;
	struct aws_shape s, list;

	if (!aws_shape_get(shape, &s))
		return;
	while (aws_member_next(&s, &m)) {
		struct str value = m.location == AWS_HEADER ? header(h, aws_name(m.wire)) : NO_KEY;

		if (!value.p)
			continue;
		if (aws_shape_get(m.shape, &list) && list.kind == AWS_LIST) {
			jsontext_open(&e->j, aws_member_key(e, &m), '[');
			while (value.p)
				aws_emit_text(e, NO_KEY, str_trim(str_cut(&value, ',')), list.element);
			jsontext_close(&e->j);
		} else {
			aws_emit_text(e, aws_member_key(e, &m), value, m.shape);
		}
	}
}

struct aws_node *aws_body(struct aws_tree *t, const struct aws_found *f, const struct http_message *m, bool partial)
{
	enum aws_protocol protocol = f->service ? f->service->protocol : AWS_JSON;
	struct str body = m->body.prefix;

	partial |= body.n < m->body.length;
	if (!body.n)
		return NULL;
	if (f->cbor)
		return aws_cbor_parse(t, body, partial);
	if (body.p[0] == '<' && (f->form || protocol == AWS_REST_XML || protocol == AWS_QUERY || protocol == AWS_EC2))
		return aws_xml_parse(t, body, partial);
	return aws_json_parse(t, body, partial);
}

/* The body is one member alone. */
static void put_payload(struct aws_emit *e, struct aws_tree *t, const struct http_call *call, const struct aws_found *f, struct aws_shape s)
{
	struct aws_member m = { 0 };
	struct aws_node *n;
	struct aws_shape inner;

	for (unsigned i = 0; i < s.payload; i++)
		if (!aws_member_next(&s, &m))
			return;
	if (!call->request.body.length)
		return;
	if (m.shape == AWS_BLOB || m.shape == AWS_STREAM) {
		jsontext_open(&e->j, aws_member_key(e, &m), '{');
		jsontext_bool(&e->j, STR("omitted"), true);
		if (!(call->flags & HTTP_LENGTH_UNKNOWN))
			jsontext_uint(&e->j, STR("originalSize"), call->request.body.length);
		jsontext_close(&e->j);
		return;
	}
	if (!aws_shape_get(m.shape, &inner)) {
		jsontext_hidden(&e->j, aws_member_key(e, &m));
		return;
	}
	n = aws_body(t, f, &call->request, call->flags & HTTP_BODY_PARTIAL);
	if (n)
		aws_emit_value(e, aws_member_key(e, &m), n, m.shape);
}

/* Without what says how it is sent. */
static void put_form(struct aws_emit *e, struct aws_tree *t, const struct http_call *call, const struct aws_found *f)
{
	bool post = str_is(call->request.head.method, "POST") && call->request.body.prefix.n;
	struct str fields = post ? call->request.body.prefix : f->uri.query;
	bool partial = post && (call->flags & HTTP_BODY_PARTIAL || call->request.body.prefix.n < call->request.body.length);
	struct aws_node *n = aws_form_parse(t, fields, partial);

	for (struct aws_node *c = n ? n->first : NULL; c; c = c->next)
		c->taken = str_among(c->name, SENDING) || str_begins_nocase(c->name, "X-Amz-");
	e->protocol = f->service && f->service->protocol == AWS_EC2 ? AWS_EC2 : AWS_QUERY;
	e->op = f->name;
	if (n && e->protocol == AWS_EC2 && f->op && str_is(f->name, "RunInstances"))
		aws_ec2_run(e, n, f->op->input);
	if (n)
		aws_emit_members(e, n, f->op ? f->op->input : AWS_NOTHING);
}

static void put_body(struct aws_emit *e, struct aws_tree *t, const struct http_call *call, const struct aws_found *f)
{
	struct aws_node *n;
	struct aws_shape s;

	if (f->op && aws_shape_get(f->op->input, &s) && s.payload) {
		put_payload(e, t, call, f, s);
		return;
	}
	n = aws_body(t, f, &call->request, call->flags & HTTP_BODY_PARTIAL);
	if (n && n->kind == NODE_OBJECT)
		aws_emit_members(e, n, f->op ? f->op->input : AWS_NOTHING);
}

int aws_request_parameters(const struct http_call *call, const struct aws_found *f, struct api_arena *a, struct api_call *ret_call)
{
	struct aws_emit e = { .arena = a, .call = ret_call, .protocol = f->service && f->service->protocol == AWS_REST_XML ? AWS_REST_XML : AWS_JSON };
	bool coded = call->request.body.length && aws_coded(&call->request.head);
	struct aws_tree t = { .arena = a };

	jsontext_begin(&e.j, a);
	e.j.omitted = coded;
	if (f->form && !coded) {
		put_form(&e, &t, call, f);
	} else {
		put_labels(&e, f);
		put_query(&e, f);
		if (f->op)
			aws_put_headers(&e, &call->request.head, f->op->input);
		if (!coded)
			put_body(&e, &t, call, f);
	}
	if (t.failed)
		return -ENOMEM;
	e.j.omitted |= t.cut;
	return jsontext_end(&e.j, &ret_call->request_parameters);
}
