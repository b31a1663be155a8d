/* SPDX-License-Identifier: Apache-2.0 */
/* op_verify.c - Verify: frames as evidence, for clients that check chains and signatures themselves. */
#include <errno.h>
#include <math.h>

#include "input.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "ops.h"
#include "proto/json.h"
#include "showframe.h"
#include "token.h"

#define RESULTS_MAX 500
#define RESULTS_DEFAULT 100
#define ANSWER_BYTES (16u << 20)

struct verify {
	struct store *st;
	double from, to;		/* seconds */
	bool payload;
	struct buf binding;
	struct frames_scan scan;
	struct json j;
};

static void verify_free(struct verify *v)
{
	buf_free(&v->binding);
}

static int parse_range(struct json_object *in, struct reply *r, struct verify *v)
{
	struct input_times t;
	bool there;
	int64_t max;
	int res = input_times(in, r, &t);

	if (res < 0)
		return res;
	v->from = t.has_start ? t.start : -INFINITY;
	v->to = t.has_end ? t.end : INFINITY;
	res = input_bool(in, "Payload", r, &v->payload);
	if (!res)
		res = input_int(in, "MaxResults", r, &there, &max);
	if (res < 0)
		return res;
	if (there && (max < 1 || max > RESULTS_MAX))
		return reply_error(r, "ValidationException", "MaxResults must be between 1 and %d.", RESULTS_MAX);
	v->scan.max = there ? (unsigned)max : RESULTS_DEFAULT;
	buf_addf(&v->binding, "Verify\n%.6f\n%.6f", v->from, v->to);
	return v->binding.failed ? reply_fault(r, 500, "InternalFailure", "out of memory") : 0;
}

static int parse_token(struct json_object *in, struct reply *r, struct verify *v)
{
	const char *token;
	size_t n;
	int res = input_text(in, "NextToken", r, &token, &n);

	if (res < 0 || !token)
		return res;
	if (token_read(v->st->token_key, v->binding.p, v->binding.n, token, &v->scan.at) < 0)
		return reply_error(r, "InvalidNextTokenException", "The NextToken is not valid, or was given for other parameters.");
	return 0;
}

static int on_frame(void *ctx, const struct frames_item *f)
{
	struct verify *v = ctx;
	int r = show_frame(&v->j, NULL, f, v->payload ? SHOW_PAYLOAD : 0);

	return r < 0 ? r : v->j.out->n > ANSWER_BYTES;
}

static int answer(struct verify *v, struct op_state *state, struct reply *r)
{
	char token[TOKEN_TEXT];
	int res;

	v->j.out = &r->body;
	json_open(&v->j, NULL, '{');
	json_open(&v->j, "Frames", '[');
	res = frames_of(v->st)->all(v->st, state, v->from, v->to, &v->scan);
	if (res)
		return res;
	json_close(&v->j, ']');
	if (v->scan.more) {
		token_make(v->st->token_key, v->binding.p, v->binding.n, &v->scan.at, token);
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
	v.scan.fn = on_frame;
	v.scan.ctx = &v;
	res = answer(&v, state, r);
	if (res >= 0)
		return res;
	if (res == -EAGAIN)
		return reply_fault(r, 503, "ServiceUnavailableException", "Not all that the store has can be read now.");
	log_limited(LOG_LEVEL_ERROR, res, "Verify failed");
	return reply_fault(r, 500, "InternalFailure", "The store could not answer.");
}
