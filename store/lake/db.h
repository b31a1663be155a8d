/* SPDX-License-Identifier: Apache-2.0 */
/* db.h - SQLite as manifest*.c use it: a statement is bound by a format and stepped; errors are logged here, once. */
#ifndef HOSTTRAIL_STORE_LAKE_DB_H
#define HOSTTRAIL_STORE_LAKE_DB_H

#include <pthread.h>
#include <stdio.h>

#include <sqlite3.h>

#include "manifest.h"

struct manifest {
	sqlite3 *db;
	pthread_mutex_t lock;
};

/* format: a letter a parameter: i int64_t, t const char * (NULL: NULL). NULL: it was logged. The caller holds the lock. */
sqlite3_stmt *db_prepare(struct manifest *m, const char *sql, const char *format, ...);
/* 1: a row, 0: done, -EIO. */
int db_step(struct manifest *m, sqlite3_stmt *s);
/* A statement without rows. 0 or -EIO. */
int db_run(struct manifest *m, const char *sql, const char *format, ...);
int db_exec(struct manifest *m, const char *sql);
/* Between these two the disk is not waited for: what is committed outlives the program, and is on disk with the next commit that is not
 * between them; before that a power cut may take it back. Not within a transaction. */
void db_begin_unsynced(struct manifest *m);
void db_end_unsynced(struct manifest *m);
/* Ends the transaction that "BEGIN IMMEDIATE" began: commits if r is 0, else undoes it. Gives r or -EIO. */
int db_end(struct manifest *m, int r);
void db_text(sqlite3_stmt *s, int column, char *ret, size_t n);
static inline void db_finalize(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}
#define _cleanup_stmt_ __attribute__((cleanup(db_finalize)))

#endif
