/* SPDX-License-Identifier: Apache-2.0 */
/* ingest_internal.h - shared by ingest.c (requests, from the network thread to the keeper and back, and replies),
 * ingest_frame.c (one frame) and ingest_metrics.c. */
#ifndef HOSTTRAIL_STORE_INGEST_INTERNAL_H
#define HOSTTRAIL_STORE_INGEST_INTERNAL_H

#include <pthread.h>

#include "ingest.h"
#include "lib/buf.h"
#include "proto/shipmsg.h"

/* A request from its handler to its reply: first in `queue`, then the keeper has it, then in `kept`, then in `waiting`
 * until appends up to `ticket` are synced. */
struct request {
	struct grpc_call *call;		/* the network thread's; NULL: it was refused, and waits for what it asked */
	uint64_t connection;
	struct buf memory;		/* the message's, until it is kept */
	const uint8_t *message;
	size_t n;
	bool behind;			/* an earlier one of its connection was put off: nothing of it is taken */
	bool asks;			/* for heads, which are the reply; never withheld */
	struct keep_heads heads;
	/* what the keeper made of it */
	enum grpc_status failed;	/* with `why`; or GRPC_OK: there is a reply */
	const char *why;		/* static */
	bool fence;			/* its connection takes nothing more */
	uint64_t appends, ticket;
	struct buf reply;
	struct request *prev, *next;
};

enum { INGEST_THREADS = 3 };			/* syncer, keeper, network */

struct ingest {
	struct keep *keep;
	struct ingest_events events;
	void *ctx;
	struct grpc_server *server;
	uint64_t metrics[INGEST_METRIC__MAX];	/* atomic */
	pthread_t threads[INGEST_THREADS];
	int wake;				/* eventfd: synced, something else for the network thread, or stop */
	struct request *waiting;		/* network thread only */
	bool held;
	/* under lock */
	pthread_mutex_t lock;
	pthread_cond_t come, room, work;	/* for the keeper, for the network thread, for the syncer */
	struct request *queue, *kept;
	unsigned fences;			/* of requests in `kept` that fence their connections */
	size_t queued;				/* bytes of requests that are not kept yet */
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
