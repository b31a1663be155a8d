/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <stdio.h>

#include "api.h"
#include "audit.h"
#include "delivery/deliver.h"
#include "engine.h"
#include "ingest.h"
#include "lake/lake.h"
#include "lib/clock.h"
#include "retention/retention.h"
#include "tailer.h"
#include "witness.h"

const char *health_why_not(struct store *st)
{
	struct tailer_counts counts;
	struct index_stats stats;

	if (st->engine)
		return st->engine->why_not(st);
	if (journal_error(st->journal))
		return "the journal takes no more frames";
	tailer_counts(st->tailer, &counts);
	index_stats(st->index, &stats);
	if (stats.rebuilding)
		return "a stretch of the index is being rebuilt";
	if (!counts.caught_up)
		return "the index has not caught up with the journal yet";
	if (stats.seal_error)
		return "index blocks cannot be written";
	return NULL;
}

void health_ready(struct store *st, struct reply *r)
{
	const char *why = health_why_not(st);

	r->status = why ? 503 : 200;
	buf_addf(&r->body, "%s\n", why ? why : "ready");
}

uint64_t health_behind(struct store *st)
{
	journal_pos done = tailer_done(st->tailer).pos, end = journal_end(st->journal);

	if (done >= end)
		return 0;
	return ((end >> 32) - (done >> 32)) * JOURNAL_SEGMENT_BYTES + (uint32_t)end - (uint32_t)done;
}

static void metric(struct buf *out, const char *name, bool gauge, const char *help, uint64_t v)
{
	buf_addf(out, "# HELP hosttrail_store_%s %s\n# TYPE hosttrail_store_%s %s\nhosttrail_store_%s %llu\n", name, help, name,
		 gauge ? "gauge" : "counter", name, (unsigned long long)v);
}

static void metric_seconds(struct buf *out, const char *name, const char *help, int64_t ns)
{
	buf_addf(out, "# HELP hosttrail_store_%s %s\n# TYPE hosttrail_store_%s gauge\nhosttrail_store_%s %.6f\n", name, help, name, name,
		 (double)ns / NS_PER_SEC);
}

static void metrics_index(struct store *st, struct buf *out)
{
	struct index_stats s;
	uint64_t bytes, hits, misses;

	index_stats(st->index, &s);
	decoded_cache_stats(st->decoded, &bytes, &hits, &misses);
	metric(out, "journal_bytes", true, "Bytes of all journal segments.", journal_bytes(st->journal));
	metric(out, "journal_failed", true, "1 when the journal takes no more frames.", journal_error(st->journal) != 0);
	metric(out, "index_records", true, "Records that lookups can find.", s.records);
	metric(out, "index_tail_records", true, "Of these, records in memory.", s.tail_records);
	metric(out, "index_blocks", true, "Blocks on disk.", s.blocks);
	metric(out, "index_block_bytes", true, "Bytes of the blocks.", s.block_bytes);
	metric(out, "index_directories", true, "Hash directories over blocks.", s.directories);
	metric(out, "index_directory_bytes", true, "Bytes of the hash directories.", s.directory_bytes);
	metric(out, "index_loose_blocks", true, "Blocks that are in no hash directory.", s.loose_blocks);
	metric(out, "index_gathering", true, "1 while blocks wait to be entered into a hash directory.", s.gathering);
	metric(out, "index_behind_bytes", true, "Bytes of the journal that are not indexed yet.", health_behind(st));
	metric(out, "index_rebuilding", true, "1 while a stretch is being indexed again.", s.rebuilding);
	metric(out, "decoded_cache_bytes", true, "Bytes of decoded frames kept.", bytes);
	metric(out, "decoded_cache_hits_total", false, "Frames found decoded.", hits);
	metric(out, "decoded_cache_misses_total", false, "Frames decoded for an answer.", misses);
}

static void metrics_tailer(struct store *st, struct buf *out)
{
	struct tailer_counts c;

	tailer_counts(st->tailer, &c);
	metric(out, "tailer_frames_total", false, "Frames decoded.", c.frames);
	metric(out, "tailer_records_total", false, "Records decoded.", c.records);
	metric(out, "tailer_mismatched_total", false, "Frames set aside for what they claim.", c.mismatched);
	metric(out, "tailer_malformed_total", false, "Frames set aside that cannot be decoded.", c.malformed);
	metric(out, "tailer_duplicates_total", false, "Records of forked branches that were there already.", c.duplicates);
	metric(out, "tailer_tombstones_total", false, "Tombstones.", c.tombstones);
	metric(out, "tailer_skewed_total", false, "Times that a host's clock began to run ahead or behind.", c.skewed);
	metric(out, "canary_frames_total", false, "Frames with calls of agents' self-tests and canaries.", c.tests);
	metric_seconds(out, "canary_latency_seconds", "From the latest of these calls to when it could be found here.", c.test_latency);
	metric_seconds(out, "canary_latency_max_seconds", "The longest of these times since the start.", c.test_latency_max);
	metric(out, "gaps_pending", true, "Gaps in chains that wait to be filled or explained.", c.gaps_pending);
	if (st->witness) {
		metric(out, "own_records_total", false, "Records of the store's own.", witness_records(st->witness));
		metric(out, "own_failures_total", false, "Own records that could not be written.", witness_failures(st->witness));
	}
}

static void metrics_lake(struct store *st, struct buf *out)
{
	struct lake *l = __atomic_load_n(&st->lake, __ATOMIC_ACQUIRE);
	struct lake_stats s;

	metric(out, "lake_ready", true, "1 when the lake can be asked.", l && !lake_fault(l));
	if (!l)
		return;
	lake_stats(l, &s);
	metric(out, "lake_sealed_records_total", false, "Records sealed since the start.", s.segment_rows);
	metric(out, "lake_sealed_bytes_total", false, "Bytes of the segments sealed since the start.", s.segment_bytes);
	metric(out, "lake_seals_total", false, "Segments sealed since the start.", s.seals);
	metric(out, "lake_seal_failures_total", false, "Segments that could not be sealed and were tried again.", s.seal_failures);
	metric(out, "lake_merges_total", false, "Merges of segments since the start.", s.merges);
	metric(out, "lake_unsealed_records", true, "Records of the built-in event data store that are not sealed yet.", s.unsealed);
	metric_seconds(out, "lake_unsealed_age_seconds", "How long the oldest of these has waited.", s.unsealed_age);
	metric(out, "lake_queries", true, "Queries that run now.", s.running);
}

static void metrics_retention(struct store *st, struct buf *out)
{
	metric_seconds(out, "retention_clock_lag_seconds", "How far the clock by which things are removed is behind the wall clock.",
		       retention_lag(st->retention));
}

static void metrics_api(struct store *st, struct buf *out)
{
	static const struct { const char *name, *help; bool gauge; } table[API_COUNT__MAX] = {
		[API_REQUESTS] = { "api_requests_total", "Requests to the API.", false },
		[API_ERRORS] = { "api_errors_total", "Requests answered with an error.", false },
		[API_THROTTLED] = { "api_throttled_total", "Requests beyond their key's rate.", false },
		[API_REFUSED_AUTH] = { "api_unauthenticated_total", "Requests whose signature was refused.", false },
		[API_TOO_LARGE] = { "api_too_large_total", "Requests with too large a body.", false },
		[API_SLOW] = { "api_slow_total", "Connections closed for being slow.", false },
		[API_OPEN] = { "api_connections", "Connections open now.", true },
		[API_WAITING] = { "api_waiting", "Requests that wait for records.", true },
	};

	if (st->audit)
		metric(out, "api_unrecorded_total", false, "Requests whose record could not be written.", audit_lost(st->audit));
	for (unsigned i = 0; st->api && i < API_COUNT__MAX; i++)
		metric(out, table[i].name, table[i].gauge, table[i].help, api_count(st->api, (enum api_count)i));
}

static void metrics_delivery(struct store *st, struct buf *out)
{
	struct delivery_counts c;

	if (!st->delivery)
		return;
	delivery_counts(st->delivery, &c);
	metric(out, "delivery_files_total", false, "Log files of trails that reached their bucket.", c.files);
	metric(out, "delivery_records_total", false, "Records in them.", c.records);
	metric(out, "delivery_digests_total", false, "Digests that reached their bucket.", c.digests);
	metric(out, "delivery_failures_total", false, "Attempts that failed.", c.failures);
	metric(out, "delivery_trails_failing", true, "Trails, log groups and webhooks that are held up.", c.failing);
}

void health_metrics(struct store *st, struct buf *out)
{
	metric(out, "start_time_seconds", true, "When the store was started.", (uint64_t)(st->started / (int64_t)NS_PER_SEC));
	if (st->engine) {
		st->engine->metrics(st, out);
	} else {
		metrics_index(st, out);
		metrics_tailer(st, out);
		metrics_lake(st, out);
		metrics_retention(st, out);
	}
	metrics_delivery(st, out);
	metrics_api(st, out);
	for (unsigned i = 0; st->ingest && i < INGEST_METRIC__MAX; i++)
		metric(out, ingest_metric_name((enum ingest_metric)i), ingest_metric_is_gauge((enum ingest_metric)i),
		       ingest_metric_help((enum ingest_metric)i), ingest_metric(st->ingest, (enum ingest_metric)i));
}
