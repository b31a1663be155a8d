/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settle.h - every sequence number is settled exactly once: as a record or as lost.
 *
 * One slot per (ring class, CPU). A pass is: settle_observe() for every slot BEFORE the rings' ends are
 * read, settle_seen() for every event, settle_pass_end(). What the kernel numbered below the observed limit and what did
 * not come is lost as soon as the kernel's loss counters account for it, or, when they cannot
 * be compared (after a restart), when it is still missing SETTLE_GRACE later.
 *
 * Frames: settle_seen() notes the number in the open frame of its chain; lost numbers wait until
 * settle_take_lost() puts them into the open control frame, next to the RecordsLost record that says so. So record and
 * settlement are one frame, and a killed agent cannot do half of it.
 *
 * What the probes cut because somebody flooded a ring (SETTLE_FLOOD) is lost to that principal: the tables of
 * bpf/event.h say whose it was, and learn here how much of it frames on disk have settled. Which of the missing numbers was
 * whose is not known: they are shared out in order, so that all sums are right. Pass settle_principals() each ring's table
 * before the first pass.
 *
 * After a restart, settle_load() and settle_found() say what frames on disk have settled;
 * settle_seen() answers 0 for those. Not thread-safe.
 */
#ifndef HOSTTRAIL_SETTLE_H
#define HOSTTRAIL_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "lib/buf.h"
#include "proto/frame.h"

#define SETTLE_GRACE (40 * 1000000ull)		/* ns */
#define SETTLE_PATIENCE (1000 * 1000000ull)	/* ns: counters that never add up are not waited for longer */
#define SETTLE_SPARE 40				/* ranges of a frame that records leave to losses and own records */

enum settle_cause {
	SETTLE_RING_FULL = HT_CAUSE_RING_FULL,
	SETTLE_SCRATCH = HT_CAUSE_SCRATCH,
	SETTLE_STORAGE = HT_CAUSE_STORAGE,
	SETTLE_FLOOD = HT_CAUSE_FLOOD,
	SETTLE_MALFORMED,			/* the entry's bytes made no sense */
	SETTLE_DISK_FULL,			/* its frame could not be written */
	SETTLE_BAD_SEGMENT,			/* its frame was in a segment that was set aside */
	SETTLE_UNEXPLAINED,			/* missing, and no counter says why */
	SETTLE__MAX,
};
const char *settle_cause_name(enum settle_cause cause);		/* "ringFull", ...; NULL out of range */

struct settle;

int settle_new(unsigned ncpu, struct settle **ret_s);
void settle_free(struct settle **s);

/* The tables of a ring that the CPUs from first to last write to; they outlive s. 0, -EINVAL or -ENOMEM. */
int settle_principals(struct settle *s, unsigned class, unsigned first_cpu, unsigned last_cpu, const struct ht_principals *table,
		      struct ht_settled *settled);

/* ---- restart */
/* A frame that is on disk. */
int settle_found(struct settle *s, const struct frame_header *h);
/* A frame of a segment that was set aside before it was acknowledged: its numbers become lost, cause BAD_SEGMENT.
 * After settle_load() and every settle_found(). */
int settle_lost_frame(struct settle *s, const struct frame_header *h);
/* State as bytes; load: 0 or -EBADMSG (nothing changed). */
int settle_save(const struct settle *s, struct buf *out);
int settle_load(struct settle *s, const void *p, size_t n);
/* Of this class's and CPU's numbers below limit, how many no frame on disk has settled. */
uint64_t settle_open_below(const struct settle *s, unsigned class, unsigned cpu, uint64_t limit);

/* ---- a pass */
void settle_observe(struct settle *s, unsigned class, unsigned cpu, const volatile struct ht_counters *c);
/* 1: new, make a record; 0: settled already, skip; -EINVAL: no such class or CPU. Changes nothing. */
int settle_check(const struct settle *s, unsigned class, unsigned cpu, uint64_t seq);
/* The same, and a new number is noted as recorded in the open frame. Also -ENOMEM, -ENOSPC (settle_frame_full()
 * was not asked). */
int settle_seen(struct settle *s, unsigned class, unsigned cpu, uint64_t seq);
/* As settle_seen(), but nobody selected it: it is settled by the frame, and neither a record nor lost. */
int settle_filtered(struct settle *s, unsigned class, unsigned cpu, uint64_t seq);
/* An entry that cannot be a record. Same answers. */
int settle_malformed(struct settle *s, unsigned class, unsigned cpu, uint64_t seq);
int settle_pass_end(struct settle *s, uint64_t now);
/* Numbers observed that are neither seen nor lost yet: 0 when all is accounted for. */
uint64_t settle_unsettled(const struct settle *s);
/* Nobody will read the rings again: those are lost, in a pass or behind it. 0 or -ENOMEM. */
int settle_give_up(struct settle *s);

/* ---- numbers that are given here: own records (class 15) and calls inside TLS */
uint64_t settle_user_seq(struct settle *s);	/* takes the next number, notes it in the open control frame */
/* The next number of a call inside TLS, noted in the open tls frame: these are numbered here, in class 3 with a CPU that none is. */
#define SETTLE_TLS_CPU 4095
uint64_t settle_tls_seq(struct settle *s);
void settle_user_ahead(struct settle *s, uint64_t seq);	/* the next one is at least this: earlier ones may be used, unknown to us */

/* ---- losses */
struct settle_principal {		/* whose loss */
	bool known;			/* else: of those that found no slot in the table */
	uint64_t cgroup_id;
	uint32_t uid;
	uint16_t call;			/* descriptor index; 0: any */
};

struct settle_report {
	uint8_t ring_class, cause;
	uint16_t cpu;
	uint64_t count, first_seq, last_seq;	/* count 0: all of them were filtered */
	uint64_t first_time, last_time;		/* boot-time ns; 0 unknown */
	int who;				/* its slot in the table */
	struct settle_principal principal;	/* cause SETTLE_FLOOD only */
};
bool settle_has_lost(const struct settle *s);
/* Moves waiting losses into the open control frame while ranges are left. How many reports (at most max). */
unsigned settle_take_lost(struct settle *s, struct settle_report *reports, unsigned max);
uint64_t settle_lost_total(const struct settle *s);	/* since settle_new(), waiting ones too */
uint64_t settle_lost_of(const struct settle *s, unsigned ring_class);

/* ---- frames */
/* The open frame may have no range left for the next number: close it. */
bool settle_frame_full(const struct settle *s, unsigned chain);
bool settle_frame_empty(const struct settle *s, unsigned chain);
/* Ranges of the chain's open frame, sorted and joined, into the header. */
uint64_t settle_frame_filtered(const struct settle *s, unsigned chain);	/* numbers in it that were filtered */
void settle_frame_ranges(struct settle *s, unsigned chain, struct frame_header *h);
/* The open frame was appended; the next one is open and empty. */
int settle_frame_done(struct settle *s, unsigned chain);
/* It could not be written: what it held waits as lost. */
int settle_frame_failed(struct settle *s, unsigned chain);

#endif
