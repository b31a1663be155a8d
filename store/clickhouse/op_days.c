/* SPDX-License-Identifier: Apache-2.0 */
/* op_days.c - ListRemoved over a cluster: days that were removed, and of each chain that goes on behind them the last frame. */
#include <stdio.h>

#include "cluster_internal.h"
#include "lease.h"
#include "lib/clock.h"
#include "proto/frame.h"
#include "proto/json.h"
#include "store/input.h"

struct listing {
	struct json j;
	struct ledger *ledger;
	struct removed_day last;
	bool any;
};

static int show_head(void *ctx, const struct removed_last *h)
{
	struct json *j = ctx;

	if (!chain_name(h->chain))
		return 0;
	json_open(j, NULL, '{');
	json_string(j, "HostId", h->host);
	json_string(j, "Stream", h->stream);
	json_string(j, "Chain", chain_name(h->chain));
	json_int(j, "Number", (int64_t)h->number);
	json_string(j, "HashValue", h->hash);
	json_close(j, '}');
	return 0;
}

/* heads: of all days before, too. */
static int show(struct listing *l, bool heads)
{
	const struct removed_day *d = &l->last;
	struct json *j = &l->j;
	char iso[21], object[32];
	int r = 0;

	clock_iso((int64_t)d->day * 86400, iso);
	snprintf(object, sizeof(object), "day %.10s", iso);
	json_open(j, NULL, '{');
	json_string(j, "Object", object);
	json_int(j, "Bytes", (int64_t)d->bytes);
	json_int(j, "Frames", (int64_t)d->frames);
	json_int(j, "Records", (int64_t)d->records);
	json_time(j, "FirstReceivedTime", d->first);
	json_time(j, "LastReceivedTime", d->last);
	json_open(j, "Heads", '[');
	if (heads)
		r = ledger_removed_lasts(l->ledger, show_head, j);
	json_close(j, ']');
	json_close(j, '}');
	return r;
}

/* One behind: the last one has the heads. */
static int on_day(void *ctx, const struct removed_day *d)
{
	struct listing *l = ctx;
	int r = l->any ? show(l, false) : 0;

	l->last = *d;
	l->any = true;
	return r;
}

int op_list_days(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct listing l = { .j = { .out = &r->body }, .ledger = lease_ledger(cluster_of(st)->lease) };
	int64_t after = -1;
	bool there;
	int res = input_int(in, "After", r, &there, &after);

	if (res < 0)
		return res;
	json_open(&l.j, NULL, '{');
	json_open(&l.j, "Removed", '[');
	res = ledger_days_removed(l.ledger, there ? after : -1, on_day, &l);
	if (!res && l.any)
		res = show(&l, true);
	json_close(&l.j, ']');
	json_close(&l.j, '}');
	return res < 0 || r->body.failed ? reply_fault(r, 500, "InternalFailure", "The store could not answer.") : 0;
}
