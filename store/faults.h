/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.h - what ingest noticed, on its way to the store's own records; and gaps that wait.
 *
 * Ingest's keeper must not wait for the disk: it leaves a copy here, the tailer says it. The queue is bounded;
 * what does not fit is counted and said with the next.
 *
 * A gap is not a loss yet: its frames may still come, or a tombstone may say that the agent gave them up. It waits
 * FAULTS_GAP_SECONDS; then one RecordsLost says it. Frames that come even later are said by GapFilled.
 * Gaps are kept in <dir>/gaps across restarts, with the journal position up to which all faults are dealt with: what a
 * kill took from the queue is found again while the chains are read back (faults_upto()).
 *
 * Threads: push by any; the rest by the tailer.
 */
#ifndef HOSTTRAIL_STORE_FAULTS_H
#define HOSTTRAIL_STORE_FAULTS_H

#include "ingest.h"
#include "witness.h"

#define FAULTS_QUEUE_MAX 1024
#define FAULTS_GAPS_MAX 4096
#define FAULTS_GAP_SECONDS 60

enum fault_kind { FAULT_CHAIN_BROKEN, FAULT_HOST_MISMATCH, FAULT_GAP, FAULT_FILLED };

struct faults;

int faults_open(const char *dir, struct witness *w, unsigned gap_seconds, struct faults **ret_f);
void faults_free(struct faults **f);
void faults_push(struct faults *f, enum fault_kind kind, const struct ingest_fault *fault);
/* Says what is queued, and which gaps have waited long enough. Returns how many losses were said. */
unsigned faults_work(struct faults *f, int64_t now_ns);
/* How many sequence numbers the frames [first, last] must have settled, as the frames around them tell. */
void faults_count_gap(struct faults *f, const struct witness_subject *s, uint64_t first, uint64_t last, uint64_t records);
/* A tombstone explains [first, last]. True: nothing of it was said before, so that the tombstone is to be said. */
bool faults_explain(struct faults *f, const struct witness_subject *s, uint64_t first, uint64_t last);
/* Faults of frames at or behind this place may not have been dealt with. Before the tailer runs. */
journal_pos faults_upto(const struct faults *f);
uint64_t faults_pending(struct faults *f);
uint64_t faults_dropped(struct faults *f);

#endif
