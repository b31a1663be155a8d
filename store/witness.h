/* SPDX-License-Identifier: Apache-2.0 */
/*
 * witness.h - the store's own records: it is a host too, with its key, host id, stream and chain. Its frames are kept with
 * all others, through the same code, and are verified like everyone's.
 *
 * A new stream begins with each start of the store; its first frame names the stream before it.
 * Each kind of record is limited to WITNESS_PER_MINUTE a minute, so that a hostile sender cannot fill the journal through
 * us; the next record says how many were held back (`suppressed`).
 *
 * Threads: any. The functions append and sync; they must not be called with the journal's lock held.
 * Errors are logged by the caller's program through witness_failures(): a record of ours that cannot be written
 * must not stop what it is about.
 */
#ifndef HOSTTRAIL_STORE_WITNESS_H
#define HOSTTRAIL_STORE_WITNESS_H

#include "ingest.h"
#include "journal.h"

#define WITNESS_PER_MINUTE 600

struct witness;
struct witness_config {
	const char *dir;		/* holds `witness` (last stream and hash), and host_id and sign.key unless given */
	const char *sign_key;		/* PEM path, or NULL: <dir>/sign.key, made when missing */
	const char *host_id;		/* UUID, or the path of a file that holds one; NULL: <dir>/host_id, made when missing */
	const char *region, *account;
};

/* Reads keys and ids (as root, before privileges are dropped); speaks only after witness_attach().
 * -EINVAL: host_id is neither. */
int witness_open(const struct witness_config *config, struct witness **ret_w);
void witness_attach(struct witness *w, struct keep *k);
void witness_free(struct witness **w);
const struct journal_origin *witness_origin(const struct witness *w);
uint64_t witness_failures(struct witness *w);	/* records that could not be written */
uint64_t witness_records(struct witness *w);

int witness_started(struct witness *w, const char *recovered);	/* recovered: what opening the journal found, or NULL */
int witness_stopped(struct witness *w, const char *reason);

/* What a frame was about. */
struct witness_subject {
	const struct journal_origin *origin;
	const uint8_t *stream;		/* 16 bytes, or NULL: about the host, not about a frame */
	unsigned chain;
	uint64_t number;
};
int witness_chain_broken(struct witness *w, const struct ingest_fault *f);
/* By ingest (signature) and by the tailer (claims). claimed may be NULL. */
int witness_host_mismatch(struct witness *w, const struct witness_subject *s, const char *why, const char *claimed);
struct witness_loss {
	uint64_t first_number, last_number;	/* frames */
	bool counted;			/* records says how many; else nobody knows */
	uint64_t records;
	const char *cause;		/* "missingFrames", "tombstone" */
	const char *detail;		/* the tombstone's own cause, or NULL */
	int64_t first_seen;		/* wall clock ns */
};
int witness_records_lost(struct witness *w, const struct witness_subject *s, const struct witness_loss *l);
/* Frames s->number to last_number came after they had been said to be lost. */
int witness_gap_filled(struct witness *w, const struct witness_subject *s, uint64_t last_number);
/* ahead_ns < 0: the clock runs behind. seen_by: "request" (s names the host only) or "records" (of that frame). */
int witness_clock_skewed(struct witness *w, const struct witness_subject *s, int64_t ahead_ns, const char *seen_by);
/* A call of the store's own API, or several like it. Texts may be NULL. */
struct witness_call {
	const char *source, *name;
	bool read_only, data;		/* data: of category Data, else Management */
	const char *key, *address, *agent, *request_id;
	const char *parameters;		/* JSON object */
	const char *error, *message;
	uint64_t time, first, count;	/* boot-time ns of the last and the first */
};
#define WITNESS_CALLS_MAX 256
/* All in one frame, without a limit a minute. n: 1 to WITNESS_CALLS_MAX. */
int witness_calls(struct witness *w, const struct witness_call *calls, unsigned n);
/* ---- retention: what is removed is said before it goes. -EAGAIN: too many of them this minute; nothing was said, so nothing may go. */
struct witness_removal {
	const char *target;		/* "eventDataStore <id>", "bucket <name>", "journal" */
	const char *object;		/* path or key */
	const char *sha256;		/* of it, hex, or NULL */
	uint64_t files, records, bytes;
	int64_t first, last;		/* event times, seconds; 0: not known */
	const char *from, *to;		/* "segment:offset" of the journal, or NULL */
	const char *reason;		/* retention, deleted */
	int days;			/* that the target keeps */
	const char *note;		/* of the journal only: SHA-256 of what stays of the segment (retention/removed.h) */
};
int witness_segment_removed(struct witness *w, const struct witness_removal *m);
int witness_log_files_removed(struct witness *w, const struct witness_removal *m);
int witness_journal_removed(struct witness *w, const struct witness_removal *m);
/* by: the key that asked, or NULL. until, from, to: ns. */
int witness_retention_changed(struct witness *w, const char *target, int former_days, int days, const char *by);
int witness_retention_locked(struct witness *w, const char *target, int days, int64_t until, const char *by);
struct retention_hold;
int witness_hold_placed(struct witness *w, const struct retention_hold *h);
int witness_hold_released(struct witness *w, const struct retention_hold *h, const char *reason, const char *by);
int witness_journal_damaged(struct witness *w, journal_pos pos, uint64_t n, const char *why, const char *aside);

#define _cleanup_witness_ __attribute__((cleanup(witness_free)))

#endif
