/* SPDX-License-Identifier: Apache-2.0 */
/* prepare.c - what has to be known of a server, and there on it, before it is asked anything. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "tables.h"

#define PREPARE_MS 20000L

static int one(struct ch *ch, struct ch_link *l, struct ch_server *s, const char *sql, char *why)
{
	const struct ch_statement st = { .sql = sql, .timeout_ms = PREPARE_MS };

	return ch_send(ch, l, s, &st, why);
}

static void take_line(struct ch_link *l, char *ret, size_t room)
{
	const char *text = buf_text(&l->answer);

	snprintf(ret, room, "%.*s", (int)strcspn(text, "\n"), text);
}

static void replicated(struct buf *out, const char *database, const char *table)
{
	buf_reset(out);
	buf_addf(out, "ReplicatedMergeTree('/clickhouse/tables/{shard}/%s/%s', '{replica}')", database, table);
}

static int make_tables(struct ch *ch, struct ch_link *l, struct ch_server *s, char *why)
{
	_cleanup_buf_ struct buf engine = { 0 };
	struct buf sql[5] = { { 0 } };
	const char *database = ch->config.database, *cluster = ch->config.cluster;
	int r = 0;

	replicated(&engine, database, TABLE_ROWS);
	tables_rows(&sql[0], ch->modern, buf_text(&engine));
	tables_over(&sql[1], TABLE_ALL, TABLE_ROWS, database, cluster);
	replicated(&engine, database, TABLE_KEPT_ROWS);
	tables_kept(&sql[2], buf_text(&engine));
	tables_over(&sql[3], TABLE_KEPT, TABLE_KEPT_ROWS, database, cluster);
	replicated(&engine, database, TABLE_LEDGER);
	tables_ledger(&sql[4], buf_text(&engine));
	for (unsigned i = 0; i < ARRAY_SIZE(sql); i++) {
		if (!r)
			r = sql[i].failed ? -ENOMEM : one(ch, l, s, buf_text(&sql[i]), why);
		buf_free(&sql[i]);
	}
	return r;
}

/* The database is made without naming it as the one to work in. */
static int make_database(struct ch *ch, struct ch_link *l, struct ch_server *s, char *why)
{
	char sql[128];
	struct ch other = *ch;

	other.config.database = "default";
	snprintf(sql, sizeof(sql), "CREATE DATABASE IF NOT EXISTS `%.64s`", ch->config.database);
	return one(&other, l, s, sql, why);
}

static int count_shards(struct ch *ch, struct ch_link *l, struct ch_server *s, char *why)
{
	_cleanup_buf_ struct buf sql = { 0 };
	int r;

	buf_adds(&sql, "SELECT count(DISTINCT shard_num) FROM system.clusters WHERE cluster = ");
	ch_quote(&sql, ch->config.cluster, strlen(ch->config.cluster));
	r = sql.failed ? -ENOMEM : one(ch, l, s, buf_text(&sql), why);
	if (!r)
		ch->ndefined = (unsigned)strtoul(buf_text(&l->answer), NULL, 10);
	return r == -EREMOTEIO ? 0 : r;		/* this user may not know: 0 stays */
}

static int prepare(struct ch *ch, struct ch_link *l, struct ch_server *s, char *why)
{
	int r = make_database(ch, l, s, why);

	if (!r)
		r = one(ch, l, s, "SELECT version()", why);
	if (!r) {
		take_line(l, ch->version, sizeof(ch->version));
		ch->modern = atoi(ch->version) >= 20;
		r = one(ch, l, s, "SELECT substitution FROM system.macros WHERE macro = 'shard'", why);
	}
	if (!r) {
		take_line(l, s->macro, sizeof(s->macro));
		s->known = true;
		r = count_shards(ch, l, s, why);
	}
	if (!r)
		r = make_tables(ch, l, s, why);
	return r;
}

/* The first of those that counts and has this macro. */
static bool is_first(const struct ch *ch, unsigned k, bool all_known)
{
	if (all_known && !ch->servers[k].known)
		return false;
	for (unsigned m = 0; m < k; m++)
		if ((!all_known || ch->servers[m].known) && !strcmp(ch->servers[m].macro, ch->servers[k].macro))
			return false;
	return true;
}

static unsigned count_before(const struct ch *ch, const char *macro, bool all_known)
{
	unsigned n = 0;

	for (unsigned k = 0; k < ch->nservers; k++)
		n += is_first(ch, k, all_known) && (!macro || strcmp(ch->servers[k].macro, macro) < 0);
	return n;
}

static unsigned known_shards(const struct ch *ch)
{
	return count_before(ch, NULL, true);
}

static bool are_known(const struct ch *ch)
{
	for (unsigned i = 0; i < ch->nservers; i++)
		if (!ch->servers[i].known)
			return false;
	return true;
}

/* Shards are numbered in the order of their names, so that every store numbers them alike. A server that has not answered yet may be of
 * one that comes before all others, unless all that there are have been seen: until then numbers are for what can wait, and no rows are
 * spread by them. */
static void number_shards(struct ch *ch)
{
	bool all = ch->ndefined && known_shards(ch) >= ch->ndefined;

	for (unsigned i = 0; i < ch->nservers; i++)
		ch->servers[i].shard = count_before(ch, ch->servers[i].macro, all);
	ch->nshards = count_before(ch, NULL, all);
	__atomic_store_n(&ch->numbered, all || are_known(ch), __ATOMIC_RELEASE);
}

int ch_prepare(struct ch *ch, struct ch_link *l, char why[CH_WHY_MAX])
{
	char text[CH_WHY_MAX] = "";

	pthread_mutex_lock(&ch->lock);
	for (unsigned i = 0; i < ch->nservers; i++) {
		struct ch_server *s = &ch->servers[i];

		if (s->ready)
			continue;
		if (prepare(ch, l, s, text) < 0) {
			log_limited(LOG_LEVEL_WARN, -EHOSTUNREACH, "clickhouse: %s", text);
			snprintf(why, CH_WHY_MAX, "%s", text);
			continue;
		}
		log_info("clickhouse: %s is %s, shard %s", s->url, ch->version, *s->macro ? s->macro : "(no macro)");
		number_shards(ch);
		__atomic_store_n(&s->ready, true, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&ch->lock);
	return ch_pick(ch, CH_ANY_SHARD, 0) ? 0 : -EHOSTUNREACH;
}
