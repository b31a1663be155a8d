/* SPDX-License-Identifier: Apache-2.0 */
/* op_prove.c - Prove: the frame that holds a record, and the frames of its chain around and behind it, for clients that check them. */
#include <errno.h>
#include <string.h>

#include "hostcerts.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "ops.h"
#include "proto/json.h"
#include "showframe.h"
#include "token.h"

#define CHAIN_FRAMES 500	/* in one answer */
#define ANSWER_BYTES (8u << 20)

struct prove {
	struct store *st;
	uint8_t id[16];
	struct buf binding;
	struct frames_found found;
	struct frames_scan scan;	/* of its chain */
	bool paged;
	struct json j;
};

static void prove_free(struct prove *p)
{
	buf_free(&p->binding);
	frames_found_free(&p->found);
}

static int parse(struct json_object *in, struct reply *r, struct prove *p)
{
	const char *text, *token;
	size_t n, ntoken;
	int res = input_text(in, "EventId", r, &text, &n);

	if (!res)
		res = input_text(in, "NextToken", r, &token, &ntoken);
	if (res < 0)
		return res;
	if (!text || strlen(text) != n || uuid_parse(text, p->id) < 0)
		return reply_error(r, "ValidationException", "EventId must be the eventID of a record.");
	buf_adds(&p->binding, "Prove\n");
	buf_add(&p->binding, p->id, sizeof(p->id));
	if (p->binding.failed)
		return reply_fault(r, 500, "InternalFailure", "out of memory");
	if (!token)
		return 0;
	if (token_read(p->st->token_key, p->binding.p, p->binding.n, token, &p->scan.at) < 0)
		return reply_error(r, "InvalidNextTokenException", "The NextToken is not valid, or was given for another record.");
	p->paged = true;
	return 0;
}

static int on_linked(void *ctx, const struct frames_item *f)
{
	struct prove *p = ctx;
	int r = show_frame(&p->j, NULL, f, SHOW_HEADER_ONLY);

	return r < 0 ? r : p->j.out->n > ANSWER_BYTES;
}

static int show_certificate(struct prove *p)
{
	const struct journal_origin *o = &p->found.entry.origin;
	_cleanup_buf_ struct buf der = { 0 };

	if (!p->st->hostcerts || hostcerts_get(p->st->hostcerts, o->host_id, o->key, &der) < 0)
		return 0;
	return show_base64(&p->j, "Certificate", der.p, der.n);
}

static int show_record(struct prove *p)
{
	struct frames_item f = { .entry = &p->found.entry, .header = &p->found.header };
	int r;

	memcpy(f.position, p->found.position, sizeof(f.position));
	r = show_frame(&p->j, "Frame", &f, SHOW_PAYLOAD);
	json_uint(&p->j, "Record", p->found.record);
	json_uint(&p->j, "Others", p->found.others);
	return r < 0 ? r : show_certificate(p);
}

static int answer(struct prove *p, struct reply *r)
{
	char token[TOKEN_TEXT];
	int res = 0;

	p->j.out = &r->body;
	json_open(&p->j, NULL, '{');
	if (!p->paged)
		res = show_record(p);
	json_open(&p->j, "Chain", '[');
	if (!res)
		res = frames_of(p->st)->chain(p->st, &p->found, &p->scan);
	json_close(&p->j, ']');
	if (p->scan.more) {
		token_make(p->st->token_key, p->binding.p, p->binding.n, &p->scan.at, token);
		json_string(&p->j, "NextToken", token);
	}
	json_close(&p->j, '}');
	return res < 0 ? res : r->body.failed ? -ENOMEM : 0;
}

int op_prove(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_(prove_free) struct prove p = { .st = st, .scan = { .max = CHAIN_FRAMES, .fn = on_linked } };
	int res = parse(in, r, &p);

	if (res < 0)
		return res;
	p.scan.ctx = &p;
	res = op_whole(st, state);
	if (res == OP_WAIT)
		return res;
	if (!res)
		res = frames_of(st)->find(st, p.id, &p.found);
	if (!res)
		return reply_error(r, "ResourceNotFoundException", "No record has this eventID.");
	if (res > 0)
		res = answer(&p, r);
	if (res >= 0)
		return 0;
	if (res == -EAGAIN)
		return reply_fault(r, 503, "ServiceUnavailableException", "Not all that the store has can be read now.");
	log_limited(LOG_LEVEL_ERROR, res, "Prove failed");
	return reply_fault(r, 500, "InternalFailure", "The store could not answer.");
}
