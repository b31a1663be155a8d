/* SPDX-License-Identifier: Apache-2.0 */
/* op_hold.c - PlaceHold, ReleaseHold, ListHolds. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/clock.h"
#include "op_retention.h"
#include "proto/json.h"
#include "remover.h"
#include "store/input.h"
#include "store/lake/lake.h"
#include "store/witness.h"

static int broken(struct reply *r)
{
	return reply_fault(r, 500, "InternalFailure", "The store could not answer.");
}

static int take_name(struct json_object *in, struct reply *r, char ret[RETENTION_NAME_MAX + 1])
{
	const char *name;
	size_t n;
	int res = input_text(in, "Name", r, &name, &n);

	if (res < 0)
		return res;
	if (!name || !n || n > RETENTION_NAME_MAX || strlen(name) != n)
		return reply_error(r, "ValidationException", "Name must have 1 to %d characters.", RETENTION_NAME_MAX);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return reply_error(r, "ValidationException", "Name must consist of letters, digits, '.', '_' and '-'.");
	snprintf(ret, RETENTION_NAME_MAX + 1, "%s", name);
	return 0;
}

static int take_reason(struct json_object *in, struct reply *r, char ret[RETENTION_REASON_MAX + 1])
{
	const char *reason;
	size_t n;
	int res = input_text(in, "Reason", r, &reason, &n);

	if (res < 0)
		return res;
	if (!reason || !n || n > RETENTION_REASON_MAX || strlen(reason) != n)
		return reply_error(r, "ValidationException", "Reason must have 1 to %d bytes.", RETENTION_REASON_MAX);
	snprintf(ret, RETENTION_REASON_MAX + 1, "%s", reason);
	return 0;
}

static int take_range(struct store *st, struct json_object *in, struct reply *r, struct retention_hold *h)
{
	const char *target;
	bool has;
	size_t n;
	int days, res;

	h->from = INT64_MIN;
	h->to = INT64_MAX;
	res = retention_time(in, "StartTime", r, &has, &h->from);
	if (!res)
		res = retention_time(in, "EndTime", r, &has, &h->to);
	if (!res)
		res = input_text(in, "Target", r, &target, &n);
	if (res < 0)
		return res;
	if (h->from > h->to)
		return reply_error(r, "InvalidTimeRangeException", "The start time is after the end time.");
	return target ? retention_target(st, target, r, h->target, &days) : 0;
}

int op_place_hold(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct retention_hold h = { .placed = clock_wall() };
	int res = st->retention ? take_name(in, r, h.name) : broken(r);

	if (!res)
		res = take_reason(in, r, h.reason);
	if (!res)
		res = take_range(st, in, r, &h);
	if (res < 0)
		return res;
	if (state->caller)
		snprintf(h.by, sizeof(h.by), "%s", state->caller->id);
	/* held before it is said: what the record cannot say yet must not go meanwhile */
	res = retention_hold_place(st->retention, &h);
	if (res == -EEXIST)
		return reply_error(r, "ConflictException", "There is a hold of the name %s.", h.name);
	if (res == -EDQUOT)
		return reply_error(r, "ResourceLimitExceededException", "There are %d holds already.", RETENTION_HOLDS_MAX);
	if (!res && st->witness)
		res = witness_hold_placed(st->witness, &h);
	if (res < 0)
		return broken(r);
	buf_adds(&r->body, "{}");
	return r->body.failed ? broken(r) : 0;
}

int op_release_hold(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	char name[RETENTION_NAME_MAX + 1], reason[RETENTION_REASON_MAX + 1];
	struct retention_hold h;
	int res = st->retention ? take_name(in, r, name) : broken(r);

	if (!res)
		res = take_reason(in, r, reason);
	if (res < 0)
		return res;
	if (!retention_hold_find(st->retention, name, &h))
		return reply_error(r, "ResourceNotFoundException", "There is no hold of the name %s.", name);
	/* said before it is released: nothing goes that no record says may go */
	res = st->witness ? witness_hold_released(st->witness, &h, reason, state->caller ? state->caller->id : NULL) : 0;
	if (!res)
		res = retention_hold_release(st->retention, name);
	if (res < 0)
		return broken(r);
	lake_retain_soon(__atomic_load_n(&st->lake, __ATOMIC_ACQUIRE));
	remover_wake(__atomic_load_n(&st->remover, __ATOMIC_ACQUIRE));
	buf_adds(&r->body, "{}");
	return r->body.failed ? broken(r) : 0;
}

/* As PlaceHold took it. */
static void show_target(const struct store *st, const char *target, struct json *j)
{
	static const char lake[] = "eventDataStore ", bucket[] = "bucket ";
	char text[512];

	if (!strncmp(target, lake, sizeof(lake) - 1))
		snprintf(text, sizeof(text), "arn:aws:cloudtrail:%s:%s:eventdatastore/%s", st->region, st->account, target + sizeof(lake) - 1);
	else if (!strncmp(target, bucket, sizeof(bucket) - 1))
		snprintf(text, sizeof(text), "bucket:%s", target + sizeof(bucket) - 1);
	else
		return;
	json_string(j, "Target", text);
}

struct listing {
	struct store *st;
	struct json j;
};

static int show_hold(void *ctx, const struct retention_hold *h)
{
	struct listing *l = ctx;
	struct json *j = &l->j;

	json_open(j, NULL, '{');
	json_string(j, "Name", h->name);
	show_target(l->st, h->target, j);
	if (h->from != INT64_MIN)
		json_time(j, "StartTime", h->from);
	if (h->to != INT64_MAX)
		json_time(j, "EndTime", h->to);
	json_string(j, "Reason", h->reason);
	json_string(j, "PlacedBy", h->by);
	json_time(j, "PlacedTime", h->placed);
	json_close(j, '}');
	return 0;
}

int op_list_holds(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct listing l = { st, { .out = &r->body } };

	json_open(&l.j, NULL, '{');
	json_open(&l.j, "Holds", '[');
	if (st->retention && retention_holds(st->retention, show_hold, &l) < 0)
		return broken(r);
	json_close(&l.j, ']');
	json_close(&l.j, '}');
	return r->body.failed ? broken(r) : 0;
}
