/* SPDX-License-Identifier: Apache-2.0 */
#include "lease.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lines.h"
#include "proto/keys.h"
#include "tables.h"

#define SILENT_NS (10 * NS_PER_SEC)	/* of the store that delivers, until another tries */
#define BEAT_NS (2 * NS_PER_SEC)
#define LOOK_NS (NS_PER_SEC)
#define WRITE_NS (30 * NS_PER_SEC)	/* a row that is not written by then is given up, and the lease with it */
#define WRITE_PAUSE_NS (200 * NS_PER_MS)
#define STATEMENT_MS 10000L
#define ENTRIES_MAX (8u << 20)		/* bytes of an epoch's entries; then it is time for a new image */
#define PERIOD_MAX_MS 5000
#define REFRESH_TRIES 5
#define LEDGER_MAX (1u << 30)		/* image and entries; three times the image at most */
#define LOOK_SHARE 10			/* arranging takes a tenth of the time at most */

enum row_kind_of_ledger { CLAIM = 0, IMAGE = 1, ENTRY = 2, BEAT = 3, END = 4 };

struct lease {
	struct cluster *c;
	struct delivery *d;
	struct ledger *ledger;
	int64_t period_ms;
	bool always;
	pthread_t thread;
	bool runs;
	uint32_t token;			/* who this is among those that claim at once */
	bool leads, lost, stop;		/* atomic */
	/* of who leads; the ledger's lock, or nobody leads */
	struct ch_link writing;
	uint64_t epoch, entries, bytes, image_bytes;
	uint64_t written;		/* atomic; boot-time ns */
	pthread_mutex_t lock;		/* what follows, and who leads changes under it only; before the ledger's */
	struct ch_link link;
	struct arranging arranging;
	uint64_t applied_epoch, applied;	/* what the copy holds */
	uint64_t beats, takeovers;
};

static bool is(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void set(bool *flag, bool v)
{
	__atomic_store_n(flag, v, __ATOMIC_RELEASE);
}

bool lease_leads(struct lease *z)
{
	return is(&z->leads) && !is(&z->lost);
}

struct ledger *lease_ledger(struct lease *z)
{
	return z->ledger;
}

struct delivery *lease_delivery(struct lease *z)
{
	return z->d;
}

/* ---- rows, at one server */

static int no_server(char *why)
{
	snprintf(why, CH_WHY_MAX, "no server of the first shard answers, or not enough of them");
	return -EHOSTUNREACH;
}

/* Afterwards the server has what was ordered before this moment. */
static int sync_at(struct lease *z, struct ch_link *l, struct ch_server *s, char *why)
{
	const struct ch_statement st = { .sql = "SYSTEM SYNC REPLICA " TABLE_LEDGER, .timeout_ms = STATEMENT_MS };

	return ch_send(&z->c->ch, l, s, &st, why);
}

struct heads {
	uint64_t claim, image;		/* highest epochs; 0: none */
};

static int heads_at(struct lease *z, struct ch_link *l, struct ch_server *s, struct heads *ret_h, char *why)
{
	const struct ch_statement st = { .sql = "SELECT max(epoch), maxIf(epoch, kind = 1) FROM " TABLE_LEDGER " FORMAT TabSeparated", .timeout_ms = STATEMENT_MS };
	int r = ch_send(&z->c->ch, l, s, &st, why);

	if (!r && LINE_NUMBERS(buf_text(&l->answer), U64(&ret_h->claim), U64(&ret_h->image)) < 0)
		r = -EBADMSG;
	return r;
}

static unsigned quorum(const struct lease *z)
{
	return z->c->config.clickhouse.quorum > 1 ? z->c->config.clickhouse.quorum : 1;
}

static int insert_at(struct lease *z, struct ch_link *l, struct ch_server *s, const struct buf *row, char *why)
{
	char settings[128] = "";
	const struct ch_statement st = { .sql = "INSERT INTO " TABLE_LEDGER " (epoch, kind, seq, store, body) FORMAT RowBinary", .body = row->p, .n = row->n,
					 .settings = settings, .timeout_ms = 2 * STATEMENT_MS };

	if (quorum(z) > 1)
		snprintf(settings, sizeof(settings), "&insert_quorum=%u&insert_quorum_timeout=5000", quorum(z));
	return ch_send(&z->c->ch, l, s, &st, why);
}

/* Servers say yes to a row that is there already, however many have it: those that must have it are brought up to date. */
static int spread(struct lease *z, struct ch_link *l, struct ch_server *s, bool doubted, char *why)
{
	unsigned n = 1;
	int r = sync_at(z, l, s, why);

	for (unsigned i = 0; !r && doubted && n < quorum(z); i++) {
		struct ch_server *other = ch_pick(&z->c->ch, 0, i);

		if (!other)
			return no_server(why);
		if (other == s)
			continue;
		r = sync_at(z, l, other, why);
		n++;
	}
	return r;
}

static void row_of(const struct lease *z, uint64_t epoch, enum row_kind_of_ledger kind, uint64_t seq, const void *p, size_t n, struct buf *out)
{
	char who[9];

	snprintf(who, sizeof(who), "%08x", z->token);
	rows_put_number(out, epoch, 8);
	buf_addc(out, (uint8_t)kind);
	rows_put_number(out, seq, 8);
	rows_put_text(out, who, strlen(who));
	rows_put_text(out, p, n);
}

/* The row is there, and this epoch the highest, at the server that is told. -ESTALE: there is a higher one. The same row again is
 * harmless: servers know it. */
static int write_row(struct lease *z, struct ch_link *l, uint64_t epoch, enum row_kind_of_ledger kind, uint64_t seq, const void *p, size_t n,
		     struct ch_server **ret_s, char *why)
{
	const uint64_t until = clock_boot() + WRITE_NS;
	_cleanup_buf_ struct buf row = { 0 };
	bool doubted = false;
	struct heads h;
	int r;

	row_of(z, epoch, kind, seq, p, n, &row);
	if (row.failed)
		return -ENOMEM;
	for (;;) {
		struct ch_server *s = ch_pick(&z->c->ch, 0, 0);

		r = s ? insert_at(z, l, s, &row, why) : no_server(why);
		if (!r)
			r = spread(z, l, s, doubted, why);
		if (!r)
			r = heads_at(z, l, s, &h, why);
		if (!r) {
			*ret_s = s;
			return h.claim > epoch ? -ESTALE : 0;
		}
		doubted = true;
		if (s && r == -EHOSTUNREACH)
			ch_shun(s);
		log_limited(LOG_LEVEL_WARN, r, "clickhouse: the ledger of trails: %s", why);
		if (is(&z->stop) || is(&z->lost) || clock_boot() > until || cluster_sleep(z->c, WRITE_PAUSE_NS))
			return r;
	}
}

int cluster_ship(void *ctx, const void *p, size_t n)
{
	struct lease *z = ((struct cluster *)ctx)->lease;
	char why[CH_WHY_MAX] = "out of memory";
	struct ch_server *s;
	int r;

	if (!z || !lease_leads(z))
		return -ESTALE;
	r = write_row(z, &z->writing, z->epoch, ENTRY, z->entries + 1, p, n, &s, why);
	if (r < 0) {
		/* whether it is there is not known: who leads next reads what is */
		set(&z->lost, true);
		return r;
	}
	z->entries++;
	__atomic_add_fetch(&z->bytes, n, __ATOMIC_RELAXED);
	__atomic_store_n(&z->written, clock_boot(), __ATOMIC_RELAXED);
	return 0;
}

/* ---- reading */

/* Locked. One row: an image, or the entry that follows. */
static int apply_row(struct lease *z, uint64_t epoch, struct str *rest)
{
	struct str body;
	uint64_t seq;
	uint8_t kind;
	int r;

	if (!rows_take(rest, &kind, 1) || !rows_take(rest, &seq, 8) || !rows_take_text(rest, &body))
		return -EBADMSG;
	if (kind == IMAGE) {
		r = ledger_load(z->ledger, body.p, body.n);
		z->applied_epoch = r ? 0 : epoch;
		z->applied = 0;
		return r;
	}
	if (z->applied_epoch != epoch || seq != z->applied + 1)
		return -EBADMSG;
	r = ledger_apply(z->ledger, body.p, body.n);
	z->applied += !r;
	return r;
}

/* Locked; nobody here leads. The copy becomes what the server has. */
static int read_at(struct lease *z, struct ch_server *s, uint64_t epoch, char *why)
{
	char sql[256];
	const struct ch_statement st = { .sql = sql, .timeout_ms = 6 * STATEMENT_MS, .max = LEDGER_MAX };
	struct str rest;
	int r = 0;

	if (!epoch) {
		z->applied_epoch = z->applied = 0;
		return ledger_load(z->ledger, NULL, 0);
	}
	snprintf(sql, sizeof(sql), "SELECT kind, seq, body FROM " TABLE_LEDGER " WHERE epoch = %" PRIu64 " AND ((kind = 2 AND seq > %" PRIu64 ")%s) "
		 "ORDER BY kind, seq FORMAT RowBinary", epoch, epoch == z->applied_epoch ? z->applied : 0, epoch == z->applied_epoch ? "" : " OR kind = 1");
	r = ch_send(&z->c->ch, &z->link, s, &st, why);
	rest = (struct str){ (const char *)z->link.answer.p, z->link.answer.n };
	while (!r && rest.n)
		r = apply_row(z, epoch, &rest);
	if (!r && z->applied_epoch != epoch)	/* a younger epoch has swept it away meanwhile */
		r = -EBADMSG;
	if (r == -EBADMSG) {
		snprintf(why, CH_WHY_MAX, "the ledger of trails in the cluster cannot be read");
		z->applied_epoch = 0;
	}
	return r;
}

/* Locked. Another store has it, or may. */
static void resign(struct lease *z)
{
	set(&z->lost, true);
	delivery_stop(z->d);
	set(&z->leads, false);
	z->applied_epoch = 0;
}

/* Locked. */
static int refresh_once(struct lease *z, char *why)
{
	struct ch_server *s = ch_pick(&z->c->ch, 0, 0);
	struct heads h;
	int r;

	r = s ? sync_at(z, &z->link, s, why) : no_server(why);
	if (!r)
		r = heads_at(z, &z->link, s, &h, why);
	if (r < 0 || (lease_leads(z) && h.claim == z->epoch))
		return r;
	if (is(&z->leads))
		resign(z);
	return read_at(z, s, h.image, why);
}

/* Locked. While another store writes, a server may have a row and not yet the one before it, or the epoch is over: then once more. */
static int refresh(struct lease *z, char *why)
{
	int r = -EBADMSG;

	for (unsigned i = 0; i < REFRESH_TRIES && r == -EBADMSG; i++)
		r = refresh_once(z, why);
	return r;
}

int lease_refresh(struct lease *z, char why[CH_WHY_MAX])
{
	int r;

	pthread_mutex_lock(&z->lock);
	r = refresh(z, why);
	pthread_mutex_unlock(&z->lock);
	return r;
}

/* Of a store that leads the copy is what the cluster has. 0 or -errno; 1: this one does not lead, or does not know any more. */
static int read_leading(struct lease *z, struct ch_link *l, definition_fn fn, void *ctx, char *why)
{
	uint64_t epoch = __atomic_load_n(&z->epoch, __ATOMIC_ACQUIRE);
	struct ch_server *s = ch_pick(&z->c->ch, 0, 0);
	struct heads h;
	int r;

	if (!lease_leads(z))
		return 1;
	r = s ? sync_at(z, l, s, why) : no_server(why);
	if (!r)
		r = heads_at(z, l, s, &h, why);
	if (r < 0 || h.claim != epoch)
		return r < 0 ? r : 1;
	r = ledger_definitions(z->ledger, fn, ctx);
	/* who takes over reads all of it anew: what was seen may have been a part */
	if (!r && !(lease_leads(z) && epoch == __atomic_load_n(&z->epoch, __ATOMIC_ACQUIRE)))
		r = -EAGAIN;
	return r;
}

int lease_definitions(struct lease *z, struct ch_link *l, definition_fn fn, void *ctx, char why[CH_WHY_MAX])
{
	int r = read_leading(z, l, fn, ctx, why);

	if (r != 1)
		return r;
	pthread_mutex_lock(&z->lock);
	r = refresh(z, why);
	if (!r)
		r = ledger_definitions(z->ledger, fn, ctx);
	pthread_mutex_unlock(&z->lock);
	return r;
}

/* ---- taking over */

/* Locked. */
static int claim(struct lease *z, char *why)
{
	struct ch_server *s = ch_pick(&z->c->ch, 0, 0);
	_cleanup_buf_ struct buf image = { 0 };
	struct heads h;
	uint64_t epoch;
	int r = s ? sync_at(z, &z->link, s, why) : no_server(why);

	if (!r)
		r = heads_at(z, &z->link, s, &h, why);
	if (r < 0)
		return r;
	epoch = ((h.claim >> 32) + 1) << 32 | z->token;
	r = write_row(z, &z->link, epoch, CLAIM, 0, NULL, 0, &s, why);
	if (!r)
		r = heads_at(z, &z->link, s, &h, why);
	z->applied_epoch = 0;		/* of this server nothing but what it has now counts */
	if (!r)
		r = read_at(z, s, h.image, why);
	if (!r)
		r = ledger_image(z->ledger, &image);
	if (!r)
		r = write_row(z, &z->link, epoch, IMAGE, 0, image.p, image.n, &s, why);
	if (r < 0) {
		z->applied_epoch = 0;
		return r;
	}
	__atomic_store_n(&z->epoch, epoch, __ATOMIC_RELEASE);
	z->entries = z->bytes = 0;
	z->image_bytes = image.n;
	__atomic_store_n(&z->written, clock_boot(), __ATOMIC_RELAXED);
	partitions_drop(&z->c->ch, &z->link, s, TABLE_LEDGER, epoch);	/* those before are over for good */
	return 0;
}

/* Locked. */
static int take_over(struct lease *z, char *why)
{
	int r;

	if (is(&z->leads))
		resign(z);
	r = claim(z, why);
	if (!r)
		r = arrange_begin(&z->arranging);
	if (r < 0)
		return r;
	set(&z->lost, false);
	set(&z->leads, true);
	z->takeovers++;
	r = arrange(&z->arranging, z->d, why);
	if (!r)
		r = delivery_start(z->d);
	if (r < 0)
		resign(z);
	else
		log_info("clickhouse: trails are delivered by this store, epoch %" PRIu64, z->epoch >> 32);
	return r;
}

int lease_take(struct lease *z, char why[CH_WHY_MAX])
{
	int r;

	pthread_mutex_lock(&z->lock);
	/* who has led until now may not have heard yet that another does: what its operation reads would be old */
	r = is(&z->stop) ? -ECANCELED : lease_leads(z) ? refresh(z, why) : 0;
	if (!r)
		r = lease_leads(z) ? arrange(&z->arranging, z->d, why) : take_over(z, why);
	pthread_mutex_unlock(&z->lock);
	return r;
}

/* ---- the thread */

struct watch {
	char seen[128];			/* of the store that leads; it changes while that lives */
	uint64_t since;
};

static int beat(struct lease *z, enum row_kind_of_ledger kind, char *why)
{
	struct ch_server *s;
	int r = write_row(z, &z->link, z->epoch, kind, ++z->beats, NULL, 0, &s, why);

	if (!r)
		__atomic_store_n(&z->written, clock_boot(), __ATOMIC_RELAXED);
	return r;
}

/* Locked. */
static int lead(struct lease *z, char *why)
{
	uint64_t now = clock_boot(), bytes = __atomic_load_n(&z->bytes, __ATOMIC_RELAXED);
	int r = 0;

	if (is(&z->lost)) {
		resign(z);
		log_warnx("clickhouse: trails are not delivered by this store any more");
		return 0;
	}
	if (bytes > ENTRIES_MAX && bytes > 2 * z->image_bytes)
		return take_over(z, why);
	if (now - __atomic_load_n(&z->written, __ATOMIC_RELAXED) > BEAT_NS)
		r = beat(z, BEAT, why);
	if (!r)
		r = arrange(&z->arranging, z->d, why);
	if (r == -ESTALE)
		set(&z->lost, true);
	return r;
}

/* Locked. Whether the store that leads is silent, as far as its rows show. */
static int watch(struct lease *z, struct watch *w, char *why)
{
	static const char sql[] = "SELECT max(epoch), maxIf(epoch, kind = 4) = max(epoch), count(), maxIf(epoch, kind = 1) FROM " TABLE_LEDGER
				  " FORMAT TabSeparated";
	const struct ch_statement st = { .sql = sql, .timeout_ms = STATEMENT_MS };
	struct ch_server *s = ch_pick(&z->c->ch, 0, 0);
	const char *text;
	uint64_t claim, rows, image, now = clock_boot();
	unsigned ended;
	int r = s ? ch_send(&z->c->ch, &z->link, s, &st, why) : no_server(why);

	if (r < 0)
		return r;
	text = buf_text(&z->link.answer);
	if (strcmp(text, w->seen)) {
		snprintf(w->seen, sizeof(w->seen), "%s", text);
		w->since = now;
	}
	if (LINE_NUMBERS(text, U64(&claim), U32(&ended), U64(&rows), U64(&image)) < 0)
		return -EBADMSG;
	if (!image && !claim && !z->always)
		return 0;
	/* not all at once: those that lose have claimed for nothing, and disturb who has it */
	if (ended && claim ? now - w->since > (z->token & 7) * LOOK_NS / 8 : now - w->since > SILENT_NS + (z->token & 7) * LOOK_NS / 4)
		return take_over(z, why);
	return 0;
}

static void *run(void *arg)
{
	struct lease *z = arg;
	struct watch w = { .since = clock_boot() };
	char why[CH_WHY_MAX] = "";
	uint64_t took = 0, pause;

	for (;;) {
		uint64_t begun = clock_boot();
		bool leads;
		int r;

		pthread_mutex_lock(&z->lock);
		leads = is(&z->leads);
		if (is(&z->stop)) {
			pthread_mutex_unlock(&z->lock);
			return NULL;
		}
		r = leads ? lead(z, why) : watch(z, &w, why);
		if (leads)
			w.since = clock_boot();
		pthread_mutex_unlock(&z->lock);
		if (r < 0 && !is(&z->stop))
			log_limited(LOG_LEVEL_WARN, r, "clickhouse: trails: %s", why);
		took = clock_boot() - begun;
		pause = leads ? (uint64_t)z->period_ms * NS_PER_MS : LOOK_NS;
		if (is(&z->stop) || cluster_sleep(z->c, took * LOOK_SHARE > pause && leads ? took * LOOK_SHARE : pause))
			return NULL;
	}
}

/* ---- life */

int cluster_deliver(struct cluster *c, struct delivery *d, int64_t interval_ms, bool always)
{
	struct lease *z = calloc(1, sizeof(*z));
	sigset_t all, old;
	int r;

	if (!z)
		return -ENOMEM;
	z->c = c;
	z->d = d;
	z->ledger = delivery_ledger(d);
	z->always = always;
	z->period_ms = interval_ms / 8 > PERIOD_MAX_MS ? PERIOD_MAX_MS : interval_ms / 8 < 100 ? 100 : interval_ms / 8;
	if (z->period_ms > (int64_t)(BEAT_NS / NS_PER_MS))
		z->period_ms = (int64_t)(BEAT_NS / NS_PER_MS);
	z->arranging = (struct arranging){ .c = c, .ledger = z->ledger, .stop = &z->stop };
	pthread_mutex_init(&z->lock, NULL);
	r = random_bytes(&z->token, sizeof(z->token));
	c->lease = z;
	if (r < 0)
		return r;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&z->thread, NULL, run, z);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	z->runs = !r;
	if (!r)
		r = definitions_start(c->definitions);
	return r ? r : days_start(c);
}

void cluster_deliver_end(struct cluster *c)
{
	struct lease *z = c ? c->lease : NULL;
	char why[CH_WHY_MAX];

	if (!z)
		return;
	set(&z->stop, true);
	pthread_mutex_lock(&z->lock);
	if (lease_leads(z)) {
		delivery_stop(z->d);
		beat(z, END, why);
	}
	if (is(&z->leads))
		resign(z);
	pthread_mutex_unlock(&z->lock);
}

void lease_free(struct lease **pz)
{
	struct lease *z = *pz;

	if (!z)
		return;
	if (z->runs)
		pthread_join(z->thread, NULL);
	arrange_clear(&z->arranging);
	ch_link_free(&z->link);
	ch_link_free(&z->writing);
	pthread_mutex_destroy(&z->lock);
	free(z);
	*pz = NULL;
}

void lease_counts(struct lease *z, struct lease_counts *ret)
{
	*ret = (struct lease_counts){ .leads = lease_leads(z), .takeovers = __atomic_load_n(&z->takeovers, __ATOMIC_RELAXED),
				      .arranged = __atomic_load_n(&z->arranging.frames, __ATOMIC_RELAXED) };
}
