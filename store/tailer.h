/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tailer.h - the thread that decodes every synced frame once and feeds the index.
 *
 * On the way it says, through the store's own records, what only decoding shows: a batch that claims another
 * host (HostMismatch; the frame is set aside), records of the future (ClockSkewed; clocks.h), tombstones and
 * frames that never came (RecordsLost). What was said is remembered in <dir>/said, so that
 * reading a stretch again after a restart says nothing twice.
 *
 * Forked branches may hold a record that the other branch has too. In frames marked JOURNAL_FORK, a record
 * whose eventID is indexed already with the very same content is not indexed again; with another content both are.
 *
 * Threads: start and stop by one thread; statistics and waits by any.
 */
#ifndef HOSTTRAIL_STORE_TAILER_H
#define HOSTTRAIL_STORE_TAILER_H

#include "faults.h"
#include "store.h"

#define TAILER_HOSTS_MAX 65536

struct host_stats {
	char host_id[64];
	uint64_t frames, records, bytes, mismatched, malformed;
	uint32_t streams;
	int64_t last_received, last_event;
	int64_t last_test, test_latency;	/* its self-test's latest record: when it could be found, and ns since the call; 0: none */
	bool clock_known;		/* the host's forwarder says its time; then: */
	int64_t clock_ahead;		/* ns, of ours */
};

struct tailer_counts {
	uint64_t frames, records, mismatched, malformed, duplicates, lost, tombstones, skewed;
	uint64_t gaps_pending;
	uint64_t tests;			/* frames with calls of self-tests since the start */
	int64_t test_latency, test_latency_max;	/* ns from call to index, of the latest and of the slowest */
	bool caught_up;			/* with what was in the journal at the start */
};

/* progress: called after each round in which something was indexed, and about twice a second. */
int tailer_new(struct store *st, const char *dir, void (*progress)(void *ctx), void *ctx, struct tailer **ret_t);
int tailer_start(struct tailer *t);
void tailer_stop(struct tailer *t);		/* ends the thread; questions are still answered. NULL-safe */
void tailer_free(struct tailer **t);

int64_t tailer_last_received(const struct tailer *t);	/* 0: nothing yet */
/* Everything before this place is indexed and may be shown. */
struct index_place tailer_done(struct tailer *t);
/* Whether everything that the journal had synced before this position is indexed, or known to be unreadable. If not, progress is called
 * as soon as it is. */
bool tailer_has(struct tailer *t, journal_pos upto);
void tailer_counts(struct tailer *t, struct tailer_counts *ret_c);
/* Calls fn for each host, under a lock. */
void tailer_hosts(struct tailer *t, void (*fn)(void *ctx, const struct host_stats *h), void *ctx);

/* From ingest's callbacks; any thread. While the tailer does not run, by one thread, and at once. */
void tailer_fault(struct tailer *t, enum fault_kind kind, const struct ingest_fault *f);
void tailer_clock(struct tailer *t, const struct journal_origin *origin, int64_t ahead_ns);	/* likewise */
journal_pos tailer_faults_upto(const struct tailer *t);	/* faults_upto(); before the tailer starts */
/* True while the index is too far behind: acknowledgements are to be withheld. */
bool tailer_hold(struct tailer *t);

#endif
