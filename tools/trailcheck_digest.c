/* SPDX-License-Identifier: Apache-2.0 */
/* trailcheck_digest.c - one digest and the log files that it names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gunzip.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/base64.h"
#include "proto/keys.h"
#include "proto/rsa.h"
#include "trailcheck_internal.h"

#define TEXT_MAX (256u << 20)		/* of one file, uncompressed */
#define SIGNATURE_MAX 1025

/* Fetches a file and opens it. 1: text is there; 0: it is not, and that was told; -errno and why. */
static int fetch(struct check *c, const char *what, const char *bucket, const char *key, struct buf *text, char *signature, size_t size)
{
	_cleanup_buf_ struct buf gz = { 0 };
	int r = client_s3(c->t->client, bucket, key, "", &gz, signature, size, c->why);

	if (r < 0)
		return r;
	if (r == 404) {
		check_fault(c, "%s s3://%s/%s is missing", what, bucket, key);
		return 0;
	}
	if (r != 200) {
		check_fault(c, "%s s3://%s/%s cannot be read: HTTP %d", what, bucket, key, r);
		return 0;
	}
	r = gunzip_only(gz.p, gz.n, TEXT_MAX, text);
	if (r == -ENOMEM)
		return snprintf(c->why, 256, "out of memory"), r;
	if (r == -EOVERFLOW)
		check_fault(c, "%s s3://%s/%s: bytes follow the end of its gzip member", what, bucket, key);
	else if (r < 0)
		check_fault(c, "%s s3://%s/%s is not a whole gzip file", what, bucket, key);
	return r == 0 || r == -EOVERFLOW;
}

static void hash_of(const struct buf *b, char ret[65])
{
	uint8_t hash[32];

	sha256(b->p, b->n, hash);
	hex_text(hash, 32, ret);
}

int check_log(struct check *c, int64_t trail, const char *bucket, const char *key, const char *hash_value, const char *by)
{
	_cleanup_buf_ struct buf text = { 0 };
	char signature[2], hash[65], name[1200];
	int r = check_unread(c, bucket, key);

	if (r > 0)
		r = fetch(c, "log file", bucket, key, &text, signature, sizeof(signature));
	if (r <= 0)
		return r;
	hash_of(&text, hash);
	if (strcmp(hash, hash_value))
		check_fault(c, "log file s3://%s/%s: its content is not what the %s names", bucket, key, by);
	c->t->logs++;
	if (!c->t->records)
		return 0;
	snprintf(name, sizeof(name), "s3://%s/%s", bucket, key);
	r = recordcheck_file(c->t->records, trail, name, buf_text(&text), text.n);
	return r < 0 ? snprintf(c->why, 256, "%s", r == -ENOMEM ? "out of memory" : "the store does not answer"), r : 0;
}

static int64_t trail_of(struct json_object *row)
{
	return json_object_get_int64(member_at(row, "Trail"));
}

static int check_named(struct check *c, struct json_object *row, struct json_object *log)
{
	return check_log(c, trail_of(row), member_text(log, "s3Bucket"), member_text(log, "s3Object"), member_text(log, "hashValue"), "digest");
}

static int64_t seconds_of(struct json_object *o, const char *key)
{
	return json_object_get_int64(member_at(o, key));
}

/* The digest's own times are text. */
static bool same_time(struct json_object *digest, const char *member, int64_t seconds)
{
	char text[21];

	clock_iso(seconds, text);
	return !strcmp(member_text(digest, member), text);
}

/* What the digest says of itself and of the one before, against what the store remembers. */
static void check_members(struct check *c, struct json_object *digest, struct json_object *row, struct json_object *previous)
{
	static const char *const links[][2] = { { "previousDigestS3Bucket", "S3Bucket" }, { "previousDigestS3Object", "S3Object" },
						{ "previousDigestHashValue", "HashValue" }, { "previousDigestSignature", "Signature" } };
	const char *bucket = member_text(row, "S3Bucket"), *key = member_text(row, "S3Object");

	if (strcmp(member_text(digest, "digestS3Bucket"), bucket) || strcmp(member_text(digest, "digestS3Object"), key))
		check_fault(c, "digest s3://%s/%s has been moved: it says that it is s3://%s/%s", bucket, key, member_text(digest, "digestS3Bucket"),
			    member_text(digest, "digestS3Object"));
	if (!same_time(digest, "digestStartTime", seconds_of(row, "StartTime")) || !same_time(digest, "digestEndTime", seconds_of(row, "EndTime")))
		check_fault(c, "digest s3://%s/%s: its times are not those that the store made it for", bucket, key);
	for (unsigned i = 0; i < ARRAY_SIZE(links); i++) {
		if (strcmp(member_text(digest, links[i][0]), previous ? member_text(previous, links[i][1]) : "")) {
			check_fault(c, "digest s3://%s/%s does not follow the one before it: %s", bucket, key, links[i][0]);
			break;
		}
	}
}

/* The text that was signed, over the digest as it lies there. */
static void to_sign(struct json_object *digest, struct json_object *row, const char *hash, struct buf *ret)
{
	const char *previous = member_text(digest, "previousDigestSignature");

	buf_addf(ret, "%s\n%s/%s\n%s\n%s", member_text(digest, "digestEndTime"), member_text(row, "S3Bucket"), member_text(row, "S3Object"), hash,
		 *previous ? previous : "null");
}

static struct json_object *key_of(struct check *c, const char *fingerprint)
{
	for (size_t i = 0; i < json_object_array_length(c->keys); i++) {
		struct json_object *k = json_object_array_get_idx(c->keys, i);

		if (!strcmp(member_text(k, "Fingerprint"), fingerprint))
			return k;
	}
	return NULL;
}

static int check_signature(struct check *c, struct json_object *digest, struct json_object *row, const char *hash, const char *signature)
{
	_cleanup_buf_ struct buf text = { 0 }, der = { 0 };
	const char *bucket = member_text(row, "S3Bucket"), *key = member_text(row, "S3Object");
	struct json_object *k = key_of(c, member_text(digest, "digestPublicKeyFingerprint"));
	uint8_t raw[256];
	int r;

	if (!k) {
		check_fault(c, "digest s3://%s/%s is signed by a key that the store does not know", bucket, key);
		return 0;
	}
	to_sign(digest, row, hash, &text);
	r = base64_decode(member_text(k, "Value"), &der);
	if (r == -ENOMEM || text.failed)
		return snprintf(c->why, 256, "out of memory"), -ENOMEM;
	if (r < 0 || strlen(signature) != 512 || hex_parse(signature, raw, sizeof(raw)) < 0 ||
	    rsa_verify(der.p, der.n, text.p, text.n, raw, sizeof(raw)) < 0)
		check_fault(c, "digest s3://%s/%s: its signature is not the key's over what it holds", bucket, key);
	else if (strcmp(signature, member_text(row, "Signature")) || strcmp(hash, member_text(row, "HashValue")))
		check_fault(c, "digest s3://%s/%s is signed, but is not the one that the store remembers", bucket, key);
	return 0;
}

int check_digest_text(struct check *c, struct json_object *row, struct json_object *previous, struct buf *text, const char *signature)
{
	const char *bucket = member_text(row, "S3Bucket"), *key = member_text(row, "S3Object");
	_cleanup_json_ struct json_object *digest = NULL;
	struct json_object *logs;
	char hash[65];
	int r;

	hash_of(text, hash);
	digest = json_tokener_parse(buf_text(text));
	logs = member_at(digest, "logFiles");
	if (!json_object_is_type(digest, json_type_object) || !json_object_is_type(logs, json_type_array)) {
		check_fault(c, "digest s3://%s/%s is no digest", bucket, key);
		c->t->unread++;
		return 0;
	}
	check_members(c, digest, row, previous);
	r = check_signature(c, digest, row, hash, signature);
	for (size_t i = 0; i < json_object_array_length(logs) && r >= 0; i++)
		r = check_named(c, row, json_object_array_get_idx(logs, i));
	c->t->digests++;
	return r < 0 ? r : 0;
}

int check_digest(struct check *c, struct json_object *row, struct json_object *previous)
{
	_cleanup_buf_ struct buf text = { 0 };
	char signature[SIGNATURE_MAX];
	int r = fetch(c, "digest", member_text(row, "S3Bucket"), member_text(row, "S3Object"), &text, signature, sizeof(signature));

	if (r <= 0) {
		c->t->unread++;
		return r;
	}
	return check_digest_text(c, row, previous, &text, signature);
}
