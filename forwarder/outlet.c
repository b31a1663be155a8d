/* SPDX-License-Identifier: Apache-2.0 */
#include "outlet.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "proto/keys.h"

int outlet_compare(const struct outlet *a, const struct outlet *b)
{
	if (a->chain != b->chain)
		return a->chain < b->chain ? -1 : 1;
	return memcmp(a->stream, b->stream, sizeof(a->stream));
}

int outlet_new(const uint8_t stream[16], unsigned chain, struct outlet **ret_o)
{
	struct outlet *o = calloc(1, sizeof(*o));
	char hex[33];

	if (!o)
		return -ENOMEM;
	memcpy(o->stream, stream, 16);
	hex_text(stream, 16, hex);
	snprintf(o->name, sizeof(o->name), "%s/%s", hex, chain_name(chain));
	o->chain = chain;
	o->watch = -1;
	o->more = true;
	o->last = &o->first;
	*ret_o = o;
	return 0;
}

static void drop_requests(struct outlet *o)
{
	while (o->first) {
		struct request *q = o->first;

		o->first = q->next;
		free(q);
	}
	o->last = &o->first;
}

void outlet_free(struct outlet *o)
{
	if (!o)
		return;
	drop_requests(o);
	spool_reader_free(&o->reader);
	free(o);
}

void outlet_rewind(struct outlet *o)
{
	drop_requests(o);
	spool_reader_free(&o->reader);
	o->held = NULL;
	o->unread = o->acked;
	o->more = true;
}

/* Is our frame before `head` the one that the store has? */
static bool head_is_ours(const struct outlet *o, const char *spool_dir, const struct ship_head *head)
{
	struct spool_reader *r = NULL;
	struct frame_header h;
	const uint8_t *p;
	const char *why;
	uint8_t hash[32];
	bool same = false;
	size_t n;

	if (!head->next || !head->has_hash || spool_reader_open(spool_dir, o->stream, o->chain, head->next - 1, &r) < 0)
		return false;
	if (spool_reader_next(r, &p, &n, &h, &why) == 1 && h.number == head->next - 1) {
		frame_hash(p, &h, hash);
		same = !memcmp(hash, head->last_hash, sizeof(hash));
	}
	spool_reader_free(&r);
	return same;
}

void outlet_place(struct outlet *o, const char *spool_dir, const struct ship_head *head)
{
	o->acked = head && head_is_ours(o, spool_dir, head) ? head->next : 0;
	o->placed = true;
	outlet_rewind(o);
}

bool outlet_peek(struct outlet *o, const char *spool_dir)
{
	struct frame_header h;
	const char *why = "";
	int r = 0;

	if (o->held)
		return true;
	if (!o->placed || !o->more)
		return false;
	if (!o->reader)
		r = spool_reader_open(spool_dir, o->stream, o->chain, o->unread, &o->reader);
	while (!r) {
		r = spool_reader_next(o->reader, &o->held, &o->held_len, &h, &why);
		if (r == 1) {
			o->held_number = h.number;
			return true;
		}
		o->held = NULL;
		if (r == 0) {
			o->more = false;
			return false;
		}
		if (r == -EBADMSG) {
			o->corrupt++;
			log_limited(LOG_LEVEL_WARN, 0, "%s: skipped what is corrupt after frame %llu: %s", o->name,
				    (unsigned long long)o->unread, why);
			r = 0;
		}
	}
	/* Its folder may be going, or the disk fails: a later look begins anew. */
	if (r != -ENOENT)
		log_limited(LOG_LEVEL_WARN, r, "%s: cannot be read", o->name);
	spool_reader_free(&o->reader);
	o->more = false;
	return false;
}

_Static_assert(REQUEST_BYTES + FRAME_HEADER_MAX + FRAME_PAYLOAD_MAX <= SHIP_REQUEST_MAX, "a store takes each request");

int outlet_fill(struct outlet *o, const char *spool_dir, struct request *q, struct buf *body)
{
	int r = 0;

	q->outlet = o;
	memcpy(q->stream, o->stream, sizeof(q->stream));
	while (q->frames < REQUEST_FRAMES && outlet_peek(o, spool_dir)) {
		if (q->frames && body->n + o->held_len > REQUEST_BYTES)
			break;
		r = ship_request_add(body, o->held, o->held_len);
		if (r < 0)
			break;
		q->numbers[q->frames++] = o->held_number;
		o->unread = o->held_number + 1;
		o->held = NULL;
	}
	if (!q->frames)
		return r < 0 ? r : -EAGAIN;
	q->bytes = body->n;
	q->next = NULL;
	*o->last = q;
	o->last = &q->next;
	return 0;
}

bool outlet_settle(struct outlet *o)
{
	bool moved = false;

	while (o->first && o->first->answered) {
		struct request *q = o->first;

		if (q->settled) {
			o->acked = q->numbers[q->settled - 1] + 1;
			moved = true;
		}
		if (q->settled < q->frames)
			break;
		o->first = q->next;
		if (!o->first)
			o->last = &o->first;
		free(q);
	}
	return moved;
}

/* First number of the last segment: how far the chain reaches at least. */
static uint64_t last_segment(const struct outlet *o, const char *spool_dir, bool *ret_any)
{
	char path[PATH_MAX];
	struct dirent *e;
	uint64_t last = 0;
	DIR *d;

	*ret_any = false;
	if (snprintf(path, sizeof(path), "%s/%s", spool_dir, o->name) >= (int)sizeof(path))
		return 0;
	d = opendir(path);
	if (!d)
		return 0;
	while ((e = readdir(d))) {
		char *end;
		uint64_t n = strtoull(e->d_name, &end, 10);

		if (end != e->d_name + 20 || strcmp(end, ".seg"))
			continue;
		*ret_any = true;
		if (n > last)
			last = n;
	}
	closedir(d);
	return last;
}

uint64_t outlet_lag(struct outlet *o, const char *spool_dir)
{
	bool any;
	uint64_t reach = last_segment(o, spool_dir, &any), lag;

	if (!o->placed)
		return any ? reach + 1 : 0;
	o->more = true;
	outlet_peek(o, spool_dir);
	if (o->unread > reach)
		reach = o->unread;
	lag = reach > o->acked ? reach - o->acked : 0;
	return lag + (o->held && o->held_number >= reach);
}
