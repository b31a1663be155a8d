/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work.h - the store's program as a process that runs queries: strangers' SQL is parsed, bound and run here and nowhere else, one statement
 * after the other, in a cage (cage.h). The store (worker.h) says what to run and gets rows back; it may end this process at any time.
 *
 * Threads: one, beside the engine's.
 */
#ifndef HOSTTRAIL_STORE_LAKE_WORK_H
#define HOSTTRAIL_STORE_LAKE_WORK_H

#define WORK_MODE "--run-queries"	/* the first argument of a program that is to be one; for the store alone */
#define WORK_FD 3			/* where it finds the store */

/* Memory beyond lake_memory, of all such processes together: what texts and lists are made of while a row is computed, which the engine does not count. */
#define WORK_UNCOUNTED (1ull << 30)

/* Behind that: pid of the store, the engine's library (""), the lake's directory, bytes of memory, "apart" or "". An exit status. */
int work_main(int argc, char **argv);

#endif
