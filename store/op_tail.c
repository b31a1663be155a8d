/* SPDX-License-Identifier: Apache-2.0 */
/* op_tail.c - Tail: records in the order of their arrival, waiting for new ones. */
#include <errno.h>
#include <string.h>

#include "attrs.h"
#include "follow.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "ops.h"
#include "proto/json.h"
#include "token.h"

#define RESULTS_MAX 1000
#define RESULTS_DEFAULT 100
#define WAIT_MAX 20
#define ATTRS_MAX 8
#define ANSWER_BYTES (8u << 20)
#define LOOK_NS NS_PER_SEC		/* one answer looks no longer than this */

struct tail {
	struct store *st;
	struct op_state *state;
	struct attr_value attrs[ATTRS_MAX];
	unsigned nattrs, max, shown;
	double wait;
	struct buf binding;
	journal_pos oldest, until;	/* what can be told */
	journal_pos now;		/* what comes is behind it; what is before it may not be indexed yet */
	bool waits;
	uint64_t look_until;
	struct json j;
};

static void tail_free(struct tail *t)
{
	for (unsigned i = 0; i < t->nattrs; i++)
		attr_value_free(&t->attrs[i]);
	buf_free(&t->binding);
}

static int bad_value(struct reply *r, const char *text)
{
	return reply_error(r, "ValidationException", "%s", text);
}

static int parse_attrs(struct json_object *in, struct reply *r, struct tail *t)
{
	struct json_object *list, *one;
	int res = input_array(in, "Attributes", r, &list);

	if (res < 0)
		return res;
	if (input_count(list) > ATTRS_MAX)
		return bad_value(r, "Attributes must be at most 8.");
	buf_adds(&t->binding, "Tail");
	for (unsigned i = 0; i < input_count(list); i++) {
		res = input_element(list, i, "Attributes", r, &one);
		if (!res)
			res = attr_parse(one, r, &t->attrs[i]);
		t->nattrs = i + 1;
		if (res < 0)
			return res;
		buf_addf(&t->binding, "\n%d %zu ", (int)t->attrs[i].attr, t->attrs[i].value.n);
		buf_add(&t->binding, t->attrs[i].value.p, t->attrs[i].value.n);
	}
	return t->binding.failed ? reply_fault(r, 500, "InternalFailure", "out of memory") : 0;
}

static int parse_numbers(struct json_object *in, struct reply *r, struct tail *t)
{
	bool there;
	int64_t max;
	int res = input_int(in, "MaxResults", r, &there, &max);

	if (res < 0)
		return res;
	if (there && (max < 1 || max > RESULTS_MAX))
		return bad_value(r, "MaxResults must be between 1 and 1000.");
	t->max = there ? (unsigned)max : RESULTS_DEFAULT;
	res = input_number(in, "WaitSeconds", r, &there, &t->wait);
	if (res < 0)
		return res;
	if (!there)
		t->wait = WAIT_MAX;
	return t->wait < 0 || t->wait > WAIT_MAX ? bad_value(r, "WaitSeconds must be between 0 and 20.") : 0;
}

/* Where to begin; only the first time that this request is looked at. */
static int begin(struct json_object *in, struct reply *r, struct tail *t)
{
	const char *token, *from;
	struct index_key at;
	size_t n;
	int res = input_text(in, "Token", r, &token, &n);

	if (!res)
		res = input_text(in, "From", r, &from, &n);
	if (res < 0)
		return res;
	if (from && strcmp(from, "now") && strcmp(from, "oldest"))
		return bad_value(r, "From takes the values now and oldest.");
	if (token && token_read(t->st->token_key, t->binding.p, t->binding.n, token, &at) < 0)
		return reply_error(r, "InvalidNextTokenException", "The Token is not valid, or was given for other Attributes.");
	if (token && at.place.pos < t->oldest)
		return reply_error(r, "InvalidNextTokenException", "What arrived since the Token was given is not kept in order any more.");
	t->state->place = token ? at.place : (struct index_place){ !from || !strcmp(from, "now") ? t->now : t->oldest, 0 };
	if (!t->state->wait_until)
		t->state->wait_until = clock_boot() + (uint64_t)(t->wait * 1e9);
	t->state->begun = true;
	return 0;
}

static bool all_match(const struct tail *t, const struct record_summary *s)
{
	for (unsigned i = 0; i < t->nattrs; i++)
		if (!attr_matches(&t->attrs[i], s))
			return false;
	return true;
}

static bool is_full(const struct tail *t)
{
	return t->shown == t->max || t->j.out->n > ANSWER_BYTES;
}

/* Records of one frame from the place on; the place moves along. */
static int show_frame(struct tail *t, struct decoded *d)
{
	struct index_place *place = &t->state->place;
	struct record_summary s;
	int r = 0;

	if (!caller_sees_frame(t->state->caller, d))
		place->record = d->records;
	for (; place->record < d->records && !is_full(t) && !r; place->record++) {
		if (reader_summary(d->reader, place->record, &s) < 0 || !caller_sees_record(t->state->caller, &s) || !all_match(t, &s))
			continue;
		r = event_json(d, place->record, &s, true, &t->j);
		t->shown++;
	}
	return r;
}

static int on_frame(void *ctx, const struct journal_entry *e, struct decoded *d)
{
	struct tail *t = ctx;
	int r;

	if (is_full(t) || clock_boot() > t->look_until)
		return 1;
	if (e->pos != t->state->place.pos)
		t->state->place = (struct index_place){ e->pos, 0 };
	decoded_lock(d);
	r = show_frame(t, d);
	if (!r && t->state->place.record < d->records)
		r = 1;
	decoded_unlock(d);
	if (!r)
		t->state->place = (struct index_place){ e->next, 0 };
	return r;
}

/* What is there from the place on; the place moves along. */
static int look(struct tail *t)
{
	journal_pos next;
	int r;

	t->look_until = clock_boot() + LOOK_NS;
	r = follow_frames(t->st, t->state->place.pos, t->until, on_frame, t, &next);
	if (next > t->state->place.pos)
		t->state->place = (struct index_place){ next, 0 };
	t->waits = r == -EAGAIN;	/* for what is known to be there */
	return t->waits ? 0 : r;
}

static int answer(struct tail *t, struct reply *r)
{
	struct index_key at;
	char token[TOKEN_TEXT];
	int res;

	t->j.out = &r->body;
	json_open(&t->j, NULL, '{');
	json_open(&t->j, "Events", '[');
	res = look(t);
	if (res < 0)
		return res;
	if (!t->shown && clock_boot() < t->state->wait_until && (t->waits || t->state->place.pos >= t->until))
		return OP_WAIT;
	json_close(&t->j, ']');
	at = (struct index_key){ 0, t->state->place };
	token_make(t->st->token_key, t->binding.p, t->binding.n, &at, token);
	json_string(&t->j, "Token", token);
	json_close(&t->j, '}');
	return r->body.failed ? -ENOMEM : 0;
}

int op_tail(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_(tail_free) struct tail t = { .st = st, .state = state };
	int res = parse_attrs(in, r, &t);

	if (!res)
		res = parse_numbers(in, r, &t);
	if (res < 0)
		return res;
	res = follow_range(st, &t.oldest, &t.until);
	if (res == -EAGAIN)
		return reply_fault(r, 503, "ServiceUnavailableException", "The store's cluster does not answer.");
	t.now = st->engine ? t.until : follow_end(st);
	if (!res && !state->begun && begin(in, r, &t) < 0)
		return -EINVAL;
	if (!res)
		res = answer(&t, r);
	if (res >= 0)
		return res;
	log_limited(LOG_LEVEL_ERROR, res, "Tail failed");
	return reply_fault(r, 500, "InternalFailure", "The store could not answer.");
}
