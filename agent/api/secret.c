/* SPDX-License-Identifier: Apache-2.0 */
/* secret.c - the lists: headers, query parameters and names; and what is written of paths and queries. */
#include "secret.h"

#include "proto/redact_rules.h"
#include "text.h"

#define QUERY_MAX 64
#define TEMPLATE_MAX 200

static const char headers[] =
	"accept accept-encoding accept-language host user-agent content-type content-length content-encoding content-language date server via "
	"x-request-id x-amzn-requestid x-amz-request-id x-amz-id-2 x-correlation-id x-github-request-id x-ms-request-id x-ms-correlation-request-id "
	"x-goog-request-id request-id x-trace-id traceparent x-amz-target x-amz-date x-amz-content-sha256 x-amz-region-set x-amzn-errortype "
	"x-kubernetes-pf-flowschema-uid docker-content-digest docker-distribution-api-version grpc-status grpc-encoding mcp-protocol-version "
	"anthropic-version openai-version x-github-api-version x-vault-request x-vault-namespace retry-after range content-range "
	"if-match if-none-match if-modified-since etag last-modified transfer-encoding upgrade sec-websocket-version";

static const char queries[] =
	"page per_page perpage page_size pagesize limit offset max max_results maxresults max-results max-keys count size skip top sort order "
	"orderby order_by sortby sort_by direction format alt version api-version api_version pretty prettyprint verbose watch force recursive "
	"dry_run dryrun dry-run stream follow tail timeout timeoutseconds wait type kind status state lang language locale region zone "
	"list-type list delimiter detail details include_deleted depth ref branch action service";

/* Beside what proto/redact knows. */
static const char names[] =
	"secretstring secretbinary key code assertion client_assertion sid sessionid session_id session jsessionid phpsessid csrf xsrf csrftoken otp totp mfa pin "
	"credential credentials auth login_hint code_verifier device_code user_code nonce hmac sign x-goog-signature jwt samlresponse samlrequest "
	"connectionstring connection_string kubeconfig passwords secrets tokens webhook webhook_url psk private_key_id set-cookie cookies "
	"proxy-authorization www-authenticate x-registry-auth x-registry-config x-goog-iap-jwt-assertion licensekey license_key license-key "
	"x-amz-server-side-encryption-customer-key x-amz-copy-source-server-side-encryption-customer-key x-ms-encryption-key dd-api-key";

static const char schemes[] = "Basic Bearer Digest Negotiate NTLM Kerberos AWS4-HMAC-SHA256 AWS4-ECDSA-P256-SHA256 AWS HMAC Token token "
			      "SharedKey SharedKeyLite SharedAccessSignature ApiKey GoogleLogin GOOG4-RSA-SHA256 OAuth DPoP SNS";

bool secret_header_listed(struct str name)
{
	return str_among_nocase(name, headers);
}

bool secret_query_listed(struct str name)
{
	return str_among_nocase(name, queries);
}

bool secret_name(struct str name)
{
	return name.n && (redact_is_secret_query(name.p, name.n) || str_among_nocase(name, names));
}

struct str secret_scheme(struct str authorization)
{
	struct str rest = str_trim(authorization), scheme = str_cut(&rest, ' ');

	if (!authorization.p)
		return (struct str){ 0 };
	return str_among_nocase(scheme, schemes) ? scheme : STR("other");
}

/* ---- paths */

/* Hosts whose paths are passwords: who knows the URL may post. `*` is any segment. */
static const struct {
	const char *domain, *prefix;
} webhooks[] = {
	{ "hooks.slack.com", "/services" }, { "hooks.slack.com", "/workflows" }, { "hooks.slack.com", "/triggers" },
	{ "discord.com", "/api/webhooks" }, { "discord.com", "/api/*/webhooks" }, { "discordapp.com", "/api/webhooks" }, { "discordapp.com", "/api/*/webhooks" }, { "webhook.office.com", "/webhookb2" },
	{ "outlook.office.com", "/webhook" }, { "hooks.zapier.com", "/hooks" }, { "maker.ifttt.com", "/trigger" },
	{ "events.pagerduty.com", "/integration" }, { "open.feishu.cn", "/open-apis/bot/v2/hook" }, { "api.telegram.org", "" },
	{ "hooks.nabu.casa", "" }, { "hc-ping.com", "" }, { "hook.eu1.make.com", "" }, { "hook.us1.make.com", "" },
	{ "hook.eu2.make.com", "" }, { "hook.us2.make.com", "" }, { "hook.integromat.com", "" },
	{ "webhook.site", "" }, { "alert.victorops.com", "/integrations/generic" }, { "open.larksuite.com", "/open-apis/bot/v2/hook" },
	{ "loggly.com", "/inputs" }, { "loggly.com", "/bulk" }, { "cronitor.link", "" }, { "hooks.airtable.com", "/workflows" },
	{ "uptime.betterstack.com", "/api/v1/heartbeat" }, { "uptime.betterstack.com", "/api/v1/incoming-webhook" }, { "heartbeat.uptimerobot.com", "" },
};

/* How many first segments of this host's paths are harmless where all behind them are secrets; SIZE_MAX: not such a host. */
static size_t webhook_harmless(struct str host, const struct uri_path *path)
{
	for (size_t i = 0; i < sizeof(webhooks) / sizeof(webhooks[0]); i++) {
		struct uri_path prefix;
		unsigned k = 0;

		if (!str_in_domain(host, webhooks[i].domain))
			continue;
		uri_segments(str_of(webhooks[i].prefix), &prefix);
		while (k < prefix.n && k < path->n && (str_is(prefix.segment[k], "*") || str_equal(prefix.segment[k], path->segment[k])))
			k++;
		if (k == prefix.n)
			return k;
	}
	return SIZE_MAX;
}

/* "/token/x81..." and "/key/..." name a secret by what stands before it, unless a plain word follows ("/token/refresh"). */
static bool named_secret(struct str before, struct str s)
{
	bool word = s.n <= 20;

	for (size_t i = 0; i < s.n; i++)
		word &= (s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_' || s.p[i] == '-';
	return !word && secret_name(before) && !memchr(before.p, '.', before.n);	/* "Microsoft.Authorization" is none */
}

/* "https://token@host" within a path: the segment of a host is the next one, or the one behind an empty one. */
static bool token_of_url(const struct uri_path *path, unsigned i)
{
	struct str s = path->segment[i], before = i ? path->segment[i - 1] : STR("");

	if (i > 1 && !before.n)
		before = path->segment[i - 2];
	return before.n > 1 && before.p[before.n - 1] == ':' && s.n && memchr(s.p, '@', s.n);
}

/* What was encoded twice is looked at behind the second decoding, too. */
static enum secret_segment segment_kind(struct api_arena *a, struct str s)
{
	enum secret_segment kind = secret_segment(s);

	return kind != SEGMENT_SECRET && s.n && memchr(s.p, '%', s.n) && secret_text(uri_decode(a, s, false)) ? SEGMENT_SECRET : kind;
}

/* Decodes the segments, and says what each is. -ENOMEM: *path is not to be used. */
static bool classify(struct api_arena *a, struct str host, struct uri_path *path, enum secret_segment kinds[URI_SEGMENTS_MAX])
{
	size_t harmless = webhook_harmless(host, path);

	for (unsigned i = 0; i < path->n; i++) {
		struct str s = uri_decode(a, path->segment[i], false);

		if (!s.p)
			return false;
		path->segment[i] = s;
		kinds[i] = segment_kind(a, s);
		if (i >= harmless || i == URI_SEGMENTS_MAX - 1 || token_of_url(path, i) || (i && named_secret(path->segment[i - 1], s)))
			kinds[i] = SEGMENT_SECRET;
	}
	return true;
}

static bool name_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '{' || s.p[i] == '}')
			return false;
	return s.n <= 64;
}

static struct str shown(struct api_arena *a, const struct uri_path *p, const enum secret_segment *kinds, struct str path)
{
	for (unsigned i = 0; i < p->n; i++)
		if (kinds[i] == SEGMENT_SECRET)
			return STR(REDACT_HIDDEN);
	return uri_decode(a, path, false);
}

static struct str template(struct api_arena *a, const struct uri_path *p, const enum secret_segment *kinds, struct str path)
{
	char *out = api_arena_get(a, TEMPLATE_MAX + 8);
	size_t n = 0;

	if (!path.n || path.p[0] != '/')
		return str_is(path, "*") ? STR("*") : STR("/");
	for (unsigned i = 0; out && i < p->n; i++) {
		struct str s = kinds[i] != SEGMENT_WORD || !name_ok(p->segment[i]) ? STR("{id}") : p->segment[i];

		if (n + 1 + s.n > TEMPLATE_MAX - 4) {
			memcpy(out + n, "/...", 4);
			return (struct str){ out, n + 4 };
		}
		out[n++] = '/';
		memcpy(out + n, s.p, s.n);
		n += s.n;
	}
	return n || !out ? (struct str){ out, n } : STR("/");
}

bool secret_path_both(struct api_arena *a, struct str host, struct str path, struct str *ret_shown, struct str *ret_template)
{
	enum secret_segment kinds[URI_SEGMENTS_MAX];
	struct uri_path p;

	uri_segments(path, &p);
	if (!classify(a, host, &p, kinds))
		return false;
	if (ret_shown)
		*ret_shown = shown(a, &p, kinds, path);
	if (ret_template)
		*ret_template = template(a, &p, kinds, path);
	return (!ret_shown || ret_shown->p) && (!ret_template || ret_template->p);
}

struct str secret_path(struct api_arena *a, struct str host, struct str path)
{
	struct str s;

	return secret_path_both(a, host, path, &s, NULL) ? s : (struct str){ 0 };
}

struct str secret_template(struct api_arena *a, struct str host, struct str path)
{
	struct str s;

	return secret_path_both(a, host, path, NULL, &s) ? s : (struct str){ 0 };
}

/* ---- members */

void secret_put(struct jsontext *j, struct str key, struct str value)
{
	if (!value.p)
		return;
	if (secret_name(key) || secret_text(value))
		jsontext_hidden(j, key);
	else
		jsontext_text(j, key, value);
}

struct parameter {
	struct str key, value;
};

/* A URL that has parameters of its own: what they are nobody here knows. */
static bool has_query(struct str value)
{
	const char *at = memmem(value.p, value.n, "://", 3);

	return at && memchr(at, '?', (size_t)(value.p + value.n - at));
}

/* An image's digest stands behind an @, too. */
static bool parameter_secret(struct str value)
{
	const char *at = value.n ? memrchr(value.p, '@', value.n) : NULL;
	bool digest = at && str_begins(str_from(value, (size_t)(at - value.p)), "@sha");

	return secret_text(value) || secret_told(value, false) || has_query(value) || (!digest && secret_userinfo(value));
}

static void put_parameter(struct jsontext *j, struct str key, struct str name, struct str value, const char *also)
{
	bool listed = (also && str_among_nocase(name, also)) || secret_query_listed(name), twice = value.n && memchr(value.p, '%', value.n);

	if (!value.p || !value.n)
		jsontext_text(j, key, STR(""));
	else if (listed && !parameter_secret(value) && !(twice && parameter_secret(uri_decode(j->arena, value, true))))
		jsontext_text(j, key, value);
	else
		jsontext_hidden(j, key);
}

/* Names are written as they are, unless a secret stands where a name should. */
static struct str shown_name(struct str key)
{
	return secret_segment(key) == SEGMENT_SECRET || key.n > 128 ? STR(REDACT_HIDDEN) : key;
}

void secret_put_query(struct jsontext *j, struct str query, const char *also)
{
	struct parameter v[QUERY_MAX];
	unsigned n = 0;

	while (n < QUERY_MAX && uri_query_next(&query, &v[n].key, &v[n].value)) {
		v[n].key = shown_name(uri_decode(j->arena, v[n].key, true));
		v[n].value = uri_decode(j->arena, v[n].value, true);
		n++;
	}
	if (query.n)
		j->omitted = true;
	for (unsigned i = 0; i < n; i++) {
		struct str key = v[i].key;
		unsigned same = 0;

		for (unsigned k = i + 1; key.p && k < n; k++)
			same += v[k].key.p && str_equal(key, v[k].key);
		if (!key.p)
			continue;
		if (!same) {
			put_parameter(j, key, key, v[i].value, also);
			continue;
		}
		jsontext_open(j, key, '[');
		for (unsigned k = i; k < n; k++)
			if (v[k].key.p && (k == i || str_equal(key, v[k].key))) {
				put_parameter(j, NO_KEY, key, v[k].value, also);
				v[k].key = (struct str){ 0 };
			}
		jsontext_close(j);
	}
}
