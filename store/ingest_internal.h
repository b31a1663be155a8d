/* SPDX-License-Identifier: Apache-2.0 */
/* ingest_internal.h - shared by ingest.c (threads, replies), ingest_frame.c (one frame) and ingest_metrics.c. */
#ifndef HOSTTRAIL_STORE_INGEST_INTERNAL_H
#define HOSTTRAIL_STORE_INGEST_INTERNAL_H

#include <pthread.h>

#include "ingest.h"
#include "lib/buf.h"
#include "proto/shipmsg.h"

/* A reply that waits until appends up to `ticket` are synced. */
struct waiting {
	struct grpc_call *call;		/* NULL: it was refused, and waits for what it asked */
	uint64_t ticket;
	bool urgent;			/* not an acknowledgement: never withheld */
	bool asks;			/* for heads, which are the reply */
	struct buf reply;
	struct keep_heads heads;
	struct waiting *prev, *next;
};

struct ingest {
	struct keep *keep;
	struct ingest_events events;
	void *ctx;
	struct grpc_server *server;
	uint64_t metrics[INGEST_METRIC__MAX];	/* atomic */
	pthread_t network, syncer;
	int wake;				/* eventfd: synced, or stop */
	struct waiting *waiting;		/* network thread only */
	bool held;
	/* under lock */
	pthread_mutex_t lock;
	pthread_cond_t work;
	uint64_t appended, synced;		/* tickets: counts of appends */
	bool stop;
};

static inline void ingest_count(struct ingest *i, enum ingest_metric m, uint64_t n)
{
	__atomic_add_fetch(&i->metrics[m], n, __ATOMIC_RELAXED);
}

/* Judges and stores one frame. *ret_why: for people, unless stored; text is the caller's buffer for it. */
enum ship_status ingest_frame(struct ingest *i, const struct journal_origin *origin, const uint8_t *p, size_t n,
			      bool *ret_appended, const char **ret_why);

#endif
