/* SPDX-License-Identifier: Apache-2.0 */
/* trailcheck_list.c - which objects lie in the trails' buckets, and which are known. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "trailcheck_internal.h"

/* ---- names */

static int add_name(struct check *c, const char *bucket, const char *key, struct named **ret)
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
	*ret = n;
	return 0;
}

int check_name(struct check *c, const char *bucket, const char *key, bool listed)
{
	struct named *n;
	int r = add_name(c, bucket, key, &n);

	if (r < 0)
		return r;
	n->listed |= listed;
	n->known |= !listed;
	return 0;
}

int check_unread(struct check *c, const char *bucket, const char *key)
{
	struct named *n;
	int r = add_name(c, bucket, key, &n);

	if (r < 0)
		return r;
	n->known = true;
	r = !n->read;
	n->read = true;
	return r;
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
int check_list(struct check *c, struct json_object *trails)
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
