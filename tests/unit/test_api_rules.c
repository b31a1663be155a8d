/* SPDX-License-Identifier: Apache-2.0 */
/* test_api_rules.c - rule files: calls by the shipped one and by one that uses everything, and what is wrong with others. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/api/rulefile.h"
#include "agent/sandbox.h"
#include "callmake.h"
#include "tests/tap.h"

#define HIDDEN "HIDDEN_DUE_TO_SECURITY_REASONS"
#define JSON "content-type: application/json"

static struct callmake m;

static const char everything[] =
	"api: deployer\n"
	"match:\n"
	"  host: [deploy.test, \"*.deploy.test\"]\n"
	"  headers: {X-Deployer: \"*\"}\n"
	"eventSource: deployer.internal\n"
	"apiVersion: v2\n"
	"bodyBytes: 2048\n"
	"operations:\n"
	"  - method: [POST, PUT]\n"
	"    path: /v2/apps/{app}/{rest+}\n"
	"    body: {action: deploy}\n"
	"    eventName: Deploy {body.target.name}\n"
	"    readOnly: false\n"
	"    category: Management\n"
	"    requestParameters:\n"
	"      app: path.app\n"
	"      rest: rest\n"
	"      target: body.target\n"
	"      count: body.count\n"
	"      dry: query.dry\n"
	"      agent: header.User-Agent\n"
	"      how: method\n"
	"      where: host\n"
	"      note: body.note\n"
	"      key: body.apiKey\n"
	"    hidden: [note]\n"
	"    resources:\n"
	"      - {arn: \"deploy:{app}/{body.target.name}\", type: \"Deploy::App\"}\n"
	"      - {arn: \"missing:{body.nowhere}\"}\n"
	"    errorCode: error.code\n"
	"  - method: POST\n"
	"    path: /v2/apps/{app}/{rest+}\n"
	"    form: {op: stop}\n"
	"    eventName: Stop\n"
	"    requestParameters: {app: app, reason: form.reason, last: form.last}\n"
	"  - method: GET\n"
	"    path: /v2/apps/{app}\n"
	"    query: {view: \"*\", full: \"1\"}\n"
	"    eventName: GetFull\n";

static const struct {
	const char *request, *fields, *body, *rule, *source, *name, *parameters;
	bool read_only, data;
	const char *resource;
} rows[] = {
	{ "POST https://eu.deploy.test/v2/apps/web/a/b?dry=1", JSON "\nx-deployer: 1\nuser-agent: cli/1",
	  "{\"action\":\"deploy\",\"target\":{\"name\":\"prod\",\"password\":\"x\"},\"count\":3,\"note\":\"n\",\"apiKey\":\"k\"}", "deployer", "deployer.internal",
	  "Deploy prod", "{\"app\":\"web\",\"rest\":\"a/b\",\"target\":{\"name\":\"prod\",\"password\":\"" HIDDEN "\"},\"count\":3,\"dry\":\"1\",\"agent\":\"cli/1\","
	  "\"how\":\"POST\",\"where\":\"eu.deploy.test\",\"note\":\"" HIDDEN "\",\"key\":\"" HIDDEN "\"}", false, false, "deploy:web/prod" },
	{ "POST https://deploy.test/v2/apps/web/a", "x-deployer: 1", "op=stop&reason=it%20is+old&last=x", "deployer", "deployer.internal", "Stop",
	  "{\"app\":\"web\",\"reason\":\"it is old\",\"last\":\"x\"}", false, false, NULL },
	{ "GET https://deploy.test/v2/apps/web?view&full=1", "x-deployer: 1", NULL, "deployer", "deployer.internal", "GetFull", NULL, true, true, NULL },
	/* not its: another body, query, header, host, method; the next rules are asked */
	{ "POST https://deploy.test/v2/apps/web/a", JSON "\nx-deployer: 1", "{\"jsonrpc\":\"2.0\",\"method\":\"m\"}", "jsonrpc", "deploy.test", "m",
	  "{\"jsonrpc\":\"2.0\"}", false, false, NULL },
	{ "GET https://deploy.test/v2/apps/web?view&full=2", "x-deployer: 1", NULL, "http", "deploy.test", "GET /v2/apps/web",
	  "{\"path\":\"/v2/apps/web\",\"query\":{\"view\":\"\",\"full\":\"" HIDDEN "\"}}", true, true, NULL },
	{ "PUT https://deploy.test/v2/apps/web/a", NULL, "{\"action\":\"deploy\"}", "http", "deploy.test", "PUT /v2/apps/web/a", "{\"path\":\"/v2/apps/web/a\"}",
	  false, false, NULL },
	{ "GET https://notdeploy.test/v2/apps/web?view&full=1", "x-deployer: 1", NULL, "http", "notdeploy.test", "GET /v2/apps/web",
	  "{\"path\":\"/v2/apps/web\",\"query\":{\"view\":\"\",\"full\":\"" HIDDEN "\"}}", true, true, NULL },
	/* packaging/apis.d/slack.yaml; api.slack.com/methods */
	{ "POST https://slack.com/api/chat.postMessage", JSON "; charset=utf-8\nauthorization: Bearer xoxb-1", "{\"channel\":\"C123ABC456\",\"text\":\"Hello\"}",
	  "slack", "slack.com", "chat.postMessage", "{\"channel\":\"C123ABC456\",\"text\":\"" HIDDEN "\"}", false, false, "slack:channel/C123ABC456" },
	{ "POST https://slack.com/api/chat.postMessage", "content-type: application/x-www-form-urlencoded", "token=xoxb-1&channel=C1&text=Hello&x=y", "slack",
	  "slack.com", "chat.postMessage", "{\"channels\":\"C1\"}", false, false, NULL },
	{ "GET https://slack.com/api/conversations.history?channel=C1&oldest=12&cursor=abc", NULL, NULL, "slack", "slack.com", "conversations.history",
	  "{\"channel\":\"C1\",\"oldest\":\"12\"}", true, true, NULL },
	{ "GET https://slack.com/api/users.list?token=xoxb-1", NULL, NULL, "slack", "slack.com", "users.list", NULL, true, true, NULL },
	{ "POST https://slack.com/api/files.upload", NULL, NULL, "slack", "slack.com", "files.upload", NULL, false, false, NULL },
};

static void calls_by_rule_files(void)
{
	char dir[] = "/tmp/ht-rules-XXXXXX", path[64], why[API_WHY_MAX];
	FILE *f;

	must(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a.yaml", dir);
	f = fopen(path, "w");
	must(f && fputs(everything, f) >= 0 && !fclose(f));
	must(!symlink("/nowhere", strcat(strcpy(path, dir), "/ignored.txt")));
	snprintf(path, sizeof(path), "%s/b.yaml", dir);
	char here[4000];
	must(getcwd(here, sizeof(here) - 64));
	must(!symlink(strcat(here, "/packaging/apis.d/slack.yaml"), path));
	ok_int(api_rules_load(dir, why), 2);
	ok_str(why, "");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		callmake(&m, rows[i].request, rows[i].fields, rows[i].body, 200, NULL, NULL);
		must(!callmake_describe(&m));
		ok_str(m.out.rule, rows[i].rule);
		ok_str(callmake_text(&m, m.out.event_source), rows[i].source);
		ok_str(callmake_text(&m, m.out.event_name), rows[i].name);
		ok_str(callmake_text(&m, m.out.request_parameters), rows[i].parameters ? rows[i].parameters : "(absent)");
		ok_int(m.out.read_only, rows[i].read_only);
		ok_int(m.out.category, rows[i].data ? CATEGORY_DATA : CATEGORY_MANAGEMENT);
		ok_str(callmake_text(&m, m.out.nresources ? m.out.resources[0].arn : (struct str){ 0 }), rows[i].resource ? rows[i].resource : "(absent)");
	}
	/* a cut form's last parameter may be cut, too; an error's code is read where the file says */
	callmake(&m, "POST https://deploy.test/v2/apps/web/a", "x-deployer: 1", "op=stop&reason=old&last=x", 409, JSON, "{\"error\":{\"code\":\"BusyNow\"}}");
	m.call.flags |= HTTP_BODY_PARTIAL;
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.request_parameters), "{\"app\":\"web\",\"reason\":\"old\"}");
	callmake(&m, rows[0].request, rows[0].fields, rows[0].body, 409, JSON, "{\"error\":{\"code\":\"BusyNow\",\"message\":\"x\"}}");
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.error_code), "BusyNow");
	/* a faulty set changes nothing */
	f = fopen(strcat(strcpy(path, dir), "/c.yaml"), "w");
	must(f && fputs("api: x\n", f) >= 0 && !fclose(f));
	ok(api_rules_load(dir, why) < 0 && strstr(why, "c.yaml:1: there is no match"));
	callmake(&m, rows[0].request, rows[0].fields, rows[0].body, 200, NULL, NULL);
	must(!callmake_describe(&m));
	ok_str(m.out.rule, "deployer");
	ok_int(strlen(api_rules_sha256()), 64);
	api_rules_free();
	ok_str(api_rules_sha256(), "");
	snprintf(why, sizeof(why), "rm -r %s", dir);
	ok(!system(why));
	ok(api_rules_load("/nonexistent", why) == -ENOENT && *why);
}

#define GOOD "api: a\nmatch: {host: h.test}\noperations:\n"
#define OP GOOD "- path: /x/{y}\n  eventName: E\n"

static const struct {
	const char *text, *why;
} faults[] = {
	{ "", "f:1: the file is empty" },
	{ "a: b: c", "f:1: this is not YAML: mapping values are not allowed in this context" },
	{ "- a", "f:1: the file is to be a mapping, and is a list" },
	{ "api: a\nfoo: b\n", "f:2: foo: unknown key; the file may have: api match eventSource apiVersion bodyBytes operations" },
	{ "api: A b\n", "f:1: api is a name of at most 64 small letters, digits, '-' and '_'" },
	{ "match: {host: h}\n", "f:1: the file has no api" },
	{ "api: a\nmatch: {}\n", "f:2: match needs a host, a header or another condition: every call would be of this API" },
	{ "api: a\nmatch: {host: \"H*\"}\n", "f:2: H*: a host is of small letters, digits, '.', '-' and '_', and may begin with \"*.\"" },
	{ "api: a\nmatch: {host: h}\n", "f:1: operations is to be a list with at least one operation" },
	{ "api: a\nmatch: {host: h}\nbodyBytes: 70000\noperations: []\n", "f:3: bodyBytes is a number up to 65536" },
	{ GOOD "- eventName: E\n", "f:4: the operation has no path, and match has none either" },
	{ GOOD "- path: x\n  eventName: E\n", "f:4: a path begins with '/'" },
	{ GOOD "- path: /{a}{b}\n  eventName: E\n", "f:4: a segment of the path has more than one label, or one that does not end" },
	{ GOOD "- path: /x\n", "f:4: an operation has no eventName" },
	{ GOOD "- path: /x\n  eventName: \"{y}\"\n", "f:5: {y} is no label of this operation's path" },
	{ GOOD "- path: /x\n  eventName: \"{y\"\n", "f:5: a '{' is not closed in \"{y\"" },
	{ GOOD "- path: /x\n  eventName: \"y}\"\n", "f:5: a '}' closes nothing in \"y}\"" },
	{ OP "  method: get\n", "f:6: method is of capital letters, as GET or POST" },
	{ OP "  category: Network\n", "f:6: category is Management or Data, not Network" },
	{ OP "  readOnly: maybe\n", "f:6: readOnly is true or false, not maybe" },
	{ OP "  requestParameters: {a: cookie.x}\n", "f:6: cookie.x: not a source; it is path.LABEL, query.NAME, header.NAME, body.MEMBER, form.NAME, method or host" },
	{ OP "  requestParameters: [a]\n", "f:6: requestParameters is to be a mapping of names and sources, and is a list" },
	{ OP "  hidden: [b]\n", "f:6: b is hidden, but is none of the requestParameters" },
	{ OP "  resources: [{type: T}]\n", "f:6: a resource has no arn" },
	{ OP "  path: /z\n", "f:6: path: this key is there already, in line 4" },
	{ OP "  query: {a: [1]}\n", "f:6: a is to be a text, and is a list" },
	{ "api: &x a\n", "f:1: anchors and tags are not used here" },
	{ "api: a\n---\napi: b\n", "f:2: a second document begins: only one is read of a file" },
	{ "a: [[[[[[[[[[[[1]]]]]]]]]]]]", "f:1: there is more, or it is nested deeper, than such a file may have" },
};

static void faults_are_told_by_line(void)
{
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct rule_file *f = NULL;
		char why[API_WHY_MAX];

		ok(rulefile_parse("f", faults[i].text, strlen(faults[i].text), &f, why) < 0 && !f);
		ok_str(why, faults[i].why);
	}
}

/* Where hosttraild's worker reads them: any call of the system that the sandbox does not have ends the process. */
static void files_are_read_in_the_sandbox(void)
{
	char why[API_WHY_MAX];
	int status = 0;
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		if (sandbox_worker() < 0)
			_exit(2);
		_exit(api_rules_load("packaging/apis.d", why) == 1 ? 0 : 1);
	}
	must(waitpid(pid, &status, 0) == pid);
	ok(WIFEXITED(status));
	ok_int(WEXITSTATUS(status), 0);
}

/* What a file does not say it wants of bodies is not asked for. */
static void bodies_are_wanted_as_the_file_says(void)
{
	static const char head_only[] = OP, body[] = OP "  requestParameters: {a: body.b}\n";
	struct rule_file *f = NULL;
	char why[API_WHY_MAX];
	struct http_wants w = { 0 };

	must(!rulefile_parse("f", head_only, strlen(head_only), &f, why));
	callmake(&m, "POST https://h.test/x/1", NULL, NULL, 0, NULL, NULL);
	ok(rulefile_wants(f, &m.peer, &m.call, &w) && !w.request && !w.response);
	rulefile_free(&f);
	must(!rulefile_parse("f", body, strlen(body), &f, why));
	ok(rulefile_wants(f, &m.peer, &m.call, &w) && w.request == RULEFILE_BODY_DEFAULT && !w.response);
	rulefile_free(&f);
}

static const struct tap_case cases[] = {
	CASE(calls_by_rule_files), CASE(faults_are_told_by_line), CASE(bodies_are_wanted_as_the_file_says), CASE(files_are_read_in_the_sandbox),
};

int main(void)
{
	int r = tap_run(cases, sizeof(cases) / sizeof(cases[0]));

	api_arena_free(&m.arena);
	return r;
}
