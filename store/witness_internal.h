/* SPDX-License-Identifier: Apache-2.0 */
/* witness_internal.h - between what is said (witness.c) and how it is written (witness_stream.c). */
#ifndef HOSTTRAIL_STORE_WITNESS_INTERNAL_H
#define HOSTTRAIL_STORE_WITNESS_INTERNAL_H

#include <pthread.h>
#include <stdio.h>

#include "proto/keys.h"
#include "proto/ownrecord.h"
#include "proto/record.h"
#include "witness.h"

enum witness_kind {
	WITNESS_STARTED, WITNESS_STOPPED, WITNESS_BROKEN, WITNESS_MISMATCH, WITNESS_LOST, WITNESS_FILLED, WITNESS_SKEWED, WITNESS_DAMAGED,
	WITNESS_REMOVED, WITNESS_LOCKED, WITNESS_HELD,
	WITNESS__MAX
};

struct witness_limit {
	uint64_t minute;		/* boot-time minutes */
	unsigned used;
	uint64_t suppressed;
};

struct witness {
	struct keep *keep;
	char *dir;
	struct sign_key *key;
	struct journal_origin origin;
	struct procfs_self self;
	char machine_id[64], boot_id[64], hostname[256], kernel[256];

	pthread_mutex_t lock;		/* everything below; held from begin to end */
	struct batch *batch;
	uint8_t stream[16], last_hash[32], previous_stream[16], previous_hash[32];
	bool has_previous;
	uint64_t number, seq, failures, records;
	struct witness_limit limits[WITNESS__MAX];
	struct buf frame;
};

/* 0: the record is begun and the lock held until witness_end(); 1: held back by the limit, nothing to do; -errno. */
int witness_begin(struct witness *w, enum witness_kind kind, const struct shape *shape, uint64_t *ret_suppressed);
int witness_end(struct witness *w);

/* The same for a frame of several records: the lock is held, and the batch empty, until witness_frame_end() has written what
 * is in it. r: what went wrong meanwhile, which ends the frame without writing it. */
int witness_frame_begin(struct witness *w);
int witness_frame_end(struct witness *w, int r);

#endif
