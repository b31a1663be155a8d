/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger.h - what the store remembers of trails: <dir>/trails.db, SQLite, every change synced before it returns.
 *
 *   trails    as CreateTrail and its companions made them, and how their delivery goes
 *   spans     from StartLogging to StopLogging: stretches of the journal, and how far each is delivered
 *   logs      files, with their bytes from the moment they are decided on until they are at the bucket
 *   chains    of digests, one for each account and region of a span
 *   digests   likewise; never forgotten
 *   keys      that sign digests; never forgotten
 *   stretches of the journal, with the selectors by which they were delivered; never forgotten, so that it can be told what is missing
 *
 * A file is decided on (name, bytes, and the place behind it) in one transaction, before the bucket sees it: after a kill
 * the very same file is delivered again, and nothing else from these records.
 *
 * Ownership: texts in the structs below are arrays. Errors: 0 or -errno; -ENOENT: there is none. Threads: any, a lock
 * inside.
 */
#ifndef HOSTTRAIL_STORE_LEDGER_H
#define HOSTTRAIL_STORE_LEDGER_H

#include "layout.h"
#include "store/definitions.h"
#include "store/index.h"

#define LEDGER_TRAILS_MAX 32
#define LEDGER_ERROR_MAX 256
#define LEDGER_ARN_MAX 512
#define LEDGER_TAGS_MAX 50

struct ledger;

struct trail {
	int64_t id;
	char name[LAYOUT_NAME_MAX + 1], bucket[64], prefix[LAYOUT_PREFIX_MAX + 1], kms_key[2049];
	bool multi_region, global_events, validation, deleted;
	bool logging;
	/* wall clock ns, 0: never */
	int64_t started, stopped, delivered, attempted, digested;
	char delivery_error[LEDGER_ERROR_MAX], digest_error[LEDGER_ERROR_MAX];
	/* CloudWatch Logs: "" if it delivers nowhere there */
	char group_arn[LEDGER_ARN_MAX], role_arn[LEDGER_ARN_MAX], feed_error[LEDGER_ERROR_MAX];
	int64_t fed;
};

/* How far a trail has delivered to its log group. */
struct feed {
	struct index_place place;
	journal_pos stop;		/* 0: goes on */
};

struct span {
	int64_t id, trail;
	struct index_place place;	/* everything before it is decided on */
	journal_pos stop;		/* 0: goes on */
	int64_t begun, ended;		/* wall clock ns; 0: goes on */
};

struct log_row {
	int64_t id, trail, span;
	char account[32], region[64], bucket[64], key[LAYOUT_KEY_MAX], hash[65];
	int64_t oldest, newest, planned, delivered;	/* wall clock ns */
	uint64_t records;
	struct buf body;		/* until it is delivered */
};

struct chain_row {
	int64_t id, span, trail;
	char account[32], region[64];
	int64_t until;			/* seconds: end of its last digest, or where it began */
	int64_t last;			/* digest's id, 0: none yet */
};

struct digest_row {
	int64_t id, chain, trail;
	char account[32], region[64], bucket[64], key[LAYOUT_KEY_MAX], hash[65], fingerprint[33], signature[513];
	int64_t begin, end;		/* seconds */
	int64_t delivered;		/* wall clock ns */
	int64_t removed;		/* likewise; 0: not for its age. It and its log files may be gone from then on */
	struct buf body;		/* until it is delivered */
};

struct key_row {
	char fingerprint[33];
	uint8_t der[600];
	unsigned der_len;
	int64_t from, to;		/* seconds */
};

#define STRETCH_OPEN INT64_MAX

struct stretch_row {
	int64_t id, trail, span;
	struct index_place from, to;	/* to: where it ends, or up to where all is delivered */
	bool multi_region, validation;
	struct buf selectors;		/* text; only when listed */
};

/* A damaged database is set aside, and said: that trails must be made again is no reason to take in no records. */
int ledger_open(const char *dir, struct ledger **ret_l);
/* A shared one is in memory, and what changes in it is a change only when `ship` has kept it elsewhere (ledger_shared.c): p is
 * what ledger_apply() takes. Called with the ledger locked; other than 0: the transaction did not happen. */
typedef int (*ledger_ship_fn)(void *ctx, const void *p, size_t n);
int ledger_open_shared(ledger_ship_fn ship, void *ctx, struct ledger **ret_l);
int ledger_load(struct ledger *l, const void *image, size_t n);	/* instead of what it holds; n 0: nothing */
int ledger_apply(struct ledger *l, const void *p, size_t n);	/* in their order. -EBADMSG: it does not fit to what is there */
int ledger_image(struct ledger *l, struct buf *ret);		/* appended */
void ledger_free(struct ledger **l);		/* NULL-safe */

/* ---- trails. Calls with a name find those that are not deleted. */
int ledger_trail_add(struct ledger *l, const struct trail *t);			/* -EEXIST, -EDQUOT: too many */
int ledger_trail_find(struct ledger *l, const char *name, struct trail *ret_t);
int ledger_trail_get(struct ledger *l, int64_t id, struct trail *ret_t);	/* deleted ones too */
int ledger_trail_set(struct ledger *l, const struct trail *t);			/* what UpdateTrail may change */
int ledger_trail_selectors(struct ledger *l, int64_t id, struct buf *ret);	/* appended; nothing: none were put */
int ledger_trail_select(struct ledger *l, int64_t id, const char *text);
int ledger_trail_delete(struct ledger *l, int64_t id, int64_t now, journal_pos end);	/* its span ends; it goes when that is done */
typedef int (*ledger_trail_fn)(void *ctx, const struct trail *t);		/* without the lock held */
int ledger_trails(struct ledger *l, bool deleted, ledger_trail_fn fn, void *ctx);
/* Tags; -EDQUOT: there are LEDGER_TAGS_MAX. */
int ledger_tag(struct ledger *l, int64_t trail, const char *key, const char *value);
int ledger_untag(struct ledger *l, int64_t trail, const char *key);
typedef int (*ledger_tag_fn)(void *ctx, const char *key, const char *value);
int ledger_tags(struct ledger *l, int64_t trail, ledger_tag_fn fn, void *ctx);	/* in the order of their keys */
/* An attempt failed. That one went well is told by what was delivered (ledger_log_delivered(), ledger_digest_delivered()). */
int ledger_trail_delivery(struct ledger *l, int64_t id, int64_t now, const char *error);
int ledger_trail_digest(struct ledger *l, int64_t id, int64_t now, const char *error);

/* ---- CloudWatch Logs. Events come at least once: the place is noted after each batch. */
int ledger_feed(struct ledger *l, int64_t trail, struct feed *ret_f);	/* -ENOENT: it has no log group, or does not log */
/* Where the trail logs and has just got its log group, or another: from here. */
int ledger_feed_begin(struct ledger *l, int64_t trail, journal_pos at);
int ledger_feed_at(struct ledger *l, int64_t trail, const struct index_place *place);
int ledger_trail_fed(struct ledger *l, int64_t id, int64_t now, const char *error);

/* ---- webhooks: how far each is; one that is new begins at `at`. */
int ledger_hook(struct ledger *l, const char *name, journal_pos at, struct index_place *ret_place);
int ledger_hook_at(struct ledger *l, const char *name, const struct index_place *place);

/* ---- spans */
int ledger_start(struct ledger *l, int64_t trail, int64_t now, journal_pos at);
int ledger_stop(struct ledger *l, int64_t trail, int64_t now, journal_pos at);
int ledger_span(struct ledger *l, int64_t trail, struct span *ret_s);	/* the oldest that is not done */
int ledger_span_at(struct ledger *l, int64_t span, const struct index_place *place);	/* nothing selected before it */
int ledger_span_done(struct ledger *l, const struct span *s);		/* and a deleted trail, with its last span */

/* ---- stretches */
/* From s->from on these selectors hold; nothing if that is said. */
int ledger_stretch(struct ledger *l, const struct stretch_row *s, const char *selectors);
typedef int (*ledger_stretch_fn)(void *ctx, const struct stretch_row *s);
/* Oldest first. One of which nothing is delivered yet does not end behind where it begins. */
int ledger_stretches(struct ledger *l, ledger_stretch_fn fn, void *ctx);
/* The oldest place that a span or a log group goes on from; UINT64_MAX: none does. */
int ledger_needs(struct ledger *l, journal_pos *ret_pos);

/* ---- arrivals: of shared ledgers. Frames that have no order of their own are given one, a batch at a time. */
struct arrival {
	journal_pos pos;		/* of the first frame; the others follow */
	unsigned frames;
	uint64_t batch;
	uint16_t day;			/* of the batch's rows */
	int64_t received;		/* of its youngest frame */
	struct buf keys;		/* 8 bytes for each frame, little endian */
};
/* All of them, behind all others; sets their positions. since: what was received before it does not count; kept from the first time on. */
int ledger_arrive(struct ledger *l, struct arrival *v, unsigned n, int64_t since);
/* end: behind the last frame; since: 0: nothing arrived ever. */
int ledger_arrived(struct ledger *l, journal_pos *ret_end, int64_t *ret_since);
bool ledger_has_batch(struct ledger *l, uint64_t batch);	/* an error: it may */
/* From the one that holds `from` on. fn returns 1 to stop. */
typedef int (*ledger_arrival_fn)(void *ctx, const struct arrival *a);
int ledger_arrivals(struct ledger *l, journal_pos from, ledger_arrival_fn fn, void *ctx);
int ledger_arrivals_since(struct ledger *l, int64_t received, ledger_arrival_fn fn, void *ctx);
/* Where the oldest frame is behind which all have their keys. */
int ledger_arrivals_oldest(struct ledger *l, journal_pos *ret_pos);
/* Keys before `needed`, and before the first arrival that was received since `keys_before`, and whole rows before `before`, go. */
int ledger_arrivals_trim(struct ledger *l, journal_pos needed, int64_t keys_before, int64_t before);

/* ---- event data stores: of shared ledgers. Names are unique. */
int ledger_definition_get(struct ledger *l, const char *id, struct event_store *ret_e, struct buf *ret_selectors);
int ledger_definition_find(struct ledger *l, const char *name, struct event_store *ret_e);
/* The built-in one first, if it was ever changed; the others in the order in which they were made. With the ledger locked. */
int ledger_definitions(struct ledger *l, definition_fn fn, void *ctx);
int ledger_definition_add(struct ledger *l, const struct event_store *e, const char *selectors);	/* -EEXIST, -EDQUOT */
int ledger_definition_change(struct ledger *l, const struct event_store *e, const char *selectors);	/* NULL: those that it has */
int ledger_definition_forget(struct ledger *l, const char *id);

/* ---- days of a shared ledger's cluster that are removed */
struct removed_day {
	unsigned day;			/* since the epoch */
	uint64_t frames, records, bytes;
	int64_t first, last;		/* received, ns */
	int64_t oldest, newest;		/* happened or came, ns */
	bool done;			/* it is gone */
};
/* A chain's last frame in what was removed. */
struct removed_last {
	char host[64], stream[33], hash[65];
	unsigned chain;
	uint64_t number;
	bool goes_on;			/* there are frames behind it */
};
/* It is to go, and these stay of it; at once. */
int ledger_day_remove(struct ledger *l, const struct removed_day *d, const struct removed_last *heads, size_t n);
int ledger_day_done(struct ledger *l, unsigned day);
/* Oldest first; fn returns other than 0 to stop. With the ledger locked. */
typedef int (*removed_day_fn)(void *ctx, const struct removed_day *d);
int ledger_days_removed(struct ledger *l, int64_t after, removed_day_fn fn, void *ctx);
typedef int (*removed_last_fn)(void *ctx, const struct removed_last *h);
int ledger_removed_lasts(struct ledger *l, removed_last_fn fn, void *ctx);	/* likewise */
/* Whether a trail or log group has not delivered all of it. An error: it may. */
bool ledger_day_wanted(struct ledger *l, unsigned day);

/* ---- texts of shared ledgers, by their names; one that was never put is empty */
int ledger_text(struct ledger *l, const char *name, struct buf *ret);	/* appended */
int ledger_text_put(struct ledger *l, const char *name, const char *text);

/* ---- log files */
/* All of them, and the place behind their records, at once. */
int ledger_logs_plan(struct ledger *l, int64_t span, const struct index_place *place, const struct log_row *v, unsigned n);
int ledger_log_next(struct ledger *l, int64_t trail, struct log_row *ret_r);	/* one to be delivered, with its bytes */
/* digest false: no digest will name it, and its place in the bucket is noted. */
int ledger_log_delivered(struct ledger *l, const struct log_row *row, int64_t now, bool digest, const char *prefix);
typedef int (*ledger_log_fn)(void *ctx, const struct log_row *r);
/* All that no digest at its bucket names yet, delivered or not. */
int ledger_logs_open(struct ledger *l, ledger_log_fn fn, void *ctx);
/* Buckets and prefixes under which files lie that no digest names. */
typedef int (*ledger_loose_fn)(void *ctx, const char *bucket, const char *prefix);
int ledger_loose(struct ledger *l, ledger_loose_fn fn, void *ctx);
/* Those delivered before `before` (ns) that no digest names yet, in order. */
int ledger_logs_due(struct ledger *l, const struct chain_row *c, int64_t before, ledger_log_fn fn, void *ctx);

/* ---- digests */
int ledger_chain_open(struct ledger *l, const struct span *s, const char *account, const char *region, int64_t from);
/* No digests any more: the next ones of it begin new chains, files that wait for one get none. */
int ledger_chains_close(struct ledger *l, int64_t span, const char *prefix);
/* Accounts and regions of a span's files that have no chain yet get one. */
int ledger_chains_fill(struct ledger *l, const struct span *s, int64_t from);
typedef int (*ledger_chain_fn)(void *ctx, const struct chain_row *c);
int ledger_chains(struct ledger *l, int64_t span, ledger_chain_fn fn, void *ctx);
/* The latest end of any digest of this account and region, 0: there is none. Names must not repeat. */
int ledger_digest_latest(struct ledger *l, const char *account, const char *region, int64_t *ret_end);
int ledger_digest_get(struct ledger *l, int64_t id, struct digest_row *ret_r);	/* body too, if there is one */
/* Kept, its log files marked, the chain moved to it: at once. */
int ledger_digest_plan(struct ledger *l, const struct digest_row *r, int64_t before);
int ledger_digest_next(struct ledger *l, int64_t trail, struct digest_row *ret_r);
int ledger_digest_delivered(struct ledger *l, int64_t id, int64_t now);
typedef int (*ledger_digest_fn)(void *ctx, const struct digest_row *r);
/* Of a trail, or of all that ever were: 0. */
int ledger_digests(struct ledger *l, int64_t trail, int64_t after, unsigned max, ledger_digest_fn fn, void *ctx);
/* The next one of a bucket (behind `after`) that ended before `end` and is not removed. */
int ledger_digest_aged(struct ledger *l, const char *bucket, int64_t after, int64_t end, struct digest_row *ret_r);
int ledger_digest_removed(struct ledger *l, int64_t id, int64_t now);
/* Whether the ledger knows of a file: one that waits for its digest, or a digest that is not removed. An error: it may. */
bool ledger_knows(struct ledger *l, const char *bucket, const char *key);

/* ---- keys */
int ledger_key_add(struct ledger *l, const struct key_row *k);
typedef int (*ledger_key_fn)(void *ctx, const struct key_row *k);
int ledger_keys(struct ledger *l, int64_t from, int64_t to, ledger_key_fn fn, void *ctx);

#endif
