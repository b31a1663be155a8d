/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - the processes in which queries run, as the store sees them: the store's own program again (work.h), made by posix_spawn(), one for
 * each query that runs, and some that wait for the next.
 *
 * One that was used waits for queries of the same key only, with the engine's footers and views in memory; so what one key was shown, or
 * made of its process, waits where no other asks. One that was never used is always kept ready. A process lives no longer than the thread that
 * made it: those are the one that opens the lake and the one that watches over queries.
 *
 * Ownership: a worker is its query's from worker_take() to worker_give(). Threads: any; what says so under the lake's lock.
 */
#ifndef HOSTTRAIL_STORE_LAKE_WORKER_H
#define HOSTTRAIL_STORE_LAKE_WORKER_H

#include "lake_internal.h"
#include "wire.h"

#define WORKERS_IDLE_MAX 4

struct worker {
	int fd, statm;			/* statm -1: it has not said hello yet; atomic */
	pid_t pid;
	bool apart;			/* for keys that see some records only */
	bool used;			/* by this key */
	const struct caller *caller;
	uint64_t since;			/* boot-time ns: it waits */
	struct worker *next;
};

/* The first one, which says whether the engine can be used. 0 or -errno and why; l->fault is the caller's. */
int workers_begin(struct lake *l, char why[DUCK_WHY_MAX]);
/* What the watcher does, again and again: ends those that wait for long and, when all together have too much memory, the largest; keeps one of
 * each kind ready. Lake's lock, which it lets go of to make one. */
void workers_look_after(struct lake *l);
void workers_free(struct lake *l);		/* those that wait */

/* One for the query's key, that has taken the statement (a message to it) and answers next, as q->worker; waits for one, as long as the query may run. What
 * was killed while it waited takes none; then it is another. 0, -ECANCELED, or -EIO, logged: the engine cannot be used. */
int worker_take(struct query *q, const struct buf *statement);
/* The query has none from now on. keep: it is ready for the next statement; else it is ended. */
void worker_give(struct query *q, bool keep);
/* Now, whatever it does; lake's lock. Who reads from it finds that it is gone. */
void worker_kill(struct worker *w);

#endif
