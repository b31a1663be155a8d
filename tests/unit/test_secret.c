/* SPDX-License-Identifier: Apache-2.0 */
/* test_secret.c - what is taken for a secret, by name and by form, and what is not. */
#include "agent/api/secret.h"
#include "agent/api/text.h"
#include "tests/tap.h"

static struct api_arena *arena;

static const char *text(struct str s)
{
	return s.p ? api_arena_str(arena, s).p : "(absent)";
}

static void segments_are_told_apart(void)
{
	static const struct {
		const char *s;
		enum secret_segment kind;
	} rows[] = {
		{ "users", SEGMENT_WORD }, { "v1beta1", SEGMENT_WORD }, { "chat.completions", SEGMENT_WORD }, { "CreateChatCompletion", SEGMENT_WORD },
		{ "customresourcedefinitions", SEGMENT_WORD }, { "my-very-long-bucket-name-of-ours", SEGMENT_WORD }, { "report2024", SEGMENT_WORD },
		{ "validatingwebhookconfigurations", SEGMENT_WORD }, { "ListBucketInventoryConfigurations", SEGMENT_WORD },
		{ "getSearchIndexDocumentCountV2", SEGMENT_WORD }, { "", SEGMENT_WORD }, { "café", SEGMENT_WORD },
		{ "42", SEGMENT_ID }, { "123456789012", SEGMENT_ID }, { "2024-01-01", SEGMENT_ID }, { "bob@example.com", SEGMENT_ID },
		{ "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b", SEGMENT_ID }, { "{6B0E4A51-0F5C-4C2E-9D1F-0A4F3E2D1C0B}", SEGMENT_ID },
		{ "i-0abcdef1234567890", SEGMENT_ID }, { "nginx-deployment-7fb96c846b-8x2kz", SEGMENT_ID }, { "app.3f2a1b9c.js", SEGMENT_ID },
		{ "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", SEGMENT_ID },
		/* a key of 128 bits and more */
		{ "9f86d081884c7d659a2feaa0c55ad015", SEGMENT_SECRET }, { "ghp_0123456789abcdefghijABCDEFGHIJ012345", SEGMENT_SECRET },
		{ "bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", SEGMENT_SECRET },			/* Telegram's own example */
		{ "rQ2vX8kLmN4pT7wZ", SEGMENT_SECRET }, { "x7f3k9q2m5w8z1c4v6b0n", SEGMENT_SECRET },
		{ "W8nK3xZq-_pL5vB7cD2mR9tY", SEGMENT_SECRET }, { "JBSWY3DPEHPK3PXPJBSWY3DP", SEGMENT_SECRET },
		{ "cart;jsessionid=1", SEGMENT_SECRET }, { "kQzXwPvBnMtRfGhJdLsYcHaEuIoT", SEGMENT_SECRET },
		/* what is assigned to a secret's name, wherever in it */
		{ "password=hunter", SEGMENT_SECRET }, { "a=1&client_secret=x", SEGMENT_SECRET }, { "users(token='x')", SEGMENT_SECRET },
		{ "x?apiKey=y", SEGMENT_SECRET }, { "Passwd=a,b", SEGMENT_SECRET },
		{ "year=x", SEGMENT_WORD }, { "password=", SEGMENT_WORD }, { "=x", SEGMENT_WORD }, { "author=bob", SEGMENT_WORD }, { "token==", SEGMENT_SECRET },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum secret_segment kind = secret_segment(str_of(rows[i].s));

		if (kind != rows[i].kind)
			printf("# %s\n", rows[i].s);
		ok_int(kind, rows[i].kind);
	}
	ok_int(secret_segment((struct str){ 0 }), SEGMENT_WORD);
}

/* Tokens as programs make them: 24 letters and digits of dice. One in a hundred may look like words. */
static void dice_are_recognised(void)
{
	static const char *const alphabets[] = {
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", "abcdefghijklmnopqrstuvwxyz0123456789",
		"0123456789abcdef",
	};

	for (unsigned a = 0; a < 4; a++) {
		unsigned found = 0, seed = 7;

		for (unsigned round = 0; round < 1000; round++) {
			char s[33];
			unsigned n = a == 3 ? 32 : 28;

			for (unsigned i = 0; i < n; i++)
				s[i] = alphabets[a][(unsigned)rand_r(&seed) % strlen(alphabets[a])];
			found += secret_segment((struct str){ s, n }) == SEGMENT_SECRET;
		}
		printf("# alphabet %u: %u of 1000\n", a, found);
		ok(found > 980);
	}
}

static void names_of_secrets(void)
{
	static const char *const secret[] = {
		"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Amz-Security-Token", "X-Vault-Token", "X-Api-Key", "Api-Key",
		"X-Auth-Token", "PRIVATE-TOKEN", "X-Goog-Api-Key", "key", "X-Amz-Signature", "Signature", "sig", "access_token", "refresh_token",
		"id_token", "client_secret", "code", "assertion", "password", "passwd", "secret", "token", "apiKey", "aws_secret_access_key",
		"x-amz-server-side-encryption-customer-key", "clientSecret", "X-Registry-Auth", "connectionString", "session_id",
	};
	static const char *const open[] = {
		"max_tokens", "page", "user-agent", "keys", "author", "codec", "version", "path", "tokenizer", "name", "", "monkey",
	};

	for (unsigned i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
		if (!secret_name(str_of(secret[i])))
			printf("# number %u\n", i);
		ok(secret_name(str_of(secret[i])) && !secret_header_listed(str_of(secret[i])) && !secret_query_listed(str_of(secret[i])));
	}
	for (unsigned i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		if (secret_name(str_of(open[i])))
			printf("# open number %u\n", i);
		ok(!secret_name(str_of(open[i])));
	}
	ok(secret_header_listed(STR("User-Agent")) && secret_query_listed(STR("per_page")) && !secret_header_listed(STR("x-unheard-of")));
}

static void paths_are_whole_or_hidden(void)
{
	static const struct {
		const char *host, *path, *shown, *template;
	} rows[] = {
		{ "h", "/users/42/keys", "/users/42/keys", "/users/{id}/keys" },
		{ "h", "/", "/", "/" },
		{ "h", "/a//b/", "/a//b/", "/a//b/" },
		{ "h", "/v1/x%2Fy/z", "/v1/x/y/z", "/v1/x/y/z" },
		{ "h", "/x/rQ2vX8kLmN4pT7wZ/y", REDACT_HIDDEN, "/x/{id}/y" },
		{ "h", "/token/abc123", REDACT_HIDDEN, "/token/{id}" },
		{ "h", "/token/refresh", "/token/refresh", "/token/refresh" },
		{ "h", "/%72Q2vX8kLmN4pT7wZ", REDACT_HIDDEN, "/{id}" },
		{ "hooks.slack.com", "/services/T0/B0/x", REDACT_HIDDEN, "/services/{id}/{id}/{id}" },
		{ "api.telegram.org", "/bot1:x/sendMessage", REDACT_HIDDEN, "/{id}/{id}" },
		{ "discord.com", "/api/webhooks/1/x", REDACT_HIDDEN, "/api/webhooks/{id}/{id}" },
		{ "h", "/login/password=hunter/x", REDACT_HIDDEN, "/login/{id}/x" },
		{ "h", "/login/password%3Dhunter", REDACT_HIDDEN, "/login/{id}" },
		{ "h", "/x%3Ftoken=y/z", REDACT_HIDDEN, "/{id}/z" },
		{ "h", "/year=x/month=y", "/year=x/month=y", "/year=x/month=y" },
		{ "h", "/say \"x\"/ok", "/say \"x\"/ok", "/{id}/ok" },
		{ "h", "*", "*", "*" },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ok_str(text(secret_path(arena, str_of(rows[i].host), str_of(rows[i].path))), rows[i].shown);
		ok_str(text(secret_template(arena, str_of(rows[i].host), str_of(rows[i].path))), rows[i].template);
	}
}

static void queries_are_hidden_unless_listed(void)
{
	static const struct {
		const char *query, *json;
	} rows[] = {
		{ "page=2&q=private&page=3", "{\"page\":[\"2\",\"3\"],\"q\":\"" REDACT_HIDDEN "\"}" },
		{ "q=a&q=b", "{\"q\":[\"" REDACT_HIDDEN "\",\"" REDACT_HIDDEN "\"]}" },
		{ "flag&empty=&&=x", "{\"flag\":\"\",\"empty\":\"\",\"\":\"" REDACT_HIDDEN "\"}" },
		{ "page=ghp_0123456789abcdefghijABCDEFGHIJ012345", "{\"page\":\"" REDACT_HIDDEN "\"}" },
		{ "rQ2vX8kLmN4pT7wZ", "{\"" REDACT_HIDDEN "\":\"\"}" },
		{ "mine=password%3Dhunter&service=a%26token%3Dx&sort=name%3Dx",
		  "{\"mine\":\"" REDACT_HIDDEN "\",\"service\":\"" REDACT_HIDDEN "\",\"sort\":\"name=x\"}" },
		{ "mine=image:1@sha256:ab&sort=u:x@h", "{\"mine\":\"image:1@sha256:ab\",\"sort\":\"" REDACT_HIDDEN "\"}" },
		{ "mine=x%20y+z", "{\"mine\":\"x y z\"}" },
		{ "", "(absent)" },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct jsontext j;
		struct str s;

		jsontext_begin(&j, arena);
		secret_put_query(&j, str_of(rows[i].query), "mine");
		must(!jsontext_end(&j, &s));
		ok_str(text(s), rows[i].json);
	}
}

static void values_show_by_their_form(void)
{
	ok(secret_form(STR("https://bob:pw@host/x")) && secret_form(STR("see https://tok@host")) && !secret_form(STR("https://host/x@y")));
	ok(secret_form(STR("Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P")));
	ok(!secret_form(STR("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36")));
	ok(!secret_form(STR("Boto3/1.26.27 Python/3.11.2 Linux/6.1.0-13-amd64 Botocore/1.29.27")));
	ok(!secret_form(STR("kubectl/v1.20.2 (linux/amd64) kubernetes/faecb19")));
	ok_str(text(secret_scheme(STR("Bearer x"))), "Bearer");
	ok_str(text(secret_scheme(STR("s3cretscheme"))), "other");
	ok(!secret_scheme((struct str){ 0 }).p);
}

/* What a name or a scheme within a text says; and what only looks so. */
static void texts_tell_by_names(void)
{
	static const char *const told[] = {
		"{\"a\":1,\"password\":\"x\"}", "{\"client_secret\" : 1}", "Bearer abcdefgh", "x/1 basic dXNlcjpw", "a=b&token=x",
	};
	static const char *const not_told[] = {
		"Visual Basic 6", "forbearer abcdefgh", "Bearer", "bearer x", "basic ", "{\"Action\":\"secretsmanager:GetSecretValue\"}", "{\"aws:TokenIssueTime\":\"x\"}",
		"say \"password\"", "\":", "",
	};

	for (unsigned i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		ok(secret_text(str_of(told[i])));
	for (unsigned i = 0; i < sizeof(not_told) / sizeof(not_told[0]); i++) {
		if (secret_text(str_of(not_told[i])))
			printf("# %s\n", not_told[i]);
		ok(!secret_text(str_of(not_told[i])));
	}
	ok(secret_userinfo(STR("u:x@h")) && secret_userinfo(STR("//u:x@h/y")) && !secret_userinfo(STR("a@b:c")) && !secret_userinfo((struct str){ 0 }));
}

static const struct tap_case cases[] = {
	CASE(segments_are_told_apart), CASE(dice_are_recognised), CASE(names_of_secrets), CASE(paths_are_whole_or_hidden),
	CASE(queries_are_hidden_unless_listed), CASE(values_show_by_their_form), CASE(texts_tell_by_names),
};

int main(void)
{
	int r = api_arena_new(&arena) < 0 ? 1 : tap_run(cases, sizeof(cases) / sizeof(cases[0]));

	api_arena_free(&arena);
	return r;
}
