/* SPDX-License-Identifier: Apache-2.0 */
/* rule_github.c - GitHub's REST API: method and the path's template as its reference has it. Never a body. */
#include <errno.h>

#include "rules.h"

/* What follows a word of a path: a label of any text, unless it is one of `literals`; or only of digits. */
static const struct {
	const char *word, *label;
	bool digits;
	const char *literals;
} words[] = {
	{ "orgs", "org", false, "" }, { "users", "username", false, "" }, { "teams", "team_slug", false, "" }, { "enterprises", "enterprise", false, "" },
	{ "issues", "issue_number", true, "" }, { "pulls", "pull_number", true, "" }, { "comments", "comment_id", true, "" },
	{ "reviews", "review_id", true, "" }, { "milestones", "milestone_number", true, "" }, { "releases", "release_id", true, "" },
	{ "assets", "asset_id", true, "" }, { "hooks", "hook_id", true, "" }, { "deliveries", "delivery_id", true, "" }, { "keys", "key_id", true, "" },
	{ "workflows", "workflow_id", false, "" }, { "runs", "run_id", true, "" }, { "jobs", "job_id", true, "" }, { "attempts", "attempt_number", true, "" },
	{ "artifacts", "artifact_id", true, "" }, { "caches", "cache_id", true, "" }, { "runners", "runner_id", true, "" },
	{ "runner-groups", "runner_group_id", true, "" }, { "check-runs", "check_run_id", true, "" }, { "check-suites", "check_suite_id", true, "" },
	{ "deployments", "deployment_id", true, "" }, { "statuses", "status_id", true, "" }, { "installations", "installation_id", true, "" },
	{ "repositories", "repository_id", true, "" }, { "invitations", "invitation_id", true, "" }, { "alerts", "alert_number", true, "" },
	{ "threads", "thread_id", true, "" }, { "projects", "project_id", true, "" }, { "rulesets", "ruleset_id", true, "" },
	{ "branches", "branch", false, "" }, { "commits", "ref", false, "" }, { "compare", "basehead", false, "" }, { "labels", "name", false, "" },
	{ "trees", "tree_sha", false, "" }, { "blobs", "file_sha", false, "" }, { "secrets", "secret_name", false, "public-key" },
	{ "variables", "variable_name", false, "" }, { "environments", "environment_name", false, "" }, { "collaborators", "collaborator", false, "" },
	{ "members", "member", false, "" }, { "memberships", "member", false, "" }, { "assignees", "assignee", false, "" },
	{ "gists", "gist_id", false, "public starred" }, { "tags", "tag", false, "protection" }, { "apps", "app_slug", false, "" },
	{ "tarball", "ref", false, "" }, { "zipball", "ref", false, "" }, { "packages", "package_type", false, "" }, { "advisories", "ghsa_id", false, "" },
	{ "events", "event_id", true, "" },
};
/* Everything behind these is one label. */
static const struct {
	const char *word, *label;
} rests[] = { { "contents", "path" }, { "ref", "ref" }, { "refs", "ref" }, { "matching-refs", "ref" } };

struct named {
	struct jsontext *j;
	char *name;
	size_t n;
	struct str seen[16];
	unsigned nseen;
};

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	const struct http_head *h = &call->request.head;
	struct str host = uri_host_raw(peer, call), accept = api_field(h, "accept");
	struct uri u;

	uri_split(h->target, &u);
	if (!u.path.p || str_ends(u.path, "/graphql"))
		return false;
	if (str_is_nocase(host, "api.github.com") || str_is_nocase(host, "uploads.github.com"))
		return true;
	return (str_begins(u.path, "/api/v3/") || str_begins(u.path, "/api/uploads/")) &&
	       (api_field(h, "x-github-api-version").p || str_begins(accept, "application/vnd.github") || str_in_domain(host, "ghe.com") ||
		(host.n && memmem(host.p, host.n, "github", 6)));
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
}

static void append(struct named *n, struct str s)
{
	for (size_t i = 0; i < s.n && n->n < 250; i++)
		n->name[n->n++] = s.p[i] >= ' ' && s.p[i] <= '~' && s.p[i] != '"' && s.p[i] != '\\' ? s.p[i] : '?';
}

/* A label: its place in the name, its value among the parameters (of two of one name, the first). */
static void label(struct named *n, const char *name, struct str value, bool secret)
{
	struct str key = str_of(name);

	append(n, STR("/{"));
	append(n, key);
	append(n, STR("}"));
	for (unsigned i = 0; i < n->nseen; i++)
		if (str_equal(n->seen[i], key))
			return;
	if (n->nseen < 16)
		n->seen[n->nseen++] = key;
	if (secret)
		jsontext_hidden(n->j, key);
	else
		jsontext_text(n->j, key, value);
}

/* The label that stands behind `before`, or NULL: the segment is literal. */
static const char *label_behind(struct str before, struct str s)
{
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_is(before, words[i].word))
			return (words[i].digits ? str_digits(s) : s.n && !str_among(s, words[i].literals)) ? words[i].label : NULL;
	return NULL;
}

static const char *rest_behind(struct str before)
{
	for (unsigned i = 0; i < sizeof(rests) / sizeof(rests[0]); i++)
		if (str_is(before, rests[i].word))
			return rests[i].label;
	return NULL;
}

/* Ids of commits and blobs are 40 hexadecimal digits and no secrets. */
static bool is_secret(struct str s)
{
	bool sha = s.n == 40 || s.n == 64;

	for (size_t i = 0; i < s.n; i++)
		sha &= (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f');
	return !sha && secret_segment(s) == SEGMENT_SECRET;
}

static void walk(struct named *n, const struct uri_path *p, unsigned at, struct str path, struct api_arena *a)
{
	for (bool was_label = true; at < p->n; at++) {
		struct str s = uri_decode(a, p->segment[at], false), before = at ? p->segment[at - 1] : STR("");
		const char *name = was_label ? NULL : label_behind(before, s), *rest = was_label ? NULL : rest_behind(before);

		if (str_is(before, "repos") && !was_label && at + 1 < p->n) {
			label(n, "owner", s, is_secret(s));
			s = uri_decode(a, p->segment[++at], false);
			label(n, "repo", s, is_secret(s));
			was_label = true;
			continue;
		}
		if (rest) {
			struct str all = { p->segment[at].p, (size_t)(path.p + path.n - p->segment[at].p) };
			struct str shown = secret_path(a, STR(""), all);

			label(n, rest, shown, false);
			return;
		}
		was_label = name != NULL;
		if (name) {
			label(n, name, s, is_secret(s));
		} else {
			append(n, STR("/"));
			append(n, secret_segment(s) == SEGMENT_WORD ? s : STR("{id}"));
		}
	}
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str method = call->request.head.method, version = api_field(&call->request.head, "x-github-api-version");
	struct named n = { .name = api_arena_get(a, 256) };
	struct uri_path p;
	struct jsontext j;
	struct uri u;
	unsigned at;

	if (!n.name)
		return -ENOMEM;
	uri_split(call->request.head.target, &u);
	uri_segments(u.path, &p);
	at = str_begins(u.path, "/api/v3/") || str_begins(u.path, "/api/uploads/") ? 2 : 0;
	jsontext_begin(&j, a);
	n.j = &j;
	append(&n, method.p ? method : STR("UNKNOWN"));
	append(&n, STR(" "));
	if (at >= p.n)
		append(&n, STR("/"));
	walk(&n, &p, at, u.path, a);
	if (u.query.n) {
		jsontext_open(&j, STR("query"), '{');
		secret_put_query(&j, u.query, "visibility affiliation since before until sha path per_page event branch head base filter labels protected");
		jsontext_close(&j);
	}
	ret_call->event_name = (struct str){ n.name, n.n };
	ret_call->api_version = version.n && version.n <= 16 ? version : (struct str){ 0 };
	ret_call->read_only = api_method_reads(method);
	ret_call->category = ret_call->read_only && p.n > at + 3 && str_among(p.segment[at + 3], "contents tarball zipball git readme") ? CATEGORY_DATA :
																	 CATEGORY_MANAGEMENT;
	for (unsigned i = at; i < p.n && i < at + 3; i++)
		p.segment[i] = uri_decode(a, p.segment[i], false);
	if (p.n > at + 2 && str_is(p.segment[at], "repos") && !is_secret(p.segment[at + 1]) && !is_secret(p.segment[at + 2])) {
		ret_call->nresources = 1;
		ret_call->resources[0].type = STR("GitHub::Repository");
		ret_call->resources[0].arn = api_join(a, p.segment[at + 1], STR("/"), p.segment[at + 2], NO_KEY);
	}
	return jsontext_end(&j, &ret_call->request_parameters);
}

const struct api_rule api_rule_github = { "github", match, wants, describe, NULL, false };
