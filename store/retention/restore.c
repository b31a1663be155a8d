/* SPDX-License-Identifier: Apache-2.0 */
#include "restore.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "store/decoded.h"
#include "store/journal.h"
#include "store/members.h"

/* The last one of a target holds: each is stronger than the one before, or that had passed. */
static void take_lock(struct rules *u, struct json_object *o)
{
	struct retention_lock l = { 0 };
	struct json_object *days;

	snprintf(l.target, sizeof(l.target), "%s", member_text(o, "target", ""));
	l.until = member_time(o, "until", 0);
	if (json_object_object_get_ex(o, "minimumDays", &days))
		l.days = json_object_get_int(days);
	if (l.days < RETENTION_DAYS_MIN || l.days > RETENTION_DAYS_MAX || !*l.target)
		return;
	rules_lock(u, &l);
}

static void take_hold(struct rules *u, struct json_object *o, int64_t placed)
{
	struct retention_hold h = { .from = member_time(o, "startTime", INT64_MIN), .to = member_time(o, "endTime", INT64_MAX), .placed = placed };
	const char *target = member_text(o, "target", "");

	snprintf(h.name, sizeof(h.name), "%s", member_text(o, "name", ""));
	snprintf(h.target, sizeof(h.target), "%s", strcmp(target, "everything") ? target : "");
	snprintf(h.reason, sizeof(h.reason), "%s", member_text(o, "reason", ""));
	snprintf(h.by, sizeof(h.by), "%s", member_text(o, "by", ""));
	if (*h.name)
		rules_place(u, &h);
}

void restore_record(struct rules *u, const char *json, size_t n)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *o = t && n <= INT32_MAX ? json_tokener_parse_ex(t, json, (int)n) : NULL, *details;

	if (o && json_object_object_get_ex(o, "serviceEventDetails", &details)) {
		const char *name = member_text(o, "eventName", "");

		if (!strcmp(name, "RetentionLocked"))
			take_lock(u, details);
		else if (!strcmp(name, "HoldPlaced"))
			take_hold(u, details, member_time(o, "eventTime", 0));
		else if (!strcmp(name, "HoldReleased"))
			rules_release(u, member_text(details, "name", ""));
	}
	json_object_put(o);
	json_tokener_free(t);
}

struct restoring {
	struct journal *j;
	struct decoded_cache *c;
	struct rules *u;
};

static bool is_rule(const struct record_summary *s)
{
	static const char *const names[] = { "RetentionLocked", "HoldPlaced", "HoldReleased" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (s->event_name.n == strlen(names[i]) && !memcmp(s->event_name.p, names[i], s->event_name.n))
			return true;
	return false;
}

static int on_entry(void *ctx, const struct journal_entry *e)
{
	struct restoring *x = ctx;
	struct decoded *d;
	int r;

	if (!(e->flags & JOURNAL_OWN))
		return 0;
	r = decoded_read(x->c, x->j, e->pos, false, &d);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (unsigned i = 0; i < d->records && !r; i++) {
		_cleanup_buf_ struct buf json = { 0 };
		struct record_summary s;

		if (reader_summary(d->reader, i, &s) < 0 || !is_rule(&s))
			continue;
		r = reader_json(d->reader, i, &json);
		if (!r)
			restore_record(x->u, buf_text(&json), json.n);
	}
	decoded_release(x->c, d);
	return r == -ENOMEM ? r : 0;
}

int restore_rules(struct journal *j, struct decoded_cache *c, struct rules *ret)
{
	struct restoring x = { j, c, ret };

	return journal_scan(j, 0, false, on_entry, &x, NULL);
}
