/* SPDX-License-Identifier: Apache-2.0 */
/* op_retention.c - GetRetention, LockRetention: how long what is kept, and what nobody may shorten. */
#include "op_retention.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "store/delivery/deliver.h"
#include "store/engine.h"
#include "store/input.h"
#include "store/lake/op_lake.h"
#include "store/witness.h"

#define UNTIL_MAX (36525 * RETENTION_DAY_NS)	/* a hundred years from now */

/* ---- targets */

/* An event data store by ARN or id; *ret_days: what it keeps. */
static int store_target(struct store *st, const char *text, struct reply *r, char ret[RETENTION_TARGET_MAX], int *ret_days)
{
	const char *id = strstr(text, ":eventdatastore/");
	struct event_store e;
	uint8_t uuid[16];
	int res;

	id = id ? strchr(id, '/') + 1 : text;
	if (uuid_parse(id, uuid) < 0)
		return reply_error(r, "ValidationException", "Target is an event data store's ARN or ID, or bucket:NAME, not %.100s.", text);
	if (definitions_of(st)->ready(st, r) < 0)
		return -EINVAL;
	res = definitions_of(st)->get(st, id, &e, NULL);
	if (res == -ENOENT)
		return reply_error(r, "EventDataStoreNotFoundException", "The event data store %.100s does not exist.", id);
	if (res < 0)
		return lake_broken(r);
	if (e.status == STORE_PENDING_DELETION)
		return reply_error(r, "InactiveEventDataStoreException", "The event data store is pending deletion.");
	retention_store_target(e.id, ret);
	*ret_days = e.retention_days;
	return 0;
}

static int bucket_target(struct store *st, const char *name, struct reply *r, char ret[RETENTION_TARGET_MAX], int *ret_days)
{
	const struct bucket *b = st->delivery ? buckets_find(delivery_buckets(st->delivery), name) : NULL;

	/* the files of a bucket go by each store's settings, of which the others do not know */
	if (st->engine)
		return reply_error(r, "UnsupportedOperationException", "Over a cluster buckets have no locks and holds.");
	if (!b)
		return reply_error(r, "S3BucketDoesNotExistException", "There is no bucket %.64s in the store's settings.", name);
	if (!bucket_is_local(b))
		return reply_error(r, "ValidationException", "Bucket %.64s is no local directory: its own rules keep what lies there.", name);
	bucket_set_mark(b);
	retention_bucket_target(name, ret);
	*ret_days = bucket_retention(b) ? bucket_retention(b) : INT32_MAX;
	return 0;
}

int retention_target(struct store *st, const char *text, struct reply *r, char ret[RETENTION_TARGET_MAX], int *ret_days)
{
	static const char bucket[] = "bucket:";
	const size_t n = sizeof(bucket) - 1;

	return strncmp(text, bucket, n) ? store_target(st, text, r, ret, ret_days) : bucket_target(st, text + n, r, ret, ret_days);
}

int retention_time(struct json_object *in, const char *key, struct reply *r, bool *ret_there, int64_t *ret_ns)
{
	double seconds;
	int res = input_number(in, key, r, ret_there, &seconds);

	if (res < 0 || !*ret_there)
		return res;
	if (!(fabs(seconds) < 9e9))
		return reply_error(r, "ValidationException", "%s is out of range.", key);
	*ret_ns = (int64_t)(seconds * 1e9);
	return 0;
}

/* ---- GetRetention */

static void show_target(struct store *st, const char *target, struct json *j)
{
	struct retention_lock l;

	if (retention_locked(st->retention, target, &l)) {
		json_int(j, "MinimumDays", l.days);
		json_time(j, "LockedUntil", l.until);
	}
	json_boolean(j, "Held", retention_held(st->retention, target, INT64_MIN, INT64_MAX));
}

struct showing {
	struct store *st;
	struct json *j;
};

static int show_store(void *ctx, const struct event_store *e, const char *selectors)
{
	struct showing *s = ctx;
	char target[RETENTION_TARGET_MAX], arn[256];

	snprintf(arn, sizeof(arn), "arn:aws:cloudtrail:%s:%s:eventdatastore/%s", s->st->region, s->st->account, e->id);
	retention_store_target(e->id, target);
	json_open(s->j, NULL, '{');
	json_string(s->j, "EventDataStoreArn", arn);
	json_string(s->j, "Name", e->name);
	json_int(s->j, "RetentionPeriod", e->retention_days);
	show_target(s->st, target, s->j);
	json_close(s->j, '}');
	return 0;
}

static void show_buckets(struct store *st, struct json *j)
{
	const struct buckets *all = st->delivery && !st->engine ? delivery_buckets(st->delivery) : NULL;
	char target[RETENTION_TARGET_MAX];

	json_open(j, "Buckets", '[');
	for (unsigned i = 0; all && buckets_at(all, i); i++) {
		const struct bucket *b = buckets_at(all, i);

		if (!bucket_is_local(b))
			continue;
		retention_bucket_target(bucket_name(b), target);
		json_open(j, NULL, '{');
		json_string(j, "Name", bucket_name(b));
		if (bucket_retention(b))
			json_int(j, "RetentionPeriod", bucket_retention(b));
		show_target(st, target, j);
		json_close(j, '}');
	}
	json_close(j, ']');
}

int op_get_retention(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	struct showing s = { st, &j };
	bool any = st->engine || __atomic_load_n(&st->lake, __ATOMIC_ACQUIRE);

	json_open(&j, NULL, '{');
	json_time(&j, "KeptTime", retention_now(st->retention));
	json_time(&j, "WallTime", clock_wall());
	json_open(&j, "EventDataStores", '[');
	if (any && definitions_of(st)->each(st, show_store, &s) < 0)
		return lake_broken(r);
	json_close(&j, ']');
	show_buckets(st, &j);
	json_close(&j, '}');
	return r->body.failed ? lake_broken(r) : 0;
}

/* ---- LockRetention */

static int take_lock(struct store *st, struct json_object *in, struct reply *r, struct retention_lock *l)
{
	const int64_t now = retention_now(st->retention);
	bool has_days, has_until;
	const char *target;
	int64_t days;
	int kept, res;
	size_t n;

	res = input_text(in, "Target", r, &target, &n);
	if (!res)
		res = input_int(in, "MinimumDays", r, &has_days, &days);
	if (!res)
		res = retention_time(in, "Until", r, &has_until, &l->until);
	if (res < 0)
		return res;
	if (!target || !has_days || !has_until)
		return reply_error(r, "ValidationException", "Target, MinimumDays and Until must be given.");
	if (days < RETENTION_DAYS_MIN || days > RETENTION_DAYS_MAX)
		return reply_error(r, "InvalidParameterException", "MinimumDays must be between %d and %d.", RETENTION_DAYS_MIN, RETENTION_DAYS_MAX);
	if (l->until <= now || l->until - now > UNTIL_MAX)
		return reply_error(r, "InvalidParameterException", "Until must lie in the future, and within a hundred years.");
	res = retention_target(st, target, r, l->target, &kept);
	if (res < 0)
		return res;
	if (kept < days)
		return reply_error(r, "InvalidParameterException", "%.100s keeps %d days: lengthen that first.", target, kept);
	l->days = (int)days;
	return 0;
}

static int lock(struct store *st, struct json_object *in, struct op_state *state, struct reply *r, struct retention_lock *l)
{
	struct retention_lock old;
	char until[21];
	int res = take_lock(st, in, r, l);

	if (res < 0)
		return res;
	res = retention_lock(st->retention, l, &old);
	if (res == -EPERM) {
		clock_iso(old.until / (int64_t)NS_PER_SEC, until);
		return reply_error(r, "OperationNotPermittedException",
				   "At least %d days are locked until %s: a lock can be made longer and for more days only.", old.days, until);
	}
	if (res == -EDQUOT)
		return reply_error(r, "ResourceLimitExceededException", "There are %d locks already.", RETENTION_LOCKS_MAX);
	if (!res && st->witness)
		res = witness_retention_locked(st->witness, l->target, l->days, l->until, state->caller ? state->caller->id : NULL);
	return res < 0 ? lake_broken(r) : 0;
}

int op_lock_retention(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	struct retention_lock l = { 0 };
	int res;

	if (!st->retention)
		return lake_broken(r);
	retention_change_begin(st->retention);
	res = lock(st, in, state, r, &l);
	retention_change_end(st->retention);
	if (res < 0)
		return res;
	json_open(&j, NULL, '{');
	json_int(&j, "MinimumDays", l.days);
	json_time(&j, "LockedUntil", l.until);
	json_close(&j, '}');
	return r->body.failed ? lake_broken(r) : 0;
}
