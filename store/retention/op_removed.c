/* SPDX-License-Identifier: Apache-2.0 */
/* op_removed.c - ListRemoved: segments of the journal that are removed, and the last frame of each chain in them. */
#include <errno.h>
#include <stdio.h>

#include "lib/cleanup.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "removed.h"
#include "store/input.h"
#include "store/ops.h"

#define ANSWER_BYTES (4u << 20)

struct listing {
	struct json j;
	uint32_t last;
	bool more;
};

static void show_head(struct json *j, const struct removed_head *h)
{
	char stream[33], hash[65];

	hex_text(h->key.stream, 16, stream);
	hex_text(h->hash, 32, hash);
	json_open(j, NULL, '{');
	json_string(j, "HostId", h->key.host_id);
	json_string(j, "Stream", stream);
	json_string(j, "Chain", chain_name(h->key.chain));
	json_int(j, "Number", (int64_t)h->number);
	json_string(j, "HashValue", hash);
	json_close(j, '}');
}

static int show(void *ctx, uint32_t segment, const char *text, size_t n)
{
	_cleanup_removed_ struct removed_segment *s = NULL;
	struct listing *l = ctx;
	struct json *j = &l->j;
	char name[32];
	int r;

	if (j->out->n > ANSWER_BYTES) {
		l->more = true;
		return 1;
	}
	l->last = segment;
	r = removed_read(segment, text, n, &s);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	snprintf(name, sizeof(name), "journal/%010u.jnl", segment);
	json_open(j, NULL, '{');
	json_string(j, "Object", name);
	json_int(j, "Bytes", (int64_t)s->bytes);
	json_int(j, "Frames", (int64_t)s->frames);
	json_int(j, "Records", (int64_t)s->records);
	json_time(j, "FirstReceivedTime", s->first);
	json_time(j, "LastReceivedTime", s->last);
	json_open(j, "Heads", '[');
	for (const struct removed_head *h = s->heads; h; h = h->hh.next)
		show_head(j, h);
	json_close(j, ']');
	json_close(j, '}');
	return 0;
}

int op_list_removed(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct listing l = { .j = { .out = &r->body } };
	int64_t after = 0;
	bool there;
	int res = input_int(in, "After", r, &there, &after);

	if (res < 0)
		return res;
	if (after < 0 || after > UINT32_MAX)
		return reply_error(r, "ValidationException", "After is out of range.");
	json_open(&l.j, NULL, '{');
	json_open(&l.j, "Removed", '[');
	res = journal_removed(st->journal, (uint32_t)after, show, &l);
	json_close(&l.j, ']');
	if (l.more)
		json_int(&l.j, "After", l.last);
	json_close(&l.j, '}');
	return res < 0 || r->body.failed ? reply_fault(r, 500, "InternalFailure", "The store could not answer.") : 0;
}
