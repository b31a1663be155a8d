/* SPDX-License-Identifier: Apache-2.0 */
/* rule_files.c - calls by rule files: which operation, and what is made of its templates and sources. */
#include <errno.h>

#include "jsonread.h"
#include "route.h"
#include "rulefile.h"

#define COPY_DEPTH 4
#define PART_MAX 120		/* of one value in a name */

struct view {
	const struct rule_file *f;
	const struct rule_operation *op;
	const struct http_call *call;
	struct uri uri;
	struct route_match labels;
	struct str host;
};

static bool host_fits(const struct rule_file *f, struct str host)
{
	for (unsigned i = 0; i < f->nhosts; i++) {
		const char *h = f->hosts[i];

		if (h[0] == '*' ? str_in_domain(host, h + 2) && host.n > strlen(h + 2) : str_is_nocase(host, h))
			return true;
	}
	return !f->nhosts;
}

/* Conditions on the head. Those on the body are asked when it is there. */
static bool head_fits(const struct rule_conditions *c, const struct http_call *call, struct str query)
{
	for (unsigned i = 0; i < c->n; i++) {
		const struct rule_condition *k = &c->v[i];
		struct str v = { 0 };

		if (k->source.from == RULE_HEADER)
			v = api_field(&call->request.head, k->source.name);
		else if (k->source.from == RULE_QUERY && uri_query_get(query, k->source.name, &v) && !v.p)
			v = STR("");
		else if (k->source.from >= RULE_BODY)
			continue;
		if (!v.p || (k->value && !str_is(v, k->value)))
			return false;
	}
	return true;
}

static bool operation_fits(const struct rule_operation *op, const struct http_call *call, const struct uri *u, const struct uri_path *p,
			   struct route_match *ret_labels)
{
	if (op->methods && !str_among(call->request.head.method, op->methods))
		return false;
	if (op->path && !route_matches(str_of(op->path), p, ret_labels))
		return false;
	return head_fits(&op->conditions, call, u->query);
}

static int find(const struct rule_file *f, const struct api_peer *peer, const struct http_call *call, unsigned from, struct view *ret_view)
{
	struct uri_path p;

	*ret_view = (struct view){ .f = f, .call = call };
	uri_split(call->request.head.target, &ret_view->uri);
	uri_segments(ret_view->uri.path, &p);
	ret_view->host = uri_host_raw(peer, call);
	if (!host_fits(f, ret_view->host) || !head_fits(&f->conditions, call, ret_view->uri.query) ||
	    (f->path && !route_matches(str_of(f->path), &p, &ret_view->labels)))
		return -1;
	for (unsigned i = from; i < f->noperations; i++) {
		struct route_match labels = ret_view->labels;

		if (!operation_fits(&f->operations[i], call, &ret_view->uri, &p, &labels))
			continue;
		ret_view->labels = labels;
		ret_view->op = &f->operations[i];
		return (int)i;
	}
	return -1;
}

int rulefile_match(const struct rule_file *f, const struct api_peer *peer, const struct http_call *call, unsigned from)
{
	struct view v;

	return find(f, peer, call, from, &v);
}

static bool body_conditions(const struct rule_conditions *c)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->v[i].source.from >= RULE_BODY)
			return true;
	return false;
}

bool rulefile_wants(const struct rule_file *f, const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
	bool any = false;
	int i = -1;

	while ((i = rulefile_match(f, peer, call, (unsigned)i + 1)) >= 0) {
		any = true;
		if (f->operations[i].needs_body || body_conditions(&f->conditions))
			ret_wants->request = f->body_bytes;
		if (f->operations[i].error_code && api_error_wants(call, 1))
			ret_wants->response = RULEFILE_BODY_DEFAULT;
	}
	return any;
}

/* ---- values */

/* A form's parameter; of a body that is cut off, the last one may be, too, and is not told. */
static struct str form_value(const struct http_call *call, const char *name, struct api_arena *a)
{
	struct str rest = call->request.body.prefix, key, value;
	bool partial = call->flags & HTTP_BODY_PARTIAL || call->request.body.length > rest.n;

	while (uri_query_next(&rest, &key, &value))
		if (str_is(uri_decode(a, key, true), name) && (rest.n || !partial))
			return value.p ? uri_decode(a, value, true) : STR("");
	return (struct str){ 0 };
}

/* The value, and for a body's member what it is; absent: there is none. */
static struct str value_of(const struct view *v, const struct rule_source *s, struct api_arena *a, struct jsonread_value *ret_json)
{
	struct str value = { 0 };

	*ret_json = (struct jsonread_value){ 0 };
	switch (s->from) {
	case RULE_PATH:
		return route_label(&v->labels, s->name, a);
	case RULE_QUERY:
		return uri_query_get(v->uri.query, s->name, &value) ? uri_decode(a, value.p ? value : STR(""), true) : value;
	case RULE_HEADER:
		return api_field(&v->call->request.head, s->name);
	case RULE_FORM:
		return form_value(v->call, s->name, a);
	case RULE_METHOD:
		return v->call->request.head.method;
	case RULE_HOST:
		return v->host;
	case RULE_BODY:
		*ret_json = jsonread_at(v->call->request.body.prefix, s->name);
		return ret_json->kind == JSON_STRING ? jsonread_text(a, *ret_json) : ret_json->text;
	}
	return value;
}

static bool body_fits(const struct view *v, const struct rule_conditions *c, struct api_arena *a)
{
	struct jsonread_value json;

	for (unsigned i = 0; i < c->n; i++) {
		struct str s;

		if (c->v[i].source.from < RULE_BODY)
			continue;
		s = value_of(v, &c->v[i].source, a, &json);
		if (!s.p || (c->v[i].value && !str_is(s, c->v[i].value)))
			return false;
	}
	return true;
}

/* A template filled in, at most 255 bytes; what is missing is "unknown", or makes all of it absent. What is a secret is "{id}". */
static struct str fill(const struct view *v, const char *template, bool whole, struct api_arena *a)
{
	struct str rest = str_of(template), out = STR("");

	while (rest.p && out.p) {
		struct str literal = str_cut(&rest, '{'), value;
		struct jsonread_value json;
		struct rule_source source;
		char room[128];

		out = api_join(a, out, literal, NO_KEY);
		if (!rest.p || !out.p || !rule_source_parse(str_cut(&rest, '}'), &source, room, sizeof(room)))
			break;
		value = value_of(v, &source, a, &json);
		if (!value.n && whole)
			return (struct str){ 0 };
		if (!value.n || json.kind == JSON_OBJECT || json.kind == JSON_ARRAY)
			value = STR("unknown");
		if (secret_segment(value) == SEGMENT_SECRET || secret_name(str_of(source.name)))
			value = STR("{id}");
		out = api_join(a, out, str_first(value, PART_MAX), NO_KEY);
	}
	return out;
}

static int parameters(const struct view *v, struct api_arena *a, struct str *ret_text)
{
	struct jsontext j;

	jsontext_begin(&j, a);
	for (unsigned i = 0; i < v->op->nparameters; i++) {
		const struct rule_parameter *p = &v->op->parameters[i];
		struct jsonread_value json;
		struct str s = value_of(v, &p->source, a, &json), key = str_of(p->name);

		if (!s.p)
			continue;
		if (p->hidden || secret_name(str_of(p->source.name)) || secret_name(key))
			jsontext_hidden(&j, key);
		else if (json.kind)
			jsonread_copy(&j, key, json, COPY_DEPTH);
		else
			secret_put(&j, key, s);
	}
	return jsontext_end(&j, ret_text);
}

static void resources(const struct view *v, struct api_arena *a, struct api_call *ret_call)
{
	for (unsigned i = 0; i < v->op->nresources; i++) {
		struct str arn = fill(v, v->op->resources[i].arn, true, a);

		if (!arn.n)
			continue;
		ret_call->resources[ret_call->nresources++] = (struct api_resource){ .arn = arn, .type = str_of(v->op->resources[i].type) };
	}
}

int rulefile_describe(const struct rule_file *f, const struct api_peer *peer, const struct http_call *call, struct api_arena *a,
		      struct api_call *ret_call)
{
	struct view v;
	int i = -1;

	do {
		i = find(f, peer, call, (unsigned)i + 1, &v);
		if (i < 0)
			return 1;
	} while (!body_fits(&v, &f->conditions, a) || !body_fits(&v, &v.op->conditions, a));
	ret_call->rule = f->api;
	ret_call->event_name = fill(&v, v.op->event_name, false, a);
	if (!ret_call->event_name.p)
		return -ENOMEM;
	if (f->event_source)
		ret_call->event_source = str_of(f->event_source);
	ret_call->api_version = str_of(f->api_version);
	ret_call->read_only = v.op->read_only < 0 ? api_method_reads(call->request.head.method) : v.op->read_only;
	ret_call->category = v.op->category ? v.op->category : ret_call->read_only ? CATEGORY_DATA : CATEGORY_MANAGEMENT;
	if (v.op->error_code)
		api_json_error(call, v.op->error_code, a, ret_call);
	resources(&v, a, ret_call);
	return parameters(&v, a, &ret_call->request_parameters);
}
