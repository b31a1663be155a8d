/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - ClickHouse's HTTP interface, over libcurl: which servers there are, and one statement sent to one of them.
 *
 * Servers belong to shards; what is read through a Distributed table can be asked of any, what is written goes to one of
 * its shard. A server that does not answer is passed over for a moment. Its tables are made before its first statement.
 *
 * Ownership: a link is one thread's connection, and holds the last answer. Threads: any, each with a link of its own.
 * Errors: 0 or -errno and why (for people; holds no secrets).
 */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_CLIENT_H
#define HOSTTRAIL_STORE_CLICKHOUSE_CLIENT_H

#include <curl/curl.h>
#include <pthread.h>

#include "lib/buf.h"
#include "lib/conf.h"

#define CH_WHY_MAX 256
#define CH_SERVERS_MAX 256
#define CH_ANSWER_MAX (256u << 20)

struct ch_server {
	char *url;
	unsigned shard;			/* index into what the macro `shard` says, in the order of its values */
	char macro[32];
	bool known;			/* the macro is */
	bool ready;			/* its tables are there; it may change back */
	uint64_t shunned;		/* until then, boot-time ns; atomic */
};

struct ch_config {
	const struct conf_list *urls;
	const char *user, *password_file, *ca, *database, *cluster;
	unsigned quorum;
	const char *query_user, *query_password_file;	/* for users' SQL; NULL: the same */
};

struct ch {
	struct ch_config config;
	struct ch_server *servers;
	unsigned nservers, nshards;
	unsigned ndefined;		/* shards in the servers' own settings of the cluster; 0: not known */
	bool numbered;			/* atomic: all shards have been seen, and their numbers are those that every store gives them */
	char *password, *query_password;
	bool modern;			/* has LowCardinality, codecs, skip indexes: not 18.16 */
	char version[32];
	bool stop_queries;		/* atomic: ends users' queries that are under way */
	unsigned next;			/* atomic: where the next statement goes first */
	pthread_mutex_t lock;		/* of what ch_prepare() changes */
};

struct ch_link {
	CURL *curl;
	struct buf answer;
	long status;
	unsigned code;			/* ClickHouse's, when it refused */
	bool unknown;			/* it was sent, and nobody said what became of it */
};

int ch_open(const struct ch_config *c, struct ch *ret_ch, char why[CH_WHY_MAX]);
void ch_close(struct ch *ch);
void ch_link_free(struct ch_link *l);

struct ch_statement {
	const char *sql;
	const void *body;		/* of an INSERT; NULL: sql is the body */
	size_t n;
	const char *settings;		/* "&max_rows=1", or NULL */
	bool query_user;
	const char *fresh;		/* of ch_ask(): a table (of each server's) of which nothing that was acknowledged may be missing; NULL: it may */
	long timeout_ms;		/* 0: two minutes */
	size_t max;			/* bytes of the answer; 0: CH_ANSWER_MAX */
};
/* To this very server. -EHOSTUNREACH: no answer; -EREMOTEIO: it refused; -EFBIG: its answer has more than max; -ECANCELED: the store ends. */
int ch_send(struct ch *ch, struct ch_link *l, struct ch_server *s, const struct ch_statement *st, char why[CH_WHY_MAX]);
/* To any that answers; with `fresh` as fresh.h says, -EAGAIN if there is none for seconds. */
int ch_ask(struct ch *ch, struct ch_link *l, const struct ch_statement *st, char why[CH_WHY_MAX]);
/* One of this shard that may be asked now; attempt 0, 1, 2 ... gives others. NULL: there is none. */
struct ch_server *ch_pick(struct ch *ch, unsigned shard, unsigned attempt);
#define CH_ANY_SHARD (~0u)
/* Likewise one of the shard of s, which was ready once, whatever number that shard has now. */
struct ch_server *ch_pick_beside(struct ch *ch, const struct ch_server *s, unsigned attempt);
void ch_shun(struct ch_server *s);

/* Makes the tables on every server that answers and was not ready, and learns shards and version: 0 when one is ready. A
 * shard that nobody has seen yet gets no rows, nor do others until then (`numbered`), and it is missing in no answer, for what is read goes over
 * Distributed tables. */
int ch_prepare(struct ch *ch, struct ch_link *l, char why[CH_WHY_MAX]);

/* A text as SQL has it, quotes and all. */
void ch_quote(struct buf *out, const void *p, size_t n);

#endif
