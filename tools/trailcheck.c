/* SPDX-License-Identifier: Apache-2.0 */
#include "trailcheck.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "trailcheck_internal.h"

void check_fault(struct check *c, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->t->fault(c->t->ctx, text);
}

static void check_free(struct check *c)
{
	struct named *n, *next;

	HASH_ITER(hh, c->names, n, next) {
		HASH_DEL(c->names, n);
		free(n->name);
		free(n);
	}
	json_object_put(c->keys);
	json_object_put(c->digests);
	json_object_put(c->open);
	json_object_put(c->loose);
	json_object_put(c->trails);
	free(c);
}

/* ---- what the store remembers */

static int known_rows(struct check *c, struct json_object *rows, bool keep)
{
	int r = 0;

	for (size_t i = 0; rows && i < json_object_array_length(rows) && !r; i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);

		r = check_name(c, member_text(row, "S3Bucket"), member_text(row, "S3Object"), false);
		if (!r && keep)
			r = json_object_array_add(c->digests, json_object_get(row)) < 0 ? -ENOMEM : 0;
	}
	return r;
}

/* "segment:offset:record" */
static bool read_place(struct json_object *o, const char *key, struct recordcheck_place *ret)
{
	unsigned segment, offset;

	if (sscanf(member_text(o, key), "%u:%u:%u", &segment, &offset, &ret->record) != 3)
		return false;
	ret->pos = (uint64_t)segment << 32 | offset;
	return true;
}

static int take_stretches(struct check *c, struct json_object *rows)
{
	int r = 0;

	for (size_t i = 0; c->t->records && rows && i < json_object_array_length(rows) && !r; i++) {
		struct json_object *s = json_object_array_get_idx(rows, i);
		struct recordcheck_place from, to;

		r = -EINVAL;
		if (read_place(s, "From", &from) && read_place(s, "To", &to))
			r = recordcheck_stretch(c->t->records, json_object_get_int64(member_at(s, "Trail")), &from, &to,
						member_at(s, "Region") ? member_text(s, "Region") : NULL,
						json_object_get_boolean(member_at(s, "Digests")), member_text(s, "Selectors"));
		if (r < 0)
			snprintf(c->why, 256, r == -ENOMEM ? "out of memory" : "the store's answer to ListDigests is malformed");
	}
	return r;
}

/* The last page: files that wait for a digest, what was to be delivered, and where files lie that no digest ever names. */
static int take_rest(struct check *c, struct json_object *reply)
{
	c->open = json_object_get(member_at(reply, "Open"));
	c->loose = json_object_get(member_at(reply, "Loose"));
	return take_stretches(c, member_at(reply, "Stretches"));
}

static int fetch_digests(struct check *c, struct json_object *request, struct json_object **ret_last)
{
	bool more;
	int r;

	do {
		_cleanup_json_ struct json_object *reply = NULL;
		struct json_object *after;

		r = client_call(c->t->client, HOSTTRAIL_OP("ListDigests"), request, &reply, c->why);
		if (!r)
			r = known_rows(c, member_at(reply, "Digests"), true);
		if (!r)
			r = known_rows(c, member_at(reply, "Open"), false);
		after = member_at(reply, "After");
		more = !r && after;
		if (more)
			json_object_object_add(request, "After", json_object_get(after));
		else if (!r)
			*ret_last = json_object_get(reply);
	} while (more);
	return r;
}

/* Digests, and files that wait for one. One that was waiting may have been named meanwhile, by a digest that is fetched with a second look. */
static int fetch_ledger(struct check *c)
{
	_cleanup_json_ struct json_object *request = json_object_new_object(), *last = NULL, *again = NULL;
	size_t n;
	int r = fetch_digests(c, request, &last);

	if (!r)
		r = take_rest(c, last);
	n = json_object_array_length(c->digests);
	if (!r && n) {
		struct json_object *newest = json_object_array_get_idx(c->digests, n - 1);

		json_object_object_add(request, "After", json_object_get(member_at(newest, "Number")));
		r = fetch_digests(c, request, &again);
	}
	return r;
}

static int fetch_keys(struct check *c)
{
	_cleanup_json_ struct json_object *request = json_object_new_object(), *reply = NULL;
	int r;

	json_object_object_add(request, "StartTime", json_object_new_int(0));
	r = client_call(c->t->client, CLOUDTRAIL_OP("ListPublicKeys"), request, &reply, c->why);
	if (!r)
		c->keys = json_object_get(member_at(reply, "PublicKeyList"));
	if (!r && !json_object_is_type(c->keys, json_type_array))
		return snprintf(c->why, 256, "the store's answer to ListPublicKeys is malformed"), -EBADMSG;
	return r;
}

/* ---- all together */

static double end_of(struct json_object *row)
{
	return json_object_get_double(member_at(row, "EndTime"));
}

static int64_t number(struct json_object *row, const char *key)
{
	return json_object_get_int64(member_at(row, key));
}

static struct json_object *previous_of(struct check *c, size_t i)
{
	struct json_object *row = json_object_array_get_idx(c->digests, i);

	while (i--) {
		struct json_object *other = json_object_array_get_idx(c->digests, i);

		if (number(other, "Chain") == number(row, "Chain"))
			return other;
	}
	return NULL;
}

static bool is_asked(struct check *c, struct json_object *row)
{
	if (c->t->whole || (end_of(row) >= c->t->from && end_of(row) <= c->t->to))
		return true;
	/* what came within the range may have been delivered later */
	return end_of(row) > c->t->to && c->t->records && recordcheck_wants(c->t->records);
}

static int check_row(struct check *c, size_t i)
{
	struct json_object *row = json_object_array_get_idx(c->digests, i), *previous = previous_of(c, i);

	if (!is_asked(c, row))
		return 0;
	if (previous && number(previous, "EndTime") != number(row, "StartTime"))
		check_fault(c, "digest s3://%s/%s: a period before it is missing", member_text(row, "S3Bucket"), member_text(row, "S3Object"));
	if (member_at(row, "RemovedTime")) {
		c->t->removed++;	/* for its age, as a record says; its log files likewise */
		return 0;
	}
	if (!json_object_get_boolean(member_at(row, "Delivered")))
		return 0;	/* the trail's status says why */
	return check_digest(c, row, previous);
}

/* Files that no digest names yet: the ledger alone knows their hashes. */
static int check_open(struct check *c)
{
	int r = 0;

	for (size_t i = 0; c->open && i < json_object_array_length(c->open) && !r; i++) {
		struct json_object *row = json_object_array_get_idx(c->open, i);

		if (!json_object_get_boolean(member_at(row, "Delivered")) || (!c->t->whole && !(c->t->records && recordcheck_wants(c->t->records))))
			continue;
		r = check_log(c, number(row, "Trail"), member_text(row, "S3Bucket"), member_text(row, "S3Object"), member_text(row, "HashValue"), "store");
	}
	return r;
}

static bool is_loose(struct json_object *loose, const char *name)
{
	for (size_t i = 0; loose && i < json_object_array_length(loose); i++) {
		struct json_object *l = json_object_array_get_idx(loose, i);
		const char *bucket = member_text(l, "S3Bucket"), *prefix = member_text(l, "S3KeyPrefix");
		size_t n = strlen(bucket), m = strlen(prefix);

		if (!strncmp(name, bucket, n) && name[n] == '/' && !strncmp(name + n + 1, prefix, m) && (!m || name[n + 1 + m] == '/') &&
		    !strncmp(name + n + 1 + m + (m > 0), "AWSLogs/", 8) && strstr(name, "/CloudTrail/"))
			return true;
	}
	return false;
}

static void tell_strangers(struct check *c, struct json_object *loose)
{
	struct named *n, *next;

	HASH_ITER(hh, c->names, n, next)
		if (n->listed && !n->known && !is_loose(loose, n->name))
			check_fault(c, "s3://%s lies in the bucket, and the store knows nothing of it", n->name);
}

/* A trail that is held up has nothing to be checked where something ought to be. */
static int check_status(struct check *c, struct json_object *trail)
{
	_cleanup_json_ struct json_object *request = json_object_new_object(), *reply = NULL;
	const char *name = member_text(trail, "Name"), *error;
	int r;

	if (!*member_text(trail, "S3BucketName"))
		return 0;
	json_object_object_add(request, "Name", json_object_new_string(name));
	r = client_call(c->t->client, CLOUDTRAIL_OP("GetTrailStatus"), request, &reply, c->why);
	if (r == -EREMOTEIO)
		return 0;	/* deleted meanwhile */
	error = member_text(reply, "LatestDeliveryError");
	if (!r && *error)
		check_fault(c, "trail %s cannot deliver its log files: %s", name, error);
	error = member_text(reply, "LatestDigestDeliveryError");
	if (!r && *error)
		check_fault(c, "trail %s cannot deliver its digests: %s", name, error);
	return r;
}

static void take_removed(struct check *c)
{
	for (size_t i = 0; c->t->records && i < json_object_array_length(c->digests); i++) {
		struct json_object *row = json_object_array_get_idx(c->digests, i);

		if (member_at(row, "RemovedTime"))
			recordcheck_forget(c->t->records, number(row, "Trail"), end_of(row));
	}
}

static int begin(struct check *c)
{
	_cleanup_json_ struct json_object *reply = NULL;
	int r = client_call(c->t->client, CLOUDTRAIL_OP("DescribeTrails"), NULL, &reply, c->why);

	if (r < 0)
		return r;
	c->trails = json_object_get(member_at(reply, "trailList"));
	if (!json_object_is_type(c->trails, json_type_array))
		return snprintf(c->why, 256, "the store's answer to DescribeTrails is malformed"), -EBADMSG;
	/* first the buckets, then what is known: a file that comes meanwhile is no stranger */
	r = c->t->whole ? check_list(c, c->trails) : 0;
	if (!r)
		r = fetch_ledger(c);
	take_removed(c);
	return r < 0 ? r : fetch_keys(c);
}

int trailcheck_begin(struct trailcheck *t, char why[256])
{
	t->c = calloc(1, sizeof(*t->c));
	if (t->c)
		t->c->digests = json_object_new_array();
	if (!t->c || !t->c->digests)
		return snprintf(why, 256, "out of memory"), -ENOMEM;
	t->c->t = t;
	t->c->why = why;
	return begin(t->c);
}

int trailcheck_files(struct trailcheck *t, char why[256])
{
	struct check *c = t->c;
	int r = 0;

	c->why = why;
	for (size_t i = 0; !r && i < json_object_array_length(c->digests); i++)
		r = check_row(c, i);
	if (!r)
		r = check_open(c);
	if (!r && t->whole)
		tell_strangers(c, c->loose);
	for (size_t i = 0; !r && i < json_object_array_length(c->trails); i++)
		r = check_status(c, json_object_array_get_idx(c->trails, i));
	return r;
}

void trailcheck_end(struct trailcheck *t)
{
	if (t->c)
		check_free(t->c);
	t->c = NULL;
}
