/* SPDX-License-Identifier: Apache-2.0 */
/* trails.c - the built-in trail `default`, as CloudTrail's operations describe trails. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "input.h"
#include "lib/clock.h"
#include "ops.h"
#include "proto/json.h"
#include "tailer.h"

#define TRAIL_NAME "default"
#define ARN_MAX 256

static void trail_arn(const struct store *st, char ret[ARN_MAX])
{
	snprintf(ret, ARN_MAX, "arn:aws:cloudtrail:%s:%s:trail/" TRAIL_NAME, st->region, st->account);
}

/* CloudTrail's rules: 3-128 letters, digits and ._-, letter or digit at both ends, no two of ._- together. */
static bool name_is_good(const char *name)
{
	size_t n = strlen(name);

	if (n < 3 || n > 128 || !isalnum((unsigned char)name[0]) || !isalnum((unsigned char)name[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool mark = strchr("._-", name[i]) != NULL;

		if ((!mark && !isalnum((unsigned char)name[i])) || (mark && strchr("._-", name[i + 1])))
			return false;
	}
	return true;
}

/* 1: it is our trail, 0: it could be one but is not there, -EINVAL: the reply says what is wrong with it. */
static int find_trail(const struct store *st, const char *name, struct reply *r)
{
	char arn[ARN_MAX];

	trail_arn(st, arn);
	if (!strcmp(name, TRAIL_NAME) || !strcmp(name, arn))
		return 1;
	if (!strncmp(name, "arn:", 4)) {
		const char *slash = strrchr(name, '/');

		if (strncmp(name, "arn:aws:cloudtrail:", 19) || !slash || slash - name < 6 || memcmp(slash - 6, ":trail", 6) ||
		    !name_is_good(slash + 1))
			return reply_error(r, "CloudTrailARNInvalidException", "The trail ARN is not valid.");
		return 0;
	}
	if (!name_is_good(name))
		return reply_error(r, "InvalidTrailNameException", "The trail name is not valid.");
	return 0;
}

static void trail_json(const struct store *st, struct json *j)
{
	char arn[ARN_MAX];

	trail_arn(st, arn);
	json_string(j, "Name", TRAIL_NAME);
	json_boolean(j, "IncludeGlobalServiceEvents", true);
	json_boolean(j, "IsMultiRegionTrail", false);
	json_string(j, "HomeRegion", st->region);
	json_string(j, "TrailARN", arn);
	json_boolean(j, "LogFileValidationEnabled", false);
	json_boolean(j, "HasCustomEventSelectors", false);
	json_boolean(j, "HasInsightSelectors", false);
	json_boolean(j, "IsOrganizationTrail", false);
}

static int ended(struct reply *r)
{
	return r->body.failed ? reply_fault(r, 500, "InternalFailure", "out of memory") : 0;
}

/* Names that are not there are left out, as CloudTrail does. */
int op_describe_trails(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	struct json_object *list;
	const char *name;
	bool wanted = false, ignored;
	int res = input_array(in, "trailNameList", r, &list);

	if (!res)
		res = input_bool(in, "includeShadowTrails", r, &ignored);
	if (res < 0)
		return res;
	for (unsigned i = 0; i < input_count(list); i++) {
		res = input_element_text(list, i, "trailNameList", r, &name);
		if (!res)
			res = find_trail(st, name, r);
		if (res < 0)
			return res;
		wanted |= res > 0;
	}
	json_open(&j, NULL, '{');
	json_open(&j, "trailList", '[');
	if (wanted || input_count(list) == 0) {
		json_open(&j, NULL, '{');
		trail_json(st, &j);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	return ended(r);
}

/* The trail that Name tells, or the error. */
static int named_trail(struct store *st, struct json_object *in, struct reply *r)
{
	const char *name;
	size_t n;
	int res = input_text(in, "Name", r, &name, &n);

	if (res < 0)
		return res;
	if (!name)
		return reply_error(r, "ValidationException",
				   "1 validation error detected: Value null at 'name' failed to satisfy "
				   "constraint: Member must not be null");
	res = find_trail(st, name, r);
	if (res == 0)
		return reply_error(r, "TrailNotFoundException", "Unknown trail: %.256s for the user: %s", name, st->account);
	return res;
}

int op_get_trail(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };

	if (named_trail(st, in, r) < 0)
		return -EINVAL;
	json_open(&j, NULL, '{');
	json_open(&j, "Trail", '{');
	trail_json(st, &j);
	json_close(&j, '}');
	json_close(&j, '}');
	return ended(r);
}

int op_get_trail_status(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	int64_t last = tailer_last_received(st->tailer);

	if (named_trail(st, in, r) < 0)
		return -EINVAL;
	json_open(&j, NULL, '{');
	json_boolean(&j, "IsLogging", true);
	json_time(&j, "StartLoggingTime", st->started);
	if (last)
		json_time(&j, "LatestDeliveryTime", last);
	json_close(&j, '}');
	return ended(r);
}

int op_list_trails(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	char arn[ARN_MAX];
	const char *token;
	size_t n;

	if (input_text(in, "NextToken", r, &token, &n) < 0)
		return -EINVAL;
	if (token)
		return reply_error(r, "InvalidTokenException", "The NextToken is not valid.");
	trail_arn(st, arn);
	json_open(&j, NULL, '{');
	json_open(&j, "Trails", '[');
	json_open(&j, NULL, '{');
	json_string(&j, "TrailARN", arn);
	json_string(&j, "Name", TRAIL_NAME);
	json_string(&j, "HomeRegion", st->region);
	json_close(&j, '}');
	json_close(&j, ']');
	json_close(&j, '}');
	return ended(r);
}
