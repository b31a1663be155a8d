/* SPDX-License-Identifier: Apache-2.0 */
/*
 * removed.h - what stays of a segment of the journal that is removed: how much it held, and the last frame of each chain in it, so
 * that the frames behind it still prove to follow. As text, a line for the segment and one for each chain.
 */
#ifndef HOSTTRAIL_STORE_RETENTION_REMOVED_H
#define HOSTTRAIL_STORE_RETENTION_REMOVED_H

#include <uthash.h>

#include "store/journal.h"

struct removed_key {
	char host_id[64];
	uint8_t stream[16];
	uint32_t chain;
};

struct removed_head {
	struct removed_key key;
	uint64_t number;		/* of the last frame of its main branch */
	uint8_t hash[32];
	bool own;			/* the store's */
	UT_hash_handle hh;
};

struct removed_segment {
	uint32_t segment;
	uint64_t bytes, frames, records;
	int64_t first, last;		/* received, ns */
	int64_t oldest, newest;		/* happened or came, ns */
	struct removed_head *heads;
};

/* Looks through a segment of the journal. */
int removed_make(struct journal *j, uint32_t segment, struct removed_segment **ret_s);
void removed_free(struct removed_segment **s);		/* NULL-safe */
int removed_write(struct removed_segment *s, struct buf *out);
/* -EBADMSG: that is not what removed_write() writes. */
int removed_read(uint32_t segment, const char *text, size_t n, struct removed_segment **ret_s);

#define _cleanup_removed_ __attribute__((cleanup(removed_free)))

#endif
