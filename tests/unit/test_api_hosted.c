/* SPDX-License-Identifier: Apache-2.0 */
/* test_api_hosted.c - Docker Engine, registries, Vault and git, with calls as their references have them. */
#include "agent/api/route.h"
#include "callmake.h"
#include "tests/tap.h"

#define HIDDEN "HIDDEN_DUE_TO_SECURITY_REASONS"

static struct callmake m;

static const struct {
	const char *request, *fields, *body, *rule, *source, *name, *parameters;
	bool read_only, data;
} rows[] = {
	/* docs.docker.com/reference/api/engine */
	{ "POST https://d:2376/v1.41/containers/create?name=web", "content-type: application/json",
	  "{\"Hostname\":\"\",\"User\":\"0\",\"Env\":[\"PASSWORD=hunter2\"],\"Cmd\":[\"mysql\",\"-phunter2\"],\"Image\":\"nginx\",\"Entrypoint\":null,"
	  "\"HostConfig\":{\"Binds\":[\"/:/host\"],\"Privileged\":true,\"CapAdd\":null,\"PidMode\":\"host\"}}", "docker", "docker", "ContainerCreate",
	  "{\"query\":{\"name\":\"web\"},\"Hostname\":\"\",\"User\":\"0\",\"Image\":\"nginx\",\"Cmd\":[\"mysql\",\"-p" HIDDEN "\"],"
	  "\"HostConfig\":{\"Binds\":[\"/:/host\"],\"Privileged\":true,\"PidMode\":\"host\"}}", false, false },
	{ "GET https://d:2376/v1.43/containers/4fa6e0f0c6786287e131c3852c58a2e01cc697a68231826813597e4994f1d6e2/json", NULL, NULL, "docker", "docker",
	  "ContainerInspect", "{\"id\":\"4fa6e0f0c6786287e131c3852c58a2e01cc697a68231826813597e4994f1d6e2\"}", true, false },
	{ "POST https://d:2376/v1.43/containers/web/exec", NULL, "{\"AttachStdin\":false,\"Cmd\":[\"sh\",\"-c\",\"id\"],\"Env\":[\"T=x\"],\"User\":\"root\"}",
	  "docker", "docker", "ContainerExec", "{\"id\":\"web\",\"AttachStdin\":false,\"User\":\"root\",\"Cmd\":[\"sh\",\"-c\",\"id\"]}", false, false },
	{ "POST https://d:2376/v1.43/images/create?fromImage=registry.test%2Fa%2Fb&tag=1", "x-registry-auth: eyJ1c2VybmFtZSI6ImEifQ", NULL, "docker", "docker",
	  "ImageCreate", "{\"query\":{\"fromImage\":\"registry.test/a/b\",\"tag\":\"1\"}}", false, false },
	{ "POST https://d:2376/v1.43/images/registry.test/a/b/push?tag=1", NULL, NULL, "docker", "docker", "ImagePush",
	  "{\"name\":\"registry.test/a/b\",\"query\":{\"tag\":\"1\"}}", false, false },
	{ "POST https://d:2376/v1.43/build?buildargs=%7B%22TOKEN%22%3A%22x%22%7D&t=a:b", NULL, NULL, "docker", "docker", "ImageBuild",
	  "{\"query\":{\"buildargs\":\"" HIDDEN "\",\"t\":\"a:b\"}}", false, false },
	{ "HEAD https://d:2376/_ping", "user-agent: Docker-Client/20.10.24 (linux)", NULL, "docker", "docker", "SystemPing", NULL, true, false },
	{ "GET https://d:2376/v1.43/containers/web/archive?path=/etc/shadow", NULL, NULL, "docker", "docker", "ContainerArchive",
	  "{\"id\":\"web\",\"query\":{\"path\":\"/etc/shadow\"}}", true, true },
	{ "POST https://d:2376/v1.43/secrets/create", NULL, "{\"Name\":\"n\",\"Data\":\"VEhJUyBJUyBOT1QgQSBSRUFMIENFUlRJRklDQVRFCg==\"}", "docker", "docker",
	  "SecretCreate", NULL, false, false },
	{ "GET https://a.test/info", NULL, NULL, "http", "a.test", "GET /info", "{\"path\":\"/info\"}", true, true },
	/* github.com/opencontainers/distribution-spec, end-1 to end-13 */
	{ "GET https://registry.test/v2/", "user-agent: containerd/1.6.20", NULL, "oci", "registry.test", "CheckApi", NULL, true, false },
	{ "GET https://registry.test/v2/library/nginx/manifests/1.25", NULL, NULL, "oci", "registry.test", "PullManifest",
	  "{\"repository\":\"library/nginx\",\"reference\":\"1.25\"}", true, true },
	{ "HEAD https://registry.test/v2/a/b/c/manifests/latest", NULL, NULL, "oci", "registry.test", "HeadManifest",
	  "{\"repository\":\"a/b/c\",\"reference\":\"latest\"}", true, true },
	{ "PUT https://registry.test/v2/a/manifests/v1", NULL, NULL, "oci", "registry.test", "PushManifest", "{\"repository\":\"a\",\"reference\":\"v1\"}",
	  false, false },
	{ "GET https://registry.test/v2/a/blobs/sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", NULL, NULL, "oci",
	  "registry.test", "PullBlob", "{\"repository\":\"a\",\"digest\":\"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"}",
	  true, true },
	{ "POST https://registry.test/v2/a/b/blobs/uploads/", NULL, NULL, "oci", "registry.test", "StartBlobUpload", "{\"repository\":\"a/b\"}", false, true },
	{ "POST https://registry.test/v2/a/blobs/uploads/?mount=sha256:ab&from=b/c", NULL, NULL, "oci", "registry.test", "MountBlob",
	  "{\"repository\":\"a\",\"query\":{\"mount\":\"sha256:ab\",\"from\":\"b/c\"}}", false, true },
	{ "PUT https://registry.test/v2/a/blobs/uploads/6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b?_state=x1&digest=sha256:ab", NULL, NULL, "oci",
	  "registry.test", "CompleteBlobUpload", "{\"repository\":\"a\",\"upload\":\"6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b\",\"query\":{\"_state\":\"" HIDDEN
	  "\",\"digest\":\"sha256:ab\"}}", false, true },
	{ "GET https://registry.test/v2/a/tags/list?n=10", NULL, NULL, "oci", "registry.test", "ListTags",
	  "{\"repository\":\"a\",\"query\":{\"n\":\"10\"}}", true, false },
	{ "GET https://registry.test/v2/a/referrers/sha256:ab", NULL, NULL, "oci", "registry.test", "ListReferrers",
	  "{\"repository\":\"a\",\"digest\":\"sha256:ab\"}", true, false },
	{ "DELETE https://registry.test/v2/a/manifests/v1", NULL, NULL, "oci", "registry.test", "DeleteTag", "{\"repository\":\"a\",\"reference\":\"v1\"}",
	  false, false },
	{ "DELETE https://registry.test/v2/a/manifests/sha256:ab", NULL, NULL, "oci", "registry.test", "DeleteManifest",
	  "{\"repository\":\"a\",\"reference\":\"sha256:ab\"}", false, false },
	{ "GET https://a.test/v2/", NULL, NULL, "http", "a.test", "GET /v2/", "{\"path\":\"/v2/\"}", true, true },
	{ "GET https://a.test/v2/projects/blobs/file", NULL, NULL, "http", "a.test", "GET /v2/projects/blobs/file", "{\"path\":\"/v2/projects/blobs/file\"}",
	  true, true },
	/* developer.hashicorp.com/vault/api-docs */
	{ "GET https://v:8200/v1/secret/data/app1/db", "x-vault-token: hvs.CAESIJ1\nx-vault-namespace: ns1/", NULL, "vault", "vault", "read",
	  "{\"path\":\"secret/data/app1/db\",\"namespace\":\"ns1/\"}", true, false },
	{ "GET https://v/v1/secret/metadata?list=true", "x-vault-request: true", NULL, "vault", "vault", "list",
	  "{\"path\":\"secret/metadata\",\"query\":{\"list\":\"true\"}}", true, false },
	{ "LIST https://v/v1/auth/token/accessors", "x-vault-token: x", NULL, "vault", "vault", "list", "{\"path\":\"auth/token/accessors\"}", true, false },
	{ "PUT https://v/v1/auth/userpass/login/mitchellh", "x-vault-request: true", "{\"password\":\"superSecret\"}", "vault", "vault", "update",
	  "{\"path\":\"auth/userpass/login/mitchellh\"}", false, false },
	{ "GET https://v/v1/auth/token/lookup/s.abc", "x-vault-token: x", NULL, "vault", "vault", "read", "{\"path\":\"" HIDDEN "\"}", true, false },
	{ "DELETE https://v/v1/secret/data/x", "x-vault-token: x", NULL, "vault", "vault", "delete", "{\"path\":\"secret/data/x\"}", false, false },
	/* git-scm.com/docs/gitprotocol-http */
	{ "GET https://git.test/a/b.git/info/refs?service=git-upload-pack", "git-protocol: version=2", NULL, "git", "git.test", "GitFetch",
	  "{\"repository\":\"a/b.git\",\"step\":\"refs\",\"protocol\":\"version=2\"}", true, true },
	{ "POST https://bob:tok@git.test/a/b.git/git-receive-pack", NULL, NULL, "git", "git.test", "GitPush", "{\"repository\":\"a/b.git\",\"step\":\"pack\"}",
	  false, true },
	{ "GET https://git.test/a/b.git/info/refs", NULL, NULL, "http", "git.test", "GET /a/b.git/info/refs", "{\"path\":\"/a/b.git/info/refs\"}", true, true },
};

static void describes_calls(void)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		callmake(&m, rows[i].request, rows[i].fields, rows[i].body, 200, NULL, NULL);
		must(!callmake_describe(&m));
		ok_str(m.out.rule, rows[i].rule);
		ok_str(callmake_text(&m, m.out.event_source), rows[i].source);
		ok_str(callmake_text(&m, m.out.event_name), rows[i].name);
		ok_str(callmake_text(&m, m.out.request_parameters), rows[i].parameters ? rows[i].parameters : "(absent)");
		ok_int(m.out.read_only, rows[i].read_only);
		ok_int(m.out.category, rows[i].data ? CATEGORY_DATA : CATEGORY_MANAGEMENT);
	}
}

static void templates_take_paths_apart(void)
{
	static const struct {
		const char *template, *path, *labels;	/* "name=value name=value", NULL: no match */
	} t[] = {
		{ "/a/{x}", "/a/b", "x=b " }, { "/a/{x}", "/a/", NULL }, { "/a/{x}", "/a/b/c", NULL }, { "/a", "/a/", NULL }, { "/a/", "/a/", "" },
		{ "/{p+}/e", "/a/b/c/e", "p=a/b/c " }, { "/{p+}/e", "/e", NULL }, { "/m/{m}:run", "/m/x:run", "m=x " }, { "/m/{m}:run", "/m/:run", NULL },
		{ "/b{t}/{x}", "/b1/y", "t=1 x=y " }, { "/", "/", "" }, { "/{p+}", "/a//b", "p=a//b " },
	};

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct route_match r;
		struct uri_path p;
		char got[128] = "";

		uri_segments(str_of(t[i].path), &p);
		ok(!route_fault(str_of(t[i].template)));
		if (!route_matches(str_of(t[i].template), &p, &r)) {
			ok(!t[i].labels);
			continue;
		}
		for (unsigned k = 0; k < r.n; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%.*s=%.*s ", (int)r.name[k].n, r.name[k].p, (int)r.value[k].n, r.value[k].p);
		ok_str(got, t[i].labels);
	}
	ok(route_fault(STR("a")) && route_fault(STR("/{a}{b}")) && route_fault(STR("/{a+}/{b+}")) && route_fault(STR("/{}")) && route_fault(STR("/x{a+}")));
	ok(route_fault(STR("/{a")) && route_fault(STR("")) && route_fault(STR("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}")));
}

static void bodies_are_wanted_where_they_are_read(void)
{
	struct http_wants w;

	callmake(&m, "POST https://d:2376/v1.43/secrets/create", NULL, NULL, 0, NULL, NULL);
	api_wants(&m.peer, &m.call, &w);
	ok(!w.request && !w.response);
	callmake(&m, "POST https://d:2376/v1.43/containers/create", NULL, NULL, 0, NULL, NULL);
	api_wants(&m.peer, &m.call, &w);
	ok(w.request && !w.response);
}

static const struct tap_case cases[] = {
	CASE(describes_calls), CASE(templates_take_paths_apart), CASE(bodies_are_wanted_where_they_are_read),
};

int main(void)
{
	int r = tap_run(cases, sizeof(cases) / sizeof(cases[0]));

	api_arena_free(&m.arena);
	return r;
}
