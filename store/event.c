/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - a record in the shape in which LookupEvents shows it. */
#include <errno.h>

#include "lib/clock.h"
#include "ops.h"
#include "proto/json.h"

static void resources_json(const struct record_summary *s, struct json *j)
{
	json_open(j, "Resources", '[');
	for (unsigned i = 0; i < s->nresources; i++) {
		json_open(j, NULL, '{');
		json_text(j, "ResourceType", s->resource_types[i].p, s->resource_types[i].n);
		json_text(j, "ResourceName", s->resource_names[i].p, s->resource_names[i].n);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static int64_t whole_seconds(int64_t ns)
{
	int64_t s = ns / (int64_t)NS_PER_SEC;

	return ns % (int64_t)NS_PER_SEC < 0 ? s - 1 : s;
}

int event_json(struct decoded *d, unsigned i, const struct record_summary *s, bool received, struct json *j)
{
	_cleanup_buf_ struct buf record = { 0 };
	char id[37];
	int r;

	uuid_text(s->event_id, id);
	json_open(j, NULL, '{');
	json_string(j, "EventId", id);
	json_text(j, "EventName", s->event_name.p, s->event_name.n);
	json_string(j, "ReadOnly", s->read_only ? "true" : "false");
	if (s->access_key.n)
		json_text(j, "AccessKeyId", s->access_key.p, s->access_key.n);
	json_int(j, "EventTime", whole_seconds(s->time));
	json_text(j, "EventSource", s->event_source.p, s->event_source.n);
	if (s->nusernames)
		json_text(j, "Username", s->usernames[0].p, s->usernames[0].n);
	resources_json(s, j);
	if (received)
		json_time(j, "ReceivedTime", d->received);
	/* the summary's texts are the reader's and end with its next call */
	r = reader_json(d->reader, i, &record);
	if (r < 0)
		return r;
	json_text(j, "CloudTrailEvent", record.p, record.n);
	json_close(j, '}');
	return j->out->failed ? -ENOMEM : 0;
}
