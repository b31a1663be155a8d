/* SPDX-License-Identifier: Apache-2.0 */
/* op_selectors.c - PutEventSelectors and GetEventSelectors. */
#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "deliver.h"
#include "lib/cleanup.h"
#include "op_trails.h"
#include "proto/selectors.h"
#include "store/input.h"

/* What a trail has where none were put, as CloudTrail tells it. */
static const char unset[] = "\"EventSelectors\":[{\"ReadWriteType\":\"All\",\"IncludeManagementEvents\":true,\"DataResources\":[],"
			    "\"ExcludeManagementEventSources\":[]}]";
/* The built-in trail takes everything. */
static const char everything[] =
	"\"AdvancedEventSelectors\":[{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Management\"]}]},"
	"{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Data\"]}]},"
	"{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"NetworkActivity\"]}]}]";

static int answer(struct store *st, const struct trail *t, const char *members, struct reply *r)
{
	struct json j = { .out = &r->body };
	char arn[LAYOUT_ARN_MAX];

	layout_arn(st->region, st->account, t->name, arn);
	json_open(&j, NULL, '{');
	json_string(&j, "TrailARN", arn);
	buf_addf(&r->body, ",%s}", members);
	return trail_ended(r);
}

/* {"EventSelectors":[...]}, without its braces */
static int answer_text(struct store *st, const struct trail *t, const char *text, struct reply *r)
{
	_cleanup_free_ char *members = strdup(text + 1);

	if (!members)
		return reply_fault(r, 500, "InternalFailure", "out of memory");
	members[strlen(members) - 1] = '\0';
	return answer(st, t, members, r);
}

/* One of the two, or the error. */
static int take_selectors(struct json_object *in, struct reply *r, const char **ret_member, struct json_object **ret_list)
{
	struct json_object *basic, *advanced;
	int res = input_array(in, "EventSelectors", r, &basic);

	if (!res)
		res = input_array(in, "AdvancedEventSelectors", r, &advanced);
	if (res < 0)
		return res;
	if (!basic == !advanced)
		return reply_error(r, "InvalidParameterCombinationException",
				   "You must specify either EventSelectors or AdvancedEventSelectors, and not both.");
	*ret_member = basic ? "EventSelectors" : "AdvancedEventSelectors";
	*ret_list = basic ? basic : advanced;
	return 0;
}

int op_put_event_selectors(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_selectors_ struct selectors *s = NULL;
	_cleanup_buf_ struct buf text = { 0 };
	char why[SELECTORS_WHY_MAX];
	struct json_object *list = NULL;
	const char *member = "";
	struct trail t;
	int res = trail_of_ours(st, in, "TrailName", r, &t);

	if (!res)
		res = take_selectors(in, r, &member, &list);
	if (res < 0)
		return res;
	buf_addf(&text, "{\"%s\":%s}", member, json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	if (text.failed)
		return reply_fault(r, 500, "InternalFailure", "out of memory");
	res = selectors_parse((const char *)text.p, text.n, &s, why);
	if (res == -EINVAL)
		return reply_error(r, "InvalidEventSelectorsException", "%s", why);
	if (!res)
		res = ledger_trail_select(delivery_ledger(st->delivery), t.id, buf_text(&text));
	if (res < 0)
		return trail_failed(r, res);
	delivery_changed(st->delivery, t.id);
	return answer_text(st, &t, buf_text(&text), r);
}

int op_get_event_selectors(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_buf_ struct buf text = { 0 };
	struct trail t;
	int res = trail_named(st, in, "TrailName", r, &t);

	if (res < 0)
		return res;
	if (!t.id)
		return answer(st, &t, everything, r);
	res = ledger_trail_selectors(delivery_ledger(st->delivery), t.id, &text);
	if (res < 0)
		return trail_failed(r, res);
	return text.n ? answer_text(st, &t, buf_text(&text), r) : answer(st, &t, unset, r);
}
