/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest_internal.h"

static const struct {
	const char *name, *help;
	bool gauge;
} table[] = {
	[INGEST_FRAMES] = { "ingest_frames_total", "Frames appended to the journal.", false },
	[INGEST_BYTES] = { "ingest_frame_bytes_total", "Bytes of frames appended to the journal.", false },
	[INGEST_RECORDS] = { "ingest_records_total", "Records that the appended frames declare.", false },
	[INGEST_DUPLICATES] = { "ingest_duplicates_total", "Frames that were there already.", false },
	[INGEST_FORKS] = { "ingest_forks_total", "Forks of chains: one number, two frames.", false },
	[INGEST_GAPS] = { "ingest_gaps_total", "Frames that arrived ahead of their chain.", false },
	[INGEST_BREAKS] = { "ingest_breaks_total", "Frames whose previous hash was not ours.", false },
	[INGEST_CORRUPT] = { "ingest_corrupt_total", "Frames refused for structure, bounds or checksum.", false },
	[INGEST_MISMATCHES] = { "ingest_mismatches_total", "Frames signed by another key than the certificate's.", false },
	[INGEST_REJECTED] = { "ingest_rejected_total", "Frames refused for any reason.", false },
	[INGEST_ASIDE_FULL] = { "ingest_aside_failed_total", "Refused frames that could not be set aside.", false },
	[INGEST_RETRIES] = { "ingest_retries_total", "Frames put off.", false },
	[INGEST_SYNCS] = { "ingest_syncs_total", "Syncs of the journal.", false },
	[INGEST_HELD] = { "ingest_held", "1 while acknowledgements are withheld.", true },
	[INGEST_WAITING] = { "ingest_waiting", "Replies that wait for a sync.", true },
	[INGEST_CONNECTIONS] = { "ingest_connections_total", "Connections accepted.", false },
	[INGEST_CONNECTIONS_OPEN] = { "ingest_connections", "Connections open now.", true },
	[INGEST_CONNECTIONS_REFUSED] = { "ingest_connections_refused_total", "Connections over the limit.", false },
	[INGEST_HANDSHAKES_FAILED] = { "ingest_handshakes_failed_total", "Connections without a good certificate.", false },
	[INGEST_TIMEOUTS] = { "ingest_timeouts_total", "Connections closed for being slow or idle.", false },
	[INGEST_ABUSES] = { "ingest_abuses_total", "Connections closed for breaking HTTP/2 or its bounds.", false },
	[INGEST_CALLS] = { "ingest_calls_total", "gRPC calls.", false },
	[INGEST_CALLS_FAILED] = { "ingest_calls_failed_total", "gRPC calls that ended with an error.", false },
	[INGEST_CHAINS] = { "ingest_chains", "Chains known.", true },
	[INGEST_BRANCHES] = { "ingest_branches", "Branches of chains known; as many as chains unless there are forks.", true },
};

_Static_assert(sizeof(table) / sizeof(table[0]) == INGEST_METRIC__MAX, "one row per metric");

uint64_t ingest_metric(const struct ingest *i, enum ingest_metric m)
{
	const struct grpc_counters *g = grpc_counters(i->server);
	uint64_t chains, branches;

#define FROM_SERVER(metric, field)                            \
	case metric:                                          \
		return __atomic_load_n(&g->field, __ATOMIC_RELAXED)
	/* clang-format off */
	switch (m) {
	FROM_SERVER(INGEST_CONNECTIONS, accepted);
	FROM_SERVER(INGEST_CONNECTIONS_OPEN, open);
	FROM_SERVER(INGEST_CONNECTIONS_REFUSED, refused);
	FROM_SERVER(INGEST_HANDSHAKES_FAILED, handshake_failed);
	FROM_SERVER(INGEST_TIMEOUTS, timed_out);
	FROM_SERVER(INGEST_ABUSES, abusive);
	FROM_SERVER(INGEST_CALLS, calls);
	FROM_SERVER(INGEST_CALLS_FAILED, failed);
	/* clang-format on */
	case INGEST_CHAINS:
	case INGEST_BRANCHES:
		i->keep->ops->count(i->keep->ctx, &chains, &branches);
		return m == INGEST_CHAINS ? chains : branches;
	default:
		return m < INGEST_METRIC__MAX ? __atomic_load_n(&i->metrics[m], __ATOMIC_RELAXED) : 0;
	}
#undef FROM_SERVER
}

const char *ingest_metric_name(enum ingest_metric m)
{
	return m < INGEST_METRIC__MAX ? table[m].name : NULL;
}

const char *ingest_metric_help(enum ingest_metric m)
{
	return m < INGEST_METRIC__MAX ? table[m].help : NULL;
}

bool ingest_metric_is_gauge(enum ingest_metric m)
{
	return m < INGEST_METRIC__MAX && table[m].gauge;
}
