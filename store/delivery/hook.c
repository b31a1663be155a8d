/* SPDX-License-Identifier: Apache-2.0 */
/* hook.c - records to a webhook, one request each, as EventBridge's API destinations are called. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "deliver_internal.h"
#include "envelope.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "pattern.h"
#include "proto/keys.h"
#include "store/follow.h"
#include "transfer.h"

#define POSTS_MAX 100			/* between two notes of the place */
#define POST_BYTES_MAX (256u << 10)	/* larger events are not sent, as EventBridge does */
#define RETRY_MIN_MS 250
#define RETRY_MAX_MS 60000

/* EventBridge's rules get calls that change something. */
static const char default_selectors[] = "[{\"ReadWriteType\":\"WriteOnly\",\"IncludeManagementEvents\":true}]";
/* A pattern alone chooses from everything. */
static const char all_selectors[] = "[{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Management\"]}]},"
				    "{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Data\"]}]},"
				    "{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"NetworkActivity\"]}]}]";

struct post {
	size_t at, n;			/* in text */
	struct index_place next;	/* behind its record */
};

struct posts {
	struct transfer transfer;
	struct buf text;
	struct pattern *pattern;	/* NULL: all that the selectors choose */
	struct post v[POSTS_MAX];
	unsigned n;
};

void hook_clear(struct worker *w)
{
	if (w->posts) {
		transfer_free(&w->posts->transfer);
		buf_free(&w->posts->text);
		pattern_free(&w->posts->pattern);
	}
	free(w->posts);
	w->posts = NULL;
}

int hook_take(struct worker *w, struct decoded *d, int64_t time)
{
	struct posts *p = w->posts;
	struct record_summary s;
	size_t at = p->text.n;
	int r;

	if (p->n == POSTS_MAX)
		return -E2BIG;
	r = reader_summary(d->reader, w->behind.record - 1, &s);
	if (!r)
		r = envelope_make(&s, d->origin.account, d->origin.region, w->json.p, w->json.n, &p->text);
	if (r < 0)
		return r;
	r = p->text.n - at <= POST_BYTES_MAX;
	if (r && p->pattern)
		r = pattern_matches_text(p->pattern, (const char *)p->text.p + at, p->text.n - at);
	if (r <= 0) {
		p->text.n = at;
		return r == -ENOMEM ? r : 0;
	}
	p->v[p->n++] = (struct post){ at, p->text.n - at, w->behind };
	return 0;
}

/* sha256=<HMAC of the body with the hook's secret>, as many webhooks are signed. */
static void sign(const struct bucket *hook, const void *p, size_t n, char ret[80])
{
	uint8_t mac[32];
	unsigned len = sizeof(mac);

	memcpy(ret, "sha256=", 8);
	if (HMAC(EVP_sha256(), hook->secret, (int)strlen(hook->secret), p, n, mac, &len))
		hex_text(mac, 32, ret + 7);
}

static int send_post(struct worker *w, const struct bucket *hook, const struct post *post, char *why)
{
	struct transfer *t = &w->posts->transfer;
	_cleanup_(s3_request_free) struct s3_request q = { .method = "POST" };
	char signature[80];
	int r = buf_adds(&q.url, hook->endpoint);

	t->b = hook;
	t->body = w->posts->text.p + post->at;
	t->n = post->n;
	if (!r)
		r = s3_header(&q, "Content-Type", "application/json");
	if (!r && hook->secret) {
		sign(hook, t->body, t->n, signature);
		r = s3_header(&q, "X-Hosttrail-Signature", signature);
	}
	snprintf(q.host, sizeof(q.host), "%.200s", hook->name);
	if (!r)
		r = transfer_perform(t, &q, why);
	if (r < 0)
		return r;
	snprintf(why, BUCKET_WHY_MAX, "HTTP %ld", t->status);
	return t->status >= 200 && t->status < 300 ? 0 : -EREMOTEIO;
}

static void failed(struct worker *w, const struct bucket *hook, const char *why)
{
	uint64_t ms = RETRY_MIN_MS << (w->failures < 8 ? w->failures : 8);

	__atomic_store_n(&w->failures, w->failures + 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&w->d->counts.failures, 1, __ATOMIC_RELAXED);
	w->retry_at = clock_boot() + (ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS) * NS_PER_MS;
	log_limited(LOG_LEVEL_WARN, 0, "webhook %s does not take events: %s", hook->name, why);
}

/* The place behind what was taken is noted once for all of them; -ECANCELED: one was not. */
static int send_posts(struct worker *w, const struct bucket *hook)
{
	char why[BUCKET_WHY_MAX] = "";
	unsigned sent = 0;
	int r = 0, noted;

	while (sent < w->posts->n && !(r = send_post(w, hook, &w->posts->v[sent], why)))
		sent++;
	if (sent)
		__atomic_store_n(&w->failures, 0, __ATOMIC_RELAXED);
	if (r < 0 && r != -ECANCELED)
		failed(w, hook, why);
	if (r < 0 && !sent)
		return -ECANCELED;
	noted = ledger_hook_at(w->d->ledger, hook->name, r < 0 ? &w->posts->v[sent - 1].next : &w->cursor);
	return r < 0 ? -ECANCELED : noted;
}

/* 1: there may be more. */
static int one_batch(struct worker *w, const struct bucket *hook)
{
	struct index_place place;
	int r = ledger_hook(w->d->ledger, hook->name, follow_end(w->d->st), &place);

	if (r < 0)
		return r;
	w->posts->n = 0;
	buf_reset(&w->posts->text);
	w->batch.full = false;
	w->cursor = place;
	r = gather(w);
	if (!r && (w->posts->n || w->cursor.pos != place.pos))
		r = send_posts(w, hook);
	return r < 0 ? r : w->batch.full;
}

static int load_selectors(struct worker *w, const struct bucket *hook)
{
	const char *otherwise = hook->pattern ? all_selectors : default_selectors;
	char why[SELECTORS_WHY_MAX] = "";
	int r = 0;

	if (!w->selectors && hook->pattern && !w->posts->pattern)
		r = pattern_load(hook->pattern, &w->posts->pattern, why);
	if (w->selectors)
		return 0;
	if (!r)
		r = hook->selectors ? selectors_load(hook->selectors, &w->selectors, why) :
				      selectors_parse(otherwise, strlen(otherwise), &w->selectors, why);
	if (r < 0)
		log_limited(LOG_LEVEL_ERROR, 0, "webhook %s: its selectors or pattern cannot be read: %s", hook->name, why);
	return r;
}

bool hook_round(struct worker *w)
{
	const struct bucket *hook = buckets_at(w->d->hooks, (unsigned)w->id);
	int r;

	if (clock_boot() < w->retry_at)
		return true;
	if (!w->posts && !(w->posts = calloc(1, sizeof(*w->posts))))
		return true;
	r = load_selectors(w, hook);
	while (!r && (r = one_batch(w, hook)) > 0 && !delivery_stopping(w->d))
		r = 0;
	if (r < 0 && r != -ECANCELED)
		log_limited(LOG_LEVEL_WARN, r, "webhook %s is held up", hook->name);
	return true;
}
