/* SPDX-License-Identifier: Apache-2.0 */
/*
 * definitions.c - event data stores over a cluster. What is defined of them is in the ledger, which every store has a copy of; which of them a record is in is
 * decided when its row is made, by the definitions that this store has then. A thread reads them every second. A store that cannot read them goes by
 * those that it had: who cannot reach the ledger cannot know what was changed, and must take records all the same.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cluster_internal.h"
#include "lease.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "store/retention/retention.h"

#define READ_NS NS_PER_SEC
#define FIRST_NS (100 * NS_PER_MS)	/* until they are read at all */
#define WAIT_NS (5 * NS_PER_SEC)	/* for a reading that is under way, at most */
#define LISTED_MAX (STORES_MAX + 1)

struct definitions {
	struct cluster *c;
	struct ch_link link;
	pthread_t thread;
	bool runs;
	pthread_mutex_t lock;		/* what follows */
	pthread_cond_t told;
	struct membership *now;		/* NULL: never read */
	struct buf text;		/* what it was made of */
	uint64_t as_of;			/* boot-time ns: nothing that was changed before is missing */
	bool failing, ended;
};

/* ---- who takes in what */

void membership_put(struct membership *m)
{
	if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (unsigned i = 0; i < m->n; i++)
		selectors_free(&m->v[i].selectors);
	free(m);
}

struct reading {
	struct membership *m;
	struct buf text;
};

static int add_one(void *ctx, const struct event_store *e, const char *selectors)
{
	struct reading *x = ctx;
	char why[SELECTORS_WHY_MAX];
	int r;

	if (e->builtin || e->status != STORE_ENABLED)
		return 0;
	if (x->m->n == STORES_MAX)
		return -EBADMSG;
	r = selectors_parse(selectors, strlen(selectors), &x->m->v[x->m->n].selectors, why);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	x->m->v[x->m->n++].key = store_key(e->id);
	return buf_addf(&x->text, "%s %s\n", e->id, selectors);
}

static int reading_begin(struct reading *x)
{
	*x = (struct reading){ .m = calloc(1, sizeof(*x->m)) };
	if (x->m)
		x->m->refs = 1;
	return x->m ? 0 : -ENOMEM;
}

static void reading_end(struct reading *x)
{
	membership_put(x->m);
	buf_free(&x->text);
}

/* x holds afterwards what is to be freed. */
static void install(struct definitions *d, struct reading *x, uint64_t as_of)
{
	pthread_mutex_lock(&d->lock);
	d->failing = false;
	if (as_of >= d->as_of || !d->now) {
		struct reading old = { d->now, d->text };

		d->now = x->m;
		d->text = x->text;
		d->as_of = as_of;
		*x = old;
	}
	pthread_cond_broadcast(&d->told);
	pthread_mutex_unlock(&d->lock);
}

static int read_all(struct definitions *d, struct ch_link *l, char *why)
{
	uint64_t begun = clock_boot();
	struct reading x;
	int r = reading_begin(&x);

	if (!r)
		r = lease_definitions(d->c->lease, l, add_one, &x, why);
	if (!r)
		install(d, &x, begun);
	reading_end(&x);
	return r;
}

/* By this store: what it takes from now on goes by that. */
static void changed(struct definitions *d)
{
	struct ch_link l = { 0 };
	char why[CH_WHY_MAX];

	read_all(d, &l, why);	/* or within a second */
	ch_link_free(&l);
}

static void failed(struct definitions *d, int r, const char *why)
{
	pthread_mutex_lock(&d->lock);
	d->failing = true;
	pthread_cond_broadcast(&d->told);
	pthread_mutex_unlock(&d->lock);
	/* that no server answers is said by all others */
	if (ch_pick(&d->c->ch, CH_ANY_SHARD, 0))
		log_limited(LOG_LEVEL_WARN, r, "clickhouse: event data stores' definitions: %s", why);
}

static void *run(void *arg)
{
	struct definitions *d = arg;
	char why[CH_WHY_MAX] = "out of memory";
	bool known = false;
	uint64_t saved = 0;
	int r;

	do {
		r = read_all(d, &d->link, why);
		known |= !r;
		if (r < 0 && r != -EAGAIN)
			failed(d, r, why);
		keeping_tick(d->c, &saved);
	} while (!cluster_sleep(d->c, known ? READ_NS : FIRST_NS));
	return NULL;
}

static bool is_good(const struct definitions *d, uint64_t now)
{
	return d->ended || (d->now && (d->failing || d->as_of + DEFINITIONS_AGE_NS > now));
}

struct membership *definitions_membership(struct definitions *d, char why[CH_WHY_MAX])
{
	struct membership *m;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WAIT_NS / NS_PER_SEC;
	pthread_mutex_lock(&d->lock);
	while (!is_good(d, clock_boot()) && pthread_cond_timedwait(&d->told, &d->lock, &until) != ETIMEDOUT)
		;
	m = d->now;
	if (m)
		__atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&d->lock);
	if (!m)
		snprintf(why, CH_WHY_MAX, "what is defined of event data stores has not been read yet: until then nobody can say which records are whose");
	return m;
}

/* ---- life */

int definitions_new(struct cluster *c, struct definitions **ret_d)
{
	struct definitions *d = calloc(1, sizeof(*d));
	pthread_condattr_t monotonic;

	if (!d)
		return -ENOMEM;
	d->c = c;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&d->told, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*ret_d = d;
	return 0;
}

int definitions_start(struct definitions *d)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&d->thread, NULL, run, d);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	d->runs = !r;
	return r;
}

void definitions_end(struct definitions *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->ended = true;
	pthread_cond_broadcast(&d->told);
	pthread_mutex_unlock(&d->lock);
	if (d->runs)
		pthread_join(d->thread, NULL);
	d->runs = false;
}

void definitions_free(struct definitions **pd)
{
	struct definitions *d = *pd;

	if (!d)
		return;
	membership_put(d->now);
	buf_free(&d->text);
	ch_link_free(&d->link);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->told);
	free(d);
	*pd = NULL;
}

/* ---- definitions.h's functions, over the copy of the ledger: who calls has brought it up to date, or leads (trails.c) */

static struct ledger *ledger_of(struct store *st)
{
	return lease_ledger(cluster_of(st)->lease);
}

/* As it is until somebody changes it. */
static void builtin(struct store *st, struct event_store *ret_e)
{
	*ret_e = (struct event_store){ .name = BUILTIN_NAME, .status = STORE_ENABLED, .retention_days = BUILTIN_DAYS, .protected = true, .builtin = true };
	memcpy(ret_e->id, cluster_of(st)->store_id, sizeof(ret_e->id));
}

static int ready(struct store *st, struct reply *r)
{
	return 0;
}

static void begin(struct store *st)
{
	retention_change_begin(st->retention);
}

static void end(struct store *st)
{
	retention_change_end(st->retention);
}

static int get(struct store *st, const char *id, struct event_store *ret_e, struct buf *ret_selectors)
{
	int r = ledger_definition_get(ledger_of(st), id, ret_e, ret_selectors);

	if (r != -ENOENT || strcmp(id, cluster_of(st)->store_id))
		return r;
	builtin(st, ret_e);
	return 0;
}

static int find(struct store *st, const char *name, struct event_store *ret_e)
{
	int r = ledger_definition_find(ledger_of(st), name, ret_e);
	struct event_store e;

	if (r != -ENOENT || strcmp(name, BUILTIN_NAME) || ledger_definition_get(ledger_of(st), cluster_of(st)->store_id, &e, NULL) != -ENOENT)
		return r;
	builtin(st, ret_e);
	return 0;
}

static int each(struct store *st, definition_fn fn, void *ctx)
{
	struct event_store e;
	int r = ledger_definition_get(ledger_of(st), cluster_of(st)->store_id, &e, NULL);

	if (r == -ENOENT) {
		builtin(st, &e);
		r = fn(ctx, &e, "");
	}
	return r < 0 ? r : ledger_definitions(ledger_of(st), fn, ctx);
}

struct deleted {
	struct event_store v[LISTED_MAX];
	unsigned n;
};

static int note_deleted(void *ctx, const struct event_store *e, const char *selectors)
{
	struct deleted *d = ctx;

	if (e->status == STORE_PENDING_DELETION && d->n < LISTED_MAX)
		d->v[d->n++] = *e;
	return 0;
}

/* Those whose time is over make room. */
static int forget(struct store *st, struct ledger *l)
{
	struct deleted d = { .n = 0 };
	int r = ledger_definitions(l, note_deleted, &d);

	for (unsigned i = 0; !r && i < d.n; i++)
		if (retention_forgets(st->retention, d.v[i].id, d.v[i].deleted))
			r = ledger_definition_forget(l, d.v[i].id);
	return r;
}

static int add(struct store *st, const struct event_store *e, const char *selectors)
{
	struct ledger *l = ledger_of(st);
	int r = forget(st, l);

	if (!r)
		r = ledger_definition_add(l, e, selectors);
	if (!r)
		changed(cluster_of(st)->definitions);
	return r;
}

static int change(struct store *st, const struct event_store *e, const char *selectors)
{
	int r = ledger_definition_change(ledger_of(st), e, selectors);

	if (!r)
		changed(cluster_of(st)->definitions);
	return r;
}

const struct definitions_ops cluster_definitions = {
	.ready = ready, .begin = begin, .end = end, .get = get, .find = find, .each = each, .add = add, .change = change,
};
