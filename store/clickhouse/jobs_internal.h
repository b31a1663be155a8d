/* SPDX-License-Identifier: Apache-2.0 */
/* jobs_internal.h - between queries that run (jobs.c), what is kept of them (kept.c) and the operations (op_jobs.c). */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_JOBS_INTERNAL_H
#define HOSTTRAIL_STORE_CLICKHOUSE_JOBS_INTERNAL_H

#include <json-c/json.h>

#include "jobs.h"
#include "store/lake/engine.h"
#include "store/lake/sandbox.h"
#include "store/queries.h"
#include "translate.h"

#define JOB_PAGE QUERIES_PAGE_MAX	/* rows kept together; an answer is of one such page */
#define JOB_ANSWER_MAX (64u << 20)

struct job_state {
	char id[37], status[16];
	char key[129];			/* whose it is; empty: nobody's */
	char store[UUID_TEXT];		/* the event data store that it names first; empty: the built-in one */
	int64_t created, finished;	/* wall clock, ns; 0: not yet */
	uint64_t rows, scanned, bytes;
	struct buf statement, error;
};

struct job {
	struct jobs *jobs;
	struct job_state state;
	struct translated query;
	bool scoped;			/* its key sees some records only: how many there are of others is not told */
	bool apart;			/* what it does not see must not come to its own conditions */
	bool cancelled;			/* the jobs' lock */
	struct job *next;
};

struct jobs {
	struct cluster *c;
	duckdb_database db;		/* only its parser is used */
	duckdb_connection conn;
	char fault[DUCK_WHY_MAX];
	pthread_mutex_t lock, parser;
	pthread_cond_t ended;
	struct job *running;
	unsigned n;
};

void job_state_free(struct job_state *s);
/* Reads and checks the statement, and starts it, over what the caller may see. -EINVAL and why; as sources_find(); -EAGAIN: too many run; -EBUSY: too many of its key. */
int job_start(struct jobs *j, const struct caller *caller, const char *text, size_t n, char ret_id[37], char why[DUCK_WHY_MAX]);
int job_cancel(struct jobs *j, const char *id);		/* -ENOENT: it does not run here */

/* ---- sources.c: the event data stores that a statement names, and what stands for each there */
struct sources {
	struct translate_source v[SANDBOX_TABLES_MAX];
	unsigned n;
	bool apart;			/* some have conditions that come before the statement's own */
};
/* -ENOENT: there is none of that name; -ESTALE: it is pending deletion. why. */
int sources_find(struct cluster *c, const struct caller *caller, const struct sandbox_tables *named, struct sources *ret, char why[DUCK_WHY_MAX]);
void sources_free(struct sources *s);

/* ---- kept.c */
int kept_state(struct cluster *c, struct ch_link *l, const struct job_state *s, char *why);
/* rows: elements of the page's array. */
int kept_page(struct cluster *c, struct ch_link *l, const char *id, int64_t created, unsigned page, const struct buf *rows, char *why);
/* A query's state, from a row of the cluster's: id, created, body. -EBADMSG. */
int kept_read(struct json_object *row, int64_t query_ns, struct job_state *s);
/* -ENOENT: there is no such query. */
int kept_find(struct cluster *c, const char *id, struct job_state *ret_s);
int kept_rows(struct cluster *c, const char *id, unsigned page, struct json_object **ret_rows);
typedef void (*kept_fn)(void *ctx, const struct job_state *s);
int kept_list(struct cluster *c, int64_t from, int64_t to, const char *status, kept_fn fn, void *ctx);

#endif
