/* SPDX-License-Identifier: Apache-2.0 */
/* op_trails.c - the operations that tell of trails, as CloudTrail's do. */
#include "op_trails.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deliver.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "store/input.h"
#include "store/tailer.h"

int trail_ended(struct reply *r)
{
	return r->body.failed ? reply_fault(r, 500, "InternalFailure", "out of memory") : 0;
}

int trail_failed(struct reply *r, int err)
{
	log_limited(LOG_LEVEL_ERROR, err, "the ledger of trails failed");
	return reply_fault(r, 500, "InternalFailure", "The store could not answer.");
}

int trail_name_of(const struct store *st, const char *text, struct reply *r, const char **ret_name)
{
	char arn[LAYOUT_ARN_MAX];
	const char *slash;

	*ret_name = text;
	if (strncmp(text, "arn:", 4))
		return layout_trail_name(text) ? 0 :
			       reply_error(r, "InvalidTrailNameException", "The trail name is not valid.");
	slash = strrchr(text, '/');
	if (strncmp(text, "arn:aws:cloudtrail:", 19) || !slash || slash - text < 6 || memcmp(slash - 6, ":trail", 6) ||
	    !layout_trail_name(slash + 1))
		return reply_error(r, "CloudTrailARNInvalidException", "The trail ARN is not valid.");
	layout_arn(st->region, st->account, slash + 1, arn);
	*ret_name = strcmp(arn, text) ? "" : slash + 1;	/* of another account or region: it is not here */
	return 0;
}

static void default_trail(const struct store *st, struct trail *t)
{
	*t = (struct trail){ .name = TRAIL_DEFAULT, .global_events = true, .logging = true, .started = st->started };
}

/* 0, -ENOENT, or another error. */
static int find(struct store *st, const char *name, struct trail *ret_t)
{
	if (!strcmp(name, TRAIL_DEFAULT)) {
		default_trail(st, ret_t);
		return 0;
	}
	return st->delivery ? ledger_trail_find(delivery_ledger(st->delivery), name, ret_t) : -ENOENT;
}

int trail_named(struct store *st, struct json_object *in, const char *member, struct reply *r, struct trail *ret_t)
{
	const char *text, *name;
	size_t n;
	int res = input_text(in, member, r, &text, &n);

	if (res < 0)
		return res;
	if (!text)
		return reply_error(r, "ValidationException",
				   "1 validation error detected: Value null at '%c%s' failed to satisfy constraint: Member must not be null",
				   member[0] | 0x20, member + 1);
	res = trail_name_of(st, strlen(text) == n ? text : "", r, &name);
	if (res < 0)
		return res;
	res = find(st, name, ret_t);
	if (res == -ENOENT)
		return reply_error(r, "TrailNotFoundException", "Unknown trail: %.256s for the user: %s", text, st->account);
	return res < 0 ? trail_failed(r, res) : 0;
}

int trail_of_ours(struct store *st, struct json_object *in, const char *member, struct reply *r, struct trail *ret_t)
{
	int res = trail_named(st, in, member, r, ret_t);

	if (!res && !ret_t->id)
		res = reply_error(r, "OperationNotPermittedException", "The trail " TRAIL_DEFAULT " is built in: it is always on and cannot be changed.");
	return res;
}

/* whole: as DescribeTrails and GetTrail have it; else as CreateTrail and UpdateTrail answer. */
void trail_members(const struct store *st, const struct trail *t, bool whole, struct json *j)
{
	_cleanup_buf_ struct buf selectors = { 0 };
	char arn[LAYOUT_ARN_MAX];

	layout_arn(st->region, st->account, t->name, arn);
	json_string(j, "Name", t->name);
	if (*t->bucket)
		json_string(j, "S3BucketName", t->bucket);
	if (*t->prefix)
		json_string(j, "S3KeyPrefix", t->prefix);
	json_boolean(j, "IncludeGlobalServiceEvents", t->global_events);
	json_boolean(j, "IsMultiRegionTrail", t->multi_region);
	if (whole)
		json_string(j, "HomeRegion", st->region);
	json_string(j, "TrailARN", arn);
	json_boolean(j, "LogFileValidationEnabled", t->validation);
	if (*t->group_arn) {
		json_string(j, "CloudWatchLogsLogGroupArn", t->group_arn);
		json_string(j, "CloudWatchLogsRoleArn", t->role_arn);
	}
	if (*t->kms_key)
		json_string(j, "KmsKeyId", t->kms_key);
	if (whole) {
		if (t->id)
			ledger_trail_selectors(delivery_ledger(st->delivery), t->id, &selectors);
		json_boolean(j, "HasCustomEventSelectors", selectors.n > 0);
		json_boolean(j, "HasInsightSelectors", false);
	}
	json_boolean(j, "IsOrganizationTrail", false);
}

/* ---- DescribeTrails */

struct describing {
	struct store *st;
	struct json j;
};

static int describe(void *ctx, const struct trail *t)
{
	struct describing *d = ctx;

	json_open(&d->j, NULL, '{');
	trail_members(d->st, t, true, &d->j);
	json_close(&d->j, '}');
	return 0;
}

/* All of them, the built-in one first. */
static int each_trail(struct store *st, ledger_trail_fn fn, void *ctx)
{
	struct trail t;
	int r;

	default_trail(st, &t);
	r = fn(ctx, &t);
	return r || !st->delivery ? r : ledger_trails(delivery_ledger(st->delivery), false, fn, ctx);
}

/* Names that are not there are left out, as CloudTrail does. */
static int describe_named(struct describing *d, struct json_object *list, struct reply *r)
{
	for (unsigned i = 0; i < input_count(list); i++) {
		const char *text, *name;
		struct trail t;
		int res = input_element_text(list, i, "trailNameList", r, &text);

		if (!res)
			res = trail_name_of(d->st, text, r, &name);
		if (res < 0)
			return res;
		res = find(d->st, name, &t);
		if (!res)
			describe(d, &t);
		else if (res != -ENOENT)
			return trail_failed(r, res);
	}
	return 0;
}

int op_describe_trails(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct describing d = { st, { .out = &r->body } };
	struct json_object *list;
	bool ignored;
	int res = input_array(in, "trailNameList", r, &list);

	if (!res)
		res = input_bool(in, "includeShadowTrails", r, &ignored);
	if (res < 0)
		return res;
	json_open(&d.j, NULL, '{');
	json_open(&d.j, "trailList", '[');
	if (input_count(list)) {
		res = describe_named(&d, list, r);
		if (res < 0)
			return res;
	} else {
		res = each_trail(st, describe, &d);
		if (res < 0)
			return trail_failed(r, res);
	}
	json_close(&d.j, ']');
	json_close(&d.j, '}');
	return trail_ended(r);
}

/* ---- the others */

int op_get_trail(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	struct trail t;

	if (trail_named(st, in, "Name", r, &t) < 0)
		return -EINVAL;
	json_open(&j, NULL, '{');
	json_open(&j, "Trail", '{');
	trail_members(st, &t, true, &j);
	json_close(&j, '}');
	json_close(&j, '}');
	return trail_ended(r);
}

static void time_member(struct json *j, const char *key, int64_t ns)
{
	if (ns)
		json_time(j, key, ns);
}

/* The members that CloudTrail calls no longer used, and still fills. */
static void old_member(struct json *j, const char *key, int64_t ns)
{
	char text[21] = "";

	if (ns)
		clock_iso(ns / (int64_t)NS_PER_SEC, text);
	json_string(j, key, text);
}

int op_get_trail_status(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	struct trail t;

	if (trail_named(st, in, "Name", r, &t) < 0)
		return -EINVAL;
	if (!t.id && st->tailer)
		t.delivered = tailer_last_received(st->tailer);
	json_open(&j, NULL, '{');
	json_boolean(&j, "IsLogging", t.logging);
	if (*t.delivery_error)
		json_string(&j, "LatestDeliveryError", t.delivery_error);
	if (*t.digest_error)
		json_string(&j, "LatestDigestDeliveryError", t.digest_error);
	if (*t.feed_error)
		json_string(&j, "LatestCloudWatchLogsDeliveryError", t.feed_error);
	time_member(&j, "LatestCloudWatchLogsDeliveryTime", t.fed);
	time_member(&j, "LatestDeliveryTime", t.delivered);
	time_member(&j, "LatestDigestDeliveryTime", t.digested);
	time_member(&j, "StartLoggingTime", t.started);
	time_member(&j, "StopLoggingTime", t.stopped);
	old_member(&j, "LatestDeliveryAttemptTime", t.attempted);
	old_member(&j, "LatestDeliveryAttemptSucceeded", t.delivered);
	old_member(&j, "LatestNotificationAttemptTime", 0);
	old_member(&j, "LatestNotificationAttemptSucceeded", 0);
	old_member(&j, "TimeLoggingStarted", t.started);
	old_member(&j, "TimeLoggingStopped", t.stopped);
	json_close(&j, '}');
	return trail_ended(r);
}

static int list_one(void *ctx, const struct trail *t)
{
	struct describing *d = ctx;
	char arn[LAYOUT_ARN_MAX];

	layout_arn(d->st->region, d->st->account, t->name, arn);
	json_open(&d->j, NULL, '{');
	json_string(&d->j, "TrailARN", arn);
	json_string(&d->j, "Name", t->name);
	json_string(&d->j, "HomeRegion", d->st->region);
	json_close(&d->j, '}');
	return 0;
}

int op_list_trails(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct describing d = { st, { .out = &r->body } };
	const char *token;
	size_t n;
	int res;

	if (input_text(in, "NextToken", r, &token, &n) < 0)
		return -EINVAL;
	if (token)
		return reply_error(r, "InvalidTokenException", "The NextToken is not valid.");
	json_open(&d.j, NULL, '{');
	json_open(&d.j, "Trails", '[');
	res = each_trail(st, list_one, &d);
	if (res < 0)
		return trail_failed(r, res);
	json_close(&d.j, ']');
	json_close(&d.j, '}');
	return trail_ended(r);
}
