/* SPDX-License-Identifier: Apache-2.0 */
/* test_api_secrets.c - secrets planted wherever a call of any rule can hold them: none may be in what is described. */
#include "callmake.h"
#include "proto/redact.h"
#include "tests/tap.h"

#define MARK "S3CR3TPLANT"			/* where the place makes it a secret */
#define TOKEN "rQ2vX8kLmN4pT7wZ9bYcD1"		/* where its form must */

static struct callmake m;
static char request[2048], fields[2048];

/* One call of every rule and kind; bodies hold the mark wherever no rule lists the member. */
static const struct {
	const char *rule, *request, *fields, *body, *answer_fields, *answer;
} samples[] = {
	{ "http", "POST https://a.test/x", "content-type: text/plain", MARK, "content-type: text/plain", MARK },
	{ "http", "POST https://a.test/oauth/token", "content-type: application/x-www-form-urlencoded",
	  "grant_type=password&username=u&password=" MARK "&client_secret=" MARK "&code=" MARK, "content-type: application/json", "{\"access_token\":\"" MARK "\"}" },
	{ "http", "POST https://a.test/login", "content-type: application/json", "{\"user\":\"u\",\"password\":\"" MARK "\"}", "content-type: application/json",
	  "{\"token\":\"" MARK "\"}" },
	{ "http", "GET https://a.test/ws", "upgrade: websocket\nsec-websocket-protocol: bearer." MARK, NULL, NULL, NULL },
	{ "kubernetes", "POST https://10.0.0.1/api/v1/namespaces/d/secrets", "content-type: application/json",
	  "{\"metadata\":{\"name\":\"" MARK "\"},\"stringData\":{\"a\":\"" MARK "\"}}", "content-type: application/json", "{\"data\":{\"a\":\"" MARK "\"}}" },
	{ "kubernetes", "POST https://10.0.0.1/api/v1/namespaces/d/serviceaccounts/s/token", "content-type: application/json", "{\"spec\":\"" MARK "\"}",
	  "content-type: application/json", "{\"kind\":\"TokenRequest\",\"status\":{\"token\":\"" MARK "\"}}" },
	{ "kubernetes", "POST https://10.0.0.1/api/v1/namespaces/d/pods", "content-type: application/json\nimpersonate-extra-scopes: " MARK,
	  "{\"metadata\":{\"name\":\"p\",\"annotations\":{\"x\":\"" MARK "\"}},\"spec\":{\"env\":[{\"value\":\"" MARK "\"}]}}", NULL, NULL },
	{ "kubernetes", "POST https://10.0.0.1/api/v1/namespaces/d/pods/p/exec?command=mysql&command=-p" MARK "&command=--password&command=" MARK, NULL, NULL, NULL, NULL },
	{ "kubernetes", "GET https://10.0.0.1/api/v1/namespaces/d/services/x/proxy/login?user=" MARK, NULL, NULL, NULL, MARK },
	{ "vault", "PUT https://v.test/v1/secret/data/x", "x-vault-token: " MARK, "{\"data\":{\"k\":\"" MARK "\"}}", "content-type: application/json",
	  "{\"auth\":{\"client_token\":\"" MARK "\"},\"errors\":[\"" MARK "\"]}" },
	{ "vault", "GET https://v.test/v1/auth/token/lookup/" MARK, "x-vault-request: true", NULL, NULL, NULL },
	{ "github", "PUT https://api.github.com/repos/o/r/actions/secrets/S", "content-type: application/json\nauthorization: token " MARK,
	  "{\"encrypted_value\":\"" MARK "\"}", NULL, "{\"message\":\"" MARK "\"}" },
	{ "git", "POST https://u:" MARK "@git.test/a.git/git-receive-pack", "content-type: application/x-git-receive-pack-request", MARK, NULL, MARK },
	{ "azure", "POST https://management.azure.com/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a/listKeys?api-version=1",
	  "content-type: application/json", "{\"x\":\"" MARK "\"}", "content-type: application/json", "{\"keys\":[{\"value\":\"" MARK "\"}]}" },
	{ "google", "POST https://iam.googleapis.com/v1/projects/p/serviceAccounts/s/keys?key=" MARK, "x-goog-api-key: " MARK, "{\"x\":\"" MARK "\"}",
	  "content-type: application/json", "{\"privateKeyData\":\"" MARK "\",\"error\":{\"message\":\"" MARK "\"}}" },
	{ "docker", "POST https://d:2376/v1.43/containers/create", "x-registry-auth: " MARK,
	  "{\"Image\":\"i\",\"Env\":[\"PW=" MARK "\"],\"Labels\":{\"x\":\"" MARK "\"},\"Cmd\":[\"mysql\",\"-p" MARK "\"],\"HostConfig\":{\"Privileged\":true,"
	  "\"LogConfig\":{\"Config\":{\"token\":\"" MARK "\"}},\"Mounts\":[{\"Target\":\"/x\",\"password\":\"" MARK "\"}]}}", NULL, NULL },
	{ "docker", "POST https://d:2376/v1.43/secrets/create", NULL, "{\"Name\":\"n\",\"Data\":\"" MARK "\"}", NULL, NULL },
	{ "docker", "POST https://d:2376/v1.43/auth", NULL, "{\"username\":\"u\",\"password\":\"" MARK "\"}", NULL, "{\"IdentityToken\":\"" MARK "\"}" },
	{ "oci", "PUT https://r.test/v2/a/blobs/uploads/u1?_state=" MARK "&digest=sha256:ab", NULL, MARK, NULL, NULL },
	{ "llm", "POST https://api.openai.com/v1/chat/completions", "content-type: application/json\nopenai-organization: " MARK,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"" MARK "\"}],\"user\":\"" MARK "\",\"stream\":\"" MARK "\",\"tools\":[{\"name\":\"" MARK "\"}],"
	  "\"metadata\":{\"a\":\"" MARK "\"}}", "content-type: application/json",
	  "{\"choices\":[{\"message\":{\"content\":\"" MARK "\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":\"" MARK "\",\"x\":\"" MARK "\"}}" },
	{ "llm", "POST https://api.anthropic.com/v1/messages", "content-type: application/json\nx-api-key: " MARK "\nanthropic-version: 2023-06-01",
	  "{\"system\":\"" MARK "\",\"messages\":[{\"content\":\"" MARK "\"}],\"model\":\"m\"}", "content-type: text/event-stream",
	  "data: {\"delta\":\"" MARK "\"}\n\ndata: {\"usage\":{\"output_tokens\":1,\"text\":\"" MARK "\"}}\n" },
	{ "grpc", "POST https://g.test/p.S/M", "content-type: application/grpc\nx-goog-request-params: filter=" MARK, MARK, "content-type: application/grpc", MARK },
	{ "jsonrpc", "POST https://r.test/", "content-type: application/json",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"login\",\"params\":{\"password\":\"" MARK "\"}}", "content-type: application/json",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"" MARK "\"}" },
	{ "mcp", "POST https://r.test/mcp", "content-type: application/json\nmcp-session-id: " MARK,
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\",\"arguments\":{\"a\":\"" MARK "\"}}}", "content-type: application/json",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"" MARK "\",\"data\":\"" MARK "\"}}" },
	{ "graphql", "POST https://r.test/graphql", "content-type: application/json",
	  "{\"query\":\"mutation L($p: String) { login(password: \\\"" MARK "\\\") { id } }\",\"variables\":{\"p\":\"" MARK "\"}}", NULL, "{\"data\":\"" MARK "\"}" },
	{ "aws", "POST https://sts.us-east-1.amazonaws.com/",
	  "content-type: application/x-www-form-urlencoded\nauthorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240101/us-east-1/sts/aws4_request, "
	  "SignedHeaders=host, Signature=" MARK "\nx-amz-security-token: " MARK, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=" MARK
	  "&RoleArn=r", "content-type: text/xml",
	  "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><SecretAccessKey>" MARK "</SecretAccessKey><SessionToken>" MARK
	  "</SessionToken></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>" },
	{ "aws", "POST https://h.test/", "content-type: application/x-www-form-urlencoded\nuser-agent: Boto3/1.26.27",
	  "Action=PutAttributes&Version=2009-04-15&DomainName=d&ItemName=i&Attribute.1.Name=n&Attribute.1.Value=" MARK "&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE"
	  "&SignatureVersion=2&SignatureMethod=HmacSHA256&SecurityToken=" MARK "&Signature=" MARK, "content-type: text/xml", MARK },
	{ "aws", "POST https://h.test/?Operation=CreateJob", "content-type: application/x-www-form-urlencoded\nuser-agent: aws-sdk-java/1.12",
	  "Action=CreateJob&Version=2010-06-01&Manifest=" MARK "&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&SignatureVersion=2&Signature=" MARK, "content-type: text/xml",
	  "<CreateJobResponse><CreateJobResult><Signature>" MARK "</Signature><SignatureFileContents>" MARK "</SignatureFileContents></CreateJobResult></CreateJobResponse>" },
	{ "http", "POST https://h.test/", "content-type: application/x-www-form-urlencoded\nuser-agent: aws-cli/2.9", "Action=" MARK "&password=" MARK, NULL, MARK },
	{ "aws", "POST https://secretsmanager.us-east-1.amazonaws.com/",
	  "content-type: application/x-amz-json-1.1\nx-amz-target: secretsmanager.PutSecretValue\nauthorization: AWS4-HMAC-SHA256 "
	  "Credential=AKIAIOSFODNN7EXAMPLE/20240101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=" MARK,
	  "{\"SecretId\":\"s\",\"SecretString\":\"" MARK "\"}", "content-type: application/x-amz-json-1.1", "{\"SecretString\":\"" MARK "\"}" },
	{ "aws", "GET https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20240101%2Fus-east-1%2Fs3%2Faws4_request&"
	  "X-Amz-Signature=" MARK "&X-Amz-Security-Token=" MARK, "x-amz-server-side-encryption-customer-key: " MARK, NULL, NULL, MARK },
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static bool leaks(struct str s, const char *what)
{
	return s.p && memmem(s.p, s.n, what, strlen(what));
}

/* Every text of a description. */
static bool any_leak(const struct api_call *c, const char *what)
{
	const struct str v[] = {
		c->event_source, c->event_name, c->api_version, c->request_parameters, c->response_elements, c->additional, c->error_code,
		c->error_message, c->request_id, c->region, c->access_key, c->user_agent, c->forwarded_for,
	};
	bool found = false;

	for (unsigned i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		if (leaks(v[i], what)) {
			printf("# leaks: %.*s\n", (int)v[i].n, v[i].p);
			found = true;
		}
	for (unsigned i = 0; i < c->nresources; i++)
		found |= leaks(c->resources[i].arn, what) || leaks(c->resources[i].type, what) || leaks(c->resources[i].account, what);
	return found;
}

/* As described when bodies come as wanted, and also when more of them is there than was asked for. */
static void check(const char *why, const char *what, bool all_of_bodies)
{
	if ((all_of_bodies ? api_describe(&m.peer, &m.call, m.arena, &m.out) : callmake_describe(&m)) < 0 || any_leak(&m.out, what)) {
		printf("# %s: rule %s, %s\n", why, m.out.rule, request);
		ok(false);
	}
}

static void with(unsigned i, const char *path, const char *query, const char *userinfo, const char *more, unsigned status)
{
	const char *base = samples[i].request, *q = strchr(base, '?'), *host = strstr(base, "https://") + 8;
	size_t upto = q ? (size_t)(q - base) : strlen(base);

	snprintf(request, sizeof(request), "%.*s%s%.*s%s%s%s%s", (int)(host - base), base, userinfo, (int)(upto - (size_t)(host - base)), host, path,
		 q ? q : "", q && *query ? "&" : *query ? "?" : "", query);
	snprintf(fields, sizeof(fields), "%s\n%s", samples[i].fields ? samples[i].fields : "accept: */*", more);
	callmake(&m, request, fields, samples[i].body, status, samples[i].answer_fields, samples[i].answer);
}

static void every_rule_is_here(void)
{
	static const char *const names[] = { "aws", "grpc", "kubernetes", "vault", "github", "git", "llm", "azure", "google", "docker", "oci", "jsonrpc", "mcp",
					     "graphql", "http" };
	bool seen[sizeof(names) / sizeof(names[0])] = { false };

	for (unsigned i = 0; i < SAMPLES; i++) {
		with(i, "", "", "", "x: y", 200);
		must(!callmake_describe(&m));
		ok_str(m.out.rule, samples[i].rule);
		for (unsigned k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			seen[k] |= !strcmp(names[k], m.out.rule);
	}
	for (unsigned k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		if (!seen[k])
			printf("# no sample of rule number %u\n", k);
		ok(seen[k]);
	}
}

static void bodies_keep_their_secrets(void)
{
	static const unsigned statuses[] = { 200, 400, 403, 500, 0 };

	for (unsigned i = 0; i < SAMPLES; i++)
		for (unsigned s = 0; s < 5; s++)
			for (unsigned all = 0; all < 2; all++) {
				with(i, "", "", "", "x: y", statuses[s]);
				check("body", MARK, all);
			}
}

static void cut_bodies_keep_their_secrets(void)
{
	for (unsigned i = 0; i < SAMPLES; i++)
		for (size_t n = 0; samples[i].body && n < strlen(samples[i].body); n += 1 + n / 40) {
			with(i, "", "", "", "x: y", 200);
			m.call.request.body.prefix.n = n;
			m.call.flags |= HTTP_BODY_PARTIAL;
			check("cut body", "S3CR3T", true);
		}
}

static void headers_keep_their_secrets(void)
{
	static const char *const names[] = {
		"authorization", "proxy-authorization", "cookie", "x-amz-security-token", "x-vault-token", "x-api-key", "api-key", "x-auth-token",
		"private-token", "x-goog-api-key", "x-registry-auth", "x-unheard-of", "x-csrf-token", "referer", "origin", "x-forwarded-user",
		"sec-websocket-protocol", "x-ms-encryption-key", "dd-api-key", "from",
	};
	char more[128];

	for (unsigned i = 0; i < SAMPLES; i++)
		for (unsigned k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
			snprintf(more, sizeof(more), "%s: %s" MARK, names[k], k ? "" : "Basic ");
			with(i, "", "", "", more, 200);
			check(names[k], MARK, true);
			/* and among what answers */
			m.fields[1][m.call.response.head.nfields] = (struct http_field){ STR("set-cookie"), STR("sid=" MARK), false };
			m.fields[1][m.call.response.head.nfields + 1] = (struct http_field){ STR("location"), STR("/cb?code=" MARK), false };
			m.call.response.head.fields = m.fields[1];
			m.call.response.head.nfields += 2;
			m.call.role = HTTP_SERVER;
			check(names[k], MARK, true);
		}
	for (unsigned i = 0; i < SAMPLES; i++) {
		with(i, "", "", "", "user-agent: x/1 " TOKEN "\nx-forwarded-for: " TOKEN "\nx-forwarded-for: " TOKEN, 200);
		m.call.role = HTTP_SERVER;
		check("user-agent", TOKEN, true);
	}
}

static void urls_keep_their_secrets(void)
{
	static const char *const queries[] = {
		"token=" MARK, "access_token=" MARK, "sig=" MARK, "key=" MARK, "X-Amz-Signature=" MARK, "unheard=" MARK, "%74oken=" MARK, "a[password]=" MARK,
		"client_secret=" MARK "&client_secret=" MARK, "code=" MARK, "page=password%3D" MARK "&ref=a%26token%3D" MARK, "state=x&sessionid=" MARK, "next=https%3A%2F%2Fu%3A" MARK "%40h%2F",
	};

	for (unsigned i = 0; i < SAMPLES; i++) {
		for (unsigned k = 0; k < sizeof(queries) / sizeof(queries[0]); k++) {
			with(i, "", queries[k], "", "x: y", 200);
			check(queries[k], MARK, true);
		}
		with(i, "", "page=" TOKEN "&limit=" TOKEN "&" TOKEN, "", "x: y", 200);
		check("token in a listed parameter", TOKEN, true);
		with(i, "", "", "user:" MARK "@", "x: y", 200);
		check("userinfo", MARK, true);
	}
}

/* A segment more: whichever rule takes it then. */
static void paths_keep_their_secrets(void)
{
	static const char *const paths[] = {
		"/" TOKEN, "/x/" TOKEN "/y", "/token/" MARK "1", "/" TOKEN ":run", "/" TOKEN ".json", "/x;jsessionid=" MARK, "/%72Q2vX8kLmN4pT7wZ9bYcD1",
		"/bot1:" TOKEN "/getMe", "/password=" MARK "/x", "/x%3Ftoken%3D" MARK, "/a,client_secret=" MARK,
	};

	for (unsigned i = 0; i < SAMPLES; i++)
		for (unsigned k = 0; k < sizeof(paths) / sizeof(paths[0]); k++) {
			if (!strcmp(samples[i].rule, "aws"))
				continue;	/* keys of objects are recorded as CloudTrail does */
			if (k == 2 && strcmp(samples[i].rule, "http"))
				continue;	/* what follows a word is of the API, not a secret by the word */
			with(i, paths[k], "", "", "x: y", 200);
			check(paths[k], strstr(paths[k], MARK) ? MARK : "X8kLmN4pT7wZ9bYcD1", true);
		}
}


/* Places that no sample above has: the API's own ones, and texts in which names say what is secret. `what` is never to be shown. */
#define UUID "8f14e45f-ceea-467a-9575-1d1c8c1a3f6e"
#define GRPC "content-type: application/grpc"
#define JSON "content-type: application/json"
#define FORM "content-type: application/x-www-form-urlencoded"
#define AMZ(scope, more) "authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240101/us-east-1/" scope "/aws4_request, SignedHeaders=host, Signature=x\n" more
#define TARGET(scope, op) AMZ(scope, "content-type: application/x-amz-json-1.1\nx-amz-target: " op)
#define SAS "sv=2023-01-03&sr=b&se=2026-01-01T00%3A00%3A00Z&sp=r&sig=" MARK

static const struct {
	const char *rule, *what, *request, *fields, *body;
	unsigned status;
	const char *answer_fields, *answer;
} places[] = {
	/* what signs a URL */
	{ "http", MARK, "GET https://a.blob.core.windows.net/c/b?" SAS, NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "PUT https://a.test/proxy/https%3A%2F%2Fa.blob.core.windows.net%2Fc%2Fb%3F" "sig%3D" MARK, NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://storage.googleapis.com/b/o?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=c&X-Goog-Signature=" MARK, NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://storage.googleapis.com/b/o?GoogleAccessId=a&Expires=1&Signature=" MARK, NULL, NULL, 200, NULL, NULL },
	{ "aws", MARK, "GET https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1&Signature=" MARK, NULL, NULL, 200, NULL, NULL },
	/* URLs within paths */
	{ "http", MARK, "GET https://a.test/fetch/https://u:" MARK "@h/x", NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/fetch/https:/u:" MARK "@h/x", NULL, NULL, 200, NULL, NULL },
	{ "git", MARK, "GET https://p.test/https://u:" MARK "@git.test/a.git/info/refs?service=git-upload-pack", NULL, NULL, 200, NULL, NULL },
	{ "git", MARK, "POST https://p.test/u:" MARK "@git.test/a.git/git-upload-pack", NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/login/password%253D" MARK, NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/x?page=a%2526token%253D" MARK, NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/x?service=https%3A%2F%2Fh%2Fcb%3Fticket%3D" MARK, NULL, NULL, 200, NULL, NULL },
	{ "github", MARK, "GET https://api.github.com/repos/o/password%3D" MARK "/issues", NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "CONNECT https://u:" MARK "@h:443", NULL, NULL, 200, NULL, NULL },
	/* URLs that are passwords, of which a UUID does not show it */
	{ "http", UUID, "POST https://logs-01.loggly.com/inputs/" UUID "/tag/http/", NULL, MARK, 200, NULL, NULL },
	{ "http", UUID, "POST https://open.larksuite.com/open-apis/bot/v2/hook/" UUID, NULL, MARK, 200, NULL, NULL },
	{ "http", MARK, "POST https://discord.com/api/v10/webhooks/1/" MARK, NULL, MARK, 200, NULL, NULL },
	{ "http", MARK, "POST https://HOOKS.SLACK.com:443/services/T0/B0/" MARK, NULL, MARK, 200, NULL, NULL },
	{ "http", MARK, "POST https://hook.eu2.make.com/" MARK, NULL, MARK, 200, NULL, NULL },
	/* Vault: of a namespace's, too */
	{ "vault", MARK, "GET https://v.test/v1/team/a/auth/token/lookup/" MARK, "x-vault-token: x", NULL, 200, NULL, NULL },
	{ "vault", MARK, "PUT https://v.test/v1/team/sys/wrapping/unwrap/" MARK, "x-vault-token: x", NULL, 200, NULL, NULL },
	/* what answers repeat of what was sent */
	{ "grpc", MARK, "POST https://g.test/p.S/M", GRPC, NULL, 200, GRPC "\ngrpc-status: 16\ngrpc-message: bad password=" MARK, NULL },
	{ "grpc", MARK, "POST https://g.test/p.S/M", GRPC, NULL, 200, GRPC "\ngrpc-status: 16\ngrpc-message: invalid token: " MARK, NULL },
	{ "grpc", MARK, "POST https://g.test/p.S/M", GRPC, NULL, 200, GRPC "\ngrpc-status: 16\ngrpc-message: api key %22" MARK "%22 is not known", NULL },
	{ "grpc", MARK, "POST https://g.test/p.S/M", GRPC, NULL, 200, GRPC "\ngrpc-status: 16\ngrpc-message: Authorization: Bearer " MARK, NULL },
	{ "kubernetes", MARK, "POST https://10.0.0.1/api/v1/namespaces/d/pods", JSON, "{}", 403, JSON,
	  "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"admission webhook denied the request: DB_PASSWORD=" MARK " in env\"}" },
	{ "kubernetes", MARK, "POST https://10.0.0.1/api/v1/namespaces/d/pods", JSON, "{}", 403, JSON,
	  "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"pods is forbidden: password: \\\"" MARK "\\\" in env\"}" },
	{ "aws", MARK, "POST https://rds.us-east-1.amazonaws.com/", AMZ("rds", "content-type: application/x-www-form-urlencoded"),
	  "Action=ModifyDBInstance&Version=2014-10-31&DBInstanceIdentifier=d&MasterUserPassword=" MARK, 400, "content-type: text/xml",
	  "<ErrorResponse><Error><Code>ValidationError</Code><Message>1 validation error detected: Value '" MARK
	  "' at 'masterUserPassword' failed to satisfy constraint: Member must have length greater than or equal to 8</Message></Error></ErrorResponse>" },
	/* what programs say of themselves */
	{ "http", MARK, "GET https://a.test/x", "user-agent: x/1 (apikey=" MARK ")", NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/x", "user-agent: https://h/?token=" MARK, NULL, 200, NULL, NULL },
	{ "mcp", MARK, "POST https://r.test/mcp", JSON "\nmcp-session-id: x",
	  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/read\",\"params\":{\"uri\":\"https://h/x?token=" MARK "\"}}", 200, NULL, NULL },
	{ "docker", MARK, "POST https://d:2376/v1.43/containers/create", JSON,
	  "{\"Image\":\"i\",\"Cmd\":[\"sh\",\"-c\",\"curl -H 'Authorization: Bearer " MARK "' https://h/\"],\"Entrypoint\":[\"x\",\"--set\",\"db.password=" MARK "\"],"
	  "\"HostConfig\":{\"Mounts\":[{\"Target\":\"/x\",\"VolumeOptions\":{\"o\":\"addr=h,username=u,password=" MARK "\"}}],\"SecurityOpt\":[\"token=" MARK "\"]}}", 201, NULL, NULL },
	{ "docker", MARK, "POST https://d:2376/v1.43/build?remote=https%3A%2F%2Fh%2Fx%3Ftoken%3D" MARK "&buildargs=%7B%22TOKEN%22%3A%22" MARK "%22%7D", NULL, NULL, 200, NULL, NULL },
	{ "docker", MARK, "POST https://d:2376/v1.43/images/create?fromSrc=https%3A%2F%2Fu%3A" MARK "%40h%2Fx", NULL, NULL, 200, NULL, NULL },
	{ "kubernetes", MARK, "POST https://10.0.0.1/api/v1/namespaces/d/pods/p/exec?command=sh&command=-c&command=curl+-H+%27Authorization%3A+Bearer+" MARK "%27+https%3A%2F%2Fh%2F",
	  NULL, NULL, 101, NULL, NULL },
	/* AWS: members that its models do not call sensitive, in this version */
	{ "aws", MARK, "POST https://sns.us-east-1.amazonaws.com/", AMZ("sns", "content-type: application/x-www-form-urlencoded"),
	  "Action=CreatePlatformApplication&Version=2010-03-31&Name=n&Platform=GCM&Attributes.entry.1.key=PlatformCredential&Attributes.entry.1.value=" MARK, 200, NULL, NULL },
	{ "aws", MARK, "POST https://directconnect.us-east-1.amazonaws.com/", TARGET("directconnect", "OvertureService.CreateBGPPeer"),
	  "{\"virtualInterfaceId\":\"v\",\"newBGPPeer\":{\"asn\":1,\"authKey\":\"" MARK "\"}}", 200, "content-type: application/x-amz-json-1.1",
	  "{\"virtualInterface\":{\"authKey\":\"" MARK "\"}}" },
	{ "aws", MARK, "POST https://ec2.us-east-1.amazonaws.com/", AMZ("ec2", "content-type: application/x-www-form-urlencoded"),
	  "Action=CreateVpnConnection&Version=2016-11-15&CustomerGatewayId=c&Type=ipsec.1&Options.TunnelOptions.1.PreSharedKey=" MARK, 200, "content-type: text/xml",
	  "<CreateVpnConnectionResponse><vpnConnection><customerGatewayConfiguration>&lt;pre_shared_key&gt;" MARK
	  "&lt;/pre_shared_key&gt;</customerGatewayConfiguration></vpnConnection></CreateVpnConnectionResponse>" },
	{ "aws", MARK, "POST https://ssm.us-east-1.amazonaws.com/", TARGET("ssm", "AmazonSSM.CreateActivation"), "{\"IamRole\":\"r\"}", 200,
	  "content-type: application/x-amz-json-1.1", "{\"ActivationId\":\"i\",\"ActivationCode\":\"" MARK "\"}" },
	{ "aws", MARK, "POST https://api.sagemaker.us-east-1.amazonaws.com/", TARGET("sagemaker", "SageMaker.CreateModel"),
	  "{\"ModelName\":\"m\",\"PrimaryContainer\":{\"Image\":\"i\",\"Environment\":{\"PW\":\"" MARK "\"}}}", 200, NULL, NULL },
	{ "aws", MARK, "POST https://opsworks.us-east-1.amazonaws.com/", TARGET("opsworks", "OpsWorks_20130218.CreateApp"),
	  "{\"StackId\":\"s\",\"Name\":\"n\",\"Type\":\"t\",\"AppSource\":{\"SshKey\":\"" MARK "\"},\"Environment\":[{\"Key\":\"PW\",\"Value\":\"" MARK "\"}]}", 200, NULL, NULL },
	{ "aws", MARK, "POST https://codepipeline.us-east-1.amazonaws.com/", TARGET("codepipeline", "CodePipeline_20150709.PutWebhook"),
	  "{\"webhook\":{\"name\":\"n\",\"authenticationConfiguration\":{\"SecretToken\":\"" MARK "\"}}}", 200, NULL, NULL },
	{ "aws", MARK, "POST https://firehose.us-east-1.amazonaws.com/", TARGET("firehose", "Firehose_20150804.CreateDeliveryStream"),
	  "{\"DeliveryStreamName\":\"n\",\"SplunkDestinationConfiguration\":{\"HECToken\":\"" MARK "\"}}", 200, NULL, NULL },
	{ "aws", MARK, "POST https://elasticache.us-east-1.amazonaws.com/", AMZ("elasticache", FORM),
	  "Action=CreateUser&Version=2015-02-02&UserId=u&UserName=n&Engine=redis&AccessString=on&Passwords.member.1=" MARK "&AuthenticationMode.Passwords.member.1=" MARK, 200, NULL, NULL },
	{ "aws", MARK, "POST https://directconnect.us-east-1.amazonaws.com/", TARGET("directconnect", "OvertureService.CreateBGPPeer"),
	  "{\"virtualInterfaceId\":\"v\"}", 200, "content-type: application/x-amz-json-1.1", "{\"virtualInterface\":{\"customerRouterConfig\":\"" MARK "\"}}" },
	{ "aws", MARK, "POST https://athena.us-east-1.amazonaws.com/", TARGET("athena", "AmazonAthena.StartQueryExecution"),
	  "{\"QueryString\":\"select '" MARK "'\"}", 200, NULL, NULL },
	{ "aws", MARK, "POST https://events.us-east-1.amazonaws.com/", TARGET("events", "AWSEvents.PutTargets"),
	  "{\"Rule\":\"r\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"a\",\"Input\":\"" MARK "\",\"InputTransformer\":{\"InputTemplate\":\"" MARK "\"},"
	  "\"HttpParameters\":{\"HeaderParameters\":{\"h\":\"" MARK "\"},\"QueryStringParameters\":{\"q\":\"" MARK "\"}}}]}", 200, NULL, NULL },
	/* ... and such of which a neighbour says what they are: names of pairs, options, URLs */
	{ "aws", MARK, "POST https://ec2.us-east-1.amazonaws.com/", AMZ("ec2", FORM),
	  "Action=CreateTags&Version=2016-11-15&ResourceId.1=r&Tag.1.Key=db-password&Tag.1.Value=" MARK, 200, NULL, NULL },
	{ "aws", MARK, "POST https://secretsmanager.us-east-1.amazonaws.com/", TARGET("secretsmanager", "secretsmanager.CreateSecret"),
	  "{\"Name\":\"n\",\"Description\":\"password: " MARK "\",\"Tags\":[{\"Value\":\"" MARK "\",\"Key\":\"password\"}]}", 200, NULL, NULL },
	{ "aws", MARK, "PUT https://s3.us-east-1.amazonaws.com/b/k?tagging", AMZ("s3", "content-type: application/xml"),
	  "<Tagging><TagSet><Tag><Key>password</Key><Value>" MARK "</Value></Tag></TagSet></Tagging>", 200, NULL, NULL },
	{ "aws", MARK, "PUT https://s3.us-east-1.amazonaws.com/b/k", AMZ("s3", "x-amz-tagging: a=b&password=" MARK), NULL, 200, NULL, NULL },
	{ "aws", MARK, "PUT https://s3.us-east-1.amazonaws.com/b?policy", AMZ("s3", JSON), "{\"password\":\"" MARK "\",\"Statement\":[{\"Sid\":\"token=" MARK "\"}]}", 200, NULL, NULL },
	{ "aws", MARK, "PATCH https://apigateway.us-east-1.amazonaws.com/restapis/r/stages/s", AMZ("apigateway", JSON),
	  "{\"patchOperations\":[{\"op\":\"replace\",\"path\":\"/variables/password\",\"value\":\"" MARK "\"}]}", 200, NULL, NULL },
	{ "aws", MARK, "POST https://ecs.us-east-1.amazonaws.com/", TARGET("ecs", "AmazonEC2ContainerServiceV20141113.RunTask"),
	  "{\"taskDefinition\":\"f\",\"overrides\":{\"containerOverrides\":[{\"command\":[\"mysql\",\"-p" MARK "\",\"--password\",\"" MARK "\",\"--token=" MARK "\"]}]}}", 200, NULL, NULL },
	{ "aws", MARK, "POST https://elasticmapreduce.us-east-1.amazonaws.com/", TARGET("elasticmapreduce", "ElasticMapReduce.AddJobFlowSteps"),
	  "{\"JobFlowId\":\"j\",\"Steps\":[{\"Name\":\"s\",\"HadoopJarStep\":{\"Jar\":\"j\",\"Args\":[\"sh\",\"-c\",\"PW_TOKEN=" MARK " x\"]}}]}", 200, NULL, NULL },
	{ "aws", MARK, "POST https://sns.us-east-1.amazonaws.com/", AMZ("sns", FORM),
	  "Action=Subscribe&Version=2010-03-31&TopicArn=t&Protocol=https&Endpoint=https%3A%2F%2Fh%2Fx%3Ftoken%3D" MARK, 200, NULL, NULL },
	/* what errors repeat: the canonical request has the session token in it */
	{ "aws", MARK, "POST https://iam.amazonaws.com/", AMZ("iam", FORM), "Action=GetUser&Version=2010-05-08", 403, "content-type: text/xml",
	  "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>The Canonical String for this request should have been\n'POST\n/\n\nhost:iam.amazonaws.com\n"
	  "x-amz-security-token:" MARK "\n\nhost'</Message></Error></ErrorResponse>" },
	{ "aws", MARK, "POST https://kms.us-east-1.amazonaws.com/", TARGET("kms", "TrentService.ListKeys"), "{}", 400, "content-type: application/x-amz-json-1.1",
	  "{\"__type\":\"InvalidSignatureException\",\"message\":\"host:h\\nx-amz-security-token:" MARK "\\n\"}" },
	{ "aws", MARK, "POST https://kms.us-east-1.amazonaws.com/", TARGET("kms", "TrentService.ListKeys"), "{}", 400, "content-type: application/x-amz-json-1.1",
	  "{\"__type\":\"X\",\"message\":\"Authorization: Bearer " MARK "\"}" },
	{ "aws", MARK, "POST https://secretsmanager.us-east-1.amazonaws.com/", TARGET("secretsmanager", "secretsmanager.PutSecretValue"), "{}", 400, "content-type: application/x-amz-json-1.1",
	  "{\"__type\":\"X\",\"message\":\"Could not parse: {\\\"SecretString\\\":\\\"" MARK "\\\"}\"}" },
	{ "aws", MARK, "POST https://secretsmanager.us-east-1.amazonaws.com/", TARGET("secretsmanager", "secretsmanager.PutSecretValue"), "{}", 400, "content-type: application/x-amz-json-1.1",
	  "{\"__type\":\"X\",\"message\":\"Value '" MARK "' at 'secretString' failed to satisfy constraint\"}" },
	/* names in JSON, schemes, twice encoded names; headers that go on in the next line */
	{ "http", MARK, "GET https://a.test/x?page=%7B%22password%22%3A%22" MARK "%22%7D", NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/x?page=password:" MARK, NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/x?page=Bearer%20" MARK, NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/x?page=%2570assword%253D" MARK, NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/x?service=//u:" MARK "@h/", NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/%7B%22password%22%3A%22" MARK "%22%7D", NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/p%2561ssword=" MARK, NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/basic%20" MARK, NULL, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/x", "user-agent: x Authorization: " MARK, NULL, 200, NULL, NULL },
	{ "http", MARK, "GET https://a.test/x", "user-agent: bearer " MARK, NULL, 200, NULL, NULL },
	{ "docker", MARK, "POST https://d:2376/v1.43/images/create?fromImage=u:" MARK "@h/i", NULL, NULL, 200, NULL, NULL },
	{ "docker", MARK, "POST https://d:2376/v1.43/containers/create", JSON, "{\"Image\":\"i\",\"Cmd\":[\"x\",\"{\\\"token\\\": \\\"" MARK "\\\"}\"]}", 201, NULL, NULL },
};

static void places_keep_their_secrets(void)
{
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(request, sizeof(request), "%s", places[i].request);
		callmake(&m, request, places[i].fields, places[i].body, places[i].status, places[i].answer_fields, places[i].answer);
		check("place", places[i].what, true);
		ok_str(m.out.rule, places[i].rule);
		/* the same by what is on the wire between proxies */
		if (!strcmp(places[i].rule, "http")) {
			m.call.request.head.target = str_from(str_of(request), strcspn(request, " ") + 1);
			check("absolute", places[i].what, true);
		}
	}
}

static const struct tap_case cases[] = {
	CASE(places_keep_their_secrets), CASE(every_rule_is_here), CASE(bodies_keep_their_secrets), CASE(cut_bodies_keep_their_secrets), CASE(headers_keep_their_secrets),
	CASE(urls_keep_their_secrets), CASE(paths_keep_their_secrets),
};

int main(void)
{
	int r = tap_run(cases, sizeof(cases) / sizeof(cases[0]));

	api_arena_free(&m.arena);
	return r;
}
