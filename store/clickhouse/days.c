/* SPDX-License-Identifier: Apache-2.0 */
/*
 * days.c - days that are past go, by their partitions. By the rule that the embedded store has for its journal: when all of one came and happened longer ago
 * than any event data store keeps, and than event history shows, every trail has delivered it, and nothing of it is held.
 *
 * The store that leads does it, one day after the other, oldest first. First the ledger has what stays of the day, then a record says that it is removed, then
 * the partition goes, in each shard, then the ledger has that it is gone. Who leads after a kill in between goes on; the record is said again then.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_internal.h"
#include "lease.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lines.h"
#include "store/retention/retention.h"
#include "store/witness.h"
#include "tables.h"

#define LOOK_NS (5 * NS_PER_SEC)
#define STATEMENT_MS 60000L
#define HEADS_MAX (256u << 20)		/* bytes of an answer */

struct days {
	struct cluster *c;
	struct ch_link link;
	pthread_t thread;
	bool runs;
	unsigned said;			/* the day whose removal was said by this store; 0: none */
};

static void day_text(unsigned day, char ret[21])
{
	clock_iso((int64_t)day * 86400, ret);
	ret[10] = '\0';
}

/* ---- what may go */

static int longest(void *ctx, const struct event_store *e, const char *selectors)
{
	int *days = ctx;

	if (e->retention_days > *days)
		*days = e->retention_days;
	return 0;
}

/* What came and happened before is wanted by nobody. */
static int cutoff(struct days *d, int *ret_days, int64_t *ret)
{
	int r;

	*ret_days = LOOKUP_DAYS;
	r = cluster_definitions.each(d->c->st, longest, ret_days);
	*ret = retention_now(d->c->st->retention) - *ret_days * RETENTION_DAY_NS;
	return r < 0 ? r : 0;
}

/* The oldest day of which a server of each shard has parts; 0: none. */
static int oldest_day(struct days *d, unsigned *ret, char *why)
{
	static const char sql[] = "SELECT toUInt32(toDate(min(partition))) FROM system.parts WHERE active AND database = currentDatabase() AND table = '" TABLE_ROWS
				  "' HAVING count() > 0 FORMAT TabSeparated";
	const struct ch_statement st = { .sql = sql, .timeout_ms = STATEMENT_MS };
	struct ch *ch = &d->c->ch;
	int r = 0;

	*ret = 0;
	for (unsigned i = 0; !r && i < ch->nshards; i++) {
		struct ch_server *s = ch_pick(ch, i, 0);
		uint32_t day;

		if (!s) {
			snprintf(why, CH_WHY_MAX, "no server of shard %u answers", i);
			return -EHOSTUNREACH;
		}
		r = ch_send(ch, &d->link, s, &st, why);
		if (r || !d->link.answer.n)
			continue;
		if (LINE_NUMBERS(buf_text(&d->link.answer), U32(&day)) < 0)
			r = -EBADMSG;
		else if (!*ret || day < *ret)
			*ret = day;
	}
	return r;
}

/* How much there is of a day, everywhere. */
static int measure(struct days *d, unsigned day, struct removed_day *ret, char *why)
{
	const struct ch_statement ask = { .fresh = TABLE_ROWS, .timeout_ms = STATEMENT_MS };
	_cleanup_buf_ struct buf sql = { 0 };
	struct ch_statement st = ask;
	int r;

	*ret = (struct removed_day){ .day = day };
	buf_addf(&sql, "SELECT countIf(kind = 1), countIf(kind = 0), sum(length(frame)), min(received), max(received), minIf(time, kind = 0), maxIf(time, kind = 0)"
		       " FROM " TABLE_ALL " WHERE day = toDate(%u) FORMAT TabSeparated",
		 day);
	st.sql = buf_text(&sql);
	r = sql.failed ? -ENOMEM : ch_ask(&d->c->ch, &d->link, &st, why);
	if (!r && LINE_NUMBERS(buf_text(&d->link.answer), U64(&ret->frames), U64(&ret->records), U64(&ret->bytes), I64(&ret->first), I64(&ret->last),
			       I64(&ret->oldest), I64(&ret->newest)) < 0)
		r = -EBADMSG;
	if (!ret->records || ret->oldest > ret->first)
		ret->oldest = ret->first;
	if (!ret->records || ret->newest < ret->last)
		ret->newest = ret->last;
	return r;
}

/* ---- what stays */

static int take_head(struct str *p, struct removed_last *h)
{
	struct str host, stream, hash;
	uint8_t chain, goes_on;

	if (!rows_take_text(p, &host) || !rows_take_text(p, &stream) || !rows_take(p, &chain, 1) || !rows_take(p, &h->number, 8) || !rows_take_text(p, &hash) ||
	    !rows_take(p, &goes_on, 1) || host.n >= sizeof(h->host) || stream.n >= sizeof(h->stream) || hash.n >= sizeof(h->hash))
		return -EBADMSG;
	snprintf(h->host, sizeof(h->host), "%.*s", (int)host.n, host.p);
	snprintf(h->stream, sizeof(h->stream), "%.*s", (int)stream.n, stream.p);
	snprintf(h->hash, sizeof(h->hash), "%.*s", (int)hash.n, hash.p);
	h->chain = chain;
	h->goes_on = goes_on;
	return 0;
}

int days_take_heads(struct str rest, struct removed_last **ret, size_t *ret_n)
{
	struct removed_last *v = NULL;
	size_t n = 0, room = 0;
	int r = 0;

	while (!r && rest.n) {
		if (n == room) {
			void *more = realloc(v, (room = room ? 2 * room : 256) * sizeof(*v));

			if (!more) {
				r = -ENOMEM;
				break;
			}
			v = more;
		}
		r = take_head(&rest, &v[n]);
		n += !r;
	}
	*ret = v;
	*ret_n = n;
	return r;
}

/* The last frame of each chain of the day, and whether there are any behind it. */
static int find_heads(struct days *d, unsigned day, struct removed_last **ret, size_t *ret_n, char *why)
{
	_cleanup_buf_ struct buf sql = { 0 };
	struct ch_statement st = { .fresh = TABLE_ROWS, .timeout_ms = 10 * STATEMENT_MS, .max = HEADS_MAX };
	int r;

	buf_addf(&sql, "SELECT host, stream, chain, max(number), argMax(hash, number), (host, stream, chain) GLOBAL IN"
		       " (SELECT host, stream, chain FROM " TABLE_ALL " WHERE kind = 1 AND day > toDate(%u))"
		       " FROM " TABLE_ALL " WHERE kind = 1 AND day = toDate(%u) AND bitAnd(flags, %d) = 0 GROUP BY host, stream, chain FORMAT RowBinary",
		 day, day, JOURNAL_FORK);
	st.sql = buf_text(&sql);
	*ret = NULL;
	*ret_n = 0;
	r = sql.failed ? -ENOMEM : ch_ask(&d->c->ch, &d->link, &st, why);
	return r ? r : days_take_heads((struct str){ (const char *)d->link.answer.p, d->link.answer.n }, ret, ret_n);
}

static int note(struct days *d, const struct removed_day *day, char *why)
{
	_cleanup_free_ struct removed_last *heads = NULL;
	size_t n;
	int r = find_heads(d, day->day, &heads, &n, why);

	return r ? r : ledger_day_remove(lease_ledger(d->c->lease), day, heads, n);
}

/* ---- going */

/* It is in the cluster when this returns. */
static int say(struct days *d, const struct removed_day *day, int kept)
{
	const struct keep *keep = cluster_keep(d->c);
	char object[32] = "day ";
	const struct witness_removal m = { .target = "journal", .object = object, .records = day->records, .bytes = day->bytes,
					   .first = day->oldest / (int64_t)NS_PER_SEC, .last = day->newest / (int64_t)NS_PER_SEC, .reason = "retention", .days = kept };
	int r;

	if (d->said == day->day)
		return 0;
	day_text(day->day, object + 4);
	r = d->c->st->witness ? witness_journal_removed(d->c->st->witness, &m) : 0;
	if (!r)
		r = keep->ops->sync(keep->ctx);
	if (!r)
		d->said = day->day;
	return r;
}

/* By the replica that leads: others of old servers pass it on without a password, and are refused. */
static int drop_in_shard(struct days *d, unsigned shard, const char *day, char *why)
{
	static const char leads[] = "SELECT toUInt32(is_leader) FROM system.replicas WHERE database = currentDatabase() AND table = '" TABLE_ROWS "' FORMAT TabSeparated";
	const struct ch_statement ask = { .sql = leads, .timeout_ms = STATEMENT_MS };
	char sql[128];
	const struct ch_statement drop = { .sql = sql, .timeout_ms = STATEMENT_MS };
	struct ch_server *s;
	uint32_t leader;

	snprintf(sql, sizeof(sql), "ALTER TABLE " TABLE_ROWS " DROP PARTITION '%s'", day);
	snprintf(why, CH_WHY_MAX, "no replica of shard %u that leads answers", shard);
	for (unsigned i = 0; (s = ch_pick(&d->c->ch, shard, i)); i++)
		if (ch_send(&d->c->ch, &d->link, s, &ask, why) == 0 && LINE_NUMBERS(buf_text(&d->link.answer), U32(&leader)) == 0 && leader)
			return ch_send(&d->c->ch, &d->link, s, &drop, why);
	return -EHOSTUNREACH;
}

static int drop(struct days *d, unsigned day, char *why)
{
	struct removed_day left;
	char text[21];
	int r = 0;

	day_text(day, text);
	for (unsigned i = 0; !r && i < d->c->ch.nshards; i++)
		r = drop_in_shard(d, i, text, why);
	if (!r)
		r = measure(d, day, &left, why);
	if (!r && (left.frames || left.records)) {
		snprintf(why, CH_WHY_MAX, "some of %s is left", text);
		r = -EAGAIN;
	}
	return r;
}

static bool may_go(struct days *d, const struct removed_day *day, int64_t before)
{
	return day->newest < before && !retention_held_journal(d->c->st->retention, day->oldest, day->newest) &&
	       !ledger_day_wanted(lease_ledger(d->c->lease), day->day);
}

/* The day is noted; said, dropped and done. */
static int finish(struct days *d, const struct removed_day *day, int kept, char *why)
{
	char text[21];
	int r = say(d, day, kept);

	if (!r && !lease_leads(d->c->lease))
		r = -ESTALE;
	if (!r)
		r = drop(d, day->day, why);
	if (!r)
		r = ledger_day_done(lease_ledger(d->c->lease), day->day);
	if (r < 0)
		return r;
	day_text(day->day, text);
	log_info("clickhouse: %s is removed (retention): %" PRIu64 " records", text, day->records);
	return 1;
}

struct begun {
	struct removed_day day;
	bool there;
};

static int find_begun(void *ctx, const struct removed_day *day)
{
	struct begun *b = ctx;

	if (day->done)
		return 0;
	*b = (struct begun){ *day, true };
	return 1;
}

/* 1: a day went; 0: none is to go. */
static int step(struct days *d, char *why)
{
	struct begun b = { .there = false };
	struct removed_day day;
	int64_t before;
	unsigned oldest;
	int kept, r = cutoff(d, &kept, &before);

	if (!r)
		r = ledger_days_removed(lease_ledger(d->c->lease), -1, find_begun, &b);
	if (r < 0)
		return r;
	if (b.there)
		return retention_held_journal(d->c->st->retention, b.day.oldest, b.day.newest) ? 0 : finish(d, &b.day, kept, why);
	r = oldest_day(d, &oldest, why);
	if (r < 0 || !oldest || ((int64_t)oldest + 1) * RETENTION_DAY_NS >= before)
		return r;
	r = measure(d, oldest, &day, why);
	if (r < 0 || !(day.frames || day.records) || !may_go(d, &day, before))
		return r;
	r = note(d, &day, why);
	return r ? r : finish(d, &day, kept, why);
}

static void *run(void *arg)
{
	struct days *d = arg;
	char why[CH_WHY_MAX];
	int r = 0;

	while (!cluster_sleep(d->c, r > 0 ? NS_PER_MS : LOOK_NS)) {
		snprintf(why, sizeof(why), "the ledger has not taken it");
		r = lease_leads(d->c->lease) && retention_leads(d->c->st->retention) ? step(d, why) : 0;
		if (r < 0)
			log_limited(LOG_LEVEL_WARN, r, "clickhouse: what is past is not removed yet: %s", why);
	}
	return NULL;
}

/* ---- life */

int days_start(struct cluster *c)
{
	struct days *d = calloc(1, sizeof(*d));
	sigset_t all, old;
	int r;

	if (!d)
		return -ENOMEM;
	d->c = c;
	c->days = d;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&d->thread, NULL, run, d);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	d->runs = !r;
	return r;
}

void days_end(struct days **pd)
{
	struct days *d = *pd;

	if (!d)
		return;
	if (d->runs)
		pthread_join(d->thread, NULL);
	ch_link_free(&d->link);
	free(d);
	*pd = NULL;
}
