/* SPDX-License-Identifier: Apache-2.0 */
/* kube.c - paths of the Kubernetes API, by the rules of its RequestInfo. */
#include "kube.h"

#include <errno.h>

static const struct {
	const char *method, *lower, *verb;
} verbs[] = {
	{ "GET", "get", "get" }, { "HEAD", "head", "get" }, { "POST", "post", "create" }, { "PUT", "put", "update" },
	{ "PATCH", "patch", "patch" }, { "DELETE", "delete", "delete" }, { "OPTIONS", "options", "" }, { "CONNECT", "connect", "" },
	{ "TRACE", "trace", "" },
};

static struct str verb_of(struct str method, bool is_resource)
{
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (str_is(method, verbs[i].method))
			return str_of(is_resource ? verbs[i].verb : verbs[i].lower);
	return STR("");
}

static struct str without_slashes(struct str s)
{
	while (s.n && s.p[0] == '/')
		s = str_from(s, 1);
	while (s.n && s.p[s.n - 1] == '/')
		s.n--;
	return s;
}

/* As the server reads a bool of a query: only "false" and "0" are false. */
static bool is_true(struct str value)
{
	return !str_is_nocase(value, "false") && !str_is(value, "0");
}

/* The name in "metadata.name=x" (or "=="), if that is one of the selector's terms. */
static struct str selected_name(struct str selector)
{
	struct str rest = selector;

	while (rest.p) {
		struct str value = str_cut(&rest, ','), field = str_cut(&value, '=');

		if (value.n && value.p[0] == '=')
			value = str_from(value, 1);
		if (str_is(field, "metadata.name") && value.n && !memchr(value.p, '/', value.n) && !memchr(value.p, '%', value.n) &&
		    !str_is(value, ".") && !str_is(value, ".."))
			return value;
	}
	return STR("");
}

/* A collection was asked for: it may be watched, one name of it selected, or all of it deleted. */
static int collection(struct str query, struct api_arena *a, struct kube_request *r)
{
	struct str value;

	if (r->name.n)
		return 0;
	if (str_is(r->verb, "delete"))
		r->verb = STR("deletecollection");
	if (!str_is(r->verb, "get"))
		return 0;
	r->verb = uri_query_get(query, "watch", &value) && is_true(value) ? STR("watch") : STR("list");
	if (!uri_query_get(query, "fieldSelector", &value) || !value.p)
		return 0;
	value = uri_decode(a, value, true);
	r->name = selected_name(value);
	return value.p ? 0 : -ENOMEM;
}

static void resource_parts(const struct uri_path *p, unsigned at, struct str path, struct kube_request *r)
{
	unsigned left = p->n - at;

	r->resource = p->segment[at];
	if (left >= 2)
		r->name = p->segment[at + 1];
	if (left >= 3 && !str_is(r->verb, "proxy"))
		r->subresource = p->segment[at + 2];
	if (left >= 4 && r->subresource.p)
		r->rest = (struct str){ p->segment[at + 3].p, (size_t)(path.p + path.n - p->segment[at + 3].p) };
}

int kube_parse(struct str method, struct str path, struct str query, struct api_arena *a, struct kube_request *ret_request)
{
	struct str none = STR(""), trimmed = without_slashes(path);
	struct kube_request r = { false, verb_of(method, false), none, none, none, none, none, none, none };
	struct uri_path p;
	unsigned at = 1;

	uri_segments(trimmed, &p);
	*ret_request = r;
	if (p.n < 3 || (!str_is(p.segment[0], "api") && !str_is(p.segment[0], "apis")))
		return 0;
	if (str_is(p.segment[0], "apis")) {
		if (p.n < 4)
			return 0;
		r.group = p.segment[at++];
	}
	r.is_resource = true;
	r.version = p.segment[at++];
	r.verb = verb_of(method, true);
	if (str_is(p.segment[at], "watch") || str_is(p.segment[at], "proxy")) {
		if (at + 1 >= p.n)
			return 0;
		r.verb = p.segment[at++];
	}
	if (str_is(p.segment[at], "namespaces") && at + 1 < p.n) {
		r.ns = p.segment[at + 1];
		if (at + 2 < p.n && !str_among(p.segment[at + 2], "status finalize"))
			at += 2;
	}
	resource_parts(&p, at, trimmed, &r);
	*ret_request = r;
	return collection(query, a, ret_request);
}
