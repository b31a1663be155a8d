/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fresh.h - which server to ask, so that the answer has all rows that were acknowledged before the question.
 *
 * With fewer than all replicas as quorum a row is acknowledged when one of them has it; the others fetch it, sooner or later. Each
 * is asked whether it has read the table's log in ZooKeeper to its end, and which parts it has yet to fetch. One that waits for nothing
 * which another one has is good. Of a shard with one server that answers nothing is asked.
 *
 * What a server has that does not answer, or that has lost ZooKeeper while others have not, is not known, and not waited for.
 */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_FRESH_H
#define HOSTTRAIL_STORE_CLICKHOUSE_FRESH_H

#include "client.h"

#define FRESH_PARTS_MAX 4096u	/* that a replica waits for; one with more has nothing, as far as this goes */
#define FRESH_SETTINGS 64

/* What a replica says of itself. */
struct fresh_replica {
	struct ch_server *server;
	uint64_t delay;			/* seconds, as servers tell each other */
	uint64_t pointer, end;		/* of the log: the next entry that it has not read; behind the newest */
	bool unsure;			/* a log that nothing was read of: the newest's number, 0, is that of none, too */
	bool plain;			/* the table is not a replicated one */
	bool cut_off;			/* from ZooKeeper */
	bool many;			/* waits for more than FRESH_PARTS_MAX */
	char path[256];			/* in ZooKeeper */
	struct buf text;
	const char **parts;		/* in text; sorted */
	unsigned n;
	bool good;
};

/* What there was when it was asked. */
struct fresh_goal {
	uint64_t end;			/* of the log */
	struct buf text;
	const char **parts;		/* in text; sorted: those that somebody lacks and somebody else has */
	unsigned n;
	bool taken;			/* parts are known */
};

/* A table of which acknowledged rows must be there. Gives any server of the cluster through whose Distributed table they are read, and in
 * settings what has to be sent with the statement. -EAGAIN: replicas that answer miss each other's rows, for seconds; else as ch_send().
 * The link's answer is overwritten. */
int fresh_pick(struct ch *ch, struct ch_link *l, const char *table, struct ch_server **ret_s, char settings[FRESH_SETTINGS], char why[CH_WHY_MAX]);

/* ---- for tests, too. Answers, as a server gives them: -EBADMSG if they are none. */
int fresh_read_log(struct fresh_replica *r, const char *text);
int fresh_read_queue(struct fresh_replica *r, const char *text, size_t n);
void fresh_clear(struct fresh_replica *r);
/* Replicas of one shard: what is to be waited for. */
int fresh_aim(struct fresh_goal *g, const struct fresh_replica *v, unsigned n);
void fresh_goal_clear(struct fresh_goal *g);
/* Which of them have it. */
void fresh_judge(struct fresh_replica *v, unsigned n, const struct fresh_goal *g);

#endif
