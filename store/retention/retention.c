/* SPDX-License-Identifier: Apache-2.0 */
#include "retention.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "keptclock.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "restore.h"
#include "rules.h"
#include "store/journal.h"

#define FILE_MAX (1u << 20)
#define SAVE_NS (60 * NS_PER_SEC)
#define RESERVE_BYTES (512 << 10)
#define FIRST_NS (7 * RETENTION_DAY_NS)

struct retention {
	char *rules_path, *clock_path, *reserve_path;
	bool fresh;			/* nothing is remembered */
	retention_save_fn save;		/* NULL: in files; else there are none */
	void *save_ctx;
	bool leads;
	pthread_mutex_t change;
	pthread_mutex_t lock;		/* everything below */
	struct keptclock clock;
	int64_t now;
	uint64_t saved;			/* boot-time ns */
	struct rules *rules;
};

/* ---- opening */

static int load_rules(struct retention *r, char why[RETENTION_WHY_MAX])
{
	_cleanup_buf_ struct buf b = { 0 };
	int res = fsx_read(r->rules_path, FILE_MAX, &b);

	r->fresh = res == -ENOENT;
	if (r->fresh)
		return 0;
	if (!res)
		res = rules_read(buf_text(&b), b.n, r->rules);
	if (res < 0)
		snprintf(why, RETENTION_WHY_MAX, "%.160s cannot be read (%s): what is locked and held is not known", r->rules_path,
			 res == -EBADMSG ? "it is damaged" : strerror(-res));
	return res;
}

/* A clock's file that is lost or damaged sets the clock back to when the rules were written: later, never earlier. */
static int64_t load_clock(struct retention *r)
{
	_cleanup_buf_ struct buf b = { 0 };
	long long kept;

	if (fsx_read(r->clock_path, 64, &b) == 0 && sscanf(buf_text(&b), "%lld", &kept) == 1 && kept > r->rules->clock)
		return kept;
	return r->rules->clock;
}

int retention_open(const char *dir, struct retention **ret_r, char why[RETENTION_WHY_MAX])
{
	_cleanup_retention_ struct retention *r = calloc(1, sizeof(*r));
	int res;

	snprintf(why, RETENTION_WHY_MAX, "out of memory");
	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->change, NULL);
	r->rules = calloc(1, sizeof(*r->rules));
	if (asprintf(&r->rules_path, "%s/retention.json", dir) < 0)
		r->rules_path = NULL;
	if (asprintf(&r->clock_path, "%s/retention.clock", dir) < 0)
		r->clock_path = NULL;
	if (asprintf(&r->reserve_path, "%s/retention.reserve", dir) < 0)
		r->reserve_path = NULL;
	if (!r->rules || !r->rules_path || !r->clock_path || !r->reserve_path)
		return -ENOMEM;
	res = load_rules(r, why);
	if (res < 0)
		return res;
	keptclock_start(&r->clock, load_clock(r), clock_boot());
	r->now = r->clock.kept < clock_wall() ? r->clock.kept : clock_wall();
	*ret_r = TAKE_PTR(r);
	return 0;
}

int retention_open_shared(retention_save_fn save, void *ctx, struct retention **ret_r)
{
	_cleanup_retention_ struct retention *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->change, NULL);
	r->rules = calloc(1, sizeof(*r->rules));
	if (!r->rules)
		return -ENOMEM;
	r->save = save;
	r->save_ctx = ctx;
	*ret_r = TAKE_PTR(r);
	return 0;
}

int retention_take(struct retention *r, const char *text, size_t n, int64_t clock)
{
	_cleanup_free_ struct rules *u = calloc(1, sizeof(*u));
	int res = u ? 0 : -ENOMEM;

	if (!res && n)
		res = rules_read(text, n, u);
	if (res < 0)
		return res;
	pthread_mutex_lock(&r->lock);
	*r->rules = *u;
	if (!r->leads || !r->now)
		r->now = clock && clock < clock_wall() ? clock : clock_wall();
	pthread_mutex_unlock(&r->lock);
	return 0;
}

void retention_lead(struct retention *r, bool leads)
{
	pthread_mutex_lock(&r->lock);
	if (leads && !r->leads)
		keptclock_start(&r->clock, r->now, clock_boot());
	r->leads = leads;
	pthread_mutex_unlock(&r->lock);
}

bool retention_leads(struct retention *r)
{
	bool leads;

	pthread_mutex_lock(&r->lock);
	leads = r->leads;
	pthread_mutex_unlock(&r->lock);
	return leads;
}

static int save_clock(struct retention *r)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lld\n", (long long)r->clock.kept);

	r->saved = clock_boot();
	return fsx_replace(r->clock_path, text, (size_t)n, 0640);
}

void retention_free(struct retention **pr)
{
	struct retention *r = *pr;

	if (!r)
		return;
	/* how far it has come, not how far it was a minute ago */
	if (r->saved)
		save_clock(r);
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->change);
	free(r->rules_path);
	free(r->clock_path);
	free(r->reserve_path);
	free(r->rules);
	free(r);
	*pr = NULL;
}

static int newest(void *ctx, const struct journal_entry *e)
{
	int64_t *at = ctx;

	if (e->received > *at)
		*at = e->received;
	return 0;
}

/* ---- space for what must be said before anything can be removed */

/* The record may find room, and the manifest then not. */
static bool is_nearly_full(const struct retention *r)
{
	struct statvfs v;

	return statvfs(r->clock_path, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < RESERVE_BYTES;
}

static void reserve(struct retention *r)
{
	int fd = open(r->reserve_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	if (is_nearly_full(r) || posix_fallocate(fd, 0, RESERVE_BYTES))
		unlink(r->reserve_path);
	close(fd);
}

int retention_say(struct retention *r, struct witness *w, int (*say)(struct witness *w, const struct witness_removal *m),
		  const struct witness_removal *m)
{
	int res;

	if (r && !r->save && is_nearly_full(r))
		unlink(r->reserve_path);
	res = w ? say(w, m) : 0;
	if ((res == -ENOSPC || res == -EDQUOT) && r && !r->save && unlink(r->reserve_path) == 0)
		res = say(w, m);
	return res;
}

/* ---- the clock */

void retention_tick(struct retention *r)
{
	int res = 0;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	if (!r->save || r->leads)
		r->now = keptclock_tick(&r->clock, clock_wall(), clock_boot());
	if (r->save) {
		pthread_mutex_unlock(&r->lock);
		return;
	}
	if (!r->saved || clock_boot() - r->saved > SAVE_NS) {
		res = save_clock(r);
		reserve(r);
	}
	pthread_mutex_unlock(&r->lock);
	if (res < 0)
		log_limited(LOG_LEVEL_WARN, res, "cannot write %s", r->clock_path);
}

int64_t retention_now(struct retention *r)
{
	int64_t now;

	if (!r)
		return clock_wall();
	pthread_mutex_lock(&r->lock);
	now = r->now;
	pthread_mutex_unlock(&r->lock);
	return now;
}

int64_t retention_lag(struct retention *r)
{
	int64_t lag = r ? clock_wall() - retention_now(r) : 0;

	return lag > 0 ? lag : 0;
}

void retention_change_begin(struct retention *r)
{
	if (r)
		pthread_mutex_lock(&r->change);
}

void retention_change_end(struct retention *r)
{
	if (r)
		pthread_mutex_unlock(&r->change);
}

/* ---- rules */

void retention_store_target(const char *id, char ret[RETENTION_TARGET_MAX])
{
	snprintf(ret, RETENTION_TARGET_MAX, "eventDataStore %.64s", id);
}

void retention_bucket_target(const char *name, char ret[RETENTION_TARGET_MAX])
{
	snprintf(ret, RETENTION_TARGET_MAX, "bucket %.64s", name);
}

/* The changed copy takes the place of what is there once it is on disk. */
static int settle(struct retention *r, struct rules *changed)
{
	_cleanup_buf_ struct buf b = { 0 };
	int res;

	changed->clock = r->save ? r->now : r->clock.kept;
	res = rules_write(changed, &b);
	if (!res)
		res = r->save ? r->save(r->save_ctx, buf_text(&b), b.n) : fsx_replace(r->rules_path, b.p, b.n, 0640);
	if (!res)
		*r->rules = *changed;
	return res;
}

static int begin_clock(struct retention *r, struct journal *j)
{
	uint64_t segment = journal_end(j) >> 32;
	int64_t wall = clock_wall(), held = 0;
	/* the newest segment may be empty */
	int res = journal_scan(j, segment > 1 ? (segment - 1) << 32 : 0, false, newest, &held, NULL);

	if (res < 0)
		return res;
	keptclock_start(&r->clock, held && held + FIRST_NS < wall ? held + FIRST_NS : wall, clock_boot());
	r->now = r->clock.kept;
	return 0;
}

int retention_begin(struct retention *r, struct journal *j, struct decoded_cache *c)
{
	_cleanup_free_ struct rules *restored = calloc(1, sizeof(*restored));
	int res = restored ? 0 : -ENOMEM;

	if (!res && !r->clock.kept)
		res = begin_clock(r, j);
	if (res < 0 || !r->fresh)
		return res;
	res = restore_rules(j, c, restored);
	if (res < 0)
		return res;
	if (restored->nlocks || restored->nholds)
		log_warnx("%s is missing: %u locks and %u holds are taken from the store's own records", r->rules_path, restored->nlocks,
			  restored->nholds);
	*r->rules = *restored;
	restored->clock = r->clock.kept;
	res = settle(r, restored);
	/* a full disk keeps nobody from his answers */
	return res == -ENOSPC || res == -EDQUOT ? 0 : res;
}

/* Locked. */
static bool find_lock(struct retention *r, const char *target, struct retention_lock *ret_l)
{
	for (unsigned i = 0; i < r->rules->nlocks; i++)
		if (!strcmp(r->rules->locks[i].target, target) && r->rules->locks[i].until > r->now) {
			*ret_l = r->rules->locks[i];
			return true;
		}
	return false;
}

bool retention_locked(struct retention *r, const char *target, struct retention_lock *ret_l)
{
	bool found;

	if (!r)
		return false;
	pthread_mutex_lock(&r->lock);
	found = find_lock(r, target, ret_l);
	pthread_mutex_unlock(&r->lock);
	return found;
}

int retention_lock(struct retention *r, const struct retention_lock *l, struct retention_lock *ret_old)
{
	_cleanup_free_ struct rules *changed = malloc(sizeof(*changed));
	int res;

	if (!changed)
		return -ENOMEM;
	pthread_mutex_lock(&r->lock);
	*changed = *r->rules;
	res = find_lock(r, l->target, ret_old) && (l->days < ret_old->days || l->until < ret_old->until) ? -EPERM : rules_lock(changed, l);
	if (!res)
		res = settle(r, changed);
	pthread_mutex_unlock(&r->lock);
	return res;
}

bool retention_held(struct retention *r, const char *target, int64_t from, int64_t to)
{
	bool held = false;

	if (!r)
		return false;
	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < r->rules->nholds && !held; i++) {
		const struct retention_hold *h = &r->rules->holds[i];

		held = (!*h->target || !strcmp(h->target, target)) && h->from <= to && h->to >= from;
	}
	pthread_mutex_unlock(&r->lock);
	return held;
}

bool retention_forgets(struct retention *r, const char *store_id, int64_t deleted)
{
	struct retention_lock lock;
	char target[RETENTION_TARGET_MAX];

	retention_store_target(store_id, target);
	return retention_now(r) - deleted > RETENTION_PENDING_DAYS * RETENTION_DAY_NS && !retention_held(r, target, INT64_MIN, INT64_MAX) &&
	       !retention_locked(r, target, &lock);
}

bool retention_held_journal(struct retention *r, int64_t from, int64_t to)
{
	bool held = false;

	if (!r)
		return false;
	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < r->rules->nholds && !held; i++) {
		const struct retention_hold *h = &r->rules->holds[i];

		held = strncmp(h->target, "bucket ", 7) && h->from <= to && h->to >= from;
	}
	pthread_mutex_unlock(&r->lock);
	return held;
}

/* One of the two. */
static int change_holds(struct retention *r, const struct retention_hold *place, const char *release)
{
	_cleanup_free_ struct rules *changed = malloc(sizeof(*changed));
	int res;

	if (!changed)
		return -ENOMEM;
	pthread_mutex_lock(&r->lock);
	*changed = *r->rules;
	res = place ? rules_place(changed, place) : rules_release(changed, release);
	if (!res)
		res = settle(r, changed);
	pthread_mutex_unlock(&r->lock);
	return res;
}

int retention_hold_place(struct retention *r, const struct retention_hold *h)
{
	return change_holds(r, h, NULL);
}

int retention_hold_release(struct retention *r, const char *name)
{
	return change_holds(r, NULL, name);
}

/* ---- showing them */

static struct rules *copy_rules(struct retention *r)
{
	struct rules *copy = malloc(sizeof(*copy));

	if (!copy)
		return NULL;
	pthread_mutex_lock(&r->lock);
	*copy = *r->rules;
	pthread_mutex_unlock(&r->lock);
	return copy;
}

bool retention_hold_find(struct retention *r, const char *name, struct retention_hold *ret_h)
{
	_cleanup_free_ struct rules *u = copy_rules(r);

	for (unsigned i = 0; u && i < u->nholds; i++)
		if (!strcmp(u->holds[i].name, name)) {
			*ret_h = u->holds[i];
			return true;
		}
	return false;
}

int retention_locks(struct retention *r, int (*fn)(void *ctx, const struct retention_lock *l), void *ctx)
{
	_cleanup_free_ struct rules *u = copy_rules(r);
	int res = u ? 0 : -ENOMEM;

	for (unsigned i = 0; !res && i < u->nlocks; i++)
		res = fn(ctx, &u->locks[i]);
	return res;
}

int retention_holds(struct retention *r, int (*fn)(void *ctx, const struct retention_hold *h), void *ctx)
{
	_cleanup_free_ struct rules *u = copy_rules(r);
	int res = u ? 0 : -ENOMEM;

	for (unsigned i = 0; !res && i < u->nholds; i++)
		res = fn(ctx, &u->holds[i]);
	return res;
}
