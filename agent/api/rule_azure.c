/* SPDX-License-Identifier: Apache-2.0 */
/* rule_azure.c - Azure Resource Manager: operations as its activity log names them, "Microsoft.Compute/virtualMachines/write". Of bodies
 * only the code of an error. */
#include <errno.h>

#include "rules.h"

#define ERROR_MAX 4096
#define RESOURCES "Microsoft.Resources"

/* The path in parts: .../providers/NAMESPACE/type/name/type/name[/action]; without providers it is of subscriptions and groups. */
struct arm {
	struct str ns, subscription, group;
	struct str type[8];
	unsigned ntypes;
	struct str name;		/* of the last type; empty: the collection */
	struct str action;		/* of a POST: what follows a name or a collection; empty: none */
	size_t id_size;			/* how much of the path names the resource */
};

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	static const char *const domains[] = { "management.azure.com", "management.usgovcloudapi.net", "management.chinacloudapi.cn",
					       "management.core.windows.net", "management.microsoftazure.de" };
	struct str host = uri_host_raw(peer, call);
	struct uri u;

	uri_split(call->request.head.target, &u);
	if (!u.path.p)
		return false;
	for (unsigned i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
		if (str_in_domain(host, domains[i]))
			return true;
	return str_begins_nocase(u.path, "/subscriptions/") && memmem(u.path.p, u.path.n, "/providers/Microsoft.", 21) &&
	       memmem(u.query.p ? u.query.p : "", u.query.n, "api-version=", 12);
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
	ret_wants->response = api_error_wants(call, ERROR_MAX);
}

static unsigned last_providers(const struct uri_path *p)
{
	unsigned found = p->n;

	for (unsigned i = 0; i < p->n; i++)
		if (str_is_nocase(p->segment[i], "providers") && i + 1 < p->n)
			found = i;
	return found;
}

static void take_pairs(const struct uri_path *p, unsigned at, bool post, struct arm *arm)
{
	for (; at < p->n; at += 2) {
		bool last = at + 1 == p->n;

		if (last && post && arm->ntypes) {	/* .../name/action */
			arm->action = p->segment[at];
			return;
		}
		if (arm->ntypes < 8)
			arm->type[arm->ntypes++] = p->segment[at];
		arm->name = last ? STR("") : p->segment[at + 1];
		arm->id_size = (size_t)((last ? p->segment[at].p + p->segment[at].n : arm->name.p + arm->name.n) - p->segment[0].p) + 1;
	}
}

static void split(const struct uri_path *p, bool post, struct arm *arm)
{
	unsigned providers = last_providers(p);

	*arm = (struct arm){ .ns = STR(RESOURCES), .name = STR(""), .action = STR("") };
	if (p->n >= 2 && str_is_nocase(p->segment[0], "subscriptions"))
		arm->subscription = p->segment[1];
	if (p->n >= 4 && arm->subscription.p && str_is_nocase(p->segment[2], "resourceGroups"))
		arm->group = p->segment[3];
	if (providers < p->n) {
		arm->ns = p->segment[providers + 1];
		take_pairs(p, providers + 2, post, arm);
	} else {
		take_pairs(p, 0, post, arm);
	}
}

static struct str safe(struct str s)
{
	return secret_segment(s) == SEGMENT_SECRET || s.n > 80 ? STR("{id}") : s;
}

static struct str name_of(const struct arm *arm, struct str method, struct api_arena *a)
{
	struct str name = safe(arm->ns);

	for (unsigned i = 0; i < arm->ntypes && name.p; i++)
		name = api_join(a, name, STR("/"), safe(arm->type[i]), NO_KEY);
	if (str_is(method, "POST"))
		return api_join(a, name, STR("/"), arm->action.n ? safe(arm->action) : STR("action"), arm->action.n ? STR("/action") : STR(""), NO_KEY);
	if (api_method_reads(method))
		return api_join(a, name, STR("/read"), NO_KEY);
	return api_join(a, name, str_is(method, "DELETE") ? STR("/delete") : STR("/write"), NO_KEY);
}

static struct str visible(struct str s, struct api_arena *a)
{
	struct str v = uri_decode(a, s, false);

	return v.p && secret_segment(v) == SEGMENT_SECRET ? STR(REDACT_HIDDEN) : v;
}

static int parameters(const struct arm *arm, const struct uri *u, struct api_arena *a, struct str *ret_text)
{
	struct jsontext j;

	jsontext_begin(&j, a);
	if (arm->subscription.n)
		jsontext_text(&j, STR("subscriptionId"), visible(arm->subscription, a));
	if (arm->group.n)
		jsontext_text(&j, STR("resourceGroup"), visible(arm->group, a));
	if (arm->name.n)
		jsontext_text(&j, STR("name"), visible(arm->name, a));
	if (u->query.n) {
		jsontext_open(&j, STR("query"), '{');
		secret_put_query(&j, u->query, "$top $expand $select");
		jsontext_close(&j);
	}
	return jsontext_end(&j, ret_text);
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str method = call->request.head.method, version, code = api_field(&call->response.head, "x-ms-error-code"), id;
	struct uri_path p;
	struct arm arm;
	struct uri u;

	uri_split(call->request.head.target, &u);
	uri_segments(u.path, &p);
	split(&p, str_is(method, "POST"), &arm);
	ret_call->event_source = safe(arm.ns);
	ret_call->event_name = name_of(&arm, method, a);
	ret_call->category = CATEGORY_MANAGEMENT;
	ret_call->read_only = api_method_reads(method);
	if (uri_query_get(u.query, "api-version", &version) && version.n && version.n <= 32)
		ret_call->api_version = version;
	if (code.p)
		api_error_word(code, a, ret_call);
	else
		api_json_error(call, "error.code", a, ret_call);
	id = secret_path(a, STR(""), str_first(u.path, arm.id_size));
	if (arm.name.n && id.n && !str_is(id, REDACT_HIDDEN) && arm.ntypes) {
		ret_call->nresources = 1;
		ret_call->resources[0].arn = id;
		ret_call->resources[0].type = api_join(a, safe(arm.ns), STR("/"), safe(arm.type[arm.ntypes - 1]), NO_KEY);
		ret_call->resources[0].account = arm.subscription;
	}
	return ret_call->event_name.p ? parameters(&arm, &u, a, &ret_call->request_parameters) : -ENOMEM;
}

const struct api_rule api_rule_azure = { "azure", match, wants, describe, .answer = api_error_wants };
