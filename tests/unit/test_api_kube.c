/* SPDX-License-Identifier: Apache-2.0 */
/* test_api_kube.c - requests to the Kubernetes API, and what its audit log calls them (reference: API concepts, auditing, RequestInfo). */
#include "agent/api/kube.h"
#include "callmake.h"
#include "tests/tap.h"

static struct callmake m;

/* verb group version namespace resource subresource name */
static const struct {
	const char *method, *target, *want;
} requests[] = {
	{ "GET", "/api/v1/namespaces", "list||v1||namespaces||" },
	{ "GET", "/api/v1/namespaces/other", "get||v1|other|namespaces||other" },
	{ "GET", "/api/v1/namespaces/other/pods", "list||v1|other|pods||" },
	{ "GET", "/api/v1/namespaces/other/pods/", "list||v1|other|pods||" },
	{ "GET", "/api/v1/namespaces/other/pods/foo", "get||v1|other|pods||foo" },
	{ "HEAD", "/api/v1/namespaces/other/pods/foo", "get||v1|other|pods||foo" },
	{ "GET", "/api/v1/pods", "list||v1||pods||" },
	{ "HEAD", "/api/v1/pods", "list||v1||pods||" },
	{ "GET", "/api/v1/pods?watch=true", "watch||v1||pods||" },
	{ "GET", "/api/v1/pods?watch=1", "watch||v1||pods||" },
	{ "GET", "/api/v1/pods?watch", "watch||v1||pods||" },
	{ "GET", "/api/v1/pods?watch=false", "list||v1||pods||" },
	{ "GET", "/api/v1/pods?watch=0", "list||v1||pods||" },
	{ "GET", "/api/v1/namespaces/other/pods/foo?watch=true", "get||v1|other|pods||foo" },
	{ "GET", "/api/v1/watch/pods", "watch||v1||pods||" },
	{ "GET", "/api/v1/watch/namespaces/other/pods", "watch||v1|other|pods||" },
	{ "GET", "/api/v1/watch/namespaces/other/pods/foo", "watch||v1|other|pods||foo" },
	{ "GET", "/api/v1/namespaces/other/pods?watch=true&fieldSelector=metadata.name%3Dfoo", "watch||v1|other|pods||foo" },
	{ "GET", "/api/v1/namespaces/other/pods?fieldSelector=status.phase%3DRunning%2Cmetadata.name%3D%3Dfoo", "list||v1|other|pods||foo" },
	{ "GET", "/api/v1/namespaces/other/pods?fieldSelector=metadata.name!%3Dfoo", "list||v1|other|pods||" },
	{ "DELETE", "/api/v1/namespaces/other/pods?fieldSelector=metadata.name%3Dfoo", "deletecollection||v1|other|pods||" },
	{ "GET", "/api/v1/namespaces/other/pods/foo/status", "get||v1|other|pods|status|foo" },
	{ "GET", "/api/v1/namespaces/other/pods/foo/log?container=c", "get||v1|other|pods|log|foo" },
	{ "POST", "/api/v1/namespaces/other/pods/foo/exec?command=ls", "create||v1|other|pods|exec|foo" },
	{ "GET", "/api/v1/namespaces/other/pods/foo/exec?command=ls", "get||v1|other|pods|exec|foo" },
	{ "GET", "/api/v1/nodes/n1/proxy/metrics/cadvisor", "get||v1||nodes|proxy|n1" },
	{ "GET", "/api/v1/proxy/namespaces/other/pods/foo", "proxy||v1|other|pods||foo" },
	{ "GET", "/api/v1/proxy/namespaces/other/pods/foo/x/y", "proxy||v1|other|pods||foo" },
	{ "GET", "/api/v1/namespaces/other/finalize", "get||v1|other|namespaces|finalize|other" },
	{ "PUT", "/api/v1/namespaces/other/finalize", "update||v1|other|namespaces|finalize|other" },
	{ "PUT", "/api/v1/namespaces/other/status", "update||v1|other|namespaces|status|other" },
	{ "POST", "/api/v1/namespaces/other/pods", "create||v1|other|pods||" },
	{ "POST", "/api/v1/namespaces/other/serviceaccounts/sa/token", "create||v1|other|serviceaccounts|token|sa" },
	{ "PUT", "/api/v1/namespaces/other/pods/foo", "update||v1|other|pods||foo" },
	{ "PATCH", "/apis/apps/v1/namespaces/other/deployments/foo/scale", "patch|apps|v1|other|deployments|scale|foo" },
	{ "DELETE", "/api/v1/namespaces/other/pods/foo", "delete||v1|other|pods||foo" },
	{ "DELETE", "/api/v1/namespaces/other/pods", "deletecollection||v1|other|pods||" },
	{ "DELETE", "/api/v1/namespaces/other", "delete||v1|other|namespaces||other" },
	{ "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "create|rbac.authorization.k8s.io|v1||clusterrolebindings||" },
	{ "GET", "/apis/example.com/v1beta1/namespaces/x/widgets/w", "get|example.com|v1beta1|x|widgets||w" },
	/* no resources */
	{ "GET", "/api", "!get" },
	{ "GET", "/api/v1", "!get" },
	{ "GET", "/apis/apps", "!get" },
	{ "GET", "/apis/apps/v1", "!get" },
	{ "HEAD", "/healthz", "!head" },
	{ "POST", "/openapi/v2", "!post" },
	{ "GET", "/", "!get" },
	{ "GET", "/apiss/apps/v1/pods", "!get" },
};

static void names_requests_as_the_audit_log(void)
{
	if (!m.arena && api_arena_new(&m.arena) < 0)
		abort();
	for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct kube_request r;
		char got[256];
		struct uri u;

		uri_split(str_of(requests[i].target), &u);
		must(!kube_parse(str_of(requests[i].method), u.path, u.query, m.arena, &r));
#define P(s) (int)(s).n, (s).p
		if (r.is_resource)
			snprintf(got, sizeof(got), "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s", P(r.verb), P(r.group), P(r.version), P(r.ns), P(r.resource),
				 P(r.subresource), P(r.name));
		else
			snprintf(got, sizeof(got), "!%.*s", P(r.verb));
		ok_str(got, requests[i].want);
	}
}

static const struct {
	const char *request, *fields, *body, *source, *name, *parameters, *resource;
	bool read_only;
} calls[] = {
	{ "POST https://10.0.0.1:6443/api/v1/namespaces/default/pods?fieldManager=kubectl-create", "content-type: application/json",
	  "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"labels\":{}},\"spec\":{\"containers\":[{\"env\":[{\"value\":\"s3", "core.k8s.io",
	  "create pods", "{\"resource\":\"pods\",\"namespace\":\"default\",\"name\":\"web\",\"apiVersion\":\"v1\",\"query\":{\"fieldManager\":\"kubectl-create\"}}",
	  "core/v1/namespaces/default/pods/web", false },
	{ "GET https://k/api/v1/namespaces/kube-system/pods?limit=500&labelSelector=app%3Dx&continue=eyJ2Ijoi", "accept: application/json", NULL,
	  "core.k8s.io", "list pods", "{\"resource\":\"pods\",\"namespace\":\"kube-system\",\"apiVersion\":\"v1\",\"query\":{\"limit\":\"500\","
	  "\"labelSelector\":\"app=x\",\"continue\":\"HIDDEN_DUE_TO_SECURITY_REASONS\"}}", NULL, true },
	{ "POST https://10.0.0.1/api/v1/namespaces/d/pods/web/exec?command=mysql&command=-psecret&command=a+b&stdin=true&container=c", "upgrade: SPDY/3.1",
	  NULL, "core.k8s.io", "create pods/exec", "{\"resource\":\"pods\",\"namespace\":\"d\",\"name\":\"web\",\"subresource\":\"exec\",\"apiVersion\":\"v1\","
	  "\"command\":[\"mysql\",\"-pHIDDEN_DUE_TO_SECURITY_REASONS\",\"a b\"],\"query\":{\"stdin\":\"true\",\"container\":\"c\"}}",
	  "core/v1/namespaces/d/pods/web", false },
	{ "GET https://10.0.0.1/api/v1/namespaces/d/pods/web/exec?command=ls", "connection: upgrade", NULL, "core.k8s.io", "get pods/exec",
	  "{\"resource\":\"pods\",\"namespace\":\"d\",\"name\":\"web\",\"subresource\":\"exec\",\"apiVersion\":\"v1\",\"command\":[\"ls\"]}",
	  "core/v1/namespaces/d/pods/web", false },
	{ "PATCH https://k/apis/apps/v1/namespaces/d/deployments/web", "impersonate-user: jane\nimpersonate-group: dev\nimpersonate-group: ops", "[]",
	  "apps.k8s.io", "patch deployments", "{\"resource\":\"deployments\",\"namespace\":\"d\",\"name\":\"web\",\"apiGroup\":\"apps\",\"apiVersion\":\"v1\","
	  "\"impersonatedUser\":{\"username\":\"jane\",\"groups\":[\"dev\",\"ops\"]}}", "apps/v1/namespaces/d/deployments/web", false },
	{ "DELETE https://k/apis/rbac.authorization.k8s.io/v1/clusterroles/admin", NULL, NULL, "rbac.authorization.k8s.io", "delete clusterroles",
	  "{\"resource\":\"clusterroles\",\"name\":\"admin\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"apiVersion\":\"v1\"}",
	  "rbac.authorization.k8s.io/v1/clusterroles/admin", false },
	{ "GET https://10.0.0.1/api/v1/nodes/n1/proxy/run/x?token=abc&cmd=id", NULL, NULL, "core.k8s.io", "get nodes/proxy",
	  "{\"resource\":\"nodes\",\"name\":\"n1\",\"subresource\":\"proxy\",\"apiVersion\":\"v1\",\"path\":\"run/x\",\"query\":{"
	  "\"token\":\"HIDDEN_DUE_TO_SECURITY_REASONS\",\"cmd\":\"HIDDEN_DUE_TO_SECURITY_REASONS\"}}", "core/v1/nodes/n1", true },
	{ "GET https://10.0.0.1/apis", "user-agent: kubectl/v1.20.2", NULL, "core.k8s.io", "get /apis", "{\"path\":\"/apis\"}", NULL, true },
	{ "POST https://k/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", NULL, NULL, "authorization.k8s.io", "create selfsubjectaccessreviews",
	  "{\"resource\":\"selfsubjectaccessreviews\",\"apiGroup\":\"authorization.k8s.io\",\"apiVersion\":\"v1\"}", NULL, true },
};

static void describes_calls(void)
{
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		callmake(&m, calls[i].request, calls[i].fields, calls[i].body, 200, "audit-id: 4c0f", NULL);
		must(!callmake_describe(&m));
		ok_str(m.out.rule, "kubernetes");
		ok_str(callmake_text(&m, m.out.event_source), calls[i].source);
		ok_str(callmake_text(&m, m.out.event_name), calls[i].name);
		ok_str(callmake_text(&m, m.out.request_parameters), calls[i].parameters);
		ok_str(callmake_text(&m, m.out.nresources ? m.out.resources[0].arn : (struct str){ 0 }), calls[i].resource ? calls[i].resource : "(absent)");
		ok_str(callmake_text(&m, m.out.request_id), "4c0f");
		ok_int(m.out.read_only, calls[i].read_only);
		ok_int(m.out.category, CATEGORY_MANAGEMENT);
	}
}

/* Others have /api/v1/, too. */
static void leaves_other_apis_alone(void)
{
	static const char *const others[] = {
		"GET https://prometheus.test/api/v1/query?query=up", "POST https://api.datadoghq.com/api/v1/events", "GET https://consul.test/api/v1/services",
		"GET https://vault.test/api/v1/secrets", "GET https://a.test/api/v2/pods", "GET https://a.test/apis/x/y/z", "GET https://a.test/api/v1/query_range",
		"GET https://a.test/apis", "GET https://a.test/apis/user/v1/items", "GET https://a.test/apis/apps/latest/items",
	};

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		callmake(&m, others[i], NULL, NULL, 200, NULL, NULL);
		must(!callmake_describe(&m));
		ok_str(m.out.rule, "http");
	}
}

static void tells_why_it_failed(void)
{
	static const char answer[] = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"pods \\\"x\\\" not found\","
				     "\"reason\":\"NotFound\",\"details\":{\"name\":\"x\",\"kind\":\"pods\"},\"code\":404}\n";
	static const char invalid[] = "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"ConfigMap \\\"x\\\" is invalid: data[k]: Invalid value: \\\"pw\\\"\","
				      "\"reason\":\"Invalid\",\"code\":422}";

	callmake(&m, "GET https://10.0.0.1/api/v1/namespaces/d/pods/x", NULL, NULL, 404, "content-type: application/json", answer);
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.error_code), "NotFound");
	ok_str(callmake_text(&m, m.out.error_message), "pods \"x\" not found");
	callmake(&m, "PUT https://10.0.0.1/api/v1/namespaces/d/configmaps/x", NULL, NULL, 422, "content-type: application/json", invalid);
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.error_code), "Invalid");
	ok_str(callmake_text(&m, m.out.error_message), "HTTP status 422");
}

static void never_asks_for_bodies_of_secrets(void)
{
	static const char *const calls_with_secrets[] = {
		"POST https://10.0.0.1/api/v1/namespaces/d/secrets", "PUT https://10.0.0.1/api/v1/namespaces/d/secrets/x", "GET https://10.0.0.1/api/v1/secrets",
		"POST https://k/api/v1/namespaces/d/serviceaccounts/s/token", "POST https://k/apis/authentication.k8s.io/v1/tokenreviews",
		"GET https://k/api/v1/namespaces/d/pods/x/log", "POST https://k/api/v1/namespaces/d/pods/x/proxy/secrets",
		"POST https://10.0.0.1/api/v1/namespaces/d/%73ecrets",
	};
	struct http_wants w;

	for (unsigned i = 0; i < sizeof(calls_with_secrets) / sizeof(calls_with_secrets[0]); i++) {
		callmake(&m, calls_with_secrets[i], "content-type: application/json", "{\"metadata\":{\"name\":\"PLANTED\"}}", 0, NULL, NULL);
		api_wants(&m.peer, &m.call, &w);
		ok(!w.request && !w.response);
		must(!api_describe(&m.peer, &m.call, m.arena, &m.out));		/* also with the body there */
		ok_str(m.out.rule, "kubernetes");
		ok(!strstr(callmake_text(&m, m.out.request_parameters), "PLANTED"));
	}
	callmake(&m, "GET https://10.0.0.1/api/v1/namespaces/d/pods", NULL, NULL, 0, NULL, NULL);
	api_wants(&m.peer, &m.call, &w);
	ok(w.response > 0);
	m.call.response.head.status = 200;
	api_wants(&m.peer, &m.call, &w);
	ok_int(w.response, 0);
}

static void tells_whom_a_token_names(void)
{
	static const struct {
		const char *authorization, *subject;
	} tokens[] = {
		{ "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50Iiwic3ViIjoic3lzdGVtOnNlcnZpY2VhY2NvdW50OmRlZmF1bHQ6cm9ib3QiLCJ4IjoiUExBTlRFRCJ9.SIGNATURE", "system:serviceaccount:default:robot" },
		{ "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4Iiwic3ViIjo1fQ.S", NULL },
		{ "Bearer abc.def.ghi", NULL }, { "Bearer eyJhbGciOiJSUzI1NiJ9.%%.x", NULL }, { "Bearer eyJhbGciOiJSUzI1NiJ9.e30", NULL }, { "Basic Ym9iOnB3", NULL },
	};

	for (unsigned i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		char fields[1024], want[200] = "";
		const char *got;

		snprintf(fields, sizeof(fields), "authorization: %s", tokens[i].authorization);
		callmake(&m, "GET https://10.0.0.1/api/v1/namespaces/d/pods", fields, NULL, 200, NULL, NULL);
		must(!callmake_describe(&m));
		got = callmake_text(&m, m.out.additional);
		if (tokens[i].subject)
			snprintf(want, sizeof(want), "\"tokenSubject\":\"%s\"", tokens[i].subject);
		ok(tokens[i].subject ? strstr(got, want) != NULL : !strstr(got, "tokenSubject"));
		ok(strstr(got, "\"host\":\"10.0.0.1\"") && !strstr(got, "PLANTED") && !strstr(got, "SIGNATURE") && !strstr(got, "eyJ"));
	}
}

static const struct tap_case cases[] = {
	CASE(names_requests_as_the_audit_log), CASE(describes_calls), CASE(leaves_other_apis_alone), CASE(tells_why_it_failed),
	CASE(never_asks_for_bodies_of_secrets), CASE(tells_whom_a_token_names),
};

int main(void)
{
	int r = tap_run(cases, sizeof(cases) / sizeof(cases[0]));

	api_arena_free(&m.arena);
	return r;
}
