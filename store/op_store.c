/* SPDX-License-Identifier: Apache-2.0 */
/* op_store.c - event data stores as CloudTrail has them: made, shown, changed, stopped, deleted, restored. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "engine.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "op_store.h"
#include "ops.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "proto/selectors.h"
#include "queries.h"
#include "retention/retention.h"
#include "token.h"
#include "witness.h"

#define SELECTORS_MAX 5
#define DAYS_MIN RETENTION_DAYS_MIN
#define DAYS_MAX RETENTION_DAYS_MAX
#define DAYS_MAX_FIXED 2557
#define DAYS_DEFAULT 366

/* CloudTrail's, when none are given. */
static const char management_selectors[] =
	"[{\"Name\":\"Default management events\",\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Management\"]}]}]";
/* How the built-in one, which takes in everything, is shown. */
static const char all_selectors[] =
	"[{\"Name\":\"Management\",\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Management\"]}]},"
	"{\"Name\":\"Data\",\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Data\"]}]},"
	"{\"Name\":\"NetworkActivity\",\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"NetworkActivity\"]}]},"
	"{\"Name\":\"Insight\",\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Insight\"]}]}]";

static int broken(struct reply *r)
{
	return reply_fault(r, 500, "InternalFailure", "The store could not answer.");
}

/* ---- names */

static void store_arn(const struct store *st, const char *id, char ret[256])
{
	snprintf(ret, 256, "arn:aws:cloudtrail:%s:%s:eventdatastore/%s", st->region, st->account, id);
}

int store_named(struct store *st, struct json_object *in, struct reply *r, struct event_store *ret_e, struct buf *ret_selectors)
{
	const char *text, *name;
	char prefix[256], id[UUID_TEXT];
	uint8_t raw[16];
	size_t n;
	int res = input_text(in, "EventDataStore", r, &text, &n);

	if (res < 0)
		return res;
	if (!text)
		return queries_lack(r, "eventDataStore");
	name = text;
	store_arn(st, "", prefix);
	if (!strncmp(name, prefix, strlen(prefix)))
		name += strlen(prefix);
	if (uuid_parse(name, raw) < 0 || memchr(name, 0, n - (size_t)(name - text)))
		return reply_error(r, "EventDataStoreARNInvalidException", "The event data store ARN or ID is not valid.");
	uuid_text(raw, id);	/* however it was written */
	res = definitions_of(st)->get(st, id, ret_e, ret_selectors);
	if (res == -ENOENT)
		return reply_error(r, "EventDataStoreNotFoundException", "The event data store %s does not exist.", name);
	return res < 0 ? broken(r) : 0;
}

/* ---- showing one */

static const char *status_name(enum store_status s)
{
	return s == STORE_ENABLED ? "ENABLED" : s == STORE_STOPPED ? "STOPPED_INGESTION" : "PENDING_DELETION";
}

static void store_json(const struct store *st, const struct event_store *e, const char *selectors, struct json *j)
{
	char arn[256];

	store_arn(st, e->id, arn);
	json_string(j, "EventDataStoreArn", arn);
	json_string(j, "Name", e->name);
	json_string(j, "Status", status_name(e->status));
	json_key(j, "AdvancedEventSelectors");
	buf_adds(j->out, *selectors ? selectors : all_selectors);
	j->comma = true;
	json_boolean(j, "MultiRegionEnabled", e->multi_region);
	json_boolean(j, "OrganizationEnabled", e->organization);
	json_int(j, "RetentionPeriod", e->retention_days);
	json_boolean(j, "TerminationProtectionEnabled", e->protected);
	json_time(j, "CreatedTimestamp", e->created);
	json_time(j, "UpdatedTimestamp", e->updated);
	json_string(j, "BillingMode", e->fixed_billing ? "FIXED_RETENTION_PRICING" : "EXTENDABLE_RETENTION_PRICING");
}

static int answer(struct store *st, const struct event_store *e, const char *selectors, struct reply *r)
{
	struct json j = { .out = &r->body };

	json_open(&j, NULL, '{');
	store_json(st, e, selectors, &j);
	json_close(&j, '}');
	return r->body.failed ? broken(r) : 0;
}

static int empty(struct reply *r)
{
	buf_adds(&r->body, "{}");
	return r->body.failed ? broken(r) : 0;
}

/* ---- members that CreateEventDataStore and UpdateEventDataStore share */

static int there(struct json_object *in, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(in, key, &v) && v;
}

static int take_bool(struct json_object *in, const char *key, struct reply *r, bool *ret)
{
	return there(in, key) ? input_bool(in, key, r, ret) : 0;
}

static int take_name(struct store *st, struct json_object *in, bool required, struct reply *r, struct event_store *e)
{
	const char *name;
	struct event_store other;
	size_t n;
	int res = input_text(in, "Name", r, &name, &n);

	if (res < 0 || (!name && !required))
		return res;
	if (!name || n < 3 || n > STORE_NAME_MAX || strlen(name) != n)
		return reply_error(r, "ValidationException", "Name must have 3 to %d characters.", STORE_NAME_MAX);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return reply_error(r, "ValidationException", "Name must consist of letters, digits, '.', '_' and '-'.");
	if (definitions_of(st)->find(st, name, &other) == 0 && strcmp(other.id, e->id))
		return reply_error(r, "EventDataStoreAlreadyExistsException", "An event data store with the name %s exists.", name);
	snprintf(e->name, sizeof(e->name), "%s", name);
	return 0;
}

static int take_billing(struct json_object *in, struct reply *r, struct event_store *e)
{
	const char *mode;
	size_t n;
	int res = input_text(in, "BillingMode", r, &mode, &n);

	if (res < 0 || !mode)
		return res;
	if (strcmp(mode, "EXTENDABLE_RETENTION_PRICING") && strcmp(mode, "FIXED_RETENTION_PRICING"))
		return reply_error(r, "ValidationException", "BillingMode is EXTENDABLE_RETENTION_PRICING or FIXED_RETENTION_PRICING.");
	e->fixed_billing = *mode == 'F';
	return 0;
}

static int take_settings(struct json_object *in, struct reply *r, struct event_store *e)
{
	int max;
	int64_t days;
	bool has_days;
	struct json_object *tags = NULL;
	int res = take_bool(in, "MultiRegionEnabled", r, &e->multi_region);

	if (!res)
		res = take_bool(in, "OrganizationEnabled", r, &e->organization);
	if (!res)
		res = take_bool(in, "TerminationProtectionEnabled", r, &e->protected);
	if (!res)
		res = take_billing(in, r, e);
	if (!res)
		res = input_array(in, "TagsList", r, &tags);
	if (!res)
		res = input_int(in, "RetentionPeriod", r, &has_days, &days);
	if (res < 0)
		return res;
	if (e->organization)
		return reply_error(r, "UnsupportedOperationException", "This store has one account: OrganizationEnabled cannot be true.");
	/* nobody is to believe that what he keeps here is encrypted, or tagged */
	if (input_has(in, "KmsKeyId") || input_count(tags))
		return reply_error(r, "UnsupportedOperationException", "An event data store has no tags, and no key of its own.");
	max = e->fixed_billing ? DAYS_MAX_FIXED : DAYS_MAX;
	if (has_days && (days < DAYS_MIN || days > max))
		return reply_error(r, "InvalidParameterException", "RetentionPeriod must be between %d and %d days.", DAYS_MIN, max);
	if (!has_days && e->retention_days > max)
		return reply_error(r, "InvalidParameterException", "FIXED_RETENTION_PRICING keeps at most %d days: RetentionPeriod is %d.", max,
				   e->retention_days);
	if (has_days)
		e->retention_days = (int)days;
	return 0;
}

/* What is locked nobody shortens, and what is locked or held nobody deletes. */
static int may_keep_only(struct store *st, const struct event_store *e, int days, struct reply *r)
{
	char target[RETENTION_TARGET_MAX], until[21];
	struct retention_lock l;

	retention_store_target(e->id, target);
	if (retention_locked(st->retention, target, &l) && days < l.days) {
		clock_iso(l.until / (int64_t)NS_PER_SEC, until);
		return reply_error(r, "OperationNotPermittedException", "The event data store is locked: it keeps at least %d days until %s.", l.days,
				   until);
	}
	if (!days && retention_held(st->retention, target, INT64_MIN, INT64_MAX))
		return reply_error(r, "OperationNotPermittedException", "There is a hold on what the event data store keeps.");
	return 0;
}

/* 1: they are there, as text of their own. */
static int take_selectors(struct json_object *in, struct reply *r, struct buf *ret)
{
	_cleanup_selectors_ struct selectors *s = NULL;
	char why[SELECTORS_WHY_MAX];
	struct json_object *list;
	const char *text;
	int res = input_array(in, "AdvancedEventSelectors", r, &list);

	if (res < 0 || !list)
		return res;
	if (input_count(list) < 1 || input_count(list) > SELECTORS_MAX)
		return reply_error(r, "InvalidEventSelectorsException", "An event data store has 1 to %d selectors.", SELECTORS_MAX);
	text = json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	res = selectors_parse(text, strlen(text), &s, why);
	if (res == -EINVAL || (!res && s->basic))
		return reply_error(r, "InvalidEventSelectorsException", "%s", res ? why : "Advanced selectors are needed.");
	if (res < 0 || buf_adds(ret, text) < 0)
		return broken(r);
	return 1;
}

/* ---- operations */

struct counting {
	unsigned n;
};

static int count_store(void *ctx, const struct event_store *e, const char *selectors)
{
	((struct counting *)ctx)->n += !e->builtin;
	return 0;
}

static int make_store(struct store *st, struct event_store *e, const char *selectors, struct reply *r)
{
	struct counting c = { 0 };
	uint8_t id[16];

	if (definitions_of(st)->each(st, count_store, &c) < 0)
		return broken(r);
	if (c.n >= STORES_MAX)
		return reply_error(r, "EventDataStoreMaxLimitExceededException", "There are %u event data stores already.", STORES_MAX);
	if (uuid_random(id) < 0)
		return broken(r);
	uuid_text(id, e->id);
	if (definitions_of(st)->add(st, e, selectors) < 0)
		return broken(r);
	return 0;
}

static int create_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct event_store e = { .status = STORE_ENABLED, .multi_region = true, .protected = true, .created = clock_wall() };
	_cleanup_buf_ struct buf selectors = { 0 };
	bool start = true;
	int res;

	res = take_name(st, in, true, r, &e);
	if (!res)
		res = take_settings(in, r, &e);
	if (!res)
		res = take_bool(in, "StartIngestion", r, &start);
	if (!res)
		res = take_selectors(in, r, &selectors);
	if (res < 0)
		return res;
	if (!res)
		buf_adds(&selectors, management_selectors);
	e.updated = e.created;
	if (!e.retention_days)
		e.retention_days = e.fixed_billing ? DAYS_MAX_FIXED : DAYS_DEFAULT;
	e.status = start ? STORE_ENABLED : STORE_STOPPED;
	res = make_store(st, &e, buf_text(&selectors), r);
	return res < 0 ? res : answer(st, &e, buf_text(&selectors), r);
}

/* Whether it is there, and how it is, is read and then changed: by one at a time. */
static int alone(struct store *st, struct json_object *in, struct op_state *state, struct reply *r, op_fn fn)
{
	const struct definitions_ops *d = definitions_of(st);
	int res = d->ready(st, r);

	if (res < 0)
		return res;
	d->begin(st);
	res = fn(st, in, state, r);
	d->end(st);
	return res;
}

int op_create_event_data_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	return alone(st, in, state, r, create_store);
}

int op_get_event_data_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_buf_ struct buf selectors = { 0 };
	struct event_store e;

	if (definitions_of(st)->ready(st, r) < 0 || store_named(st, in, r, &e, &selectors) < 0)
		return -EINVAL;
	return answer(st, &e, buf_text(&selectors), r);
}

static int say_days(struct store *st, const struct event_store *e, int former, const struct op_state *state)
{
	char target[RETENTION_TARGET_MAX];

	if (e->retention_days == former || !st->witness)
		return 0;
	retention_store_target(e->id, target);
	return witness_retention_changed(st->witness, target, former, e->retention_days, state->caller ? state->caller->id : NULL);
}

static int change_store(struct store *st, struct event_store *e, struct buf *fresh, int former, const struct op_state *state,
			struct reply *r)
{
	int res = may_keep_only(st, e, e->retention_days, r);

	if (res < 0)
		return res;
	e->updated = clock_wall();
	if (say_days(st, e, former, state) < 0 || definitions_of(st)->change(st, e, fresh->n ? buf_text(fresh) : NULL) < 0)
		return broken(r);
	return 0;
}

static int update_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_buf_ struct buf selectors = { 0 }, fresh = { 0 };
	struct event_store e;
	int res, former;

	if (store_named(st, in, r, &e, &selectors) < 0)
		return -EINVAL;
	if (e.status == STORE_PENDING_DELETION)
		return reply_error(r, "InactiveEventDataStoreException", "The event data store is pending deletion.");
	former = e.retention_days;
	res = take_name(st, in, false, r, &e);
	if (!res)
		res = take_settings(in, r, &e);
	if (!res)
		res = take_selectors(in, r, &fresh);
	if (res < 0)
		return res;
	if (res && e.builtin)
		return reply_error(r, "OperationNotPermittedException", "The built-in event data store takes in everything.");
	if (change_store(st, &e, &fresh, former, state, r) < 0)
		return -EINVAL;
	return answer(st, &e, res ? buf_text(&fresh) : buf_text(&selectors), r);
}

int op_update_event_data_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	return alone(st, in, state, r, update_store);
}

static int delete_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct event_store e;

	if (store_named(st, in, r, &e, NULL) < 0)
		return -EINVAL;
	if (e.status == STORE_PENDING_DELETION)
		return reply_error(r, "InactiveEventDataStoreException", "The event data store is pending deletion.");
	if (e.protected)
		return reply_error(r, "EventDataStoreTerminationProtectedException",
				   "The event data store cannot be deleted because termination protection is enabled.");
	if (e.builtin)
		return reply_error(r, "OperationNotPermittedException", "The built-in event data store cannot be deleted.");
	if (may_keep_only(st, &e, 0, r) < 0)
		return -EINVAL;
	e.status = STORE_PENDING_DELETION;
	e.deleted = e.updated = clock_wall();
	return definitions_of(st)->change(st, &e, NULL) < 0 ? broken(r) : empty(r);
}

int op_delete_event_data_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	return alone(st, in, state, r, delete_store);
}

/* Takes in again what comes from now on, by the selectors it has. */
static int begin_ingestion(struct store *st, struct event_store *e, const char *selectors, struct reply *r)
{
	e->status = STORE_ENABLED;
	e->deleted = 0;
	e->updated = clock_wall();
	return definitions_of(st)->change(st, e, selectors) < 0 ? broken(r) : 0;
}

static int restore_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_buf_ struct buf selectors = { 0 };
	struct event_store e;

	if (store_named(st, in, r, &e, &selectors) < 0)
		return -EINVAL;
	if (e.status != STORE_PENDING_DELETION)
		return reply_error(r, "InvalidEventDataStoreStatusException", "The event data store is not pending deletion.");
	if (begin_ingestion(st, &e, buf_text(&selectors), r) < 0)
		return -EINVAL;
	return answer(st, &e, buf_text(&selectors), r);
}

int op_restore_event_data_store(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	return alone(st, in, state, r, restore_store);
}

static int start_ingestion(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_buf_ struct buf selectors = { 0 };
	struct event_store e;

	if (store_named(st, in, r, &e, &selectors) < 0)
		return -EINVAL;
	if (e.status != STORE_STOPPED)
		return reply_error(r, "InvalidEventDataStoreStatusException", "The event data store's status is %s, not STOPPED_INGESTION.",
				   status_name(e.status));
	return begin_ingestion(st, &e, buf_text(&selectors), r) < 0 ? -EINVAL : empty(r);
}

int op_start_event_data_store_ingestion(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	return alone(st, in, state, r, start_ingestion);
}

static int stop_ingestion(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct event_store e;

	if (store_named(st, in, r, &e, NULL) < 0)
		return -EINVAL;
	if (e.status != STORE_ENABLED)
		return reply_error(r, "InvalidEventDataStoreStatusException", "The event data store's status is %s, not ENABLED.",
				   status_name(e.status));
	if (e.builtin)
		return reply_error(r, "OperationNotPermittedException", "The built-in event data store takes in everything.");
	e.status = STORE_STOPPED;
	e.updated = clock_wall();
	return definitions_of(st)->change(st, &e, NULL) < 0 ? broken(r) : empty(r);
}

int op_stop_event_data_store_ingestion(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	return alone(st, in, state, r, stop_ingestion);
}

/* ---- the list */

struct listing {
	struct store *st;
	struct json *j;
	unsigned at, from, max;
	bool more;
};

static int list_one(void *ctx, const struct event_store *e, const char *selectors)
{
	struct listing *l = ctx;

	if (l->at++ < l->from)
		return 0;
	l->more = l->at > l->from + l->max;
	if (l->more)
		return 0;
	json_open(l->j, NULL, '{');
	store_json(l->st, e, selectors, l->j);
	json_close(l->j, '}');
	return 0;
}

int op_list_event_data_stores(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	static const char binding[] = "ListEventDataStores";
	struct json j = { .out = &r->body };
	struct listing l = { .st = st, .j = &j };
	struct index_key at = { 0 };
	char token[TOKEN_TEXT];

	if (definitions_of(st)->ready(st, r) < 0 || queries_take_page(st, in, "MaxResults", binding, strlen(binding), r, &l.max, &at) < 0)
		return -EINVAL;
	l.from = at.place.record;
	json_open(&j, NULL, '{');
	json_open(&j, "EventDataStores", '[');
	if (definitions_of(st)->each(st, list_one, &l) < 0)
		return broken(r);
	json_close(&j, ']');
	if (l.more) {
		at.place.record = l.from + l.max;
		token_make(st->token_key, binding, strlen(binding), &at, token);
		json_string(&j, "NextToken", token);
	}
	json_close(&j, '}');
	return r->body.failed ? broken(r) : 0;
}
