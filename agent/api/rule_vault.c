/* SPDX-License-Identifier: Apache-2.0 */
/* rule_vault.c - HashiCorp Vault: the operation and the path, as its audit log has them. Never a body. */
#include "rules.h"

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	const struct http_head *h = &call->request.head;
	struct uri u;

	uri_split(h->target, &u);
	return str_begins(u.path, "/v1/") && (api_field(h, "x-vault-token").p || api_field(h, "x-vault-request").p || api_field(h, "x-vault-namespace").p);
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
}

static struct str operation(struct str method, struct str query)
{
	static const struct {
		const char *method, *name;
	} rows[] = {
		{ "GET", "read" }, { "LIST", "list" }, { "POST", "update" }, { "PUT", "update" }, { "PATCH", "patch" }, { "DELETE", "delete" },
		{ "HEAD", "header" }, { "SCAN", "scan" },
	};
	struct str value;

	if (str_is(method, "GET") && uri_query_get(query, "list", &value) && str_is(value, "true"))
		return STR("list");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_is(method, rows[i].method))
			return str_of(rows[i].name);
	return STR("unknown");
}

/* A token may stand in the path of old calls ("auth/token/lookup/s.x..."): behind these words nothing is shown. */
static bool secret_path_of(struct str path)
{
	static const char *const prefixes[] = { "auth/token/lookup/", "auth/token/renew/", "auth/token/revoke/", "auth/token/revoke-orphan/",
						"sys/wrapping/", "cubbyhole/response" };
	struct uri_path p;

	for (struct str rest = path; rest.p; str_cut(&rest, '/'))	/* before it a namespace may stand */
		for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
			if (str_begins(rest, prefixes[i]) && rest.n > strlen(prefixes[i]))
				return true;
	uri_segments(path, &p);
	for (unsigned i = 0; i < p.n; i++)
		if (secret_segment(p.segment[i]) == SEGMENT_SECRET)
			return true;
	return false;
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str path, shown;
	struct jsontext j;
	struct uri u;

	uri_split(call->request.head.target, &u);
	path = uri_decode(a, str_from(u.path, 4), false);
	shown = secret_path_of(path) ? STR(REDACT_HIDDEN) : path;
	ret_call->event_source = STR("vault");
	ret_call->event_name = operation(call->request.head.method, u.query);
	ret_call->category = CATEGORY_MANAGEMENT;
	ret_call->read_only = str_among(ret_call->event_name, "read list header scan");
	jsontext_begin(&j, a);
	jsontext_text(&j, STR("path"), shown);
	secret_put(&j, STR("namespace"), api_field(&call->request.head, "x-vault-namespace"));
	if (api_field(&call->request.head, "x-vault-wrap-ttl").p)
		jsontext_bool(&j, STR("wrapped"), true);
	if (u.query.n) {
		jsontext_open(&j, STR("query"), '{');
		secret_put_query(&j, u.query, NULL);
		jsontext_close(&j);
	}
	if (path.n && shown.p == path.p && path.n <= 512) {
		ret_call->nresources = 1;
		ret_call->resources[0].type = STR("Vault::Path");
		ret_call->resources[0].arn = path;
	}
	return jsontext_end(&j, &ret_call->request_parameters);
}

const struct api_rule api_rule_vault = { "vault", match, wants, describe, NULL, false };
