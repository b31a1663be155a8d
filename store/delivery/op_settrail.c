/* SPDX-License-Identifier: Apache-2.0 */
/* op_settrail.c - the operations that make, change, start, stop and delete trails. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deliver.h"
#include "lib/clock.h"
#include "op_tags.h"
#include "op_trails.h"
#include "store/follow.h"
#include "store/input.h"

/* ---- members that CreateTrail and UpdateTrail share */

/* What we have no counterpart of is refused, not ignored: a trail must do what it says. */
static int refuse_foreign(struct json_object *in, struct reply *r)
{
	const char *text;
	size_t n;
	bool organization;

	if (input_text(in, "SnsTopicName", r, &text, &n) < 0)
		return -EINVAL;
	if (text && n)
		return reply_error(r, "InvalidSnsTopicNameException", "This store does not have SNS topics.");
	if (input_bool(in, "IsOrganizationTrail", r, &organization) < 0)
		return -EINVAL;
	return organization ? reply_error(r, "OrganizationsNotInUseException", "This store is in no organization.") : 0;
}

static int bool_member(struct json_object *in, const char *key, struct reply *r, bool *to)
{
	bool value;
	int res = input_bool(in, key, r, &value);

	if (!res && input_has(in, key))
		*to = value;
	return res;
}

static int bucket_member(struct store *st, struct json_object *in, struct reply *r, struct trail *t)
{
	const struct bucket *b;
	char why[BUCKET_WHY_MAX];
	const char *text;
	size_t n;
	int res = input_text(in, "S3BucketName", r, &text, &n);

	if (res < 0 || (!text && *t->bucket))
		return res;
	if (!text || !layout_bucket_name(text))
		return reply_error(r, "InvalidS3BucketNameException", "Bucket name is invalid: %.64s", text ? text : "");
	b = buckets_find(delivery_buckets(st->delivery), text);
	if (!b)
		return reply_error(r, "S3BucketDoesNotExistException", "S3 bucket %s does not exist in the settings of this store!", text);
	res = bucket_check(b, why);
	if (res == -ENOENT)
		return reply_error(r, "S3BucketDoesNotExistException", "S3 bucket %s does not exist!", text);
	if (res < 0)
		return reply_error(r, "InsufficientS3BucketPolicyException", "The store cannot write to the bucket %s: %s", text, why);
	snprintf(t->bucket, sizeof(t->bucket), "%s", text);
	return 0;
}

static int prefix_member(struct json_object *in, struct reply *r, struct trail *t)
{
	const char *text;
	size_t n;
	int res = input_text(in, "S3KeyPrefix", r, &text, &n);

	if (res < 0 || !text)
		return res;
	if (strlen(text) != n || !layout_prefix(text))
		return reply_error(r, "InvalidS3PrefixException", "The prefix is not valid.");
	snprintf(t->prefix, sizeof(t->prefix), "%s", text);
	return 0;
}

/* A key is named to the endpoint, which has it; a directory has none. */
static int kms_member(struct store *st, struct json_object *in, struct reply *r, struct trail *t)
{
	const struct bucket *b = buckets_find(delivery_buckets(st->delivery), t->bucket);
	const char *text;
	size_t n;
	int res = input_text(in, "KmsKeyId", r, &text, &n);

	if (res < 0)
		return res;
	if (text && (strlen(text) != n || n >= sizeof(t->kms_key) || strpbrk(text, "\r\n")))
		return reply_error(r, "InvalidKmsKeyIdException", "The KMS key id is not valid.");
	if (text)
		snprintf(t->kms_key, sizeof(t->kms_key), "%s", text);
	if (*t->kms_key && b && bucket_is_local(b))
		return reply_error(r, "KmsKeyNotFoundException", "The bucket %s is a directory, which has no KMS keys.", t->bucket);
	return 0;
}

static int arn_member(struct json_object *in, const char *key, struct reply *r, const char *error, char to[LEDGER_ARN_MAX])
{
	const char *text;
	size_t n;
	int res = input_text(in, key, r, &text, &n);

	if (res < 0 || !text)
		return res;
	if (strlen(text) != n || n >= LEDGER_ARN_MAX || (n && strncmp(text, "arn:", 4)))
		return reply_error(r, error, "%s is not valid.", key);
	snprintf(to, LEDGER_ARN_MAX, "%s", text);
	return 0;
}

/* The role has no meaning here, but clients that know CloudTrail give one. Empty texts take the group away. */
static int group_members(struct store *st, struct json_object *in, struct reply *r, struct trail *t)
{
	static const char error[] = "InvalidCloudWatchLogsLogGroupArnException", role_error[] = "InvalidCloudWatchLogsRoleArnException";
	int res = arn_member(in, "CloudWatchLogsLogGroupArn", r, error, t->group_arn);

	if (!res)
		res = arn_member(in, "CloudWatchLogsRoleArn", r, role_error, t->role_arn);
	if (res < 0)
		return res;
	if (*t->group_arn && !delivery_group(st->delivery, t->group_arn))
		return reply_error(r, error, "The settings of this store name no such log group.");
	if (!*t->group_arn != !*t->role_arn)
		return reply_error(r, *t->group_arn ? role_error : error, "A log group and a role go together.");
	return 0;
}

static int take_members(struct store *st, struct json_object *in, struct reply *r, struct trail *t)
{
	int res = refuse_foreign(in, r);

	if (!res)
		res = bucket_member(st, in, r, t);
	if (!res)
		res = prefix_member(in, r, t);
	if (!res)
		res = kms_member(st, in, r, t);
	if (!res)
		res = group_members(st, in, r, t);
	if (!res)
		res = bool_member(in, "IncludeGlobalServiceEvents", r, &t->global_events);
	if (!res)
		res = bool_member(in, "IsMultiRegionTrail", r, &t->multi_region);
	if (!res)
		res = bool_member(in, "EnableLogFileValidation", r, &t->validation);
	return res;
}

static int answer_trail(struct store *st, const struct trail *t, struct reply *r)
{
	struct json j = { .out = &r->body };

	json_open(&j, NULL, '{');
	trail_members(st, t, false, &j);
	json_close(&j, '}');
	return trail_ended(r);
}

static int answer_empty(struct reply *r)
{
	buf_adds(&r->body, "{}");
	return trail_ended(r);
}

/* ---- operations */

int op_create_trail(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct trail t = { .global_events = true };
	struct json_object *tags;
	const char *name;
	size_t n;
	int res = input_text(in, "Name", r, &name, &n);

	if (res < 0)
		return res;
	if (!name || strlen(name) != n || !layout_trail_name(name))
		return reply_error(r, "InvalidTrailNameException", "The trail name is not valid.");
	if (!st->delivery || !strcmp(name, TRAIL_DEFAULT))
		return reply_error(r, "TrailAlreadyExistsException", "Trail %s already exists for customer: %s", name, st->account);
	snprintf(t.name, sizeof(t.name), "%s", name);
	res = take_members(st, in, r, &t);
	if (!res)
		res = tags_check(in, r, &tags);
	if (res < 0)
		return res;
	res = ledger_trail_add(delivery_ledger(st->delivery), &t);
	if (res == -EEXIST)
		return reply_error(r, "TrailAlreadyExistsException", "Trail %s already exists for customer: %s", name, st->account);
	if (res == -EDQUOT)
		return reply_error(r, "MaximumNumberOfTrailsExceededException", "Account %s already has %d trails.", st->account,
				   LEDGER_TRAILS_MAX);
	if (!res && input_count(tags))
		res = ledger_trail_find(delivery_ledger(st->delivery), name, &t);
	if (res < 0)
		return trail_failed(r, res);
	res = tags_add(st, t.id, tags, r);
	return res < 0 ? res : answer_trail(st, &t, r);
}

int op_update_trail(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	char group[LEDGER_ARN_MAX];
	struct trail t;
	int res = trail_of_ours(st, in, "Name", r, &t);

	if (res < 0)
		return res;
	memcpy(group, t.group_arn, sizeof(group));
	res = take_members(st, in, r, &t);
	if (res < 0)
		return res;
	res = ledger_trail_set(delivery_ledger(st->delivery), &t);
	if (!res && strcmp(group, t.group_arn))
		res = ledger_feed_begin(delivery_ledger(st->delivery), t.id, follow_end(st));
	delivery_changed(st->delivery, t.id);
	return res < 0 ? trail_failed(r, res) : answer_trail(st, &t, r);
}

int op_delete_trail(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct trail t;
	int res = trail_of_ours(st, in, "Name", r, &t);

	if (res < 0)
		return res;
	res = ledger_trail_delete(delivery_ledger(st->delivery), t.id, clock_wall(), follow_end(st));
	delivery_changed(st->delivery, t.id);
	return res < 0 ? trail_failed(r, res) : answer_empty(r);
}

/* Both are harmless when it is so already. */
static int switch_logging(struct store *st, struct json_object *in, struct reply *r, bool on)
{
	struct trail t;
	int res = trail_of_ours(st, in, "Name", r, &t);

	if (res < 0)
		return res;
	if (t.logging != on)
		res = (on ? ledger_start : ledger_stop)(delivery_ledger(st->delivery), t.id, clock_wall(), follow_end(st));
	delivery_changed(st->delivery, t.id);
	return res < 0 ? trail_failed(r, res) : answer_empty(r);
}

int op_start_logging(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	return switch_logging(st, in, r, true);
}

int op_stop_logging(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	return switch_logging(st, in, r, false);
}
