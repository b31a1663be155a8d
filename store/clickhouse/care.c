/* SPDX-License-Identifier: Apache-2.0 */
/*
 * care.c - looks after the cluster: servers that come (back) get their tables; and frames that two stores wrote at the
 * same time, because one died between sending and hearing the answer, are found and taken out again.
 *
 * Which of two copies counts follows from their batches' numbers alone: the smallest is never taken out, by whichever store,
 * whatever it sees of the others. Until the rows are gone, they are hidden.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lines.h"
#include "tables.h"

#define ROUND_NS (2 * NS_PER_SEC)
#define SHARE 20			/* looking takes a twentieth of the time at most */
#define DAY_NS (86400 * (int64_t)NS_PER_SEC)
#define WINDOW_NS (600 * (int64_t)NS_PER_SEC)	/* an insert that was under way ends within it */

void cluster_hide(struct cluster *c, struct buf *sql)
{
	pthread_mutex_lock(&c->lock);
	if (c->ndoubles)
		buf_adds(sql, " AND (batch, framekey) NOT IN (");
	for (unsigned i = 0; i < c->ndoubles; i++)
		buf_addf(sql, "%s(%" PRIu64 ", %" PRIu64 ")", i ? ", " : "", c->doubles[i].batch, c->doubles[i].framekey);
	if (c->ndoubles)
		buf_addc(sql, ')');
	pthread_mutex_unlock(&c->lock);
}

static bool is_new(struct cluster *c, const struct double_frame *d)
{
	bool fresh = true;

	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < c->ndoubles; i++)
		fresh &= c->doubles[i].batch != d->batch || c->doubles[i].framekey != d->framekey;
	if (fresh && c->ndoubles < DOUBLES_MAX)
		c->doubles[c->ndoubles++] = *d;
	c->stats.doubles += fresh;
	pthread_mutex_unlock(&c->lock);
	return fresh;
}

static void remove_rows(struct cluster *c, struct ch_link *l, const struct double_frame *d)
{
	char sql[256], why[CH_WHY_MAX];
	const struct ch_statement st = { .sql = sql };

	log_info("clickhouse: a frame was written twice, by batch %" PRIu64 " last; its rows there are taken out", d->batch);
	snprintf(sql, sizeof(sql), "ALTER TABLE " TABLE_ROWS " DELETE WHERE batch = %" PRIu64 " AND framekey = %" PRIu64, d->batch, d->framekey);
	for (unsigned shard = 0; shard < c->ch.nshards; shard++) {
		struct ch_server *s = ch_pick(&c->ch, shard, 0);

		if (s && ch_send(&c->ch, l, s, &st, why) < 0)
			log_limited(LOG_LEVEL_WARN, -EREMOTEIO, "clickhouse: %s", why);
	}
}

/* Lines "framekey \t batch \t the batch that counts". */
static void take_doubles(struct cluster *c, struct ch_link *l)
{
	_cleanup_free_ char *text = strdup(buf_text(&l->answer));
	char *line, *rest = text;

	while (rest && (line = strsep(&rest, "\n"))) {
		struct double_frame d;
		uint64_t counts;

		if (!LINE_NUMBERS(line, U64(&d.framekey), U64(&d.batch), U64(&counts)) && d.batch != counts && is_new(c, &d))
			remove_rows(c, l, &d);
	}
}

/* whole: also what happened before this store was started. */
static int look_for_doubles(struct cluster *c, struct ch_link *l, bool whole, char *why)
{
	int64_t since = whole ? 0 : clock_wall() - WINDOW_NS;
	char sql[640];
	const struct ch_statement st = { .sql = sql };
	int r;

	snprintf(sql, sizeof(sql),
		 "SELECT framekey, arrayJoin(batches) AS b, least FROM (SELECT framekey, groupUniqArray(batch) AS batches, min(batch) AS least, "
		 "count() AS n FROM " TABLE_ALL " WHERE kind = 1 AND eventtime = toDateTime(0) AND day >= toDate(%" PRId64 ") AND received >= %" PRId64
		 " GROUP BY framekey, hash) WHERE n > 1 AND length(batches) > 1 FORMAT TabSeparated",
		 since / DAY_NS, since);	/* a number of seconds would be a day of the server's time zone */
	r = ch_ask(&c->ch, l, &st, why);
	if (!r)
		take_doubles(c, l);
	return r;
}

void *cluster_care(void *arg)
{
	struct cluster *c = arg;
	struct ch_link l = { 0 };
	char why[CH_WHY_MAX];
	bool whole = true;
	uint64_t took = 0;

	while (!cluster_sleep(c, took * SHARE > ROUND_NS ? took * SHARE : ROUND_NS)) {
		uint64_t begun = clock_boot();

		if (ch_prepare(&c->ch, &l, why) < 0)
			continue;
		if (!look_for_doubles(c, &l, whole, why))
			whole = false;
		else
			log_limited(LOG_LEVEL_WARN, -EREMOTEIO, "clickhouse: %s", why);
		took = clock_boot() - begun;
	}
	ch_link_free(&l);
	return NULL;
}
