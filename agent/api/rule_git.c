/* SPDX-License-Identifier: Apache-2.0 */
/* rule_git.c - git over HTTP ("smart" protocol, gitprotocol-http(5)) and its large file storage. No bodies. */
#include "route.h"

static const struct {
	const char *methods, *end, *service, *name, *step;
	bool read_only;
} steps[] = {
	{ "GET HEAD", "/info/refs", "git-upload-pack", "GitFetch", "refs", true },
	{ "GET HEAD", "/info/refs", "git-receive-pack", "GitPush", "refs", false },
	{ "POST", "/git-upload-pack", NULL, "GitFetch", "pack", true },
	{ "POST", "/git-receive-pack", NULL, "GitPush", "pack", false },
	{ "POST", "/git-upload-archive", NULL, "GitArchive", "pack", true },
	{ "POST", "/info/lfs/objects/batch", NULL, "GitLfsBatch", "batch", false },
	{ "POST", "/info/lfs/locks", NULL, "GitLfsLock", "lock", false },
	{ "GET", "/info/lfs/locks", NULL, "GitLfsListLocks", "lock", true },
	{ "POST", "/info/lfs/locks/verify", NULL, "GitLfsVerifyLocks", "lock", true },
};

static int find(const struct http_call *call, struct uri *ret_uri)
{
	struct str service;

	uri_split(call->request.head.target, ret_uri);
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!str_among(call->request.head.method, steps[i].methods) || !str_ends(ret_uri->path, steps[i].end))
			continue;
		if (!steps[i].service || (uri_query_get(ret_uri->query, "service", &service) && str_is(service, steps[i].service)))
			return (int)i;
	}
	return -1;
}

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	struct uri u;

	return find(call, &u) >= 0;
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str repository, protocol = api_field(&call->request.head, "git-protocol");
	struct jsontext j;
	struct uri u;
	int i = find(call, &u);

	repository = str_first(u.path, u.path.n - strlen(steps[i].end));
	repository = secret_path(a, ret_call->event_source, repository);
	while (repository.n && repository.p[0] == '/')
		repository = str_from(repository, 1);
	ret_call->event_name = str_of(steps[i].name);
	ret_call->category = CATEGORY_DATA;
	ret_call->read_only = steps[i].read_only;
	jsontext_begin(&j, a);
	jsontext_text(&j, STR("repository"), repository);
	jsontext_string(&j, "step", steps[i].step);
	if (str_begins(protocol, "version=") && protocol.n == 9)
		jsontext_text(&j, STR("protocol"), protocol);
	if (repository.n && !str_is(repository, REDACT_HIDDEN)) {
		ret_call->nresources = 1;
		ret_call->resources[0].type = STR("Git::Repository");
		ret_call->resources[0].arn = api_join(a, ret_call->event_source, STR("/"), repository, NO_KEY);
	}
	return jsontext_end(&j, &ret_call->request_parameters);
}

const struct api_rule api_rule_git = { "git", match, wants, describe, NULL, false };
