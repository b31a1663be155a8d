/* SPDX-License-Identifier: Apache-2.0 */
/* op_digests.c - ListPublicKeys, and our own ListDigests: which digests there must be. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "store/delivery/deliver.h"
#include "store/delivery/op_trails.h"
#include "store/input.h"

#define MARGIN_SECONDS 7200	/* a key's first digest ends after the key's life began, and is asked for by its end */
#define PAGE 500

/* ---- ListPublicKeys */

static int show_key(void *ctx, const struct key_row *k)
{
	char value[4 * (sizeof(k->der) / 3 + 1) + 1];
	struct json *j = ctx;

	EVP_EncodeBlock((unsigned char *)value, k->der, (int)k->der_len);
	json_open(j, NULL, '{');
	json_string(j, "Value", value);
	json_int(j, "ValidityStartTime", k->from);
	json_int(j, "ValidityEndTime", k->to);
	json_string(j, "Fingerprint", k->fingerprint);
	json_close(j, '}');
	return 0;
}

static int64_t seconds_of(double t)
{
	return t > 9e15 ? (int64_t)9e15 : t < -9e15 ? (int64_t)-9e15 : (int64_t)floor(t);
}

int op_list_public_keys(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct json j = { .out = &r->body };
	int64_t from, to, now = clock_wall() / (int64_t)NS_PER_SEC;
	struct input_times t;
	int res = input_times(in, r, &t);

	if (res < 0)
		return res;
	from = t.has_start ? seconds_of(t.start) - MARGIN_SECONDS : now;
	to = t.has_end ? seconds_of(t.end) + MARGIN_SECONDS : now;
	json_open(&j, NULL, '{');
	json_open(&j, "PublicKeyList", '[');
	res = st->delivery ? ledger_keys(delivery_ledger(st->delivery), from, to, show_key, &j) : 0;
	if (res < 0)
		return trail_failed(r, res);
	json_close(&j, ']');
	json_close(&j, '}');
	return trail_ended(r);
}

/* ---- ListDigests */

struct listing {
	struct json j;
	int64_t last;
	unsigned n;
};

static int show_digest(void *ctx, const struct digest_row *d)
{
	struct listing *l = ctx;
	struct json *j = &l->j;

	l->last = d->id;
	l->n++;
	json_open(j, NULL, '{');
	json_int(j, "Number", d->id);
	json_int(j, "Chain", d->chain);
	json_int(j, "Trail", d->trail);
	json_string(j, "Account", d->account);
	json_string(j, "Region", d->region);
	json_string(j, "S3Bucket", d->bucket);
	json_string(j, "S3Object", d->key);
	json_int(j, "StartTime", d->begin);
	json_int(j, "EndTime", d->end);
	json_string(j, "HashValue", d->hash);
	json_string(j, "Signature", d->signature);
	json_string(j, "Fingerprint", d->fingerprint);
	json_boolean(j, "Delivered", d->delivered != 0);
	if (d->removed)
		json_time(j, "RemovedTime", d->removed);
	json_close(j, '}');
	return 0;
}

static int show_log(void *ctx, const struct log_row *r)
{
	struct json *j = ctx;

	json_open(j, NULL, '{');
	json_int(j, "Trail", r->trail);
	json_string(j, "S3Bucket", r->bucket);
	json_string(j, "S3Object", r->key);
	json_string(j, "HashValue", r->hash);
	json_boolean(j, "Delivered", r->delivered != 0);
	json_close(j, '}');
	return 0;
}

static int show_loose(void *ctx, const char *bucket, const char *prefix)
{
	struct json *j = ctx;

	json_open(j, NULL, '{');
	json_string(j, "S3Bucket", bucket);
	json_string(j, "S3KeyPrefix", prefix);
	json_close(j, '}');
	return 0;
}

static void show_place(struct json *j, const char *key, const struct index_place *p)
{
	char text[48];

	snprintf(text, sizeof(text), "%u:%u:%u", (unsigned)(p->pos >> 32), (unsigned)p->pos, p->record);
	json_string(j, key, text);
}

struct stretches {
	struct json *j;
	const char *region;
};

static int show_stretch(void *ctx, const struct stretch_row *s)
{
	const struct stretches *c = ctx;

	if (s->from.pos > s->to.pos || (s->from.pos == s->to.pos && s->from.record >= s->to.record))
		return 0;
	json_open(c->j, NULL, '{');
	json_int(c->j, "Trail", s->trail);
	show_place(c->j, "From", &s->from);
	show_place(c->j, "To", &s->to);
	if (!s->multi_region)
		json_string(c->j, "Region", c->region);
	json_boolean(c->j, "Digests", s->validation);
	json_text(c->j, "Selectors", s->selectors.p, s->selectors.n);
	json_close(c->j, '}');
	return 0;
}

/* With the last page: what lies in buckets without a digest that names it. Stretches first: what they say is delivered is in what follows,
 * or in a digest that was made meanwhile. */
static int show_rest(struct ledger *l, struct json *j, const char *region)
{
	struct stretches c = { j, region };
	int r;

	json_open(j, "Stretches", '[');
	r = ledger_stretches(l, show_stretch, &c);
	json_close(j, ']');
	if (r < 0)
		return r;
	json_open(j, "Open", '[');
	r = ledger_logs_open(l, show_log, j);
	json_close(j, ']');
	json_open(j, "Loose", '[');
	if (!r)
		r = ledger_loose(l, show_loose, j);
	json_close(j, ']');
	return r;
}

int op_list_digests(struct store *st, struct json_object *in, struct op_state *state, struct reply *r)
{
	struct listing l = { .j = { .out = &r->body } };
	struct ledger *ledger = st->delivery ? delivery_ledger(st->delivery) : NULL;
	struct trail t = { 0 };
	int64_t after;
	bool there;
	int res = input_has(in, "TrailName") ? trail_of_ours(st, in, "TrailName", r, &t) : 0;

	if (!res)
		res = input_int(in, "After", r, &there, &after);
	if (res < 0)
		return res;
	json_open(&l.j, NULL, '{');
	json_open(&l.j, "Digests", '[');
	res = ledger ? ledger_digests(ledger, t.id, after, PAGE, show_digest, &l) : 0;
	json_close(&l.j, ']');
	if (l.n == PAGE)
		json_int(&l.j, "After", l.last);
	else if (!res && ledger)
		res = show_rest(ledger, &l.j, st->region);
	if (res < 0)
		return trail_failed(r, res);
	json_close(&l.j, '}');
	return trail_ended(r);
}
