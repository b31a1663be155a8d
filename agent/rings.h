/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rings.h - reads the BPF ring buffers in place, without privilege, from descriptors.
 *
 * Unlike libbpf's reader, an entry stays in the ring after it was read: the consumer position
 * moves only at rings_commit(), after the frame that settles the entries is on disk. So a
 * killed reader loses nothing; the next one reads the entries again.
 * Entries of one class come merged by time over its rings. Bytes are hostile: an entry whose length or kind
 * is wrong is skipped and counted. Not thread-safe.
 */
#ifndef HOSTTRAIL_RINGS_H
#define HOSTTRAIL_RINGS_H

#include "probes.h"

struct rings;

int rings_open(const struct probes_fds *fds, struct rings **ret_r);
/* The same over images in memory (replay in bench and tests): one ring per class, data as the kernel lays it. */
int rings_open_image(const void *const image[HT_CLASS__MAX], const uint64_t bytes[HT_CLASS__MAX], struct rings **ret_r);
void rings_free(struct rings **r);
int rings_epoll_fd(const struct rings *r);
/* Tells the probes that the reader is about to sleep: the next event wakes it. False: there is something to read. */
bool rings_arm(struct rings *r);
void rings_new_epoch(struct rings *r);		/* identities will be sent again */

/* Freezes what is readable now in every ring. Take the classes in the order data, tls, then control and process
 * is NOT needed: snapshot() reads data's end first and process's last, so that the exec before any event in
 * the snapshot is in it too. */
void rings_snapshot(struct rings *r);
/* Next entry of the class within the snapshot, NULL at its end. Valid until rings_commit(). *ret_n its bytes (>= header). */
const struct ht_event *rings_next(struct rings *r, unsigned class, uint32_t *ret_n);
/* A mark of how far the class was read; commit up to a mark frees the ring's space. */
struct rings_mark { uint64_t pos[HT_GROUPS_MAX]; };
void rings_mark(const struct rings *r, unsigned class, struct rings_mark *ret_m);
void rings_commit(struct rings *r, unsigned class, const struct rings_mark *m);
/* Bytes waiting, of capacity. */
void rings_fill(const struct rings *r, unsigned class, uint64_t *ret_used, uint64_t *ret_size);
/* How full a ring of the class was at most when this reader came to it, in percent. */
unsigned rings_fullest(const struct rings *r, unsigned class);
/* The most bytes that waited in one of the class's rings at such a moment. */
uint64_t rings_most(const struct rings *r, unsigned class);
uint64_t rings_malformed(const struct rings *r);

/* Counters as the probes see them now (volatile reads). NULL outside range. */
const volatile struct ht_counters *rings_counters(const struct rings *r, unsigned class, unsigned cpu);
/* Who fills the ring of a class and group (bpf/event.h), and what of their losses is on disk. NULL outside range, and for an image. */
const struct ht_principals *rings_principals(const struct rings *r, unsigned class, unsigned group);
struct ht_settled *rings_settled(const struct rings *r, unsigned class, unsigned group);
unsigned rings_ngroups(const struct rings *r);
unsigned rings_group_of(const struct rings *r, unsigned cpu);	/* the group that a CPU's entries go to */
/* How much of a program's recursion misses RecordsLost say already; kept where a killed reader's successor finds it. */
uint64_t rings_missed_said(const struct rings *r, unsigned program);
void rings_missed_say(struct rings *r, unsigned program, uint64_t count);
unsigned rings_ncpu(const struct rings *r);
/* Calls that the kernel merged, of a class; and how many of all wait for the parent to have them sent (probes_flush()). */
uint64_t rings_merged(const struct rings *r, unsigned class);
uint64_t rings_merged_waiting(const struct rings *r);
uint64_t rings_marked_tasks(const struct rings *r);	/* tree scope: marked tasks alive */
uint64_t rings_ops_waiting(const struct rings *r);	/* io_uring operations that are recorded when they end */

#endif
