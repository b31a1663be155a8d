/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retention.h - what may be removed, and when: the time that counts, minimums that are locked, holds.
 *
 * What is kept how long stands elsewhere: with event data stores (lake/manifest.h), and in the buckets' settings. Here is what
 * nobody may go below. A target is "eventDataStore <id>", "bucket <name>", or "" (a hold on everything).
 *
 *   <dir>/retention.json     locks and holds; replaced as a whole
 *   <dir>/retention.clock    the kept clock (keptclock.h), every minute
 *   <dir>/retention.reserve  space for the record of a removal when the disk is full, which is when it is wanted most
 *
 * A retention.json that cannot be read keeps the store from starting: it must not mean that nothing is locked. One that is
 * missing is made anew from the store's own records in the journal. (Over a cluster all of that is in the ledger: clickhouse/keeping.c.)
 *
 * Errors: 0 or -errno. A change is synced when the call returns. Threads: any, but open, begin and free.
 */
#ifndef HOSTTRAIL_STORE_RETENTION_H
#define HOSTTRAIL_STORE_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RETENTION_DAYS_MIN 7
#define RETENTION_DAYS_MAX 3653
#define RETENTION_PENDING_DAYS 7	/* in which a deleted event data store can be restored */
#define RETENTION_TARGET_MAX 160
#define RETENTION_NAME_MAX 64
#define RETENTION_REASON_MAX 256
#define RETENTION_LOCKS_MAX 256
#define RETENTION_HOLDS_MAX 256
#define RETENTION_WHY_MAX 256
#define RETENTION_DAY_NS (86400 * 1000000000ll)

struct decoded_cache;
struct journal;
struct retention;

/* Until then (ns, kept clock) the target keeps what it has for at least so many days. */
struct retention_lock {
	char target[RETENTION_TARGET_MAX];
	int days;
	int64_t until;
};

/* What happened or came within [from, to] (ns) is not removed from the target. */
struct retention_hold {
	char name[RETENTION_NAME_MAX + 1], target[RETENTION_TARGET_MAX], reason[RETENTION_REASON_MAX + 1], by[129];
	int64_t from, to, placed;
};

/* -EBADMSG: retention.json is damaged; why says it. */
int retention_open(const char *dir, struct retention **ret_r, char why[RETENTION_WHY_MAX]);
/* Where nothing is remembered: rules from the store's own records, and a clock that begins not beyond the wall clock, and not more
 * than a week beyond what the journal holds. */
int retention_begin(struct retention *r, struct journal *j, struct decoded_cache *c);
void retention_free(struct retention **r);		/* NULL-safe */

/* Over a cluster: rules are kept elsewhere, by this function, and come from there, as does the clock, which runs on only while this store leads. */
typedef int (*retention_save_fn)(void *ctx, const char *text, size_t n);
int retention_open_shared(retention_save_fn save, void *ctx, struct retention **ret_r);
/* What is locked and held now (n 0: nothing), and where the clock was (0: it has not begun). -EBADMSG: that are no rules; then those from before hold. */
int retention_take(struct retention *r, const char *text, size_t n, int64_t clock);
/* From where it was taken last on. */
void retention_lead(struct retention *r, bool leads);
bool retention_leads(struct retention *r);

/* Moves the clock on, and writes it down now and then: every second or so. NULL-safe. */
void retention_tick(struct retention *r);
int64_t retention_now(struct retention *r);		/* NULL (tests): the wall clock */
int64_t retention_lag(struct retention *r);		/* how far it is behind the wall clock, ns */

/* The target that an event data store or a bucket is. */
void retention_store_target(const char *id, char ret[RETENTION_TARGET_MAX]);
void retention_bucket_target(const char *name, char ret[RETENTION_TARGET_MAX]);

/* Between them nobody else looks at what is locked and changes what is kept. NULL-safe. */
void retention_change_begin(struct retention *r);
void retention_change_end(struct retention *r);

/* The lock that holds now; false: none. NULL-safe. */
bool retention_locked(struct retention *r, const char *target, struct retention_lock *ret_l);
/* -EPERM: there is a stronger one (more days, or longer); *ret_old is it. -EDQUOT. */
int retention_lock(struct retention *r, const struct retention_lock *l, struct retention_lock *ret_old);

/* Is some of [from, to] of the target held? Holds on everything count. NULL-safe. */
bool retention_held(struct retention *r, const char *target, int64_t from, int64_t to);
/* ... of anything that is proved by the journal: all holds count but those on buckets. */
bool retention_held_journal(struct retention *r, int64_t from, int64_t to);
/* May an event data store that was deleted then (ns) be forgotten? Not for RETENTION_PENDING_DAYS, and not while it is locked or some of it held. */
bool retention_forgets(struct retention *r, const char *store_id, int64_t deleted);
int retention_hold_place(struct retention *r, const struct retention_hold *h);	/* -EEXIST: that name; -EDQUOT */
int retention_hold_release(struct retention *r, const char *name);		/* -ENOENT */
bool retention_hold_find(struct retention *r, const char *name, struct retention_hold *ret_h);

/* In the order in which they were made; fn returns other than 0 to stop. Called on a copy, without the lock. */
int retention_locks(struct retention *r, int (*fn)(void *ctx, const struct retention_lock *l), void *ctx);
int retention_holds(struct retention *r, int (*fn)(void *ctx, const struct retention_hold *h), void *ctx);

/* Says a removal by this function of witness.h, on a full disk with what is reserved for it. Without a witness (tests): 0. */
struct witness;
struct witness_removal;
int retention_say(struct retention *r, struct witness *w, int (*say)(struct witness *w, const struct witness_removal *m),
		  const struct witness_removal *m);

#define _cleanup_retention_ __attribute__((cleanup(retention_free)))

#endif
