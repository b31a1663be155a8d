/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aged_loose.c - log files of a directory that are past and that no digest names (their trail has none, or their digest is lost or
 * damaged), and digests that the ledger does not know any more. By the folder of a day: a record names it, then its files go.
 *
 * A file is as old as its name says, or as it lies there, whichever is later. The digest that names a file ends at most an hour and
 * some behind that, so it went before.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "remover_internal.h"
#include "store/delivery/deliver.h"
#include "store/delivery/layout.h"
#include "store/witness.h"

#define SLACK_SECONDS 7200
#define FILES_MAX 4096			/* of a folder at once; the next round takes more */

struct loose {
	struct aged *a;
	char folder[LAYOUT_KEY_MAX];
	char **keys;
	unsigned n;
	uint64_t bytes;
	int64_t last;			/* seconds */
};

static void forget(struct loose *l)
{
	for (unsigned i = 0; i < l->n; i++)
		free(l->keys[i]);
	l->n = 0;
	l->bytes = 0;
	l->last = 0;
	*l->folder = '\0';
}

/* Of the names and hashes of all, a line each. */
static int hash_all(struct loose *l, char ret_hex[65])
{
	_cleanup_buf_ struct buf lines = { 0 };
	uint8_t hash[32];

	for (unsigned i = 0; i < l->n; i++) {
		_cleanup_buf_ struct buf body = { 0 }, headers = { 0 };
		char why[BUCKET_WHY_MAX], hex[65];

		if (bucket_get(l->a->bucket, l->keys[i], &body, &headers, why) < 0)
			continue;
		sha256(body.p, body.n, hash);
		hex_text(hash, 32, hex);
		buf_addf(&lines, "%s %s\n", hex, l->keys[i]);
	}
	if (lines.failed)
		return -ENOMEM;
	sha256(lines.p, lines.n, hash);
	hex_text(hash, 32, ret_hex);
	return 0;
}

static int say(struct loose *l)
{
	char hex[65];
	const struct witness_removal m = {
		.target = l->a->target, .object = l->folder, .sha256 = hex, .files = l->n, .bytes = l->bytes, .reason = "retention",
		.days = bucket_retention(l->a->bucket),
	};
	int r = hash_all(l, hex);

	return r ? r : retention_say(l->a->r->st->retention, l->a->r->st->witness, witness_log_files_removed, &m);
}

/* What a file holds is not known without opening it: it may be of any time before it was written. */
static bool is_held(const struct loose *l)
{
	return retention_held(l->a->r->st->retention, l->a->target, INT64_MIN, l->last * (int64_t)NS_PER_SEC);
}

static int remove_folder(struct loose *l)
{
	char why[BUCKET_WHY_MAX];
	int r = l->n && !is_held(l) ? say(l) : 0;

	if (r < 0)
		return r;
	for (unsigned i = 0; i < l->n && !r && !is_held(l); i++) {
		r = bucket_remove(l->a->bucket, l->keys[i], why);
		if (r < 0)
			log_limited(LOG_LEVEL_WARN, 0, "bucket %s: %s cannot be removed: %s", bucket_name(l->a->bucket), l->keys[i], why);
	}
	forget(l);
	return r;
}

static int on_file(void *ctx, const struct bucket_entry *e)
{
	struct loose *l = ctx;
	int64_t seconds;
	size_t folder;
	int r = 0;

	if (remover_stopping(l->a->r))
		return -ECANCELED;
	if (!layout_parse(e->key, &seconds, &folder))
		return 0;
	if (e->modified > seconds)
		seconds = e->modified;
	if (seconds + SLACK_SECONDS >= l->a->before || ledger_knows(delivery_ledger(l->a->r->st->delivery), bucket_name(l->a->bucket), e->key))
		return 0;
	if (strncmp(l->folder, e->key, folder) || l->folder[folder] || l->n == FILES_MAX)
		r = remove_folder(l);
	if (r < 0)
		return r;
	snprintf(l->folder, sizeof(l->folder), "%.*s", (int)folder, e->key);
	l->keys[l->n] = strdup(e->key);
	if (!l->keys[l->n])
		return -ENOMEM;
	l->n++;
	l->bytes += e->bytes;
	if (seconds > l->last)
		l->last = seconds;
	return 0;
}

int aged_loose(struct aged *a)
{
	struct loose l = { .a = a, .keys = calloc(FILES_MAX, sizeof(char *)) };
	int r = l.keys ? bucket_list(a->bucket, "", "", on_file, &l) : -ENOMEM;

	if (!r)
		r = remove_folder(&l);
	forget(&l);
	free(l.keys);
	return r;
}
