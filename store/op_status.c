/* SPDX-License-Identifier: Apache-2.0 */
/* op_status.c - Status: how far the store is, and from whom it has heard. */
#include <stdio.h>
#include <string.h>

#include "health.h"
#include "lib/clock.h"
#include "ops.h"
#include "proto/json.h"
#include "tailer.h"
#include "witness.h"

static void position(struct json *j, const char *key, journal_pos pos)
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", (unsigned)(pos >> 32), (unsigned)pos);
	json_string(j, key, text);
}

static void journal_json(struct store *st, struct json *j)
{
	int error = journal_error(st->journal);

	json_open(j, "Journal", '{');
	json_uint(j, "Bytes", journal_bytes(st->journal));
	position(j, "End", journal_end(st->journal));
	if (error)
		json_string(j, "Error", strerror(-error));
	json_close(j, '}');
}

static void index_json(struct store *st, struct json *j)
{
	struct index_stats s;

	index_stats(st->index, &s);
	json_open(j, "Index", '{');
	json_uint(j, "Records", s.records);
	json_uint(j, "Blocks", s.blocks);
	json_uint(j, "Bytes", s.block_bytes);
	json_uint(j, "TailRecords", s.tail_records);
	position(j, "Position", s.done.pos);
	json_uint(j, "Behind", health_behind(st));
	json_close(j, '}');
}

static void host_json(void *ctx, const struct host_stats *h)
{
	struct json *j = ctx;

	json_open(j, NULL, '{');
	json_string(j, "HostId", h->host_id);
	json_uint(j, "Streams", h->streams);
	json_uint(j, "Frames", h->frames);
	json_uint(j, "Records", h->records);
	json_uint(j, "Bytes", h->bytes);
	json_uint(j, "Mismatched", h->mismatched + h->malformed);
	json_time(j, "LastReceivedTime", h->last_received);
	if (h->last_event)
		json_time(j, "LastEventTime", h->last_event);
	if (h->last_test) {
		json_time(j, "LastCanaryTime", h->last_test);
		json_int(j, "CanaryLatencyMillis", h->test_latency / (int64_t)NS_PER_MS);
	}
	if (h->clock_known)
		json_int(j, "ClockAheadMillis", h->clock_ahead / (int64_t)NS_PER_MS);
	json_close(j, '}');
}

int op_status(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };

	json_open(&j, NULL, '{');
	json_string(&j, "Version", HOSTTRAIL_VERSION);
	if (st->witness)
		json_string(&j, "HostId", witness_origin(st->witness)->host_id);
	json_time(&j, "StartTime", st->started);
	json_boolean(&j, "Ready", health_why_not(st) == NULL);
	journal_json(st, &j);
	index_json(st, &j);
	json_open(&j, "Hosts", '[');
	tailer_hosts(st->tailer, host_json, &j);
	json_close(&j, ']');
	json_close(&j, '}');
	return r->body.failed ? reply_fault(r, 500, "InternalFailure", "out of memory") : 0;
}
