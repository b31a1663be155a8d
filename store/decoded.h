/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decoded.h - frames of the journal, decoded, and a cache of them bounded in bytes.
 *
 * Whether a frame's records count is decided here, once for all who ask: the batch must claim the host, account
 * and region that the sender's certificate binds, and the header must say how many records there are. What fails is
 * set aside: it stays in the journal as evidence and appears in no answer.
 *
 * Ownership: get and make return a reference; release it. Threads: cache functions by any thread; a decoded frame's
 * reader is for one thread at a time: hold decoded_lock() while it or texts borrowed from it are used.
 */
#ifndef HOSTTRAIL_STORE_DECODED_H
#define HOSTTRAIL_STORE_DECODED_H

#include <errno.h>
#include <pthread.h>

#include <uthash.h>

#include "journal.h"
#include "proto/recordread.h"

enum decoded_state {
	DECODED_RECORDS,	/* reader is there */
	DECODED_TOMBSTONE,
	DECODED_MISMATCH,	/* claims what the certificate does not bind; reader is there, for its Host only */
	DECODED_MALFORMED,	/* why says what */
};

struct decoded {
	journal_pos pos, next;
	enum decoded_state state;
	const char *why;		/* static text */
	int64_t received;
	uint16_t flags;
	struct journal_origin origin;
	uint8_t chain;
	uint64_t number;
	struct reader *reader;
	unsigned records;		/* 0 unless DECODED_RECORDS */
	struct {			/* DECODED_TOMBSTONE */
		uint64_t first, last, records;
		char cause[64];
	} tombstone;

	struct buf raw;
	size_t cost;
	pthread_mutex_t lock;
	unsigned refs;			/* the cache's lock */
	bool cached;
	UT_hash_handle hh;
};

struct decoded_cache;

int decoded_cache_new(size_t max_bytes, struct decoded_cache **ret_c);
void decoded_cache_free(struct decoded_cache **c);
/* Decodes an entry (its header must be set) and offers it to the cache. -ENOMEM. */
int decoded_make(struct decoded_cache *c, const struct journal_entry *e, struct decoded **ret_d);
/* From the cache, or read from the journal. -ENOENT, -EBADMSG (damaged), -ENOMEM. */
int decoded_get(struct decoded_cache *c, struct journal *j, journal_pos pos, struct decoded **ret_d);
/* Such a frame is set aside for good; any other error may be over in a moment, and nothing may be left out for it. */
static inline bool decoded_is_lost(int r)
{
	return r == -ENOENT || r == -EBADMSG || r == -EIO;
}
/* Past the cache; share == false: this copy is nobody else's, so that its lock can be taken while another frame's is held. */
int decoded_read(struct decoded_cache *c, struct journal *j, journal_pos pos, bool share, struct decoded **ret_d);
void decoded_release(struct decoded_cache *c, struct decoded *d);	/* NULL-safe */
void decoded_lock(struct decoded *d);
void decoded_unlock(struct decoded *d);
void decoded_cache_stats(struct decoded_cache *c, uint64_t *ret_bytes, uint64_t *ret_hits, uint64_t *ret_misses);

#endif
