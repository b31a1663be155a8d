/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tail.h - what is not sealed yet as a table of the engine: SELECT ... FROM hosttrail_scan(number of the statement's table).
 *
 * The process that runs a query asks the store for it, a frame at a time: which records are rows (selectors, repeats, what is past) is
 * the store's to know (scan.h). Only the columns that are asked for are made, and no text is sent where none is needed.
 *
 * Threads: any of the engine's; one asks at a time.
 */
#ifndef HOSTTRAIL_STORE_LAKE_TAIL_H
#define HOSTTRAIL_STORE_LAKE_TAIL_H

#include <pthread.h>

#include "wire.h"

struct tail {
	int fd;				/* to the store */
	pthread_mutex_t lock;		/* of what is written there, and of an answer */
	uint64_t frames[SANDBOX_TABLES_MAX];
};

/* Makes hosttrail_scan() known to a database. tail outlives it. */
int tail_register(struct tail *t, duckdb_connection c, char why[DUCK_WHY_MAX]);
/* A message that nothing answers. As wire_send(). */
int tail_send(struct tail *t, enum wire_type type, const struct buf *body);

#endif
