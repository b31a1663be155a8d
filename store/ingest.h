/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest.h - takes frames from forwarders: verify, append to the journal, sync, acknowledge.
 *
 * Per frame, before it is acknowledged: structure, bounds, checksum and payload hash; the signature with the key that
 * the sender's certificate binds; its place in the chain (chains.h). Nothing is decoded.
 *
 *   a repeat                      STORED, nothing is written
 *   next of its chain             appended, STORED
 *   number ahead (gap)            appended, STORED; on_gap
 *   same number, another hash     appended with JOURNAL_FORK, STORED; on_chain_broken, once for each fork
 *   previous hash is not ours     appended, STORED; on_chain_broken
 *   signature of another key      set aside, REJECTED; on_host_mismatch
 *   malformed, corrupt            REJECTED
 *   disk full, overload           RETRY, nothing of it is written; the connection takes nothing more (grpc_fence)
 *
 * A reply waits until everything that it says is synced; one sync serves all replies that wait for it.
 *
 * Threads: start and stop by one thread; three of its own, so that receiving, checking and syncing go on side by side: network (TLS,
 * HTTP/2, replies), keeper (all of the above, one request after the other as they arrived), sync. The callbacks run in the keeper's,
 * hold() in the network's; none may block longer than a journal_append(). ingest_metric() by any thread.
 * Bounds: grpc.h's for what is on its way in; behind it 8 MiB of requests wait for the keeper, or one; then nobody's are read.
 */
#ifndef HOSTTRAIL_STORE_INGEST_H
#define HOSTTRAIL_STORE_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "chains.h"
#include "grpc.h"
#include "journal.h"
#include "keep.h"

struct ingest;

/* What a callback is told; everything is valid until it returns. */
struct ingest_fault {
	const struct journal_origin *origin;	/* the sender, as its certificate binds it */
	const struct frame_header *header;	/* the frame's; unverified in on_host_mismatch */
	const uint8_t *hash;			/* 32 bytes: the frame's */
	const uint8_t *expected;		/* 32 bytes or NULL: what we have in its place, or before it */
	journal_pos pos;			/* the frame's, or 0: it was refused */
	uint64_t first_missing;			/* on_gap: first_missing .. header->number - 1 are not here */
	const char *why;			/* one line for people */
};

/* Any may be NULL. */
struct ingest_events {
	void (*on_chain_broken)(void *ctx, const struct ingest_fault *f);
	void (*on_gap)(void *ctx, const struct ingest_fault *f);
	void (*on_filled)(void *ctx, const struct ingest_fault *f);	/* a frame came late, into a gap */
	void (*on_host_mismatch)(void *ctx, const struct ingest_fault *f);
	/* The sender's wall clock minus ours, when its request began to arrive; not asked of those that do not say theirs. */
	void (*on_clock)(void *ctx, const struct journal_origin *origin, int64_t ahead_ns);
	/* true: acknowledgements are withheld for now (asked again every 20 ms while some wait). */
	bool (*hold)(void *ctx);
};

enum ingest_metric {
	INGEST_FRAMES,			/* appended */
	INGEST_BYTES,			/* of appended frames */
	INGEST_RECORDS,			/* that appended frames declare */
	INGEST_DUPLICATES,
	INGEST_FORKS,
	INGEST_GAPS,
	INGEST_BREAKS,
	INGEST_CORRUPT,			/* rejected: structure, bounds, checksum */
	INGEST_MISMATCHES,		/* rejected: signature */
	INGEST_REJECTED,		/* rejected for any reason */
	INGEST_ASIDE_FULL,		/* evidence that could not be set aside */
	INGEST_RETRIES,			/* frames put off */
	INGEST_SYNCS,
	INGEST_HELD,			/* 1 while acknowledgements are withheld */
	INGEST_WAITING,			/* replies that wait for a sync */
	INGEST_CONNECTIONS,		/* since the start */
	INGEST_CONNECTIONS_OPEN,
	INGEST_CONNECTIONS_REFUSED,
	INGEST_HANDSHAKES_FAILED,
	INGEST_TIMEOUTS,
	INGEST_ABUSES,
	INGEST_CALLS,
	INGEST_CALLS_FAILED,
	INGEST_CHAINS,
	INGEST_BRANCHES,
	INGEST_METRIC__MAX
};

/* Says what a frame's place in its chain gives to say: the one of the events that fits, if any. */
void ingest_say(const struct ingest_events *e, void *ctx, const struct chain_judgement *j, struct ingest_fault *f);

/* why (at least 256 bytes) says what failed. keep is borrowed until ingest_stop(). */
int ingest_start(const struct grpc_config *config, struct keep *keep, const struct ingest_events *events, void *ctx,
		 struct ingest **ret_i, char why[256]);
/* Answers nothing more; what was appended stays appended. */
void ingest_stop(struct ingest **i);
uint16_t ingest_port(const struct ingest *i);

uint64_t ingest_metric(const struct ingest *i, enum ingest_metric m);
/* Prometheus name without prefix ("frames_total"), and help. */
const char *ingest_metric_name(enum ingest_metric m);
const char *ingest_metric_help(enum ingest_metric m);
bool ingest_metric_is_gauge(enum ingest_metric m);

#endif
