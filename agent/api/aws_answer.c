/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_answer.c - errors of all protocols, and of what succeeded and wrote something, the members that the model names and does not
 * call sensitive. Answers of the token endpoints are never looked at unless they are errors.
 */
#include <errno.h>

#include "agent/api/aws_internal.h"

#define ERROR_TEXT_MAX 1024

bool aws_coded(const struct http_head *h)
{
	struct str coding = api_field(h, "content-encoding");

	return coding.n && !str_is_nocase(coding, "identity");
}

bool aws_failed(const struct http_call *call, const struct aws_found *f)
{
	unsigned status = call->response.head.status;

	return status >= 400 || (f->s3 && status >= 300 && status != 304);
}

/* "ns#Code:uri" */
static struct str code_of(struct str s)
{
	const char *hash = s.n ? memchr(s.p, '#', s.n) : NULL;

	s = hash ? str_from(s, (size_t)(hash + 1 - s.p)) : s;
	return str_trim(str_cut(&s, ':'));
}

static bool is_code(struct str s)
{
	if (!s.n || s.n > 200)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return true;
}

static struct str text_of(const struct aws_node *n, const char *name)
{
	const struct aws_node *c = aws_node_named(n, name);

	return c && c->kind == NODE_TEXT ? c->text : NO_KEY;
}

/* At most 1 KB, as CloudTrail has it, and whole characters. */
static struct str bounded(struct str s)
{
	size_t n = s.n < ERROR_TEXT_MAX ? s.n : ERROR_TEXT_MAX;

	while (n < s.n && n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return str_first(s, n);
}

/* "Value 'x' at 'masterUserPassword' failed to satisfy constraint": the value of a member whose name is a secret's. */
static bool repeats_secret(struct str s)
{
	const char *at = s.p;

	while ((at = memmem(at, (size_t)(s.p + s.n - at), " at '", 5))) {
		struct str rest = { at + 5, (size_t)(s.p + s.n - at - 5) }, path = str_cut(&rest, '\''), name = path;

		while (path.p)
			name = str_cut(&path, '.');
		if (rest.p && secret_name(name))
			return true;
		at += 5;
	}
	return secret_assigned(s) || secret_named(s);
}

/* The element that holds Code and Message, whichever the protocol puts around it. */
static const struct aws_node *error_element(const struct aws_node *root)
{
	const struct aws_node *n = aws_node_named(root, "Errors"), *inner = aws_node_named(n ? n : root, "Error");

	return inner ? inner : root;
}

static void from_xml(const struct aws_node *root, struct api_call *ret_call, struct str *code, struct str *message)
{
	const struct aws_node *e = error_element(root);
	static const char *const ids[] = { "RequestId", "RequestID", "requestId" };

	*code = text_of(e, "Code");
	*message = text_of(e, "Message");
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct str id = text_of(root, ids[i]);

		if (!ret_call->request_id.p && is_code(id) && id.n <= 128)
			ret_call->request_id = id;
	}
}

static void from_json(const struct aws_node *root, struct str *code, struct str *message)
{
	static const char *const codes[] = { "__type", "code", "Code" }, *const messages[] = { "message", "Message", "errorMessage" };

	for (unsigned i = 0; i < 3 && !code->n; i++)
		*code = code_of(text_of(root, codes[i]));
	for (unsigned i = 0; i < 3 && !message->n; i++)
		*message = text_of(root, messages[i]);
}

static struct aws_node *error_body(struct aws_tree *t, const struct http_call *call, const struct aws_found *f)
{
	struct str body = call->response.body.prefix;
	bool partial = call->flags & HTTP_BODY_PARTIAL || body.n < call->response.body.length;

	if (!body.n || aws_coded(&call->response.head))
		return NULL;
	if (body.p[0] == '<')
		return aws_xml_parse(t, body, partial);
	return f->cbor ? aws_cbor_parse(t, body, partial) : aws_json_parse(t, body, partial);
}

/* CloudTrail says of EC2's errors whose they are. */
static struct str code_as_recorded(const struct http_call *call, const struct aws_found *f, struct api_arena *a, struct str code)
{
	if (!f->service || f->service->protocol != AWS_EC2)
		return api_arena_str(a, code);
	return api_join(a, call->response.head.status < 500 ? STR("Client.") : STR("Server."), code, NO_KEY);
}

int aws_error(const struct http_call *call, const struct aws_found *f, struct api_arena *a, struct api_call *ret_call)
{
	const struct http_head *h = &call->response.head;
	struct str type = api_field(h, "x-amzn-errortype"), query = api_field(h, "x-amzn-query-error"), code = NO_KEY, message = NO_KEY;
	struct str body_code = NO_KEY;
	struct aws_tree t = { .arena = a };
	struct aws_node *n = error_body(&t, call, f);

	if (n && call->response.body.prefix.p[0] == '<')
		from_xml(n, ret_call, &body_code, &message);
	else if (n)
		from_json(n, &body_code, &message);
	code = code_of(str_cut(&query, ';'));
	if (!is_code(code))
		code = code_of(type);
	if (!is_code(code))
		code = body_code;
	if (is_code(code)) {
		ret_call->error_code = code_as_recorded(call, f, a, code);
		ret_call->error_message = (struct str){ 0 };
	}
	if (message.n)
		ret_call->error_message = repeats_secret(message) || aws_secret_text(a, message) ? STR(REDACT_HIDDEN) : bounded(message);
	return t.failed ? -ENOMEM : 0;
}

/* ---- responseElements */

static bool has_output(const struct http_call *call, const struct aws_found *f)
{
	unsigned status = call->response.head.status;

	return f->op && f->op->output && !(f->op->flags & (AWS_READ_ONLY | AWS_TOKENS)) && status >= 200 && status < 300;
}

/* Query puts the result into an element of its own. */
static struct aws_node *result_of(struct aws_node *root)
{
	for (struct aws_node *c = root->first; c; c = c->next)
		if (str_ends(c->name, "Result") && str_ends(root->name, "Response"))
			return c;
	return root;
}

static void take_request_id(struct aws_node *root, struct api_call *ret_call)
{
	struct aws_node *meta = aws_node_named(root, "ResponseMetadata"), *id = aws_node_named(meta ? meta : root, meta ? "RequestId" : "requestId");

	if (meta)
		meta->taken = true;
	if (!id || id->kind != NODE_TEXT)
		return;
	id->taken = true;
	if (!ret_call->request_id.p && is_code(id->text) && id->text.n <= 128)
		ret_call->request_id = id->text;
}

static void put_payload(struct aws_emit *e, struct aws_node *n, struct aws_shape s)
{
	struct aws_member m = { 0 };
	struct aws_shape inner;

	for (unsigned i = 0; i < s.payload; i++)
		if (!aws_member_next(&s, &m))
			return;
	if (aws_shape_get(m.shape, &inner) || m.shape == AWS_SECRET)
		aws_emit_value(e, aws_member_key(e, &m), n, m.shape);
}

static void put_body(struct aws_emit *e, struct aws_tree *t, const struct http_call *call, const struct aws_found *f)
{
	struct aws_node *n;
	struct aws_shape s;

	if (aws_coded(&call->response.head) || !aws_shape_get(f->op->output, &s))
		return;
	n = aws_body(t, f, &call->response, call->flags & HTTP_BODY_PARTIAL);
	if (!n || n->kind != NODE_OBJECT)
		return;
	if (call->response.body.prefix.p[0] == '<' && !f->cbor) {
		e->protocol = AWS_REST_XML;
		e->items = e->wire_names = f->service->protocol == AWS_EC2;
		take_request_id(n, e->call);
		if (e->items)
			jsontext_text(&e->j, STR("requestId"), e->call->request_id);
		if (!s.payload)
			n = f->form ? result_of(n) : n;
	}
	if (s.payload)
		put_payload(e, n, s);
	else
		aws_emit_members(e, n, f->op->output);
}

int aws_response_elements(const struct http_call *call, const struct aws_found *f, struct api_arena *a, struct api_call *ret_call)
{
	struct aws_emit e = { .arena = a, .call = ret_call, .protocol = AWS_JSON, .wire_names = f->s3 };
	struct aws_tree t = { .arena = a };

	if (!has_output(call, f))
		return 0;
	jsontext_begin(&e.j, a);
	if (f->s3) {
		aws_s3_headers(&e, &call->response.head, f->op->output);
	} else {
		aws_put_headers(&e, &call->response.head, f->op->output);
		put_body(&e, &t, call, f);
	}
	if (t.failed)
		return -ENOMEM;
	e.j.omitted |= t.cut;
	return jsontext_end(&e.j, &ret_call->response_elements);
}
