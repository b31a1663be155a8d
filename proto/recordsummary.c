/* SPDX-License-Identifier: Apache-2.0 */
/* recordsummary.c - what the index and the one-line output need of a record, without rendering it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "reader.h"

#define NUMBER_MAX 24

void summary_username(struct record_summary *s, struct str name)
{
	if (!name.n || s->nusernames == ARRAY_SIZE(s->usernames))
		return;
	for (unsigned i = 0; i < s->nusernames; i++)
		if (s->usernames[i].n == name.n && !memcmp(s->usernames[i].p, name.p, name.n))
			return;
	s->usernames[s->nusernames++] = name;
}

/* The login user and the user they became; for services invokedBy. */
static void usernames(const struct reader *r, const struct reader_identity *id, struct record_summary *s)
{
	const uint32_t names[] = { id->source_identity, id->user_name, id->issuer_name, id->invoked_by };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		summary_username(s, reader_str(r, names[i]));
}

void summary_resource(struct record_summary *s, const char *type, struct str name)
{
	if (!name.n || s->nresources == RECORD_RESOURCES_MAX)
		return;
	s->resource_names[s->nresources] = name;
	s->resource_types[s->nresources++] = (struct str){ type, strlen(type) };
}

/* Numbers become text in the reader's own buffer, which was made large enough before. */
static struct str number_text(struct reader *r, int64_t v)
{
	char *p = (char *)r->text.p + r->text.n;
	size_t n = (size_t)snprintf(p, NUMBER_MAX, "%lld", (long long)v);

	r->text.n += n;
	return (struct str){ p, n };
}

static void field_resources(struct reader *r, const struct shape_field *f, struct wire_span at, struct record_summary *s)
{
	uint64_t n = f->kind == FIELD_STRINGS ? (uint64_t)reader_value(&at) : 1;

	for (uint64_t i = 0; i < n && s->nresources < RECORD_RESOURCES_MAX; i++) {
		int64_t v = reader_value(&at);
		bool string = f->kind == FIELD_STRING || f->kind == FIELD_STRINGS;

		summary_resource(s, f->resource_type, string ? reader_str(r, (uint32_t)v) : number_text(r, v));
	}
}

static int from_values(struct reader *r, const struct reader_shape *rs, struct wire_span list, struct record_summary *s)
{
	const struct shape *shape = &rs->shape;
	struct reader_values values;
	const char *why;
	int k = reader_values(r, shape, list, &values, &why);

	buf_reset(&r->text);
	s->self_test = !k && values.present & rs->self_test;
	if (!k)
		k = buf_reserve(&r->text, RECORD_RESOURCES_MAX * NUMBER_MAX);
	for (unsigned i = 0; !k && i < shape->nfields; i++)
		if (shape->fields[i].resource_type && shape->fields[i].kind != FIELD_INTS && (values.present >> i & 1))
			field_resources(r, &shape->fields[i], values.at[i], s);
	return k;
}

static struct str c_str(const char *s)
{
	return (struct str){ s, strlen(s) };
}

int64_t reader_time(const struct reader *r, unsigned i)
{
	return (int64_t)(r->records[i].time + (uint64_t)r->frame.wall_offset);
}

int reader_summary(struct reader *r, unsigned i, struct record_summary *s)
{
	const struct reader_identity *id;
	const struct reader_process *p;
	const struct shape *shape;
	struct reader_record x;
	int k;

	if (i >= r->nrecords)
		return -EINVAL;
	k = reader_record_at(r, i, &x);
	if (k < 0)
		return k;
	shape = &r->shapes[x.shape].shape;
	id = &r->identities[x.identity];
	p = &r->processes[id->process];
	*s = (struct record_summary){
		.time = reader_time(r, i),
		.ring_class = (uint8_t)r->rings[x.ring].ring_class,
		.cpu = (uint16_t)r->rings[x.ring].cpu,
		.seq = r->records[i].seq,
		.event_name = c_str(shape->event_name),
		.event_source = c_str(shape->event_source),
		.event_type = c_str(shape->event_type),
		.error = reader_str(r, x.error),
		.access_key = reader_str(r, x.access_key),
		.category = shape->category,
		.read_only = shape->read_only,
		.pid = p->pid,
		.executable = reader_str(r, p->executable),
		.command = reader_str(r, p->command),
		.repeat_count = x.repeat_count ? x.repeat_count : 1,
	};
	event_id_make(r->frame.stream, s->ring_class, s->cpu, s->seq, s->event_id);
	usernames(r, id, s);
	return from_values(r, &r->shapes[x.shape], x.values, s);
}
