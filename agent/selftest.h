/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selftest.h - does capture work, from a call to the disk? Asked at the start, with one call of each family, and once
 * a minute with one call, the canary.
 *
 * The prober makes the calls (selfcalls.h); each record of theirs is ticked off, once, while a test runs: whoever takes over
 * the prober cannot pass other calls off as tests. What does not arrive within SELFTEST_PATIENCE is a SelfTestFailed record.
 * Pure state: its user sends, marks and writes. Times are boot-time ns. Not thread-safe.
 */
#ifndef HOSTTRAIL_SELFTEST_H
#define HOSTTRAIL_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"

#define SELFTEST_PATIENCE (10 * 1000000000ull)
#define SELFTEST_EVERY (60 * 1000000000ull)

struct selftest_stats {
	uint64_t runs, failures;		/* of all tests, the start's and canaries */
	uint64_t latency, latency_max;		/* call to record, ns: the last test's slowest call; the worst ever */
	uint64_t disk, disk_max;		/* call to synced spool */
	uint64_t finished;			/* when the last test ended; 0: none yet */
	uint32_t missing;			/* a bit a call: of the last test that failed, until one passes that has them */
	bool all;				/* every family has arrived since the prober was started */
};

struct selftest {
	uint32_t pid;				/* the prober's; 0: none */
	uint64_t start;				/* its start, from its first call */
	uint32_t waiting, asked;		/* a bit a call */
	uint64_t begun, slowest, call_time;
	uint64_t next;				/* when the next test begins */
	uint64_t frame;				/* control frame that holds the canary, while its sync is awaited */
	bool syncing, whole;			/* whole: the test of every family is done with this prober */
	struct selftest_stats stats;
};

/* A prober is expected from now on. */
void selftest_begin(struct selftest *t, uint64_t now);
/* A prober is there: the next test is one of every family, now. */
void selftest_prober(struct selftest *t, uint32_t pid, uint64_t now);
void selftest_prober_gone(struct selftest *t);
/* The calls to ask for now (a bit each, and the test has begun), or 0. */
uint32_t selftest_due(struct selftest *t, uint64_t now);
/* A call as it came: true if it is one of the test's. frame: number of the control frame that will hold it. */
bool selftest_take(struct selftest *t, const struct ht_call *c, uint64_t frame, uint64_t now);
/* Every control frame below this one is synced. */
void selftest_synced(struct selftest *t, uint64_t frames, uint64_t now);
/* Calls whose time is up (a bit each; the test is over), or 0. Without a prober for so long: every one. */
uint32_t selftest_late(struct selftest *t, uint64_t now);

#endif
