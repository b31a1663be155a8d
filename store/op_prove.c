/* SPDX-License-Identifier: Apache-2.0 */
/* op_prove.c - Prove: the frame that holds a record, and the frames of its chain around and behind it, for clients that check them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decoded.h"
#include "hostcerts.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "ops.h"
#include "proto/json.h"
#include "showframe.h"
#include "token.h"

#define CHAIN_FRAMES 500	/* in one answer */
#define ANSWER_BYTES (8u << 20)
#define LOOK_NS NS_PER_SEC

struct prove {
	struct store *st;
	uint8_t id[16];
	struct buf binding, frame;
	struct index_key found;		/* the record */
	unsigned others;		/* other frames that have a record of this id */
	struct journal_entry entry;	/* the frame's; in `frame` */
	struct frame_header *header, *other;
	struct journal_origin origin;
	journal_pos at;			/* where the scan of its chain goes on */
	bool paged, more;
	unsigned shown;
	uint64_t look_until;
	struct json j;
};

static void prove_free(struct prove *p)
{
	buf_free(&p->binding);
	buf_free(&p->frame);
	free(p->header);
	free(p->other);
}

static int parse(struct json_object *in, struct reply *r, struct prove *p)
{
	struct index_key at;
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
	if (token_read(p->st->token_key, p->binding.p, p->binding.n, token, &at) < 0)
		return reply_error(r, "InvalidNextTokenException", "The NextToken is not valid, or was given for another record.");
	p->at = at.place.pos;
	p->paged = true;
	return 0;
}

/* Whether the candidate is the record; the index may be wrong. */
static int look(struct prove *p, const struct index_key *k)
{
	struct record_summary s;
	struct decoded *d;
	int r = decoded_get(p->st->decoded, p->st->journal, k->place.pos, &d);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	decoded_lock(d);
	r = k->place.record < d->records && reader_summary(d->reader, k->place.record, &s) == 0 && !memcmp(s.event_id, p->id, 16);
	decoded_unlock(d);
	decoded_release(p->st->decoded, d);
	return r;
}

/* 1: found, 0: there is none. */
static int find(struct prove *p)
{
	struct index_query q = { .from = INT64_MIN, .to = INT64_MAX, .by_attr = true, .attr = ATTR_EVENT_ID };
	_cleanup_index_cursor_ struct index_cursor *c = NULL;
	struct index_key k;
	int r, found = 0;

	q.hash = index_hash(p->st->index, p->id, sizeof(p->id));
	r = index_cursor_open(p->st->index, &q, &c);
	while (r >= 0 && (r = index_cursor_next(c, &k)) > 0) {
		r = look(p, &k);
		if (r > 0 && !found++)
			p->found = k;
	}
	p->others = found > 1 ? (unsigned)found - 1 : 0;
	return r < 0 ? r : found > 0;
}

static int read_frame(struct prove *p)
{
	size_t total;
	int r;

	p->header = malloc(sizeof(*p->header));
	p->other = malloc(sizeof(*p->other));
	if (!p->header || !p->other)
		return -ENOMEM;
	r = journal_read(p->st->journal, p->found.place.pos, &p->frame, &p->entry);
	if (!r && (frame_peek(p->entry.frame, p->entry.frame_len, p->header, &total) < 0 || total != p->entry.frame_len))
		r = -EBADMSG;
	p->origin = p->entry.origin;
	return r;
}

static bool of_chain(const struct prove *p, const struct journal_entry *e)
{
	const struct frame_header *h = e->header;

	return h->chain == p->header->chain && h->number + 1 >= p->header->number && !memcmp(h->stream, p->header->stream, 16) &&
	       !strcmp(e->origin.host_id, p->origin.host_id);
}

static int on_entry(void *ctx, const struct journal_entry *e)
{
	struct prove *p = ctx;

	if (p->shown >= CHAIN_FRAMES || p->j.out->n > ANSWER_BYTES || clock_boot() > p->look_until) {
		p->more = true;
		return 1;
	}
	p->at = e->next;
	if (!of_chain(p, e) || e->pos == p->entry.pos)
		return 0;
	p->shown++;
	return show_frame(&p->j, NULL, e, e->header, SHOW_HEADER_ONLY);
}

/* The frame before may have come a little later or earlier than its place: the scan begins a segment of the journal before. */
static journal_pos begin_of(journal_pos pos)
{
	uint64_t segment = pos >> 32;

	return segment > 1 ? (segment - 1) << 32 : 0;
}

static int show_certificate(struct prove *p)
{
	_cleanup_buf_ struct buf der = { 0 };

	if (!p->st->hostcerts || hostcerts_get(p->st->hostcerts, p->origin.host_id, p->origin.key, &der) < 0)
		return 0;
	return show_base64(&p->j, "Certificate", der.p, der.n);
}

static int show_record(struct prove *p)
{
	int r = show_frame(&p->j, "Frame", &p->entry, p->header, SHOW_PAYLOAD);

	json_uint(&p->j, "Record", p->found.place.record);
	json_uint(&p->j, "Others", p->others);
	return r < 0 ? r : show_certificate(p);
}

static int answer(struct prove *p, struct reply *r)
{
	struct index_key at = { 0 };
	char token[TOKEN_TEXT];
	int res = 0;

	p->j.out = &r->body;
	p->look_until = clock_boot() + LOOK_NS;
	json_open(&p->j, NULL, '{');
	if (!p->paged) {
		p->at = begin_of(p->found.place.pos);
		res = show_record(p);
	}
	json_open(&p->j, "Chain", '[');
	if (!res)
		res = journal_scan(p->st->journal, p->at, false, on_entry, p, NULL);
	json_close(&p->j, ']');
	if (p->more) {
		at.place.pos = p->at;
		token_make(p->st->token_key, p->binding.p, p->binding.n, &at, token);
		json_string(&p->j, "NextToken", token);
	}
	json_close(&p->j, '}');
	return res < 0 ? res : r->body.failed ? -ENOMEM : 0;
}

int op_prove(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	_cleanup_(prove_free) struct prove p = { .st = st };
	int res = parse(in, r, &p);

	if (res < 0)
		return res;
	res = find(&p);
	if (!res)
		return reply_error(r, "ResourceNotFoundException", "No record has this eventID.");
	if (res > 0)
		res = read_frame(&p);
	if (!res)
		res = answer(&p, r);
	if (res >= 0)
		return 0;
	if (res == -EAGAIN)
		return reply_fault(r, 503, "ServiceUnavailableException", "The index is being rebuilt.");
	log_limited(LOG_LEVEL_ERROR, res, "Prove failed");
	return reply_fault(r, 500, "InternalFailure", "The store could not answer.");
}
