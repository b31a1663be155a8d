/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "proto/json.h"

#define OWN_SUFFIX "hosttrail"
#define AWS_DOMAIN ".amazonaws.com"

static bool is(const struct str *s, const char *text)
{
	return s->n == strlen(text) && !memcmp(s->p, text, s->n);
}

static const char *detail_type(const struct record_summary *s)
{
	static const struct { const char *type, *detail; } rows[] = {
		{ "AwsApiCall", "AWS API Call via CloudTrail" },
		{ "AwsServiceEvent", "AWS Service Event via CloudTrail" },
		{ "AwsConsoleSignIn", "AWS Console Sign In via CloudTrail" },
		{ "HostServiceEvent", "Host Service Event via hosttrail" },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (is(&s->event_type, rows[i].type))
			return rows[i].detail;
	return "Host API Call via hosttrail";
}

/* s3.amazonaws.com: aws.s3, as EventBridge has it; file.linux: hosttrail.file.linux, for "aws." is AWS's own. */
static void source(const struct record_summary *s, struct json *j)
{
	size_t n = s->event_source.n, domain = strlen(AWS_DOMAIN);
	char text[160];

	if (n > domain && !memcmp(s->event_source.p + n - domain, AWS_DOMAIN, domain))
		snprintf(text, sizeof(text), "aws.%.*s", (int)(n - domain < 128 ? n - domain : 128), (const char *)s->event_source.p);
	else
		snprintf(text, sizeof(text), OWN_SUFFIX ".%.*s", (int)(n < 128 ? n : 128), (const char *)s->event_source.p);
	json_string(j, "source", text);
}

int envelope_make(const struct record_summary *s, const char *account, const char *region, const void *detail, size_t n, struct buf *ret)
{
	struct json j = { .out = ret };
	char id[37], time[21];

	uuid_text(s->event_id, id);
	clock_iso(s->time / (int64_t)NS_PER_SEC, time);
	json_open(&j, NULL, '{');
	json_string(&j, "version", "0");
	json_string(&j, "id", id);
	json_string(&j, "detail-type", detail_type(s));
	source(s, &j);
	json_string(&j, "account", account);
	json_string(&j, "time", time);
	json_string(&j, "region", region);
	json_open(&j, "resources", '[');
	json_close(&j, ']');
	json_key(&j, "detail");
	buf_add(ret, detail, n);
	json_close(&j, '}');
	return ret->failed ? -ENOMEM : 0;
}
