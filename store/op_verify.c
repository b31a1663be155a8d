/* SPDX-License-Identifier: Apache-2.0 */
/* op_verify.c - Verify: frames as evidence, for clients that check chains and signatures themselves. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "ops.h"
#include "proto/json.h"
#include "showframe.h"
#include "token.h"

#define RESULTS_MAX 500
#define RESULTS_DEFAULT 100
#define ANSWER_BYTES (16u << 20)
#define LOOK_NS NS_PER_SEC

struct verify {
	struct store *st;
	double from, to;		/* seconds */
	unsigned max, shown;
	bool payload, more;
	struct buf binding, frame;
	journal_pos at, until;		/* at: where the next entry should begin */
	uint64_t look_until;
	struct frame_header *header;
	struct json j;
};

static void verify_free(struct verify *v)
{
	buf_free(&v->binding);
	buf_free(&v->frame);
	free(v->header);
}

static int parse_range(struct json_object *in, struct reply *r, struct verify *v)
{
	struct input_times t;
	bool there;
	int64_t max;
	int res = input_times(in, r, &t);

	v->from = t.has_start ? t.start : -INFINITY;
	v->to = t.has_end ? t.end : INFINITY;
	if (!res)
		res = input_bool(in, "Payload", r, &v->payload);
	if (!res)
		res = input_int(in, "MaxResults", r, &there, &max);
	if (res < 0)
		return res;
	if (there && (max < 1 || max > RESULTS_MAX))
		return reply_error(r, "ValidationException", "MaxResults must be between 1 and %d.", RESULTS_MAX);
	v->max = there ? (unsigned)max : RESULTS_DEFAULT;
	buf_addf(&v->binding, "Verify\n%.6f\n%.6f", v->from, v->to);
	return v->binding.failed ? reply_fault(r, 500, "InternalFailure", "out of memory") : 0;
}

static int parse_token(struct json_object *in, struct reply *r, struct verify *v)
{
	struct index_key at;
	const char *token;
	size_t n;
	int res = input_text(in, "NextToken", r, &token, &n);

	if (res < 0 || !token)
		return res;
	if (token_read(v->st->token_key, v->binding.p, v->binding.n, token, &at) < 0)
		return reply_error(r, "InvalidNextTokenException", "The NextToken is not valid, or was given for other parameters.");
	v->at = at.place.pos;
	return 0;
}

static void show_damage(struct verify *v, journal_pos pos, uint64_t n, const char *what)
{
	json_open(&v->j, NULL, '{');
	show_position(&v->j, pos);
	json_string(&v->j, "Damaged", what);
	json_uint(&v->j, "Length", n);
	json_close(&v->j, '}');
	v->shown++;
}

static int show_entry(struct verify *v, const struct journal_entry *found)
{
	double received = (double)found->received / 1e9;
	struct journal_entry e;
	size_t total;
	int r;

	if (received < v->from || received > v->to)
		return 0;
	r = journal_read(v->st->journal, found->pos, &v->frame, &e);
	if (r == -EBADMSG || (!r && (frame_peek(e.frame, e.frame_len, v->header, &total) < 0 || total != e.frame_len))) {
		show_damage(v, found->pos, found->next - found->pos, "the frame's checksum differs");
		return 0;
	}
	if (r < 0)
		return r;
	v->shown++;
	return show_frame(&v->j, NULL, &e, v->header, v->payload ? SHOW_PAYLOAD : 0);
}

static int on_entry(void *ctx, const struct journal_entry *e)
{
	struct verify *v = ctx;

	if (e->pos >= v->until)
		return 1;
	if (v->shown >= v->max || v->j.out->n > ANSWER_BYTES || clock_boot() > v->look_until) {
		v->more = true;
		return 1;
	}
	/* an entry that does not begin where the one before ended: what lies between could not be read */
	if (e->pos >> 32 == v->at >> 32 && v->at && e->pos > v->at)
		show_damage(v, v->at, e->pos - v->at, "not readable as journal entries");
	v->at = e->next;
	return show_entry(v, e);
}

static int answer(struct verify *v, struct reply *r)
{
	struct index_key at = { 0 };
	char token[TOKEN_TEXT];
	int res;

	v->j.out = &r->body;
	v->until = journal_end(v->st->journal);
	v->look_until = clock_boot() + LOOK_NS;
	v->header = malloc(sizeof(*v->header));
	if (!v->header)
		return -ENOMEM;
	json_open(&v->j, NULL, '{');
	json_open(&v->j, "Frames", '[');
	res = journal_scan(v->st->journal, v->at, false, on_entry, v, NULL);
	if (res < 0)
		return res;
	json_close(&v->j, ']');
	if (v->more) {
		at.place.pos = v->at;
		token_make(v->st->token_key, v->binding.p, v->binding.n, &at, token);
		json_string(&v->j, "NextToken", token);
	}
	json_close(&v->j, '}');
	return r->body.failed ? -ENOMEM : 0;
}

int op_verify(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_(verify_free) struct verify v = { .st = st };
	int res = parse_range(in, r, &v);

	if (!res)
		res = parse_token(in, r, &v);
	if (res < 0)
		return res;
	res = answer(&v, r);
	if (res >= 0)
		return 0;
	log_limited(LOG_LEVEL_ERROR, res, "Verify failed");
	return reply_fault(r, 500, "InternalFailure", "The store could not answer.");
}
