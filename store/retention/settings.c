/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "store/delivery/bucket.h"

struct check {
	struct retention *r;
	const struct buckets *buckets;
};

/* By the mark that it has since it was locked or held; one from before that has none gets it. */
static int check_directory(const struct buckets *buckets, const char *name, const char *until)
{
	const struct bucket *b = buckets_find(buckets, name), *other;
	char mark[BUCKET_MARK_MAX];

	if (!b || !bucket_is_local(b)) {
		log_errx("bucket %s is %s, and no directory of the settings", name, until);
		return -EPERM;
	}
	for (unsigned i = 0; (other = buckets_at(buckets, i)); i++)
		if (other != b && bucket_mark(other, mark) == 0 && !strcmp(mark, name)) {
			log_errx("bucket %s is %s, and its directory is that of %s in the settings", name, until, bucket_name(other));
			return -EPERM;
		}
	if (bucket_mark(b, mark) == 0 && !strcmp(mark, name))
		return 0;
	if (!bucket_is_empty(b)) {
		bucket_set_mark(b);
		return 0;
	}
	log_errx("bucket %s is %s, and nothing is in its directory: it is another one, or not mounted", name, until);
	return -EPERM;
}

/* NULL: the target is no bucket. */
static const char *bucket_of(const char *target)
{
	static const char kind[] = "bucket ";

	return strncmp(target, kind, sizeof(kind) - 1) ? NULL : target + sizeof(kind) - 1;
}

static int check_lock(void *ctx, const struct retention_lock *l)
{
	const struct check *c = ctx;
	const char *name = bucket_of(l->target);
	struct retention_lock held;
	char until[21], text[64];
	int days, r;

	if (!name || !retention_locked(c->r, l->target, &held))
		return 0;
	clock_iso(l->until / (int64_t)NS_PER_SEC, until);
	snprintf(text, sizeof(text), "locked until %s", until);
	r = check_directory(c->buckets, name, text);
	if (r < 0)
		return r;
	days = bucket_retention(buckets_find(c->buckets, name));
	if (!days || days >= l->days)
		return 0;
	log_errx("bucket %s: retention_days is %d, and at least %d are locked until %s", name, days, l->days, until);
	return -EPERM;
}

static int check_hold(void *ctx, const struct retention_hold *h)
{
	const struct check *c = ctx;
	const char *name = bucket_of(h->target);

	return name ? check_directory(c->buckets, name, "held") : 0;
}

int retention_check_settings(struct retention *r, const struct buckets *buckets)
{
	struct check c = { r, buckets };
	int res = retention_locks(r, check_lock, &c);

	return res ? res : retention_holds(r, check_hold, &c);
}
