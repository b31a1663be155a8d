/* SPDX-License-Identifier: Apache-2.0 */
#include "save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "store/delivery/deliver.h"
#include "store/delivery/gzip.h"
#include "store/digest/digestkeys.h"
#include "walk.h"

#define FILE_BYTES (64u << 20)		/* of CSV; then the next file begins */
#define TRIES 3

struct saving {
	struct lake *l;
	const struct query_row *q;
	const struct bucket *bucket;
	char folder[1400];
	unsigned files;
	struct buf csv, hashes, list;	/* hashes: to be signed; list: of the sign file */
	struct json j;
	char why[BUCKET_WHY_MAX];
};

/* ---- where to */

/* "." or "..": no name of a folder. */
static bool is_up(const char *p)
{
	size_t dots = strspn(p, ".");

	return (dots == 1 || dots == 2) && (!p[dots] || p[dots] == '/');
}

int save_place_of(struct lake *l, const char *uri, struct save_place *ret_p)
{
	const char *name, *slash;
	size_t n;

	if (strncmp(uri, "s3://", 5))
		return -EINVAL;
	name = uri + 5;
	slash = strchrnul(name, '/');
	n = (size_t)(slash - name);
	if (n < 3 || n >= sizeof(ret_p->bucket) || strlen(slash) >= sizeof(ret_p->prefix) || strstr(slash, "//"))
		return -EINVAL;
	for (const char *p = slash; *p; p++)
		if ((unsigned char)*p < ' ' || (*p == '/' && is_up(p + 1)))
			return -EINVAL;
	snprintf(ret_p->bucket, sizeof(ret_p->bucket), "%.*s", (int)n, name);
	snprintf(ret_p->prefix, sizeof(ret_p->prefix), "%s", *slash ? slash + 1 : "");
	n = strlen(ret_p->prefix);
	if (n && ret_p->prefix[n - 1] == '/')
		ret_p->prefix[n - 1] = '\0';
	if (!l->st->delivery || !buckets_find(delivery_buckets(l->st->delivery), ret_p->bucket))
		return -ENOENT;
	return 0;
}

static void make_folder(struct saving *s, const struct save_place *p)
{
	char iso[21];

	clock_iso(s->q->finished / (int64_t)NS_PER_SEC, iso);
	snprintf(s->folder, sizeof(s->folder), "%s%sAWSLogs/%s/CloudTrail-Lake/Query/%.4s/%.2s/%.2s/%s", p->prefix, *p->prefix ? "/" : "",
		 s->l->st->account, iso, iso + 5, iso + 8, s->q->id);
}

/* ---- CSV */

static void csv_text(struct piece s, struct buf *out)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_addc(out, '"');
		buf_addc(out, (uint8_t)s.p[i]);
	}
	buf_addc(out, '"');
}

/* One row of a result (an array of objects of one member each) as a line; names: the members' names instead. */
static int csv_row(const char *row, size_t n, bool names, struct buf *out)
{
	_cleanup_buf_ struct buf scratch = { 0 };
	struct piece cell, key, value, text;
	struct walk cells, one;
	bool comma = false;

	if (!walk_begin(&cells, (struct piece){ row, n }))
		return -EINVAL;
	while (walk_next(&cells, NULL, &cell) > 0) {
		if (!walk_begin(&one, cell) || walk_next(&one, &key, &value) <= 0)
			return -EINVAL;
		if (comma)
			buf_addc(out, ',');
		comma = true;
		buf_reset(&scratch);
		if ((names ? walk_unescape(key, &scratch, &text) : walk_text(value, &scratch, &text)) < 0)
			return -ENOMEM;
		if (names || value.n)	/* NULL is nothing, an empty text is "" */
			csv_text(text, out);
	}
	buf_addc(out, '\n');
	return out->failed ? -ENOMEM : 0;
}

/* ---- files */

static int put(struct saving *s, const char *name, const char *type, const struct buf *body)
{
	const struct timespec pause = { .tv_sec = 1 };
	char key[1500];
	struct object o = { .key = key, .type = type, .p = body->p, .n = body->n };
	int r = -EIO;

	snprintf(key, sizeof(key), "%s/%s", s->folder, name);
	for (unsigned i = 0; i < TRIES && r < 0; i++) {
		if (i)
			nanosleep(&pause, NULL);
		o.again = i > 0;
		*s->why = '\0';
		r = bucket_put(s->bucket, &o, s->why);
	}
	return r;
}

/* What is together becomes one file. */
static int put_csv(struct saving *s)
{
	_cleanup_buf_ struct buf gz = { 0 };
	uint8_t hash[32];
	char hex[65], name[64];
	int r = gzip_whole(s->csv.p, s->csv.n, &gz);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "result_%u.csv.gz", ++s->files);
	sha256(gz.p, gz.n, hash);
	hex_text(hash, sizeof(hash), hex);
	if (!bucket_has_room(s->bucket, gz.n)) {
		snprintf(s->why, sizeof(s->why), "its disk has no room for results");
		return -ENOSPC;
	}
	buf_addf(&s->hashes, "%s%s", s->files > 1 ? " " : "", hex);
	json_open(&s->j, NULL, '{');
	json_string(&s->j, "fileHashValue", hex);
	json_string(&s->j, "fileName", name);
	json_close(&s->j, '}');
	buf_reset(&s->csv);
	return put(s, name, "application/gzip", &gz);
}

static int put_rows(struct saving *s)
{
	_cleanup_free_ char *line = NULL;
	char path[4096];
	size_t cap = 0;
	ssize_t n;
	bool first = true;
	int r = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/results/%s", s->l->dir, s->q->id);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!r && (n = getline(&line, &cap, f)) > 0) {
		if (first)
			r = csv_row(line, (size_t)n - 1, true, &s->csv);
		first = false;
		if (!r)
			r = csv_row(line, (size_t)n - 1, false, &s->csv);
		if (!r && s->csv.n >= FILE_BYTES)
			r = put_csv(s);
	}
	fclose(f);
	return r || (s->files && !s->csv.n) ? r : put_csv(s);
}

static int put_signature(struct saving *s)
{
	struct delivery *d = s->l->st->delivery;
	int64_t now = s->q->finished / (int64_t)NS_PER_SEC;
	_cleanup_buf_ struct buf text = { 0 };
	struct json j = { .out = &text };
	struct digest_key *key = NULL;
	char iso[21], hex[513];
	int r = digest_key_for(delivery_ledger(d), delivery_dir(d), now, now, delivery_key_seconds(d), &key);

	if (!r)
		r = digest_key_sign(key, s->hashes.p, s->hashes.n, hex);
	if (!r) {
		clock_iso(now, iso);
		json_open(&j, NULL, '{');
		json_string(&j, "version", "1.0");
		json_string(&j, "region", s->l->st->region);
		json_key(&j, "files");
		buf_add(&text, s->list.p, s->list.n);
		json_string(&j, "hashAlgorithm", "SHA-256");
		json_string(&j, "signatureAlgorithm", "SHA256withRSA");
		json_string(&j, "queryCompleteTime", iso);
		json_string(&j, "hashSignature", hex);
		json_string(&j, "publicKeyFingerprint", digest_key_fingerprint(key));
		json_close(&j, '}');
		r = text.failed ? -ENOMEM : put(s, "result_sign.json", "application/json", &text);
	}
	digest_key_free(&key);
	return r;
}

static const char *status_of(const struct saving *s, bool signing)
{
	if (!strcmp(s->why, "NoSuchBucket"))
		return "RESOURCE_NOT_FOUND";
	if (!strcmp(s->why, "AccessDenied"))
		return signing ? "ACCESS_DENIED_SIGNING_FILE" : "ACCESS_DENIED";
	return signing ? "FAILED_SIGNING_FILE" : "FAILED";
}

const char *save_results(struct lake *l, const struct query_row *q, const struct save_place *p)
{
	struct saving s = { .l = l, .q = q, .bucket = buckets_find(delivery_buckets(l->st->delivery), p->bucket) };
	const char *status = "SUCCESS";
	int r;

	if (!s.bucket)
		return "RESOURCE_NOT_FOUND";
	s.j.out = &s.list;
	json_open(&s.j, NULL, '[');
	make_folder(&s, p);
	r = put_rows(&s);
	if (r < 0)
		status = status_of(&s, false);
	json_close(&s.j, ']');
	if (!r) {
		r = put_signature(&s);
		if (r < 0)
			status = status_of(&s, true);
	}
	if (r < 0)
		log_warnx("the result of query %s cannot be saved to %s: %s", q->id, p->bucket, *s.why ? s.why : strerror(-r));
	buf_free(&s.csv);
	buf_free(&s.hashes);
	buf_free(&s.list);
	return status;
}
