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

/* ---- names */

int check_name(struct check *c, const char *bucket, const char *key, bool listed)
{
	_cleanup_free_ char *name = NULL;
	struct named *n;

	if (asprintf(&name, "%s/%s", bucket, key) < 0)
		return -ENOMEM;
	HASH_FIND_STR(c->names, name, n);
	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return -ENOMEM;
		n->name = TAKE_PTR(name);
		HASH_ADD_KEYPTR(hh, c->names, n->name, strlen(n->name), n);
	}
	n->listed |= listed;
	n->known |= !listed;
	return 0;
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
}

/* ---- what lies in a bucket */

/* The next <Key> of a listing, decoded; NULL at the end. */
static char *next_key(const char **at)
{
	const char *start = strstr(*at, "<Key>"), *end = start ? strstr(start, "</Key>") : NULL;
	char *key, *out;

	if (!end)
		return NULL;
	start += 5;
	*at = end;
	key = out = malloc((size_t)(end - start) + 1);
	while (key && start < end) {
		unsigned v;

		if (*start == '%' && end - start > 2 && sscanf(start + 1, "%2x", &v) == 1) {
			*out++ = (char)v;
			start += 3;
		} else {
			*out++ = *start++;
		}
	}
	if (key)
		*out = '\0';
	return key;
}

static bool is_trails(const char *key)
{
	const char *at = strstr(key, "AWSLogs/");

	return at && (strstr(at, "/CloudTrail/") || strstr(at, "/CloudTrail-Digest/"));
}

static void add_query(struct buf *b, const char *text)
{
	for (; *text; text++)
		buf_addf(b, "%%%02X", (unsigned char)*text);
}

/* One page; the last key is where the next one begins. 1: there is another, 0, -errno and why. */
static int list_page(struct check *c, const char *bucket, struct buf *marker)
{
	_cleanup_buf_ struct buf query = { 0 }, page = { 0 };
	char signature[2];
	const char *at;
	char *key;
	int r;

	buf_adds(&query, "encoding-type=url&marker=");
	add_query(&query, buf_text(marker));
	buf_adds(&query, "&prefix=");
	r = client_s3(c->t->client, bucket, NULL, buf_text(&query), &page, signature, sizeof(signature), c->why);
	if (r < 0)
		return r;
	if (r != 200)
		return 0;	/* of an endpoint: what is there is asked for, but what else there is cannot be */
	at = buf_text(&page);
	for (r = 0; !r && (key = next_key(&at)); free(key)) {
		buf_reset(marker);
		r = buf_adds(marker, key);
		if (!r && is_trails(key))
			r = check_name(c, bucket, key, true);
	}
	if (r < 0)
		return snprintf(c->why, 256, "out of memory"), r;
	return strstr(buf_text(&page), "<IsTruncated>true</IsTruncated>") != NULL;
}

static int list_bucket(struct check *c, const char *bucket)
{
	_cleanup_buf_ struct buf marker = { 0 };
	int r;

	do
		r = list_page(c, bucket, &marker);
	while (r > 0);
	return r;
}

/* Buckets of the trails that there are now. */
static int list_all(struct check *c, struct json_object *trails)
{
	int r = 0;

	for (size_t i = 0; i < json_object_array_length(trails) && !r; i++) {
		const char *bucket = member_text(json_object_array_get_idx(trails, i), "S3BucketName");
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= !strcmp(bucket, member_text(json_object_array_get_idx(trails, k), "S3BucketName"));
		if (*bucket && !again)
			r = list_bucket(c, bucket);
	}
	return r;
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

/* Digests, and files that wait for one. loose: where files lie that no digest ever names. */
static int fetch_ledger(struct check *c, struct json_object **ret_loose)
{
	_cleanup_json_ struct json_object *request = json_object_new_object();
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
			*ret_loose = json_object_get(member_at(reply, "Loose"));
	} while (more);
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

static int check_row(struct check *c, size_t i)
{
	struct json_object *row = json_object_array_get_idx(c->digests, i), *previous = previous_of(c, i);

	if (!c->t->whole && (end_of(row) < c->t->from || end_of(row) > c->t->to))
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

int trailcheck_run(struct trailcheck *t, char why[256])
{
	_cleanup_json_ struct json_object *reply = NULL, *loose = NULL;
	_cleanup_(check_free) struct check c = { .t = t, .why = why, .digests = json_object_new_array() };
	struct json_object *trails;
	int r = client_call(t->client, CLOUDTRAIL_OP("DescribeTrails"), NULL, &reply, why);

	if (r < 0)
		return r;
	trails = member_at(reply, "trailList");
	if (!json_object_is_type(trails, json_type_array))
		return snprintf(why, 256, "the store's answer to DescribeTrails is malformed"), -EBADMSG;
	/* first the buckets, then what is known: a file that comes meanwhile is no stranger */
	r = t->whole ? list_all(&c, trails) : 0;
	if (!r)
		r = fetch_ledger(&c, &loose);
	if (!r)
		r = fetch_keys(&c);
	for (size_t i = 0; !r && i < json_object_array_length(c.digests); i++)
		r = check_row(&c, i);
	if (!r && t->whole)
		tell_strangers(&c, loose);
	for (size_t i = 0; !r && i < json_object_array_length(trails); i++)
		r = check_status(&c, json_object_array_get_idx(trails, i));
	return r;
}
