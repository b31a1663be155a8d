/* SPDX-License-Identifier: Apache-2.0 */
/* rule_kube.c - calls of the Kubernetes API, as its audit log names them at level Metadata. Bodies: only an object's own name, and why
 * a call failed; nothing at all of what has to do with secrets and tokens. */
#include <errno.h>

#include "jsonread.h"
#include "jwt.h"
#include "kube.h"
#include "proto/redact.h"

#define BODY_MAX (16 * 1024)
#define STATUS_MAX 4096
#define WORDS_MAX 64
#define PART_MAX 253		/* of what becomes part of names: DNS subdomains */

/* Everything of the core group, v1. Other services have /api/v1/, too, some with things of these names (the second row). */
static const char core[] = "pods services nodes secrets configmaps namespaces events endpoints persistentvolumes persistentvolumeclaims "
			   "serviceaccounts replicationcontrollers resourcequotas limitranges podtemplates bindings componentstatuses";
static const char ambiguous[] = "services nodes secrets events bindings namespaces endpoints";

static bool is_version(struct str s)
{
	size_t at = 1;

	if (s.n < 2 || s.p[0] != 'v' || s.p[1] < '1' || s.p[1] > '9')
		return false;
	while (at < s.n && s.p[at] >= '0' && s.p[at] <= '9')
		at++;
	if (str_begins(str_from(s, at), "alpha"))
		at += 5;
	else if (str_begins(str_from(s, at), "beta"))
		at += 4;
	else
		return at == s.n;
	return str_digits(str_from(s, at));
}

/* Does anything but the path say that a Kubernetes API server is asked? */
static bool evident(const struct api_peer *peer, const struct http_call *call)
{
	static const char *const hosts[] = { "kube", "k8s", ".eks.", "azmk8s", "container." };
	struct str host = uri_host_raw(peer, call), agent = api_field(&call->request.head, "user-agent");

	if (memmem(agent.p ? agent.p : "", agent.n, "kube", 4) || memmem(agent.p ? agent.p : "", agent.n, "client-go", 9))
		return true;
	if (peer->port == 6443 || str_in_domain(host, "svc") || str_digits(str_first(host, 1)))
		return true;
	for (unsigned i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (host.n && memmem(host.p, host.n, hosts[i], strlen(hosts[i])))
			return true;
	return memmem(api_field(&call->request.head, "accept").p ?: "", api_field(&call->request.head, "accept").n, "application/vnd.kubernetes", 26);
}

/* A group of Kubernetes' own, or one that is a domain; a mere word may be anybody's. */
static bool is_group(struct str s)
{
	return str_among(s, "apps batch autoscaling policy extensions") || (memchr(s.p, '.', s.n) && secret_segment(s) == SEGMENT_WORD);
}

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	struct uri_path p;
	struct uri u;
	unsigned at = 2;

	uri_split(call->request.head.target, &u);
	if (!str_begins(u.path, "/api"))
		return str_begins(u.path, "/openapi/v") && evident(peer, call);
	uri_segments(u.path, &p);
	if (p.n && str_is(p.segment[0], "apis"))
		return p.n >= 3 && is_version(p.segment[2]) && is_group(p.segment[1]) ? true : evident(peer, call);
	if (!p.n || !str_is(p.segment[0], "api") || (p.n > 1 && !str_is(p.segment[1], "v1")))
		return false;
	if (p.n < 3)
		return evident(peer, call);
	if (str_among(p.segment[at], "watch proxy"))
		at++;
	if (at + 2 < p.n && str_is(p.segment[at], "namespaces"))
		return str_among(p.segment[at + 2], core) || str_among(p.segment[at + 2], "status finalize") || evident(peer, call);
	if (at >= p.n || !str_among(p.segment[at], core))
		return at < p.n && evident(peer, call);
	return !str_among(p.segment[at], ambiguous) || evident(peer, call);
}

/* Objects that are secrets, or reviews of tokens: nothing of their bodies is looked at. */
static bool secret_body(const struct kube_request *r)
{
	return str_among(r->resource, "secrets tokenreviews certificatesigningrequests") || str_is(r->subresource, "token") ||
	       !r->is_resource || str_among(r->subresource, "proxy exec attach portforward log");
}

static int parse(const struct http_call *call, struct api_arena *a, struct uri *ret_uri, struct kube_request *ret_request)
{
	struct str path;

	uri_split(call->request.head.target, ret_uri);
	path = uri_decode(a, ret_uri->path.p ? ret_uri->path : STR(""), false);
	return path.p ? kube_parse(call->request.head.method, path, ret_uri->query, a, ret_request) : -ENOMEM;
}

/* By the path as it is: the server decodes it first, but no resource's name needs that. */
static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
	struct kube_request r;
	struct uri u;

	uri_split(call->request.head.target, &u);
	if (memchr(u.path.p, '%', u.path.n) || kube_parse(call->request.head.method, u.path, (struct str){ 0 }, NULL, &r) < 0 || secret_body(&r))
		return;
	if (str_is(r.verb, "create") && api_content_type(&call->request.head, "application/json"))
		ret_wants->request = BODY_MAX;
	ret_wants->response = api_error_wants(call, STATUS_MAX);
}

static struct str source(const struct kube_request *r, struct api_arena *a)
{
	if (!r->group.n)
		return STR("core.k8s.io");
	if (memchr(r->group.p, '.', r->group.n))	/* "rbac.authorization.k8s.io", and those of others */
		return r->group;
	return api_join(a, r->group, STR(".k8s.io"), NO_KEY);
}

/* A part of a path that becomes part of a name: bounded, and never a secret. */
static struct str part(struct str s)
{
	return s.n > PART_MAX || secret_segment(s) == SEGMENT_SECRET ? STR("{id}") : s;
}

static struct str name_of(const struct kube_request *r, struct str host, struct str path, struct api_arena *a)
{
	if (!r->is_resource)
		return api_join(a, r->verb.n ? r->verb : STR("unknown"), STR(" "), secret_template(a, host, path), NO_KEY);
	return api_join(a, r->verb.n ? r->verb : STR("unknown"), STR(" "), part(r->resource), r->subresource.n ? STR("/") : STR(""),
			part(r->subresource), NO_KEY);
}

/* `command=` once for every word, in their order. */
static int put_command(struct jsontext *j, struct str query)
{
	struct str v[WORDS_MAX], key, value;
	unsigned n = 0;
	char *room;

	while (uri_query_next(&query, &key, &value))
		if (str_is(key, "command") && value.p && n < WORDS_MAX) {
			v[n] = uri_decode(j->arena, value, true);
			if (!v[n++].p)
				return -ENOMEM;
		}
	if (!n)
		return 0;
	room = api_arena_get(j->arena, 16 * 1024);
	if (!room)
		return -ENOMEM;
	redact_argv(v, n, room, 16 * 1024);
	jsontext_open(j, STR("command"), '[');
	for (unsigned i = 0; i < n; i++)
		secret_put(j, NO_KEY, v[i]);
	jsontext_close(j);
	return 0;
}

/* The same without its commands. */
static struct str without_commands(struct api_arena *a, struct str query)
{
	char *p = api_arena_get(a, query.n + 1);
	struct str key, value;
	size_t n = 0;

	while (p && uri_query_next(&query, &key, &value)) {
		if (str_is(key, "command"))
			continue;
		if (n)
			p[n++] = '&';
		memcpy(p + n, key.p, key.n);
		n += key.n;
		if (value.p) {
			p[n++] = '=';
			memcpy(p + n, value.p, value.n);
			n += value.n;
		}
	}
	return (struct str){ p, n };
}

static void put_impersonation(struct jsontext *j, const struct http_head *h)
{
	struct str user = api_field(h, "impersonate-user"), uid = api_field(h, "impersonate-uid");
	bool groups = false;

	if (!user.p && !uid.p && !api_field(h, "impersonate-group").p)
		return;
	jsontext_open(j, STR("impersonatedUser"), '{');
	secret_put(j, STR("username"), user);
	secret_put(j, STR("uid"), uid);
	for (unsigned i = 0; i < h->nfields; i++) {
		if (!str_is(h->fields[i].name, "impersonate-group"))
			continue;
		if (!groups)
			jsontext_open(j, STR("groups"), '[');
		groups = true;
		secret_put(j, NO_KEY, h->fields[i].value);
	}
	if (groups)
		jsontext_close(j);
	jsontext_close(j);
}

static const char queries[] =
	"labelSelector fieldSelector resourceVersion resourceVersionMatch timeoutSeconds allowWatchBookmarks sendInitialEvents dryRun fieldManager "
	"fieldValidation propagationPolicy orphanDependents gracePeriodSeconds container stdin stdout stderr tty follow previous tailLines "
	"sinceSeconds sinceTime timestamps limitBytes ports includeUninitialized export exact";

static void put_member(struct jsontext *j, const char *key, struct str s)
{
	if (s.n)
		jsontext_text(j, str_of(key), secret_segment(s) == SEGMENT_SECRET ? STR(REDACT_HIDDEN) : s);
}

static int parameters(const struct http_call *call, const struct kube_request *r, const struct uri *u, struct str host, struct api_arena *a,
		      struct str *ret_text)
{
	bool proxied = str_is(r->subresource, "proxy") || str_is(r->verb, "proxy");
	struct str query = without_commands(a, u->query);
	struct jsontext j;

	jsontext_begin(&j, a);
	if (r->is_resource) {
		put_member(&j, "resource", r->resource);
		put_member(&j, "namespace", r->ns);
		put_member(&j, "name", r->name);
		put_member(&j, "subresource", r->subresource);
		put_member(&j, "apiGroup", r->group);
		put_member(&j, "apiVersion", r->version);
		if (r->rest.n)
			jsontext_text(&j, STR("path"), secret_path(a, host, r->rest));
	} else {
		jsontext_text(&j, STR("path"), secret_path(a, host, u->path));
	}
	if (put_command(&j, proxied ? (struct str){ 0 } : u->query) < 0)
		return -ENOMEM;
	if (query.n) {
		jsontext_open(&j, STR("query"), '{');
		secret_put_query(&j, query, proxied ? NULL : queries);
		jsontext_close(&j);
	}
	put_impersonation(&j, &call->request.head);
	return jsontext_end(&j, ret_text);
}

/* What the audit log adds to its objectRef from a created object. */
static void name_from_body(const struct http_call *call, struct api_arena *a, struct kube_request *r)
{
	struct str body = call->request.body.prefix, s;

	if (!str_is(r->verb, "create") || secret_body(r) || !api_content_type(&call->request.head, "application/json"))
		return;
	s = jsonread_text(a, jsonread_at(body, "metadata.name"));
	if (!r->name.n && s.n && s.n <= PART_MAX)
		r->name = s;
	s = jsonread_text(a, jsonread_at(body, "metadata.namespace"));
	if (!r->ns.n && s.n && s.n <= PART_MAX)
		r->ns = s;
}

/* The Status that answers a failed call; its message where that names no values of the object. */
static void error_from_body(const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str body = call->response.body.prefix, reason, message;

	if (call->response.head.status < 400 || !api_content_type(&call->response.head, "application/json") ||
	    !str_is(jsonread_text(a, jsonread_get(body, "kind")), "Status"))
		return;
	reason = jsonread_text(a, jsonread_get(body, "reason"));
	message = jsonread_text(a, jsonread_get(body, "message"));
	if (reason.n && reason.n <= 64 && secret_segment(reason) == SEGMENT_WORD)
		ret_call->error_code = reason;
	if (message.n && message.n <= 1024 && !secret_form(message) && !secret_told(message, false) &&
	    str_among(reason, "NotFound Forbidden AlreadyExists Unauthorized Conflict MethodNotAllowed Expired Gone Timeout ServerTimeout"))
		ret_call->error_message = message;
}

static bool reads(const struct kube_request *r, struct str method)
{
	if (str_among(r->subresource, "exec attach portforward"))
		return false;
	if (!r->is_resource || str_is(r->subresource, "proxy") || str_is(r->verb, "proxy"))
		return api_method_reads(method);
	if (str_among(r->resource, "tokenreviews subjectaccessreviews selfsubjectaccessreviews localsubjectaccessreviews selfsubjectrulesreviews"))
		return true;
	return str_among(r->verb, "get list watch");
}

/* "core/v1/namespaces/default/pods/web" */
static void resource(const struct kube_request *r, struct api_arena *a, struct api_call *ret_call)
{
	struct str ns = str_is(r->resource, "namespaces") ? STR("") : part(r->ns);

	if (!r->is_resource || !r->name.n || secret_segment(r->name) == SEGMENT_SECRET)
		return;
	ret_call->nresources = 1;
	ret_call->resources[0].type = api_join(a, STR("Kubernetes::"), part(r->resource), NO_KEY);
	ret_call->resources[0].arn = api_join(a, r->group.n ? r->group : STR("core"), STR("/"), r->version, ns.n ? STR("/namespaces/") : STR(""), ns,
					      STR("/"), part(r->resource), STR("/"), r->name, NO_KEY);
}

/* As for any rule, and whom the token names: service accounts have no other name in a call. */
static int additional(const struct http_call *call, struct str host, struct api_arena *a, struct str *ret_text)
{
	struct jsontext j;

	jsontext_begin(&j, a);
	if (host.n)
		jsontext_text(&j, STR("host"), host);
	api_additional(&j, call);
	jsontext_text(&j, STR("tokenSubject"), jwt_claim(api_field(&call->request.head, "authorization"), "sub", a));
	return jsontext_end(&j, ret_text);
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str host = ret_call->event_source, audit = api_field(&call->response.head, "audit-id");
	struct kube_request request;
	struct uri u;
	int r = parse(call, a, &u, &request);

	if (r)
		return r;
	name_from_body(call, a, &request);
	error_from_body(call, a, ret_call);
	ret_call->event_source = source(&request, a);
	ret_call->event_name = name_of(&request, host, u.path, a);
	ret_call->api_version = request.is_resource ? request.version : (struct str){ 0 };
	ret_call->category = CATEGORY_MANAGEMENT;
	ret_call->read_only = reads(&request, call->request.head.method);
	if (audit.n && audit.n <= 128)
		ret_call->request_id = api_arena_str(a, audit);
	resource(&request, a, ret_call);
	r = additional(call, host, a, &ret_call->additional);
	return r ? r : parameters(call, &request, &u, host, a, &ret_call->request_parameters);
}

const struct api_rule api_rule_kube = { "kubernetes", match, wants, describe, .answer = api_error_wants };
