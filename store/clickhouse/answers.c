/* SPDX-License-Identifier: Apache-2.0 */
/* answers.c - what the API has over a cluster: its operations, readiness, metrics, Status. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cluster_internal.h"
#include "jobs.h"
#include "lease.h"
#include "replay.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/json.h"
#include "store/witness.h"
#include "tables.h"

static const struct {
	const char *name;
	op_fn fn;
} operations[] = {
	{ "LookupEvents", cluster_lookup },
	{ "Status", cluster_status },
	{ "Tail", op_tail },
	{ "Verify", op_verify },
	{ "Prove", op_prove },
	{ "StartQuery", cluster_start_query },
	{ "DescribeQuery", cluster_describe_query },
	{ "GetQueryResults", cluster_get_query_results },
	{ "CancelQuery", cluster_cancel_query },
	{ "ListQueries", cluster_list_queries },
};

static op_fn find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(operations); i++)
		if (!strcmp(operations[i].name, name))
			return operations[i].fn;
	return cluster_ledger_op(name);
}

static const char *why_not(struct store *st)
{
	struct cluster *c = cluster_of(st);
	const char *why = NULL;

	if (!ch_pick(&c->ch, CH_ANY_SHARD, 0))
		return "no server of the cluster answers";
	pthread_mutex_lock(&c->lock);
	if (c->trouble && clock_boot() - c->trouble > TROUBLE_NS)
		why = "the cluster takes no rows";
	pthread_mutex_unlock(&c->lock);
	return why;
}

static void metric(struct buf *out, const char *name, const char *kind, const char *help, uint64_t v)
{
	buf_addf(out, "# HELP hosttrail_store_%s %s\n# TYPE hosttrail_store_%s %s\nhosttrail_store_%s %" PRIu64 "\n", name, help, name, kind, name, v);
}

static void metrics(struct store *st, struct buf *out)
{
	struct cluster *c = cluster_of(st);
	struct cluster_stats s;
	uint64_t waiting, up = 0;
	bool trouble;

	pthread_mutex_lock(&c->lock);
	s = c->stats;
	waiting = c->bytes;
	trouble = c->trouble != 0;
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; ch_pick(&c->ch, CH_ANY_SHARD, i); i++)
		up++;
	metric(out, "clickhouse_servers", "gauge", "Servers of the cluster that answer.", up);
	metric(out, "clickhouse_failing", "gauge", "1 while the cluster takes no rows.", trouble);
	metric(out, "clickhouse_waiting_bytes", "gauge", "Bytes of frames that wait to be written.", waiting);
	metric(out, "clickhouse_frames_total", "counter", "Frames written.", s.frames);
	metric(out, "clickhouse_records_total", "counter", "Records written.", s.records);
	metric(out, "clickhouse_repeats_total", "counter", "Frames that the cluster had already.", s.duplicates);
	metric(out, "clickhouse_inserts_total", "counter", "Inserts.", s.inserts);
	metric(out, "clickhouse_insert_bytes_total", "counter", "Bytes of rows in them.", s.rows_bytes);
	metric(out, "clickhouse_failures_total", "counter", "Attempts to write that failed and were made again.", s.failures);
	metric(out, "clickhouse_doubles_total", "counter", "Frames that two stores had written, taken out again.", s.doubles);
	if (c->lease) {
		struct lease_counts l;

		lease_counts(c->lease, &l);
		metric(out, "clickhouse_delivers", "gauge", "1 while this store delivers the trails.", l.leads);
		metric(out, "clickhouse_takeovers_total", "counter", "Times that it began to.", l.takeovers);
		metric(out, "clickhouse_arranged_total", "counter", "Frames that it put in order for them.", l.arranged);
	}
	metric(out, "own_records_total", "counter", "Records of the store's own.", witness_records(st->witness));
	metric(out, "own_failures_total", "counter", "Own records that could not be written.", witness_failures(st->witness));
}

const struct engine_ops cluster_engine = { .op = find, .why_not = why_not, .metrics = metrics,
					     .follow = replay_follow, .range = replay_range, .end = replay_end,
					     .frames = &cluster_frames, .definitions = &cluster_definitions };

/* ---- Status */

static void cluster_json(struct cluster *c, struct json *j)
{
	json_open(j, "Cluster", '{');
	json_string(j, "Version", c->ch.version);
	json_uint(j, "Shards", c->ch.nshards);
	json_open(j, "Servers", '[');
	for (unsigned i = 0; i < c->ch.nservers; i++) {
		const struct ch_server *s = &c->ch.servers[i];

		json_open(j, NULL, '{');
		json_string(j, "Url", s->url);
		json_boolean(j, "Ready", s->ready && __atomic_load_n(&s->shunned, __ATOMIC_RELAXED) < clock_boot());
		json_uint(j, "Shard", s->shard);
		json_close(j, '}');
	}
	json_close(j, ']');
	pthread_mutex_lock(&c->lock);
	json_uint(j, "WaitingBytes", c->bytes);
	if (c->trouble)
		json_string(j, "Error", c->why);
	pthread_mutex_unlock(&c->lock);
	json_close(j, '}');
}

static int64_t number_at(struct json_object *row, unsigned i)
{
	struct json_object *v = json_object_array_get_idx(row, i);

	return v ? strtoll(json_object_get_string(v), NULL, 10) : 0;
}

void cluster_take_hosts(struct json_object *answer, struct json *j)
{
	struct json_object *data;

	if (!json_object_object_get_ex(answer, "data", &data) || !json_object_is_type(data, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(data); i++) {
		struct json_object *row = json_object_array_get_idx(data, i);

		if (!json_object_is_type(row, json_type_array) || !json_object_is_type(json_object_array_get_idx(row, 0), json_type_string))
			continue;
		json_open(j, NULL, '{');
		json_string(j, "HostId", json_object_get_string(json_object_array_get_idx(row, 0)));
		json_int(j, "Streams", number_at(row, 1));
		json_int(j, "Frames", number_at(row, 2));
		json_int(j, "Records", number_at(row, 3));
		json_int(j, "Bytes", number_at(row, 4));
		json_int(j, "Mismatched", number_at(row, 5));
		json_time(j, "LastReceivedTime", number_at(row, 6));
		json_close(j, '}');
	}
}

int cluster_status(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	static const char hosts[] = "SELECT host, uniqExact(stream), count(), sum(records), sum(length(frame)), countIf(state > 1), max(received) "
				    "FROM " TABLE_ALL " WHERE kind = 1 AND eventtime = toDateTime(0)";
	struct cluster *c = cluster_of(st);
	_cleanup_buf_ struct buf sql = { 0 };
	struct ch_link link = { 0 };
	struct ch_statement s = { .timeout_ms = 30000, .fresh = TABLE_ROWS };
	struct json j = { .out = &r->body };
	struct json_object *answer = NULL;
	char why[CH_WHY_MAX];

	json_open(&j, NULL, '{');
	json_string(&j, "Version", HOSTTRAIL_VERSION);
	json_string(&j, "HostId", witness_origin(st->witness)->host_id);
	json_time(&j, "StartTime", st->started);
	json_boolean(&j, "Ready", why_not(st) == NULL);
	cluster_json(c, &j);
	buf_adds(&sql, hosts);
	cluster_hide(c, &sql);
	buf_adds(&sql, " GROUP BY host ORDER BY host LIMIT 65536 FORMAT JSONCompact");
	s.sql = buf_text(&sql);
	json_open(&j, "Hosts", '[');
	if (!ch_ask(&c->ch, &link, &s, why))
		answer = json_tokener_parse(buf_text(&link.answer));
	cluster_take_hosts(answer, &j);
	json_object_put(answer);
	ch_link_free(&link);
	json_close(&j, ']');
	json_close(&j, '}');
	return r->body.failed ? reply_fault(r, 500, "InternalFailure", "out of memory") : 0;
}
