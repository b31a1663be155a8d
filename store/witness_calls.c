/* SPDX-License-Identifier: Apache-2.0 */
/* witness_calls.c - calls of the store's own API as records: eventType AwsApiCall, as CloudTrail records its own. */
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "witness_internal.h"

#define CLASS_USER 15

static const struct shape_field fields[] = { { SECTION_REQUEST, FIELD_WHOLE, FIELD_JSON, NULL } };

static struct str text(const char *s)
{
	return (struct str){ s, s ? strlen(s) : 0 };
}

/* Who asked is the key; the process is the store, where it was seen. */
static int64_t add_caller(struct witness *w, const struct witness_call *c, uint64_t number)
{
	static const char unknown[] = "the request had no valid signature";
	char arn[160];
	struct record_identity id;

	own_process(&w->self, "hosttrail-store", &id);
	id.source_ip = text(c->address);
	if (c->key) {
		snprintf(arn, sizeof(arn), "user/%s", c->key);
		id.type = IDENTITY_IAM_USER;
		id.principal_id = id.user_name = text(c->key);
		id.arn_tail = text(arn);
	} else {
		id.why_unknown = (struct str){ unknown, sizeof(unknown) - 1 };
	}
	return batch_identity(w->batch, number, &id);
}

/* A batch knows shapes by their address: they stay where they are until it is written. */
struct shapes {
	struct shape v[WITNESS_CALLS_MAX];
	unsigned n;
};

static const struct shape *shape_of(struct shapes *all, const struct witness_call *c)
{
	struct shape *s;

	for (s = all->v; s < all->v + all->n; s++)
		if (!strcmp(s->event_source, c->source) && !strcmp(s->event_name, c->name) && s->read_only == c->read_only)
			return s;
	all->n++;
	*s = (struct shape){ c->source, c->name, "AwsApiCall", c->data ? CATEGORY_DATA : CATEGORY_MANAGEMENT, c->read_only, ARRAY_SIZE(fields), fields };
	return s;
}

static int add_call(struct witness *w, struct shapes *shapes, const struct witness_call *c, unsigned i)
{
	int64_t identity = add_caller(w, c, i + 1);
	struct record_head head = {
		.ring_class = CLASS_USER, .seq = w->seq + i, .time = c->time, .identity = (uint32_t)identity, .request = w->seq + i + 1,
		.error = c->error, .error_message = c->message, .repeat_count = c->count, .first_time = c->first,
		.user_agent = text(c->agent ? c->agent : "unknown"), .access_key = text(c->key), .request_id = text(c->request_id), .source_ip = text(c->address),
	};
	int r;

	if (identity < 0)
		return (int)identity;
	r = batch_begin(w->batch, shape_of(shapes, c), &head);
	if (r < 0)
		return r;
	if (c->parameters)
		batch_string(w->batch, 0, c->parameters, strlen(c->parameters));
	return batch_end(w->batch);
}

int witness_calls(struct witness *w, const struct witness_call *calls, unsigned n)
{
	struct shapes shapes = { .n = 0 };
	int r = witness_frame_begin(w);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < n && !r; i++)
		r = add_call(w, &shapes, &calls[i], i);
	return witness_frame_end(w, r);
}
