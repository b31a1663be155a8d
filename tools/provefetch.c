/* SPDX-License-Identifier: Apache-2.0 */
#include "provefetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/base64.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "proto/recordread.h"

#define CRC 4

/* A frame of the chain, by its header. */
struct link {
	uint64_t number;
	uint8_t hash[32], previous[32];
	struct buf header;
	unsigned reach;		/* how many frames follow it, one from the other */
	bool taken;
};

struct fetch {
	struct client *client;
	struct proof *p;
	struct frame_header frame;	/* of the one that holds the record */
	struct link *links;
	size_t n, cap;
	bool branches;			/* there are several frames of one number */
	char *why;
};

static void fetch_free(struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++)
		buf_free(&f->links[i].header);
	free(f->links);
}

static int malformed(struct fetch *f)
{
	snprintf(f->why, 256, "the store's answer to Prove is malformed");
	return -EBADMSG;
}

/* ---- the answers */

static int add_link(struct fetch *f, struct json_object *frame)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct frame_header h;
	struct link *v, l;
	size_t total;

	if (base64_decode(member_text(frame, "Header"), &b) < 0 || frame_peek(b.p, b.n, &h, &total) < 0 || h.header_len != b.n ||
	    h.chain != f->frame.chain || memcmp(h.stream, f->frame.stream, 16))
		return malformed(f);
	if (f->n == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 64;
		v = reallocarray(f->links, f->cap, sizeof(*v));
		if (!v)
			return -ENOMEM;
		f->links = v;
	}
	l = (struct link){ .number = h.number, .header = b };
	memcpy(l.previous, h.previous, 32);
	frame_hash(b.p, &h, l.hash);
	l.header.n -= CRC;	/* it covers the payload, which is not here */
	f->links[f->n++] = l;
	b = (struct buf){ 0 };
	return 0;
}

static int take_frame(struct fetch *f, struct json_object *reply)
{
	struct json_object *frame = member_at(reply, "Frame");
	size_t total;

	snprintf(f->p->host_id, sizeof(f->p->host_id), "%s", member_text(frame, "HostId"));
	if (hex_parse(member_text(frame, "PublicKey"), f->p->key, 32) < 0 || base64_decode(member_text(frame, "Header"), &f->p->frame) < 0 ||
	    base64_decode(member_text(frame, "Payload"), &f->p->frame) < 0 ||
	    base64_decode(member_text(reply, "Certificate"), &f->p->certificate) < 0 ||
	    frame_peek(f->p->frame.p, f->p->frame.n, &f->frame, &total) < 0)
		return malformed(f);
	return 0;
}

static int fetch_pages(struct fetch *f, bool *ret_several)
{
	_cleanup_json_ struct json_object *request = json_object_new_object();
	bool first = true, more = true;
	int r = 0;

	json_object_object_add(request, "EventId", json_object_new_string(f->p->event_id));
	while (!r && more && f->n < PROOF_AFTER_MAX) {
		_cleanup_json_ struct json_object *reply = NULL;
		struct json_object *chain;

		r = client_call(f->client, HOSTTRAIL_OP("Prove"), request, &reply, f->why);
		if (!r && first) {
			r = take_frame(f, reply);
			*ret_several = json_object_get_int(member_at(reply, "Others")) > 0;
		}
		chain = r ? NULL : member_at(reply, "Chain");
		for (size_t i = 0; !r && chain && i < json_object_array_length(chain); i++)
			r = add_link(f, json_object_array_get_idx(chain, i));
		more = !r && *member_text(reply, "NextToken");
		if (more)
			json_object_object_add(request, "NextToken", json_object_new_string(member_text(reply, "NextToken")));
		first = false;
	}
	return r;
}

/* ---- the chain */

static int by_number(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* The first link of this number; n: none. */
static size_t first_of(const struct fetch *f, uint64_t number)
{
	size_t low = 0, high = f->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->links[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < f->n && f->links[low].number == number ? low : f->n;
}

static struct link *of_hash(const struct fetch *f, uint64_t number, const uint8_t hash[32])
{
	for (size_t i = first_of(f, number); i < f->n && f->links[i].number == number; i++)
		if (!memcmp(f->links[i].hash, hash, 32))
			return &f->links[i];
	return NULL;
}

static int take_before(struct fetch *f)
{
	const struct frame_header *h = &f->frame;
	struct link *l = h->number ? of_hash(f, h->number - 1, h->previous) : NULL;
	size_t any = h->number ? first_of(f, h->number - 1) : f->n;

	if (!l && any < f->n)
		l = &f->links[any];	/* does not fit: the judge says so */
	if (!l)
		return 0;
	l->taken = true;
	return buf_add(&f->p->before, l->header.p, l->header.n);
}

/* The frame behind the one of this hash; of several, clones' chains branch, the one that most follow. Where nothing branches, one that does
 * not follow is taken too: the judge says so. In branches it follows from a frame that is missing. */
static struct link *next_of(struct fetch *f, uint64_t number, const uint8_t hash[32])
{
	struct link *best = NULL, *odd = NULL;

	for (size_t i = first_of(f, number); i < f->n && f->links[i].number == number; i++) {
		struct link *l = &f->links[i];

		if (!memcmp(l->previous, hash, 32))
			best = best && best->reach >= l->reach ? best : l;
		else if (!f->branches)
			odd = l;
	}
	return best ? best : odd;
}

static void measure(struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++)
		f->branches |= f->links[i].number == f->frame.number || (i && f->links[i].number == f->links[i - 1].number);
	for (size_t i = f->n; i--;) {
		const struct link *next = next_of(f, f->links[i].number + 1, f->links[i].hash);

		f->links[i].reach = next ? next->reach + 1 : 0;
	}
}

static int take_after(struct fetch *f, struct prove_found *found)
{
	uint64_t number = f->frame.number;
	uint8_t hash[32];
	struct link *l;
	int r = 0;

	measure(f);
	frame_hash(f->p->frame.p, &f->frame, hash);
	while (!r && f->p->nafter < PROOF_AFTER_MAX && (l = next_of(f, number + 1, hash))) {
		r = proof_add_after(f->p, l->header.p, l->header.n);
		l->taken = true;
		memcpy(hash, l->hash, 32);
		number++;
	}
	found->newest = f->n && f->links[f->n - 1].number > number ? f->links[f->n - 1].number : number;
	found->gap = found->newest > number && first_of(f, number + 1) == f->n;
	return r;
}

/* What the store also shows of the chain, a clone's branch or what lies behind a gap, must be the host's as well. */
static void look_at_rest(const struct fetch *f, struct prove_found *found)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct link *l = &f->links[i];
		struct frame_header h;
		size_t total;

		if (!l->taken && (frame_peek(l->header.p, l->header.n + CRC, &h, &total) < 0 || frame_verify(l->header.p, &h, f->p->key) < 0))
			found->unsigned_frames++;
	}
}

static int take_chain(struct fetch *f, struct prove_found *found)
{
	int r;

	if (f->n)
		qsort(f->links, f->n, sizeof(*f->links), by_number);
	r = take_before(f);
	if (!r)
		r = take_after(f, found);
	look_at_rest(f, found);
	return r;
}

/* ---- the record */

/* Texts in answers have their own escapes once more (docs/frame-format.md). */
static bool is_same(const char *shown, struct buf *record)
{
	_cleanup_buf_ struct buf plain = { 0 };
	size_t n = strlen(shown);

	if (n == record->n && !memcmp(shown, record->p, n))
		return true;
	return json_unescape(shown, n, &plain) == 0 && plain.n == record->n && !memcmp(plain.p, record->p, plain.n);
}

/* What the store shows as this record; what the frame has if it shows none (it is too old) or just that. */
static int take_record(struct fetch *f, struct prove_found *found)
{
	_cleanup_json_ struct json_object *request = json_object_new_object(), *reply = NULL;
	struct json_object *list = json_object_new_array(), *one = json_object_new_object(), *events;
	const char *other = NULL;
	int r = proof_render(f->p, &f->p->record);

	if (r == -ENOMEM)
		return r;
	json_object_object_add(one, "AttributeKey", json_object_new_string("EventId"));
	json_object_object_add(one, "AttributeValue", json_object_new_string(f->p->event_id));
	json_object_array_add(list, one);
	json_object_object_add(request, "LookupAttributes", list);
	r = client_call(f->client, CLOUDTRAIL_OP("LookupEvents"), request, &reply, f->why);
	events = r ? NULL : member_at(reply, "Events");
	for (size_t i = 0; events && i < json_object_array_length(events); i++) {
		const char *text = member_text(json_object_array_get_idx(events, i), "CloudTrailEvent");

		found->shown = true;
		if (is_same(text, &f->p->record))
			return 0;
		other = text;
	}
	if (!other)
		return r;
	buf_reset(&f->p->record);
	return buf_adds(&f->p->record, other);
}

int prove_fetch(struct client *client, const char *event_id, struct proof *ret_p, struct prove_found *ret_f, char why[256])
{
	_cleanup_proof_ struct proof p = { 0 };
	_cleanup_(fetch_free) struct fetch f = { .client = client, .p = &p, .why = why };
	struct prove_found found = { 0 };
	uint8_t id[16];
	int r = uuid_parse(event_id, id);

	snprintf(why, 256, r < 0 ? "that is no eventID" : "out of memory");
	if (r < 0)
		return r;
	uuid_text(id, p.event_id);
	r = fetch_pages(&f, &found.several);
	if (!r)
		r = take_chain(&f, &found);
	if (!r)
		r = take_record(&f, &found);
	if (r < 0)
		return r;
	*ret_f = found;
	*ret_p = p;
	p = (struct proof){ 0 };
	return 0;
}

int prove_fetch_frame(struct client *client, const char *event_id, struct proof *ret_p, char why[256])
{
	_cleanup_json_ struct json_object *request = json_object_new_object(), *reply = NULL;
	_cleanup_proof_ struct proof p = { 0 };
	struct fetch f = { .client = client, .p = &p, .why = why };
	int r;

	snprintf(p.event_id, sizeof(p.event_id), "%s", event_id);
	json_object_object_add(request, "EventId", json_object_new_string(event_id));
	r = client_call(client, HOSTTRAIL_OP("Prove"), request, &reply, why);
	if (!r)
		r = take_frame(&f, reply);
	if (r < 0)
		return r;
	*ret_p = p;
	p = (struct proof){ 0 };
	return 0;
}
