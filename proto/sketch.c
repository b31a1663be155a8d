// SPDX-License-Identifier: Apache-2.0
#include "sketch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "reader.h"

struct resource {		/* its name lies in the text, which may move while it grows */
	const char *type;
	size_t at, n;
};

struct sketch {
	struct batch_tap tap;
	struct batch *batch;
	const struct shape *shape;
	const char *error;
	struct resource resources[RECORD_RESOURCES_MAX];
	unsigned nresources;
	struct buf text, made;
};

static void begin(void *ctx, const struct shape *shape, const struct record_head *head)
{
	struct sketch *s = ctx;

	s->shape = shape;
	s->error = head->error;
	s->nresources = 0;
	buf_reset(&s->text);
}

static void text(void *ctx, const struct shape_field *f, struct str v)
{
	struct sketch *s = ctx;

	if (!f->resource_type || !v.n || s->nresources == RECORD_RESOURCES_MAX)
		return;
	s->resources[s->nresources++] = (struct resource){ f->resource_type, s->text.n, v.n };
	buf_add(&s->text, v.p, v.n);
}

static void number(void *ctx, const struct shape_field *f, int64_t v)
{
	char out[24];

	text(ctx, f, (struct str){ out, (size_t)snprintf(out, sizeof(out), "%lld", (long long)v) });
}

int sketch_new(struct sketch **ret_s)
{
	_cleanup_(sketch_free) struct sketch *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->tap = (struct batch_tap){ .ctx = s, .begin = begin, .number = number, .text = text };
	r = batch_new_tapped(&s->tap, &s->batch);
	if (!r)
		*ret_s = TAKE_PTR(s);
	return r;
}

void sketch_free(struct sketch **s)
{
	if (!*s)
		return;
	batch_free(&(*s)->batch);
	buf_free(&(*s)->text);
	buf_free(&(*s)->made);
	free(*s);
	*s = NULL;
}

struct batch *sketch_batch(struct sketch *s)
{
	return s->batch;
}

static struct str c_str(const char *s)
{
	return (struct str){ s, s ? strlen(s) : 0 };
}

static void take_identity(const struct record_identity *id, struct select_source *x)
{
	x->summary.pid = id->process.pid;
	x->summary.executable = id->process.executable;
	summary_username(&x->summary, id->source_identity);
	summary_username(&x->summary, id->user_name);
	summary_username(&x->summary, id->issuer_name);
	summary_username(&x->summary, id->invoked_by);
	x->container = id->process.container;
	x->cgroup = id->process.cgroup;
	x->arn_tail = id->arn_tail;
	x->start = id->process.start;
	x->euid = id->uids[2];
	x->has_euid = true;
	x->loginuid = id->loginuid;
}

int sketch_view(struct sketch *s, const struct record_host *host, const struct record_identity *id, uint32_t uses,
		struct select_view *v)
{
	struct select_source x = {
		.host = host, .loginuid = UINT32_MAX,
		.summary = { .category = s->shape->category, .read_only = s->shape->read_only, .event_name = c_str(s->shape->event_name),
			     .event_source = c_str(s->shape->event_source), .event_type = c_str(s->shape->event_type),
			     .error = c_str(s->error) },
	};
	int r;

	if (s->text.failed)
		return -ENOMEM;
	for (unsigned i = 0; i < s->nresources; i++) {
		const struct resource *p = &s->resources[i];

		summary_resource(&x.summary, p->type, (struct str){ (const char *)s->text.p + p->at, p->n });
	}
	if (id)
		take_identity(id, &x);
	r = select_view_of(&x, uses, &s->made, v);
	if (!id)
		v->known &= ~SKETCH_OF_IDENTITY;
	return r;
}
