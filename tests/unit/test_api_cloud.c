/* SPDX-License-Identifier: Apache-2.0 */
/* test_api_cloud.c - GitHub, Azure and Google, with calls as their references have them. */
#include "callmake.h"
#include "tests/tap.h"

#define HIDDEN "HIDDEN_DUE_TO_SECURITY_REASONS"
#define SUB "/subscriptions/6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b"

static struct callmake m;

static const struct {
	const char *request, *fields, *rule, *source, *name, *parameters, *resource;
	bool read_only, data;
} rows[] = {
	/* docs.github.com/rest */
	{ "GET https://api.github.com/repos/octocat/hello-world/issues/42/comments?per_page=5&since=2024-01-01", "x-github-api-version: 2022-11-28", "github",
	  "api.github.com", "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
	  "{\"owner\":\"octocat\",\"repo\":\"hello-world\",\"issue_number\":\"42\",\"query\":{\"per_page\":\"5\",\"since\":\"2024-01-01\"}}",
	  "octocat/hello-world", true, false },
	{ "GET https://api.github.com/repos/o/r/issues/comments/7", NULL, "github", "api.github.com", "GET /repos/{owner}/{repo}/issues/comments/{comment_id}",
	  "{\"owner\":\"o\",\"repo\":\"r\",\"comment_id\":\"7\"}", "o/r", true, false },
	{ "PUT https://api.github.com/repos/o/r/contents/a/b.txt", NULL, "github", "api.github.com", "PUT /repos/{owner}/{repo}/contents/{path}",
	  "{\"owner\":\"o\",\"repo\":\"r\",\"path\":\"a/b.txt\"}", "o/r", false, false },
	{ "GET https://api.github.com/repos/o/r/git/commits/7638417db6d59f3c431d3e1f261cc637155684cd", NULL, "github", "api.github.com",
	  "GET /repos/{owner}/{repo}/git/commits/{ref}", "{\"owner\":\"o\",\"repo\":\"r\",\"ref\":\"7638417db6d59f3c431d3e1f261cc637155684cd\"}", "o/r", true, true },
	{ "PUT https://api.github.com/repos/o/r/actions/secrets/DB_PW", NULL, "github", "api.github.com", "PUT /repos/{owner}/{repo}/actions/secrets/{secret_name}",
	  "{\"owner\":\"o\",\"repo\":\"r\",\"secret_name\":\"DB_PW\"}", "o/r", false, false },
	{ "GET https://api.github.com/repos/o/r/actions/secrets/public-key", NULL, "github", "api.github.com",
	  "GET /repos/{owner}/{repo}/actions/secrets/public-key", "{\"owner\":\"o\",\"repo\":\"r\"}", "o/r", true, false },
	{ "POST https://api.github.com/repos/o/r/actions/workflows/ci.yml/dispatches", NULL, "github", "api.github.com",
	  "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches", "{\"owner\":\"o\",\"repo\":\"r\",\"workflow_id\":\"ci.yml\"}", "o/r", false, false },
	{ "GET https://api.github.com/orgs/o/teams/t/members", NULL, "github", "api.github.com", "GET /orgs/{org}/teams/{team_slug}/members",
	  "{\"org\":\"o\",\"team_slug\":\"t\"}", NULL, true, false },
	{ "GET https://api.github.com/user", NULL, "github", "api.github.com", "GET /user", NULL, NULL, true, false },
	{ "DELETE https://github.corp.test/api/v3/repos/o/r/git/refs/heads/main", NULL, "github", "github.corp.test", "DELETE /repos/{owner}/{repo}/git/refs/{ref}",
	  "{\"owner\":\"o\",\"repo\":\"r\",\"ref\":\"heads/main\"}", "o/r", false, false },
	/* learn.microsoft.com/rest/api: operations of the resource providers */
	{ "PUT https://management.azure.com" SUB "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm1?api-version=2024-03-01", NULL, "azure",
	  "Microsoft.Compute", "Microsoft.Compute/virtualMachines/write", "{\"subscriptionId\":\"6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b\",\"resourceGroup\":\"rg\","
	  "\"name\":\"vm1\",\"query\":{\"api-version\":\"2024-03-01\"}}", SUB "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm1", false, false },
	{ "POST https://management.azure.com" SUB "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sa/listKeys?api-version=2023-01-01", NULL, "azure",
	  "Microsoft.Storage", "Microsoft.Storage/storageAccounts/listKeys/action", "{\"subscriptionId\":\"6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b\","
	  "\"resourceGroup\":\"rg\",\"name\":\"sa\",\"query\":{\"api-version\":\"2023-01-01\"}}",
	  SUB "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sa", false, false },
	{ "GET https://management.azure.com" SUB "/resourceGroups/rg/providers/Microsoft.Sql/servers/s/databases", NULL, "azure", "Microsoft.Sql",
	  "Microsoft.Sql/servers/databases/read", "{\"subscriptionId\":\"6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b\",\"resourceGroup\":\"rg\"}", NULL, true, false },
	{ "DELETE https://management.azure.com" SUB "/resourcegroups/rg?api-version=2021-04-01", NULL, "azure", "Microsoft.Resources",
	  "Microsoft.Resources/subscriptions/resourcegroups/delete", "{\"subscriptionId\":\"6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b\",\"resourceGroup\":\"rg\","
	  "\"name\":\"rg\",\"query\":{\"api-version\":\"2021-04-01\"}}", SUB "/resourcegroups/rg", false, false },
	{ "PUT https://management.azure.com" SUB "/resourceGroups/rg/providers/Microsoft.Web/sites/a/providers/Microsoft.Authorization/roleAssignments/r1", NULL,
	  "azure", "Microsoft.Authorization", "Microsoft.Authorization/roleAssignments/write", "{\"subscriptionId\":\"6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b\","
	  "\"resourceGroup\":\"rg\",\"name\":\"r1\"}", SUB "/resourceGroups/rg/providers/Microsoft.Web/sites/a/providers/Microsoft.Authorization/roleAssignments/r1",
	  false, false },
	/* cloud.google.com: REST references */
	{ "GET https://compute.googleapis.com/compute/v1/projects/p/zones/us-central1-a/instances/i", NULL, "google", "compute.googleapis.com", "instances.get",
	  "{\"project\":\"p\",\"location\":\"us-central1-a\",\"name\":\"projects/p/zones/us-central1-a/instances/i\"}",
	  "//compute.googleapis.com/projects/p/zones/us-central1-a/instances/i", true, false },
	{ "POST https://compute.googleapis.com/compute/v1/projects/p/zones/z/instances", NULL, "google", "compute.googleapis.com", "instances.insert",
	  "{\"project\":\"p\",\"location\":\"z\",\"name\":\"projects/p/zones/z/instances\"}", NULL, false, false },
	{ "POST https://compute.googleapis.com/compute/v1/projects/p/zones/z/instances/i/start", NULL, "google", "compute.googleapis.com", "instances.start",
	  "{\"project\":\"p\",\"location\":\"z\",\"name\":\"projects/p/zones/z/instances/i/start\"}", NULL, false, false },
	{ "GET https://compute.googleapis.com/compute/v1/projects/p/global/networks", NULL, "google", "compute.googleapis.com", "networks.list",
	  "{\"project\":\"p\",\"location\":\"global\",\"name\":\"projects/p/global/networks\"}", NULL, true, false },
	{ "POST https://pubsub.googleapis.com/v1/projects/p/topics/t:publish?key=AIzaSyA-0123456789abcdefghijklmnopqrstu", NULL, "google",
	  "pubsub.googleapis.com", "topics.publish", "{\"project\":\"p\",\"name\":\"projects/p/topics/t\",\"query\":{\"key\":\"" HIDDEN "\"}}",
	  "//pubsub.googleapis.com/projects/p/topics/t", false, true },
	{ "GET https://secretmanager.googleapis.com/v1/projects/p/secrets/s/versions/latest:access", NULL, "google", "secretmanager.googleapis.com",
	  "secrets.versions.access", "{\"project\":\"p\",\"name\":\"projects/p/secrets/s/versions/latest\"}",
	  "//secretmanager.googleapis.com/projects/p/secrets/s/versions/latest", true, false },
	{ "GET https://storage.googleapis.com/storage/v1/b/bucket/o/a%2Fb.txt?alt=media", NULL, "google", "storage.googleapis.com", "buckets.objects.get",
	  "{\"name\":\"b/bucket/o/a/b.txt\",\"query\":{\"alt\":\"media\"}}", "//storage.googleapis.com/b/bucket/o/a/b.txt", true, true },
	{ "POST https://storage.googleapis.com/upload/storage/v1/b/bucket/o?uploadType=media", NULL, "google", "storage.googleapis.com",
	  "buckets.objects.insert", "{\"name\":\"b/bucket/o\",\"query\":{\"uploadType\":\"media\"}}", NULL, false, true },
	{ "POST https://cloudresourcemanager.googleapis.com/v1/projects/p:setIamPolicy", NULL, "google", "cloudresourcemanager.googleapis.com",
	  "projects.setIamPolicy", "{\"project\":\"p\",\"name\":\"projects/p\"}", "//cloudresourcemanager.googleapis.com/projects/p", false, false },
	{ "DELETE https://container.googleapis.com/v1/projects/p/locations/l/clusters/c", NULL, "google", "container.googleapis.com", "clusters.delete",
	  "{\"project\":\"p\",\"location\":\"l\",\"name\":\"projects/p/locations/l/clusters/c\"}",
	  "//container.googleapis.com/projects/p/locations/l/clusters/c", false, false },
};

static void describes_calls(void)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		callmake(&m, rows[i].request, rows[i].fields, NULL, 200, NULL, NULL);
		must(!callmake_describe(&m));
		ok_str(m.out.rule, rows[i].rule);
		ok_str(callmake_text(&m, m.out.event_source), rows[i].source);
		ok_str(callmake_text(&m, m.out.event_name), rows[i].name);
		ok_str(callmake_text(&m, m.out.request_parameters), rows[i].parameters ? rows[i].parameters : "(absent)");
		ok_str(callmake_text(&m, m.out.nresources ? m.out.resources[0].arn : (struct str){ 0 }), rows[i].resource ? rows[i].resource : "(absent)");
		ok_int(m.out.read_only, rows[i].read_only);
		ok_int(m.out.category, rows[i].data ? CATEGORY_DATA : CATEGORY_MANAGEMENT);
	}
}

static void errors_have_their_code(void)
{
	callmake(&m, "GET https://pubsub.googleapis.com/v1/projects/p/topics/t", NULL, NULL, 403, NULL,
		 "{\"error\":{\"code\":403,\"message\":\"PLANTED\",\"status\":\"PERMISSION_DENIED\"}}");
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.error_code), "PERMISSION_DENIED");
	ok_str(callmake_text(&m, m.out.error_message), "HTTP status 403");
	callmake(&m, "GET https://management.azure.com" SUB "/resourceGroups/x", NULL, NULL, 404, NULL,
		 "{\"error\":{\"code\":\"ResourceGroupNotFound\",\"message\":\"PLANTED\"}}");
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.error_code), "ResourceGroupNotFound");
	callmake(&m, "GET https://management.azure.com" SUB "/resourceGroups/x", NULL, NULL, 404, NULL, "{\"error\":{\"code\":\"no word but a sentence\"}}");
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.error_code), "NotFound");
}

static const struct tap_case cases[] = { CASE(describes_calls), CASE(errors_have_their_code) };

int main(void)
{
	int r = tap_run(cases, sizeof(cases) / sizeof(cases[0]));

	api_arena_free(&m.arena);
	return r;
}
