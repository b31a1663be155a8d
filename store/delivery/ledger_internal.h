/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_internal.h - statements over the ledger's database. */
#ifndef HOSTTRAIL_STORE_LEDGER_INTERNAL_H
#define HOSTTRAIL_STORE_LEDGER_INTERNAL_H

#include <pthread.h>

#define SQLITE_ENABLE_SESSION		/* declares it */
#define SQLITE_ENABLE_PREUPDATE_HOOK
#include <sqlite3.h>

#include "ledger.h"

struct ledger {
	sqlite3 *db;
	pthread_mutex_t lock;
	ledger_ship_fn ship;		/* NULL: the file is all there is */
	void *ship_ctx;
	sqlite3_session *changes;	/* of the transaction that is open, if it is shipped */
	struct buf blank;		/* image of a shared one that is empty */
};

/* A statement that is bound and read from left to right. What fails shows at its end; the others do nothing then. */
struct query {
	struct ledger *l;
	sqlite3_stmt *s;
	int r;				/* 0 or -errno */
	int bind, column;
	bool found;			/* there was a row */
	bool whole;			/* it is a transaction of its own */
};

/* Takes the lock; query_end() gives it back. */
void query_begin(struct query *q, struct ledger *l, const char *sql);
/* Within a transaction: the lock is held. */
void query_next(struct query *q, struct ledger *l, const char *sql);
void bind_int(struct query *q, int64_t v);
void bind_text(struct query *q, const char *v);		/* NULL is one */
void bind_blob(struct query *q, const void *p, size_t n);
bool query_row(struct query *q);			/* false at the end, and after an error */
int64_t read_int(struct query *q);
void read_text(struct query *q, char *ret, size_t size);
void read_blob(struct query *q, struct buf *ret);	/* appended */
int query_close(struct query *q);			/* after query_next() */
int query_end_one(struct query *q);			/* the same; -ENOENT: there was no row */
int query_end(struct query *q);				/* after query_begin(): runs what is left; 0 or -errno */

/* ledger_stretches.c; within a transaction. All up to the span's place is delivered, if no file waits. */
extern const char ledger_stretches_schema[];
int ledger_stretch_sure(struct ledger *l, int64_t trail, int64_t span);
int ledger_stretch_end(struct ledger *l, const struct span *s);
int ledger_stretch_loose(struct ledger *l, int64_t span);

/* Tables of a new ledger, or what an old one lacks; locked. */
int ledger_tables(struct ledger *l);
extern const char ledger_arrivals_schema[];	/* of shared ones */
extern const char ledger_definitions_schema[];	/* likewise */
extern const char ledger_removed_schema[];	/* likewise */
int ledger_error(int code);				/* SQLite's, as ours */
int ledger_execute(struct ledger *l, const char *sql);
int ledger_open_at(const char *path, struct ledger **ret_l);

int ledger_begin(struct ledger *l);			/* takes the lock and begins */
int ledger_commit(struct ledger *l, int r);		/* r < 0: takes it back; gives the lock back; returns r or the error */

#endif
