/* SPDX-License-Identifier: Apache-2.0 */
/* bucket_s3.c - a bucket at an S3-compatible endpoint: libcurl carries, s3sign signs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/evp.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/keys.h"
#include "transfer.h"

#define ATTEMPTS 3

static void pause_before(unsigned attempt)
{
	const struct timespec t = { .tv_nsec = 100000000l << attempt };

	nanosleep(&t, NULL);
}

/* fill adds the request's own headers; each attempt has its own date. */
typedef int (*fill_fn)(void *ctx, struct s3_request *q);

static int attempt(struct transfer *t, const char *method, const char *key, fill_fn fill, void *ctx, char *why)
{
	_cleanup_(s3_request_free) struct s3_request q = { .method = method };
	int r = s3_address(&q, t->b->endpoint, t->b->remote, key);

	if (!r && fill)
		r = fill(ctx, &q);
	if (!r)
		r = s3_sign(&q, "s3", t->body, t->n, clock_wall() / (int64_t)NS_PER_SEC, t->b->region, t->b->key_id, t->b->secret);
	if (r < 0)
		return bucket_say(why, r, "%s", r == -ENOMEM ? "out of memory" : "the endpoint's address makes no sense");
	return transfer_perform(t, &q, why);
}

static bool is_final(const struct transfer *t, int r)
{
	return r == -ECANCELED || (!r && t->status < 500 && t->status != 429);
}

/* Reading, as often as it takes. */
static int run(struct transfer *t, const char *method, const char *key, char *why)
{
	int r = bucket_say(why, -ECANCELED, "the store ends");

	for (unsigned i = 0; i < ATTEMPTS && !transfer_stopped(t->b); i++) {
		if (i)
			pause_before(i);
		r = attempt(t, method, key, NULL, NULL, why);
		if (is_final(t, r))
			break;
	}
	return r;
}

/* 0, or what the status means. */
static int outcome(struct transfer *t, char *why)
{
	if (t->status >= 200 && t->status < 300)
		return 0;
	s3_error_code(t->answer.p, t->answer.n, t->status, why, BUCKET_WHY_MAX);
	if (t->status == 404) {
		if (!t->answer.n)	/* of a HEAD */
			bucket_say(why, 0, "NoSuchBucket");
		return -ENOENT;
	}
	return t->status == 403 ? -EACCES : -EREMOTEIO;
}

int s3_check(const struct bucket *b, char *why)
{
	_cleanup_(transfer_free) struct transfer t = { .b = b };
	int r = run(&t, "HEAD", NULL, why);

	return r < 0 ? r : outcome(&t, why);
}

/* ---- put */

struct putting {
	const struct bucket *b;
	const struct object *o;
	char md5[32], until[21], names[OBJECT_META_MAX][80];
};

static int fill_put(void *ctx, struct s3_request *q)
{
	struct putting *p = ctx;
	const char *kms = p->o->kms_key ? p->o->kms_key : p->b->kms_key, *sse = p->o->kms_key ? "aws:kms" : p->b->sse;
	int r = s3_header(q, "content-md5", p->md5);

	if (!r)
		r = s3_header(q, "content-type", p->o->type);
	if (!r && p->o->encoding)
		r = s3_header(q, "content-encoding", p->o->encoding);
	for (unsigned i = 0; i < p->o->nmeta && !r; i++) {
		snprintf(p->names[i], sizeof(p->names[i]), "x-amz-meta-%s", p->o->meta[i].name);
		r = s3_header(q, p->names[i], p->o->meta[i].value);
	}
	if (!r && sse)
		r = s3_header(q, "x-amz-server-side-encryption", sse);
	if (!r && kms && sse && !strcmp(sse, "aws:kms"))
		r = s3_header(q, "x-amz-server-side-encryption-aws-kms-key-id", kms);
	if (!r && p->b->lock) {
		r = s3_header(q, "x-amz-object-lock-mode", p->b->lock);
		if (!r)
			r = s3_header(q, "x-amz-object-lock-retain-until-date", p->until);
	}
	return r;
}

/* The value of one of the answer's headers; NULL: it has none. */
static const char *header_of(struct transfer *t, const char *name, char *ret, size_t size)
{
	const char *line = buf_text(&t->headers);
	size_t n = strlen(name);

	for (; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n')) {
		if (strncasecmp(line, name, n) || line[n] != ':')
			continue;
		line += n + 1;
		line += strspn(line, " \t");
		snprintf(ret, size, "%.*s", (int)strcspn(line, "\r\n"), line);
		return ret;
	}
	return NULL;
}

/* Whether an earlier attempt got through: the same bytes under this name. A bucket that is locked would keep the second
 * copy for ever. */
static bool is_there(const struct bucket *b, const struct object *o, const uint8_t md5[16])
{
	_cleanup_(transfer_free) struct transfer t = { .b = b };
	char why[BUCKET_WHY_MAX], etag[128], hex[35] = "\"";

	hex_text(md5, 16, hex + 1);
	strcat(hex, "\"");
	return run(&t, "HEAD", o->key, why) == 0 && t.status == 200 && header_of(&t, "etag", etag, sizeof(etag)) &&
	       !strcasecmp(etag, hex);
}

int s3_put(const struct bucket *b, const struct object *o, char *why)
{
	_cleanup_(transfer_free) struct transfer t = { .b = b, .body = o->p, .n = o->n };
	struct putting p = { .b = b, .o = o };
	uint8_t md5[16];
	int r;

	if (EVP_Digest(o->p, o->n, md5, NULL, EVP_md5(), NULL) != 1)
		return bucket_say(why, -ENOMEM, "out of memory");
	EVP_EncodeBlock((unsigned char *)p.md5, md5, sizeof(md5));
	clock_iso(clock_wall() / (int64_t)NS_PER_SEC + b->lock_days * 86400ll, p.until);
	r = bucket_say(why, -ECANCELED, "the store ends");
	for (unsigned i = 0; i < ATTEMPTS && !transfer_stopped(b); i++) {
		if (i)
			pause_before(i);
		if ((i || o->again) && is_there(b, o, md5))
			return 0;
		r = attempt(&t, "PUT", o->key, fill_put, &p, why);
		if (is_final(&t, r))
			break;
	}
	return r < 0 ? r : outcome(&t, why);
}

/* ---- get */

int s3_get(const struct bucket *b, const char *key, struct buf *body, struct buf *headers, char *why)
{
	static const char *const wanted[] = { "x-amz-meta-signature", "x-amz-meta-signature-algorithm" };
	_cleanup_(transfer_free) struct transfer t = { .b = b };
	char value[1024];
	int r = run(&t, "GET", key, why);

	if (!r)
		r = outcome(&t, why);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++)
		if (header_of(&t, wanted[i], value, sizeof(value)))
			buf_addf(headers, "%s: %s\n", wanted[i], value);
	r = buf_add(body, t.answer.p, t.answer.n);
	return r < 0 || headers->failed ? bucket_say(why, -ENOMEM, "out of memory") : 0;
}
