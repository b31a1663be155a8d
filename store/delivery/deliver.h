/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver.h - the trails at work: one thread for each (and one more if it has a log group, and one for each webhook) takes the records that its selectors want from the journal, in order,
 * writes log files to its bucket, and digests over them.
 *
 * A record is delivered once it is indexed, within `interval` of its arrival or when `size` bytes are together; what is
 * decided on stands in the ledger (ledger.h says why a kill repeats and loses nothing). A bucket that fails holds its own trail up and
 * no other: it is tried again, first after a quarter of a second, at last every minute, and GetTrailStatus says why.
 *
 * Bounds: for each trail one file's compressed bytes in memory, and one more in the ledger.
 * Threads: delivery_changed() and the getters by any; the rest by one.
 */
#ifndef HOSTTRAIL_STORE_DELIVER_H
#define HOSTTRAIL_STORE_DELIVER_H

#include "bucket.h"
#include "ledger.h"
#include "store/store.h"

struct delivery;

struct delivery_config {
	const char *dir;		/* of the ledger and the keys */
	int64_t interval_ms, digest_ms, key_ms;	/* a file's longest wait; a digest's period; a signing key's life */
	uint64_t size;			/* of a file, uncompressed */
	ledger_ship_fn ship;		/* NULL: the ledger is a file in dir; else it is a shared one */
	void *ship_ctx;
};

/* Takes buckets, groups and webhooks over, also when it fails. NULL: there are none. */
int delivery_new(struct store *st, const struct delivery_config *config, struct buckets *buckets, struct buckets *groups,
		 struct buckets *hooks, struct delivery **ret_d);
int delivery_start(struct delivery *d);
void delivery_stop(struct delivery *d);		/* ends the threads; questions are still answered, and it may start again. NULL-safe */
void delivery_end(struct delivery *d);		/* for the store's end: what is being fetched from endpoints ends, too. NULL-safe */
void delivery_free(struct delivery **d);

struct ledger *delivery_ledger(const struct delivery *d);
const struct buckets *delivery_buckets(const struct delivery *d);
/* The log group that an ARN names, if the settings name it, too. */
const struct bucket *delivery_group(const struct delivery *d, const char *arn);
const struct store *delivery_store(const struct delivery *d);
const char *delivery_dir(const struct delivery *d);
int64_t delivery_digest_seconds(const struct delivery *d);	/* at least 1 */
int64_t delivery_key_seconds(const struct delivery *d);
struct delivery_counts {
	uint64_t files, records, digests, failures;	/* since the start */
	unsigned failing;		/* trails that are held up now */
};
void delivery_counts(struct delivery *d, struct delivery_counts *ret_c);
/* What lies before this place in the journal is delivered everywhere, as far as it is wanted. */
int delivery_needs(struct delivery *d, journal_pos *ret_pos);
/* A trail was made, or something about it is new. */
void delivery_changed(struct delivery *d, int64_t trail);

#endif
