/* SPDX-License-Identifier: Apache-2.0 */
#include "rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "proto/json.h"

#define VERSION 1

/* ---- reading */

static bool take_text(struct json_object *o, const char *key, char *ret, size_t size)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string) ||
	    json_unescape(json_object_get_string(v), (size_t)json_object_get_string_len(v), &b) < 0 || b.n >= size || memchr(b.p ? b.p : (uint8_t *)"", 0, b.n))
		return false;
	snprintf(ret, size, "%s", buf_text(&b));
	return true;
}

/* Beyond 2^53 it is text. */
static bool take_int(struct json_object *o, const char *key, int64_t *ret)
{
	struct json_object *v;
	char *end;

	if (!json_object_object_get_ex(o, key, &v))
		return false;
	if (json_object_is_type(v, json_type_int)) {
		*ret = json_object_get_int64(v);
		return true;
	}
	if (!json_object_is_type(v, json_type_string))
		return false;
	errno = 0;
	*ret = strtoll(json_object_get_string(v), &end, 10);
	return !errno && end != json_object_get_string(v) && !*end;
}

static bool take_lock(struct json_object *o, struct rules *u)
{
	struct retention_lock l = { 0 };
	int64_t days;

	if (!take_text(o, "Target", l.target, sizeof(l.target)) || !take_int(o, "MinimumDays", &days) || !take_int(o, "Until", &l.until) ||
	    days < RETENTION_DAYS_MIN || days > RETENTION_DAYS_MAX)
		return false;
	l.days = (int)days;
	return rules_lock(u, &l) == 0;
}

static bool take_hold(struct json_object *o, struct rules *u)
{
	struct retention_hold h = { 0 };

	return take_text(o, "Name", h.name, sizeof(h.name)) && take_text(o, "Target", h.target, sizeof(h.target)) &&
	       take_text(o, "Reason", h.reason, sizeof(h.reason)) && take_text(o, "By", h.by, sizeof(h.by)) && take_int(o, "From", &h.from) &&
	       take_int(o, "To", &h.to) && take_int(o, "Placed", &h.placed) && rules_place(u, &h) == 0;
}

static bool take_list(struct json_object *o, const char *key, bool (*take)(struct json_object *o, struct rules *u), struct rules *u)
{
	struct json_object *list;
	bool good = json_object_object_get_ex(o, key, &list) && json_object_is_type(list, json_type_array);

	for (size_t i = 0; good && i < json_object_array_length(list); i++)
		good = json_object_is_type(json_object_array_get_idx(list, i), json_type_object) && take(json_object_array_get_idx(list, i), u);
	return good;
}

int rules_read(const char *text, size_t n, struct rules *ret)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *o = t && n <= INT32_MAX ? json_tokener_parse_ex(t, text, (int)n) : NULL;
	size_t end = o ? json_tokener_get_parse_end(t) : 0;
	bool whole = o && json_object_is_type(o, json_type_object) && strspn(text + end, " \n") == n - end;
	int64_t version;

	memset(ret, 0, sizeof(*ret));
	whole = whole && take_int(o, "Version", &version) && version == VERSION && take_int(o, "Clock", &ret->clock) &&
		take_list(o, "Locks", take_lock, ret) && take_list(o, "Holds", take_hold, ret);
	json_object_put(o);
	json_tokener_free(t);
	return whole ? 0 : -EBADMSG;
}

/* ---- writing */

int rules_write(const struct rules *u, struct buf *out)
{
	struct json j = { .out = out };

	json_open(&j, NULL, '{');
	json_int(&j, "Version", VERSION);
	json_int(&j, "Clock", u->clock);
	json_open(&j, "Locks", '[');
	for (unsigned i = 0; i < u->nlocks; i++) {
		json_open(&j, NULL, '{');
		json_string(&j, "Target", u->locks[i].target);
		json_int(&j, "MinimumDays", u->locks[i].days);
		json_int(&j, "Until", u->locks[i].until);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "Holds", '[');
	for (unsigned i = 0; i < u->nholds; i++) {
		const struct retention_hold *h = &u->holds[i];

		json_open(&j, NULL, '{');
		json_string(&j, "Name", h->name);
		json_string(&j, "Target", h->target);
		json_string(&j, "Reason", h->reason);
		json_string(&j, "By", h->by);
		json_int(&j, "From", h->from);
		json_int(&j, "To", h->to);
		json_int(&j, "Placed", h->placed);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	buf_addc(out, '\n');
	return out->failed ? -ENOMEM : 0;
}

/* ---- changing */

int rules_lock(struct rules *u, const struct retention_lock *l)
{
	unsigned i;

	for (i = 0; i < u->nlocks && strcmp(u->locks[i].target, l->target); i++)
		;
	if (i == RETENTION_LOCKS_MAX)
		return -EDQUOT;
	u->nlocks += i == u->nlocks;
	u->locks[i] = *l;
	return 0;
}

static unsigned find_hold(const struct rules *u, const char *name)
{
	unsigned i;

	for (i = 0; i < u->nholds && strcmp(u->holds[i].name, name); i++)
		;
	return i;
}

int rules_place(struct rules *u, const struct retention_hold *h)
{
	if (find_hold(u, h->name) < u->nholds)
		return -EEXIST;
	if (u->nholds == RETENTION_HOLDS_MAX)
		return -EDQUOT;
	u->holds[u->nholds++] = *h;
	return 0;
}

int rules_release(struct rules *u, const char *name)
{
	unsigned i = find_hold(u, name);

	if (i == u->nholds)
		return -ENOENT;
	memmove(&u->holds[i], &u->holds[i + 1], (u->nholds - i - 1) * sizeof(u->holds[0]));
	u->nholds--;
	return 0;
}
