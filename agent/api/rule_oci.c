/* SPDX-License-Identifier: Apache-2.0 */
/* rule_oci.c - registries of container images (OCI distribution specification 1.1). No bodies. */
#include <errno.h>

#include "route.h"

#define M CATEGORY_MANAGEMENT
#define D CATEGORY_DATA

static const struct route routes[] = {
	{ "GET HEAD", "/v2/", "CheckApi", M, true, NULL, NULL },
	{ "GET", "/v2/_catalog", "ListRepositories", M, true, "n last", NULL },
	{ "GET", "/v2/{repository+}/tags/list", "ListTags", M, true, "n last", NULL },
	{ "GET", "/v2/{repository+}/referrers/{digest}", "ListReferrers", M, true, "artifactType", NULL },
	{ "GET", "/v2/{repository+}/manifests/{reference}", "PullManifest", D, true, "ns", NULL },
	{ "HEAD", "/v2/{repository+}/manifests/{reference}", "HeadManifest", D, true, "ns", NULL },
	{ "PUT", "/v2/{repository+}/manifests/{reference}", "PushManifest", M, false, NULL, NULL },
	{ "DELETE", "/v2/{repository+}/manifests/{reference}", "DeleteManifest", M, false, NULL, NULL },
	{ "POST", "/v2/{repository+}/blobs/uploads/", "StartBlobUpload", D, false, "mount from digest", NULL },
	{ "POST", "/v2/{repository+}/blobs/uploads", "StartBlobUpload", D, false, "mount from digest", NULL },
	{ "GET", "/v2/{repository+}/blobs/uploads/{upload}", "GetBlobUpload", D, true, NULL, NULL },
	{ "PATCH", "/v2/{repository+}/blobs/uploads/{upload}", "UploadBlobChunk", D, false, "digest", NULL },
	{ "PUT", "/v2/{repository+}/blobs/uploads/{upload}", "CompleteBlobUpload", D, false, "digest", NULL },
	{ "DELETE", "/v2/{repository+}/blobs/uploads/{upload}", "CancelBlobUpload", D, false, NULL, NULL },
	{ "GET", "/v2/{repository+}/blobs/{digest}", "PullBlob", D, true, "ns", NULL },
	{ "HEAD", "/v2/{repository+}/blobs/{digest}", "HeadBlob", D, true, "ns", NULL },
	{ "DELETE", "/v2/{repository+}/blobs/{digest}", "DeleteBlob", M, false, NULL, NULL },
};

static const struct route *find(const struct http_call *call, struct uri *ret_uri, struct route_match *ret_match)
{
	uri_split(call->request.head.target, ret_uri);
	if (!str_begins(ret_uri->path, "/v2/"))
		return NULL;
	return route_find(routes, sizeof(routes) / sizeof(routes[0]), call->request.head.method, ret_uri->path, ret_match);
}

/* "/v2/" and "/v2/_catalog" say little: the program must be one that speaks with registries. */
static bool evident(const struct http_call *call)
{
	static const char *const agents[] = { "docker/", "containerd/", "containers/", "buildkit/", "skopeo/", "crane/", "oras", "Helm/",
					      "go-containerregistry/", "cri-o/", "kaniko/", "Buildah/", "libpod/", "regclient" };
	struct str agent = api_field(&call->request.head, "user-agent");

	for (unsigned i = 0; i < sizeof(agents) / sizeof(agents[0]); i++)
		if (str_begins_nocase(agent, agents[i]))
			return true;
	return api_field(&call->response.head, "docker-distribution-api-version").p != NULL;
}

/* "sha256:9f86...", its colon maybe encoded. */
static bool is_digest(struct str s)
{
	return memchr(s.p, ':', s.n) || memmem(s.p, s.n, "%3A", 3) || memmem(s.p, s.n, "%3a", 3);
}

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	struct route_match m;
	struct uri u;
	const struct route *route = find(call, &u, &m);

	if (!route || m.n < 2)
		return route && (m.n || evident(call));
	return !str_is(m.name[1], "digest") || is_digest(m.value[1]);
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
}

static struct str name_of(const struct route *route, const struct uri *u, const struct route_match *m)
{
	struct str value;

	if (!strcmp(route->name, "StartBlobUpload") && uri_query_get(u->query, "mount", &value))
		return STR("MountBlob");
	if (!strcmp(route->name, "StartBlobUpload") && uri_query_get(u->query, "digest", &value))
		return STR("PushBlob");
	if (!strcmp(route->name, "DeleteManifest") && !is_digest(m->value[1]))
		return STR("DeleteTag");
	return str_of(route->name);
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str digest = api_field(&call->response.head, "docker-content-digest");
	struct route_match m;
	struct jsontext j;
	struct uri u;
	const struct route *route = find(call, &u, &m);

	ret_call->event_name = name_of(route, &u, &m);
	ret_call->category = route->category;
	ret_call->read_only = route->read_only;
	jsontext_begin(&j, a);
	route_put_labels(&j, &m);
	if (u.query.n) {
		jsontext_open(&j, STR("query"), '{');
		secret_put_query(&j, u.query, route->query);
		jsontext_close(&j);
	}
	if (jsontext_end(&j, &ret_call->request_parameters) < 0)
		return -ENOMEM;
	if (!m.n)
		return 0;
	ret_call->nresources = 1;
	ret_call->resources[0].type = STR("OCI::Repository");
	ret_call->resources[0].arn = api_join(a, ret_call->event_source, STR("/"), route_label(&m, "repository", a), NO_KEY);
	if (!digest.n || !str_begins(digest, "sha") || digest.n > 140)
		return 0;
	jsontext_begin(&j, a);
	jsontext_text(&j, STR("digest"), digest);
	return jsontext_end(&j, &ret_call->response_elements);
}

const struct api_rule api_rule_oci = { "oci", match, wants, describe, .late = true };
