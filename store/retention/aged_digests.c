/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aged_digests.c - digests of a directory that are past, each with the log files that it names.
 *
 * Oldest first, for each trail, account and region: what remains is one chain from some digest on, and valid. So one that is
 * held, or that was not delivered, keeps all that follow it. A record says what goes; the ledger notes it; then the files go.
 * After a kill in between the round does it again from where it was.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "remover_internal.h"
#include "store/delivery/deliver.h"
#include "store/delivery/gzip.h"
#include "store/members.h"
#include "store/witness.h"

#define TEXT_MAX (64u << 20)
#define CHAINS_MAX 4096

static void json_object_cleanup(struct json_object **o)
{
	json_object_put(*o);
}

/* Trail, account and region whose next digest stays. */
struct kept {
	char (*names)[160];
	unsigned n;
};

static void name_of(const struct digest_row *d, char ret[160])
{
	snprintf(ret, 160, "%lld %s %s", (long long)d->trail, d->account, d->region);
}

static bool is_kept(const struct kept *k, const char *name)
{
	for (unsigned i = 0; i < k->n; i++)
		if (!strcmp(k->names[i], name))
			return true;
	return false;
}

static int keep(struct kept *k, const char *name)
{
	void *more = k->n < CHAINS_MAX ? realloc(k->names, (k->n + 1) * sizeof(*k->names)) : NULL;

	if (!more)
		return -ENOMEM;
	k->names = more;
	snprintf(k->names[k->n++], sizeof(*k->names), "%s", name);
	return 0;
}

/* ---- what a digest names */

/* Its text, if it is the one that the ledger remembers: another one is not believed. */
static struct json_object *open_digest(const struct aged *a, const struct digest_row *d)
{
	_cleanup_buf_ struct buf gz = { 0 }, headers = { 0 }, text = { 0 };
	char why[BUCKET_WHY_MAX], hex[65];
	uint8_t hash[32];

	if (bucket_get(a->bucket, d->key, &gz, &headers, why) < 0 || gunzip_whole(gz.p, gz.n, TEXT_MAX, &text) < 0)
		return NULL;
	sha256(text.p, text.n, hash);
	hex_text(hash, 32, hex);
	return strcmp(hex, d->hash) ? NULL : json_tokener_parse(buf_text(&text));
}

static struct json_object *logs_of(struct json_object *digest)
{
	struct json_object *logs;

	return json_object_object_get_ex(digest, "logFiles", &logs) && json_object_is_type(logs, json_type_array) ? logs : NULL;
}

static size_t count_of(struct json_object *digest)
{
	struct json_object *logs = logs_of(digest);

	return logs ? json_object_array_length(logs) : 0;
}

/* What the files take, as far as they are there. */
static uint64_t bytes_of(const struct aged *a, struct json_object *digest, const char *key)
{
	struct json_object *logs = logs_of(digest);
	uint64_t bytes = bucket_size(a->bucket, key);

	for (size_t i = 0; i < count_of(digest); i++)
		bytes += bucket_size(a->bucket, member_text(json_object_array_get_idx(logs, i), "s3Object", ""));
	return bytes;
}

/* ---- removing one */

static int say(const struct aged *a, const struct digest_row *d, struct json_object *digest)
{
	const struct witness_removal m = {
		.target = a->target, .object = d->key, .sha256 = d->hash, .files = 1 + count_of(digest), .bytes = bytes_of(a, digest, d->key),
		.first = member_time(digest, "oldestEventTime", 0) / (int64_t)NS_PER_SEC,
		.last = member_time(digest, "newestEventTime", 0) / (int64_t)NS_PER_SEC, .reason = "retention", .days = bucket_retention(a->bucket),
	};

	return retention_say(a->r->st->retention, a->r->st->witness, witness_log_files_removed, &m);
}

static int remove_files(const struct aged *a, const struct digest_row *d, struct json_object *digest)
{
	struct json_object *logs = logs_of(digest);
	char why[BUCKET_WHY_MAX];
	int r = 0;

	for (size_t i = 0; i < count_of(digest) && !r; i++) {
		struct json_object *log = json_object_array_get_idx(logs, i);

		if (!strcmp(member_text(log, "s3Bucket", ""), bucket_name(a->bucket)))
			r = bucket_remove(a->bucket, member_text(log, "s3Object", ""), why);
	}
	if (!r)
		r = bucket_remove(a->bucket, d->key, why);
	if (r < 0)
		log_limited(LOG_LEVEL_WARN, 0, "bucket %s: %s cannot be removed: %s", bucket_name(a->bucket), d->key, why);
	return r;
}

static bool is_held(const struct aged *a, const struct digest_row *d, struct json_object *digest)
{
	int64_t begin = d->begin * (int64_t)NS_PER_SEC, end = d->end * (int64_t)NS_PER_SEC;
	int64_t first = member_time(digest, "oldestEventTime", begin), last = member_time(digest, "newestEventTime", end);

	/* one that cannot be read may name anything that is older */
	return retention_held(a->r->st->retention, a->target, digest ? first < begin ? first : begin : INT64_MIN, last > end ? last : end);
}

/* 1: it stays. */
static int remove_digest(struct aged *a, const struct digest_row *d)
{
	_cleanup_(json_object_cleanup) struct json_object *digest = d->delivered ? open_digest(a, d) : NULL;
	int r;

	if (!d->delivered || is_held(a, d, digest))
		return 1;
	r = say(a, d, digest);
	if (!r)
		r = ledger_digest_removed(delivery_ledger(a->r->st->delivery), d->id, clock_wall());
	return r ? r : remove_files(a, d, digest);
}

static int next_digest(struct aged *a, struct kept *k, struct digest_row *d)
{
	char name[160];
	int r = ledger_digest_aged(delivery_ledger(a->r->st->delivery), bucket_name(a->bucket), d->id, a->before, d);

	if (r < 0)
		return r;
	name_of(d, name);
	r = is_kept(k, name) ? 1 : remove_digest(a, d);
	if (r > 0) {
		a->left = true;
		r = is_kept(k, name) ? 0 : keep(k, name);
	}
	return r;
}

int aged_digests(struct aged *a)
{
	struct digest_row *d = calloc(1, sizeof(*d));
	struct kept k = { 0 };
	int r = d ? 0 : -ENOMEM;

	while (!r)
		r = remover_stopping(a->r) ? -ECANCELED : next_digest(a, &k, d);
	if (d)
		buf_free(&d->body);
	free(d);
	free(k.names);
	return r == -ENOENT ? 0 : r;
}
