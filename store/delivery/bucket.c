/* SPDX-License-Identifier: Apache-2.0 */
/* bucket.c - buckets from their lines in the settings, and which kind does what. */
#include "bucket.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/crypto.h>

#include "bucket_internal.h"
#include "layout.h"
#include "lib/cleanup.h"
#include "lib/conf.h"
#include "lib/fsx.h"
#include "pattern.h"
#include "proto/selectors.h"
#include "store/ini.h"
#include "store/retention/retention.h"

#define CREDENTIALS_MAX (1u << 20)

struct buckets {
	struct bucket v[BUCKETS_MAX];
	unsigned n;
	enum kind { BUCKETS, GROUPS, HOOKS } kind;
	bool stop;
};

int bucket_say(char *why, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, BUCKET_WHY_MAX, fmt, ap);
	va_end(ap);
	return r;
}

/* ---- credentials: AWS's INI format, one profile of it */

static int take_key(struct bucket *b, char *line)
{
	char *value = strchr(line, '='), **to = NULL;

	if (!value)
		return 0;
	*value++ = '\0';
	line = ini_trimmed(line);
	if (!strcmp(line, "aws_access_key_id"))
		to = &b->key_id;
	else if (!strcmp(line, "aws_secret_access_key"))
		to = &b->secret;
	if (!to)
		return 0;
	free(*to);
	*to = strdup(ini_trimmed(value));
	return *to ? 0 : -ENOMEM;
}

static int load_credentials(struct bucket *b, const char *path, const char *profile, char *why)
{
	_cleanup_buf_ struct buf text = { 0 };
	char *line, *rest, head[160];
	bool in = false;
	int r = fsx_read(path, CREDENTIALS_MAX, &text);

	if (r < 0)
		return bucket_say(why, r, "%.150s: %s", path, strerror(-r));
	if (fsx_is_open(path)) {
		OPENSSL_cleanse(text.p, text.n);
		return bucket_say(why, -EPERM, "%.150s holds secrets, and everybody may read or write it (chmod o-rw)", path);
	}
	snprintf(head, sizeof(head), "[%.150s]", profile);
	rest = (char *)(uintptr_t)buf_text(&text);
	while (!r && (line = strsep(&rest, "\n"))) {
		line = ini_trimmed(line);
		if (*line == '[')
			in = !strcmp(line, head);
		else if (in && *line != '#' && *line != ';')
			r = take_key(b, line);
	}
	OPENSSL_cleanse(text.p, text.n);
	if (!r && (!b->key_id || !b->secret || !*b->key_id || !*b->secret))
		r = bucket_say(why, -EINVAL, "%.120s: profile %.60s has no aws_access_key_id with its aws_secret_access_key", path, profile);
	return r;
}

/* ---- one line */

struct options {
	char *credentials, *profile, *lock_days, *retention_days;
};

static char **endpoint_option(struct bucket *b, struct options *o, const char *name)
{
	const struct { const char *name; char **to; } known[] = {
		{ "region", &b->region }, { "bucket", &b->remote }, { "sse", &b->sse }, { "kms_key", &b->kms_key },
		{ "lock", &b->lock }, { "ca", &b->ca }, { "credentials", &o->credentials }, { "profile", &o->profile },
		{ "lock_days", &o->lock_days }, { "selectors", &b->selectors },
		{ "pattern", &b->pattern },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(name, known[i].name))
			return known[i].to;
	return NULL;
}

/* A directory has one option, the others are endpoints'. */
static char **option_of(struct bucket *b, struct options *o, const char *name)
{
	if (b->directory)
		return strcmp(name, "retention_days") ? NULL : &o->retention_days;
	return endpoint_option(b, o, name);
}

static bool is_one_of(const char *text, const char *a, const char *b)
{
	return !text || !strcmp(text, a) || !strcmp(text, b);
}

static int check_directory(struct bucket *b, const struct options *o, char *why)
{
	char *end = NULL;

	if (!o->retention_days)
		return 0;
	b->retention_days = (int)strtoul(o->retention_days, &end, 10);
	if (*end || b->retention_days < RETENTION_DAYS_MIN || b->retention_days > RETENTION_DAYS_MAX)
		return bucket_say(why, -EINVAL, "bucket %.64s: retention_days is %d to %d", b->name, RETENTION_DAYS_MIN, RETENTION_DAYS_MAX);
	return 0;
}

static int check_options(struct bucket *b, const struct options *o, enum kind kind, char *why)
{
	char *end = NULL;

	if (!is_one_of(b->sse, "AES256", "aws:kms"))
		return bucket_say(why, -EINVAL, "bucket %.64s: sse is AES256 or aws:kms", b->name);
	if (!is_one_of(b->lock, "GOVERNANCE", "COMPLIANCE"))
		return bucket_say(why, -EINVAL, "bucket %.64s: lock is GOVERNANCE or COMPLIANCE", b->name);
	if (!b->lock != !o->lock_days)
		return bucket_say(why, -EINVAL, "bucket %.64s: lock and lock_days go together", b->name);
	if (o->lock_days) {
		b->lock_days = (unsigned)strtoul(o->lock_days, &end, 10);
		if (*end || b->lock_days < 1 || b->lock_days > 36500)
			return bucket_say(why, -EINVAL, "bucket %.64s: lock_days is 1 to 36500", b->name);
	}
	if (!o->credentials && kind == HOOKS)
		return 0;
	if (!o->credentials)
		return bucket_say(why, -EINVAL, "bucket %.64s: an endpoint needs credentials=FILE", b->name);
	return load_credentials(b, o->credentials, o->profile ? o->profile : "default", why);
}

static int read_options(struct bucket *b, struct options *o, enum kind kind, char *rest, char *why)
{
	char *word;

	while ((word = strsep(&rest, " \t"))) {
		char *value = strchr(word, '='), **to;

		if (!*word)
			continue;
		if (value)
			*value++ = '\0';
		to = value ? option_of(b, o, word) : NULL;
		if (!to || *to || !*value)
			return bucket_say(why, -EINVAL, "bucket %.64s: \"%.64s\" is no option of it, or is given twice", b->name, word);
		*to = strdup(value);
		if (!*to)
			return bucket_say(why, -ENOMEM, "out of memory");
	}
	if (b->directory)
		return check_directory(b, o, why);
	if (!b->region)
		b->region = strdup("us-east-1");
	if (!b->remote)
		b->remote = strdup(b->name);
	return b->region && b->remote ? check_options(b, o, kind, why) : bucket_say(why, -ENOMEM, "out of memory");
}

/* A file that cannot be read is said at the start, not when the first record comes. */
static int check_selectors(const struct bucket *b, char *why)
{
	_cleanup_selectors_ struct selectors *s = NULL;
	_cleanup_(pattern_free) struct pattern *p = NULL;
	char text[SELECTORS_WHY_MAX] = "";
	int r = b->selectors ? selectors_load(b->selectors, &s, text) : 0;

	if (!r && b->pattern)
		r = pattern_load(b->pattern, &p, text);

	return r < 0 ? bucket_say(why, r, "webhook %.64s: %.180s", b->name, *text ? text : strerror(-r)) : 0;
}

static const char *const settings[] = { "buckets", "log_groups", "webhooks" };

static int take_line(struct buckets *bs, char *line, char *why)
{
	struct bucket *b = &bs->v[bs->n];
	struct options o = { 0 };
	char *rest = ini_trimmed(line), *name = strsep(&rest, " \t"), *where;
	size_t n;
	int r;

	while (rest && strchr(" \t", *rest) && *rest)
		rest++;
	where = rest ? strsep(&rest, " \t") : NULL;
	if (!(bs->kind == BUCKETS ? layout_bucket_name : layout_group_name)(name) || !where || buckets_find(bs, name))
		return bucket_say(why, -EINVAL, "%s: \"%.64s\": must be NAME and %san https:// address, each name once", settings[bs->kind], name,
				  bs->kind == BUCKETS ? "a directory or " : "");
	b->stop = &bs->stop;
	b->name = strdup(name);
	bs->n++;
	n = strlen(where);
	while (n > 1 && where[n - 1] == '/')
		where[--n] = '\0';
	if (*where == '/' && bs->kind == BUCKETS)
		b->directory = strdup(where);
	else if (!strncmp(where, "https://", 8) || !strncmp(where, "http://", 7))
		b->endpoint = strdup(where);
	else
		return bucket_say(why, -EINVAL, "bucket %.64s: \"%.64s\" is neither an absolute directory nor an address", name, where);
	if (!b->name || (!b->directory && !b->endpoint))
		return bucket_say(why, -ENOMEM, "out of memory");
	r = read_options(b, &o, bs->kind, rest, why);
	if (!r && bs->kind != BUCKETS && (b->sse || b->kms_key || b->lock))
		r = bucket_say(why, -EINVAL, "%s: %.64s: sse, kms_key and lock are for buckets", settings[bs->kind], name);
	if (!r && bs->kind != HOOKS && (b->selectors || b->pattern))
		r = bucket_say(why, -EINVAL, "%s: %.64s: selectors and pattern are for webhooks; a trail has its own", settings[bs->kind], name);
	if (!r)
		r = check_selectors(b, why);
	free(o.credentials);
	free(o.profile);
	free(o.lock_days);
	free(o.retention_days);
	return r;
}

/* One in another: what one keeps the other would remove. */
static bool contains(const struct bucket *outer, const struct bucket *inner)
{
	_cleanup_free_ char *a = realpath(outer->directory, NULL), *b = realpath(inner->directory, NULL);
	const char *x = a ? a : outer->directory, *y = b ? b : inner->directory;
	size_t n = strlen(x);

	return !strncmp(x, y, n) && (!y[n] || y[n] == '/' || (n && x[n - 1] == '/'));
}

static int check_directories(const struct buckets *bs, char *why)
{
	for (unsigned i = 0; i < bs->n; i++)
		for (unsigned k = 0; k < bs->n; k++)
			if (i != k && bs->v[i].directory && bs->v[k].directory && contains(&bs->v[i], &bs->v[k]))
				return bucket_say(why, -EINVAL, "bucket %.64s lies in the directory of bucket %.64s", bs->v[k].name, bs->v[i].name);
	return 0;
}

static int load(const struct conf_list *lines, enum kind kind, struct buckets **ret_b, char *why)
{
	_cleanup_(buckets_free) struct buckets *bs = calloc(1, sizeof(*bs));
	int r = 0;

	if (!bs)
		return bucket_say(why, -ENOMEM, "out of memory");
	bs->kind = kind;
	curl_global_init(CURL_GLOBAL_DEFAULT);	/* before there are threads */
	if (lines->n > BUCKETS_MAX)
		return bucket_say(why, -EINVAL, "buckets: at most %u", BUCKETS_MAX);
	for (size_t i = 0; i < lines->n && !r; i++) {
		_cleanup_free_ char *line = strdup(lines->v[i]);

		r = line ? take_line(bs, line, why) : bucket_say(why, -ENOMEM, "out of memory");
	}
	if (!r)
		r = check_directories(bs, why);
	if (r < 0)
		return r;
	*ret_b = TAKE_PTR(bs);
	return 0;
}

int buckets_load(const struct conf_list *lines, struct buckets **ret_b, char *why)
{
	return load(lines, BUCKETS, ret_b, why);
}

int groups_load(const struct conf_list *lines, struct buckets **ret_b, char *why)
{
	return load(lines, GROUPS, ret_b, why);
}

int hooks_load(const struct conf_list *lines, struct buckets **ret_b, char *why)
{
	return load(lines, HOOKS, ret_b, why);
}

static void bucket_clear(struct bucket *b)
{
	if (b->secret)
		OPENSSL_cleanse(b->secret, strlen(b->secret));
	free(b->name);
	free(b->directory);
	free(b->endpoint);
	free(b->region);
	free(b->remote);
	free(b->key_id);
	free(b->secret);
	free(b->sse);
	free(b->kms_key);
	free(b->lock);
	free(b->ca);
	free(b->selectors);
	free(b->pattern);
}

void buckets_free(struct buckets **pb)
{
	struct buckets *bs = *pb;

	if (!bs)
		return;
	for (unsigned i = 0; i < bs->n; i++)
		bucket_clear(&bs->v[i]);
	free(bs);
	*pb = NULL;
}

void buckets_go(struct buckets *bs)
{
	if (bs)
		__atomic_store_n(&bs->stop, false, __ATOMIC_RELAXED);
}

void buckets_stop(struct buckets *bs)
{
	if (bs)
		__atomic_store_n(&bs->stop, true, __ATOMIC_RELAXED);
}

const struct bucket *buckets_find(const struct buckets *bs, const char *name)
{
	for (unsigned i = 0; bs && i < bs->n; i++)
		if (!strcmp(bs->v[i].name, name))
			return &bs->v[i];
	return NULL;
}

const struct bucket *buckets_at(const struct buckets *bs, unsigned i)
{
	return bs && i < bs->n ? &bs->v[i] : NULL;
}

/* ---- which kind does what */

const char *bucket_name(const struct bucket *b)
{
	return b->name;
}

bool bucket_is_local(const struct bucket *b)
{
	return b->directory != NULL;
}

int bucket_retention(const struct bucket *b)
{
	return b->retention_days;
}

int bucket_check(const struct bucket *b, char *why)
{
	return b->directory ? dir_check(b, why) : s3_check(b, why);
}

bool bucket_has_room(const struct bucket *b, uint64_t bytes)
{
	return !b->directory || fsx_has_room(b->directory, bytes);
}

int bucket_put(const struct bucket *b, const struct object *o, char *why)
{
	return b->directory ? dir_put(b, o, why) : s3_put(b, o, why);
}

int bucket_get(const struct bucket *b, const char *key, struct buf *body, struct buf *headers, char *why)
{
	return b->directory ? dir_get(b, key, body, headers, why) : s3_get(b, key, body, headers, why);
}

int bucket_list(const struct bucket *b, const char *prefix, const char *marker, bucket_list_fn fn, void *ctx)
{
	return b->directory ? dir_list(b, prefix, marker, fn, ctx) : -ENOSYS;
}

uint64_t bucket_size(const struct bucket *b, const char *key)
{
	return b->directory ? dir_size(b, key) : 0;
}

int bucket_remove(const struct bucket *b, const char *key, char *why)
{
	return b->directory ? dir_remove(b, key, why) : bucket_say(why, -ENOSYS, "what lies at an endpoint is not removed");
}
