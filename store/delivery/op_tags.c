/* SPDX-License-Identifier: Apache-2.0 */
/* op_tags.c - AddTags, RemoveTags and ListTags, of trails; and GetInsightSelectors, which no trail has here. */
#include "op_tags.h"

#include <errno.h>
#include <string.h>

#include "deliver.h"
#include "store/input.h"

#define KEY_MAX 128
#define VALUE_MAX 256
#define RESOURCES_MAX 20

/* The trail that an ARN names; TagsList and the like take no plain names. */
static int tagged_trail(struct store *st, const char *arn, struct reply *r, struct trail *ret_t)
{
	const char *name;
	int res;

	if (!strncmp(arn, "arn:", 4) && strstr(arn, ":eventdatastore/"))
		return reply_error(r, "ResourceTypeNotSupportedException", "Event data stores have no tags here.");
	if (strncmp(arn, "arn:", 4))
		return reply_error(r, "CloudTrailARNInvalidException", "The trail ARN is not valid.");
	res = trail_name_of(st, arn, r, &name);
	if (res < 0)
		return res;
	res = !strcmp(name, TRAIL_DEFAULT) || !st->delivery ? -ENOENT : ledger_trail_find(delivery_ledger(st->delivery), name, ret_t);
	if (res == -ENOENT)
		return reply_error(r, "ResourceNotFoundException", "Trail %.256s does not exist, or has no tags.", arn);
	return res < 0 ? trail_failed(r, res) : 0;
}

static int tag_at(struct json_object *list, unsigned i, struct reply *r, const char **ret_key, const char **ret_value)
{
	struct json_object *tag;
	size_t n, m;
	int res = input_element(list, i, "TagsList", r, &tag);

	if (!res)
		res = input_text(tag, "Key", r, ret_key, &n);
	if (!res)
		res = input_text(tag, "Value", r, ret_value, &m);
	if (res < 0)
		return res;
	if (!*ret_key || !n || n > KEY_MAX || strlen(*ret_key) != n || (*ret_value && (m > VALUE_MAX || strlen(*ret_value) != m)))
		return reply_error(r, "InvalidTagParameterException", "A tag's key has 1 to %d bytes, its value at most %d.", KEY_MAX, VALUE_MAX);
	return 0;
}

/* Before anything is changed: all of them are good, none is there twice. */
static int check_tags(struct json_object *list, struct reply *r)
{
	if (input_count(list) > LEDGER_TAGS_MAX)
		return reply_error(r, "TagsLimitExceededException", "A trail has at most %d tags.", LEDGER_TAGS_MAX);
	for (unsigned i = 0; i < input_count(list); i++) {
		const char *key, *other, *value;
		int res = tag_at(list, i, r, &key, &value);

		for (unsigned k = 0; !res && k < i; k++) {
			res = tag_at(list, k, r, &other, &value);
			if (!res && !strcmp(key, other))
				res = reply_error(r, "InvalidTagParameterException", "The key %.128s is given twice.", key);
		}
		if (res < 0)
			return res;
	}
	return 0;
}

int tags_check(struct json_object *in, struct reply *r, struct json_object **ret_list)
{
	int res = input_array(in, "TagsList", r, ret_list);

	return res < 0 ? res : check_tags(*ret_list, r);
}

int tags_add(struct store *st, int64_t trail, struct json_object *list, struct reply *r)
{
	for (unsigned i = 0; i < input_count(list); i++) {
		const char *key, *value;
		int res = tag_at(list, i, r, &key, &value);

		if (res < 0)
			return res;
		res = ledger_tag(delivery_ledger(st->delivery), trail, key, value ? value : "");
		if (res == -EDQUOT)
			return reply_error(r, "TagsLimitExceededException", "A trail has at most %d tags.", LEDGER_TAGS_MAX);
		if (res < 0)
			return trail_failed(r, res);
	}
	return 0;
}

static int change_tags(struct store *st, struct json_object *in, struct reply *r, bool add)
{
	struct json_object *list;
	const char *arn, *key, *value;
	struct trail t;
	size_t n;
	int res = input_text(in, "ResourceId", r, &arn, &n);

	if (!res)
		res = tagged_trail(st, arn ? arn : "", r, &t);
	if (!res)
		res = tags_check(in, r, &list);
	if (!res && add)
		res = tags_add(st, t.id, list, r);
	for (unsigned i = 0; !res && !add && i < input_count(list); i++) {
		res = tag_at(list, i, r, &key, &value);
		if (!res && ledger_untag(delivery_ledger(st->delivery), t.id, key) < 0)
			res = trail_failed(r, -EIO);
	}
	if (res < 0)
		return res;
	buf_adds(&r->body, "{}");
	return trail_ended(r);
}

int op_add_tags(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	return change_tags(st, in, r, true);
}

int op_remove_tags(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	return change_tags(st, in, r, false);
}

static int show_tag(void *ctx, const char *key, const char *value)
{
	struct json *j = ctx;

	json_open(j, NULL, '{');
	json_string(j, "Key", key);
	json_string(j, "Value", value);
	json_close(j, '}');
	return 0;
}

static int list_one(struct store *st, struct json_object *list, unsigned i, struct json *j, struct reply *r)
{
	struct trail t;
	const char *arn;
	int res = input_element_text(list, i, "ResourceIdList", r, &arn);

	if (!res)
		res = tagged_trail(st, arn, r, &t);
	if (res < 0)
		return res;
	json_open(j, NULL, '{');
	json_string(j, "ResourceId", arn);
	json_open(j, "TagsList", '[');
	res = ledger_tags(delivery_ledger(st->delivery), t.id, show_tag, j);
	json_close(j, ']');
	json_close(j, '}');
	return res < 0 ? trail_failed(r, res) : 0;
}

int op_list_tags(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	struct json_object *list;
	int res = input_array(in, "ResourceIdList", r, &list);

	if (res < 0)
		return res;
	if (!input_count(list) || input_count(list) > RESOURCES_MAX)
		return reply_error(r, "ValidationException", "ResourceIdList must have 1 to %d elements.", RESOURCES_MAX);
	json_open(&j, NULL, '{');
	json_open(&j, "ResourceTagList", '[');
	for (unsigned i = 0; i < input_count(list); i++) {
		res = list_one(st, list, i, &j, r);
		if (res < 0)
			return res;
	}
	json_close(&j, ']');
	json_close(&j, '}');
	return trail_ended(r);
}

int op_get_insight_selectors(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct trail t;
	int res = trail_named(st, in, "TrailName", r, &t);

	return res < 0 ? res : reply_error(r, "InsightNotEnabledException", "Insights are not enabled on the trail %s.", t.name);
}
