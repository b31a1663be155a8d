/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.c - LookupEvents: its rules, its pages. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "input.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lookup.h"
#include "ops.h"
#include "proto/json.h"
#include "token.h"

#define RESULTS_MAX 50
#define LOOKS_MAX 100000	/* records that one answer looks at: a key that may see few of them gets a short page and a NextToken */

void lookup_free(struct lookup *l)
{
	attr_value_free(&l->attr);
	buf_free(&l->binding);
}

static int parse_attributes(struct json_object *in, struct reply *r, struct lookup *l)
{
	struct json_object *list, *one;
	int res = input_array(in, "LookupAttributes", r, &list);

	if (res < 0 || input_count(list) == 0)
		return res;
	if (input_count(list) > 1)
		return reply_error(r, "InvalidLookupAttributesException", "You can specify only one lookup attribute.");
	res = input_element(list, 0, "LookupAttributes", r, &one);
	if (!res)
		res = attr_parse(one, r, &l->attr);
	l->by_attr = !res;
	return res;
}

/* Whole seconds, as times are shown; far away ones are all the same. */
static int64_t seconds_ns(double t)
{
	t = floor(t);
	if (t > 9.0e9)
		t = 9.0e9;
	if (t < -9.0e9)
		t = -9.0e9;
	return (int64_t)t * (int64_t)NS_PER_SEC;
}

static int parse_times(struct json_object *in, struct reply *r, struct lookup *l)
{
	int64_t oldest = clock_wall() - LOOKUP_DAYS * 86400 * (int64_t)NS_PER_SEC;
	struct input_times t;
	int res = input_times(in, r, &t);

	if (res < 0)
		return res;
	l->from = t.has_start && seconds_ns(t.start) > oldest ? seconds_ns(t.start) : oldest;
	l->to = t.has_end ? seconds_ns(t.end) + (int64_t)NS_PER_SEC : INT64_MAX;
	buf_addf(&l->binding, "LookupEvents\n%d %.6f\n%d %.6f\n", t.has_start, t.start, t.has_end, t.end);
	return 0;
}

static int parse_category(struct json_object *in, struct reply *r, struct lookup *l)
{
	const char *category;
	size_t n;
	int res = input_text(in, "EventCategory", r, &category, &n);

	if (res < 0 || !category)
		return res;
	if (strcmp(category, "insight"))
		return reply_error(r, "InvalidEventCategoryException", "EventCategory takes the value insight only.");
	if (l->by_attr && l->attr.attr != ATTR_EVENT_ID && l->attr.attr != ATTR_EVENT_NAME && l->attr.attr != ATTR_EVENT_SOURCE)
		return reply_error(r, "InvalidLookupAttributesException",
				   "Insights events can be looked up by EventId, EventName and EventSource only.");
	l->insight = true;
	return 0;
}

static int parse_max(struct json_object *in, struct reply *r, struct lookup *l)
{
	bool there;
	int64_t v;
	int res = input_int(in, "MaxResults", r, &there, &v);

	if (res < 0)
		return res;
	if (there && (v < 1 || v > RESULTS_MAX))
		return reply_error(r, "InvalidMaxResultsException", "MaxResults must be between 1 and %d.", RESULTS_MAX);
	l->max = there ? (unsigned)v : RESULTS_MAX;
	return 0;
}

/* The token is bound to everything that selects records, not to how many are shown at once. */
static int parse_token(struct store *st, struct json_object *in, struct reply *r, struct lookup *l)
{
	const char *text;
	size_t n;
	int res = input_text(in, "NextToken", r, &text, &n);

	if (res < 0)
		return res;
	buf_addf(&l->binding, "%d %d %d\n", l->insight, l->by_attr, l->by_attr ? (int)l->attr.attr : 0);
	buf_add(&l->binding, l->attr.value.p, l->attr.value.n);
	if (l->binding.failed)
		return reply_fault(r, 500, "InternalFailure", "out of memory");
	if (!text)
		return 0;
	if (strlen(text) != n || token_read(st->token_key, l->binding.p, l->binding.n, text, &l->before) < 0)
		return reply_error(r, "InvalidNextTokenException",
				   "The NextToken is not valid, or was given for other parameters.");
	l->has_before = true;
	return 0;
}

int lookup_parse(struct store *st, struct json_object *in, struct reply *r, struct lookup *l)
{
	int res = parse_attributes(in, r, l);

	if (!res)
		res = parse_times(in, r, l);
	if (!res)
		res = parse_category(in, r, l);
	if (!res)
		res = parse_max(in, r, l);
	return res ? res : parse_token(st, in, r, l);
}

/* 1: shown, 0: the candidate is none after all, -errno. */
static int show(struct store *st, const struct lookup *l, const struct caller *caller, const struct index_key *k, struct json *j)
{
	struct record_summary s;
	struct decoded *d;
	size_t before = j->out->n;
	bool comma = j->comma;
	int r = decoded_get(st->decoded, st->journal, k->place.pos, &d);

	if (r < 0) {
		log_limited(LOG_LEVEL_WARN, r, "an indexed frame of the journal cannot be read");
		return decoded_is_lost(r) ? 0 : r;
	}
	r = 0;
	decoded_lock(d);
	if (k->place.record < d->records && caller_sees_frame(caller, d) && reader_summary(d->reader, k->place.record, &s) == 0 &&
	    caller_sees_record(caller, &s) && (!l->by_attr || attr_matches(&l->attr, &s))) {
		r = event_json(d, k->place.record, &s, false, j);
		if (!r)
			r = 1;
	}
	decoded_unlock(d);
	decoded_release(st->decoded, d);
	if (r <= 0) {
		j->out->n = before;
		j->comma = comma;
	}
	return r;
}

static int answer(struct store *st, const struct lookup *l, const struct caller *caller, struct index_cursor *c, struct json *j)
{
	struct index_key k, last = { 0 };
	unsigned shown = 0, looked = 0;
	char token[TOKEN_TEXT];
	int r;

	while ((r = index_cursor_next(c, &k)) > 0) {
		if (shown == l->max || looked++ == LOOKS_MAX)
			break;
		r = show(st, l, caller, &k, j);
		if (r < 0)
			break;
		shown += (unsigned)r;
		last = k;
	}
	if (r < 0)
		return r;
	json_close(j, ']');
	if (r > 0) {
		token_make(st->token_key, l->binding.p, l->binding.n, &last, token);
		json_string(j, "NextToken", token);
	}
	return 0;
}

static int find(struct store *st, const struct lookup *l, const struct caller *caller, struct json *j)
{
	struct index_query q = {
		.from = l->from, .to = l->to, .management_only = st->management_only, .by_attr = l->by_attr, .attr = l->attr.attr,
		.has_before = l->has_before, .before = l->before,
	};
	_cleanup_index_cursor_ struct index_cursor *c = NULL;
	int r;

	json_open(j, NULL, '{');
	json_open(j, "Events", '[');
	if (l->insight || (l->by_attr && l->attr.impossible)) {
		json_close(j, ']');
	} else {
		if (l->by_attr)
			q.hash = index_hash(st->index, l->attr.value.p, l->attr.value.n);
		r = index_cursor_open(st->index, &q, &c);
		if (!r)
			r = answer(st, l, caller, c, j);
		if (r < 0)
			return r;
	}
	json_close(j, '}');
	return j->out->failed ? -ENOMEM : 0;
}

int op_lookup_events(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_(lookup_free) struct lookup l = { 0 };
	struct json j = { .out = &r->body };
	int res = lookup_parse(st, in, r, &l);

	if (res < 0)
		return res;
	res = op_whole(st, state);
	if (!res)
		res = find(st, &l, state->caller, &j);
	if (res == OP_WAIT)
		return res;
	if (res == -EAGAIN)
		return reply_fault(r, 503, "ServiceUnavailableException", "The index is behind what the store has taken in.");
	if (res < 0) {
		log_limited(LOG_LEVEL_ERROR, res, "LookupEvents failed");
		return reply_fault(r, 500, "InternalFailure", "The store could not answer.");
	}
	return 0;
}
