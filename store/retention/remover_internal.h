/* SPDX-License-Identifier: Apache-2.0 */
/* remover_internal.h - the remover's thread and its steps. */
#ifndef HOSTTRAIL_STORE_RETENTION_REMOVER_INTERNAL_H
#define HOSTTRAIL_STORE_RETENTION_REMOVER_INTERNAL_H

#include <pthread.h>

#include "remover.h"
#include "retention.h"

struct bucket;

struct remover {
	struct store *st;
	pthread_t thread;
	struct removed_segment *oldest;	/* of the journal, once it was looked at */
	pthread_mutex_t lock;		/* everything below */
	pthread_cond_t changed;		/* of CLOCK_MONOTONIC */
	bool woken, stop;
};

bool remover_stopping(struct remover *r);

/* One bucket's files before this time (seconds). */
struct aged {
	struct remover *r;
	const struct bucket *bucket;
	char target[RETENTION_TARGET_MAX];
	int64_t before;
	bool left;			/* something that is past stays: it is held, or was not delivered */
};
/* Digests, oldest first, each with the log files that it names. 0 or -errno */
int aged_digests(struct aged *a);
/* Log files and digests that nothing names any more. */
int aged_loose(struct aged *a);

/* Segments of the journal that nothing needs any more, oldest first. 0 or -errno */
int trim_journal(struct remover *r);

#endif
