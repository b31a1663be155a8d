/* SPDX-License-Identifier: Apache-2.0 */
#include "recordcheck.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "logtext.h"
#include "proto/frame.h"
#include "proto/keys.h"
#include "proto/recordread.h"
#include "proto/recordselect.h"
#include "proto/selectors.h"

#define SUM 16
#define LATE_SECONDS 86400
#define TELL_MAX 20		/* of each kind, one by one */

/* A record that a host signed. Bits: of trails. */
struct known {
	uint8_t id[16], sum[SUM];
	uint32_t wanted, found;
};

struct stretch {
	unsigned trail;
	struct recordcheck_place from, to;
	char *region;
	struct selectors *selectors;
};

enum kind { MISSING, DOUBLED, ALTERED, INVENTED, ODD, KIND__MAX };
static const char *const whats[KIND__MAX] = { "missing", "doubled", "altered", "invented", "unreadable" };

struct recordcheck {
	recordcheck_fault_fn fault;
	recordcheck_ask_fn ask;
	void *ctx;
	int64_t trails[RECORDCHECK_TRAILS];
	double forgotten[RECORDCHECK_TRAILS];
	unsigned ntrails, nstretches;
	struct stretch *stretches;
	struct known *v;
	size_t n, cap;
	bool sorted;
	double removed;			/* frames that arrived by then are removed */
	uint64_t told[KIND__MAX], filed, unproven;
	struct buf json, text;
};

int recordcheck_new(recordcheck_fault_fn fault, recordcheck_ask_fn ask, void *ctx, struct recordcheck **ret_c)
{
	struct recordcheck *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->fault = fault;
	c->ask = ask;
	c->ctx = ctx;
	*ret_c = c;
	return 0;
}

void recordcheck_free(struct recordcheck **pc)
{
	struct recordcheck *c = *pc;

	if (!c)
		return;
	for (unsigned i = 0; i < c->nstretches; i++) {
		free(c->stretches[i].region);
		selectors_free(&c->stretches[i].selectors);
	}
	free(c->stretches);
	free(c->v);
	buf_free(&c->json);
	buf_free(&c->text);
	free(c);
	*pc = NULL;
}

static void __attribute__((format(printf, 3, 4))) tell(struct recordcheck *c, enum kind kind, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	if (c->told[kind]++ >= TELL_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->fault(c->ctx, text);
}

/* ---- stretches */

/* The bit of a trail; RECORDCHECK_TRAILS: there are too many. */
static unsigned trail_bit(struct recordcheck *c, int64_t trail)
{
	unsigned i;

	for (i = 0; i < c->ntrails; i++)
		if (c->trails[i] == trail)
			return i;
	if (i < RECORDCHECK_TRAILS)
		c->trails[c->ntrails++] = trail;
	return i;
}

int recordcheck_stretch(struct recordcheck *c, int64_t trail, const struct recordcheck_place *from, const struct recordcheck_place *to,
			const char *region, bool digests, const char *selectors)
{
	struct stretch s = { .trail = trail_bit(c, trail), .from = *from, .to = *to };
	char why[SELECTORS_WHY_MAX];
	struct stretch *v;
	int r;

	if (!digests || s.trail == RECORDCHECK_TRAILS)
		return 0;
	r = selectors_parse(selectors, strlen(selectors), &s.selectors, why);
	if (r < 0)
		return r;
	s.region = region ? strdup(region) : NULL;
	v = reallocarray(c->stretches, c->nstretches + 1, sizeof(*v));
	if (v)
		c->stretches = v;
	if (!v || (region && !s.region)) {
		selectors_free(&s.selectors);
		free(s.region);
		return -ENOMEM;
	}
	v[c->nstretches++] = s;
	return 0;
}

void recordcheck_forget(struct recordcheck *c, int64_t trail, double until)
{
	unsigned i = trail_bit(c, trail);

	if (i < RECORDCHECK_TRAILS && c->forgotten[i] < until)
		c->forgotten[i] = until;
}

void recordcheck_removed(struct recordcheck *c, double until)
{
	if (until > c->removed)
		c->removed = until;
}

uint64_t recordcheck_unproven(const struct recordcheck *c)
{
	return c->unproven;
}

/* By its name, ..._20261122T1015Z_0123456789abcdef.json.gz: may its records' frames have been removed? */
static bool is_of_removed(const struct recordcheck *c, const char *name)
{
	const char *end = strrchr(name, '_');
	char iso[32];
	int64_t ns;

	if (!c->removed || !end || end - name < 15)
		return false;
	snprintf(iso, sizeof(iso), "%.4s-%.2s-%.2sT%.2s:%.2s:00Z", end - 14, end - 10, end - 8, end - 5, end - 3);
	return clock_parse(iso, &ns) == 0 && (double)ns / 1e9 <= c->removed + LATE_SECONDS;
}

static bool is_before(const struct recordcheck_place *a, const struct recordcheck_place *b)
{
	return a->pos != b->pos ? a->pos < b->pos : a->record < b->record;
}

/* Which trails have to have this record. */
static int wanted_by(struct recordcheck *c, struct reader *r, unsigned i, uint64_t pos, double received, uint32_t *ret)
{
	const struct recordcheck_place at = { pos, i };
	const char *region = reader_host(r)->region;

	*ret = 0;
	for (unsigned k = 0; k < c->nstretches; k++) {
		const struct stretch *s = &c->stretches[k];
		struct select_view view;
		int res;

		if (received <= c->forgotten[s->trail] || is_before(&at, &s->from) || !is_before(&at, &s->to) || (s->region && strcmp(s->region, region ? region : "")))
			continue;
		res = reader_select_view(r, i, s->selectors->uses, &c->text, &view);
		if (res == -ENOMEM)
			return res;
		if (!res && selectors_match(s->selectors, &view) == SELECT_YES)
			*ret |= 1u << s->trail;
	}
	return 0;
}

/* ---- frames */

static int add_known(struct recordcheck *c, const struct known *k)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 1024;
		struct known *v = reallocarray(c->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		c->v = v;
		c->cap = cap;
	}
	c->v[c->n++] = *k;
	c->sorted = false;
	return 0;
}

static int add_record(struct recordcheck *c, struct reader *r, unsigned i, uint64_t pos, double received)
{
	struct record_summary s;
	struct known k = { 0 };
	uint8_t sum[32];
	int res = wanted_by(c, r, i, pos, received, &k.wanted);

	if (res < 0 || reader_summary(r, i, &s) < 0)
		return res;
	memcpy(k.id, s.event_id, 16);
	buf_reset(&c->json);
	res = reader_json(r, i, &c->json);
	if (res < 0)
		return res == -ENOMEM ? res : 0;
	sha256(c->json.p, c->json.n, sum);
	memcpy(k.sum, sum, SUM);
	return add_known(c, &k);
}

int recordcheck_frame(struct recordcheck *c, uint64_t pos, double received, const char *host_id, const void *frame, const struct frame_header *h)
{
	struct record_frame f = { .first_time = h->first_time, .wall_offset = h->wall_offset };
	_cleanup_buf_ struct buf raw = { 0 };
	struct reader *reader = NULL;
	const char *why;
	int r;

	if (h->kind != FRAME_BATCH)
		return 0;
	memcpy(f.stream, h->stream, sizeof(f.stream));
	r = frame_payload(frame, h, &raw);
	if (!r)
		r = reader_open(raw.p, raw.n, &f, &reader, &why);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (reader_count(reader) == h->records && reader_host(reader)->host_id && !strcmp(reader_host(reader)->host_id, host_id))
		for (unsigned i = 0; i < h->records && !r; i++)
			r = add_record(c, reader, i, pos, received);
	reader_free(&reader);
	return r;
}

static int by_id(const void *a, const void *b)
{
	const struct known *x = a, *y = b;
	int r = memcmp(x->id, y->id, 16);

	return r ? r : memcmp(x->sum, y->sum, SUM);
}

/* A record that is in several frames (of a clone's chain) counts once. */
static void sort(struct recordcheck *c)
{
	size_t to = 0;

	if (c->sorted || !c->n)
		return;
	qsort(c->v, c->n, sizeof(*c->v), by_id);
	for (size_t i = 0; i < c->n; i++)
		if (to && !by_id(&c->v[to - 1], &c->v[i])) {
			c->v[to - 1].wanted |= c->v[i].wanted;
			c->v[to - 1].found |= c->v[i].found;
		} else {
			c->v[to++] = c->v[i];
		}
	c->n = to;
	c->sorted = true;
}

/* The first of this id; n: none. */
static size_t find_id(const struct recordcheck *c, const uint8_t id[16])
{
	size_t low = 0, high = c->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(c->v[mid].id, id, 16) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->n && !memcmp(c->v[low].id, id, 16) ? low : c->n;
}

/* ---- files */

/* The record's id as 16 bytes and as text. */
static int read_id(const char *text, size_t n, uint8_t ret_id[16], char ret_text[37])
{
	struct json_tokener *t = json_tokener_new_ex(64);
	struct json_object *o = t ? json_tokener_parse_ex(t, text, (int)n) : NULL, *id;
	int r = -EBADMSG;

	if (json_object_object_get_ex(o, "eventID", &id) && json_object_is_type(id, json_type_string) && json_object_get_string_len(id) == 36)
		r = uuid_parse(json_object_get_string(id), ret_id);
	if (!r)
		uuid_text(ret_id, ret_text);
	json_object_put(o);
	if (t)
		json_tokener_free(t);
	return r < 0 ? -EBADMSG : 0;
}

/* One that is in none of our frames. */
static int ask(struct recordcheck *c, unsigned bit, const char *name, const uint8_t id[16], const char *id_text, const uint8_t sum[32])
{
	struct known k = { .found = 1u << bit };
	uint8_t signed_sum[32];
	int r;

	buf_reset(&c->json);
	r = c->ask ? c->ask(c->ctx, id_text, &c->json) : 0;
	if (r < 0)
		return r;
	sha256(c->json.p, c->json.n, signed_sum);
	if (!r && is_of_removed(c, name))
		c->unproven++;
	else if (!r)
		tell(c, INVENTED, "log file %s: no host signed its record %s", name, id_text);
	else if (memcmp(sum, signed_sum, SUM))
		tell(c, ALTERED, "log file %s: its record %s is not as the host signed it", name, id_text);
	else {
		memcpy(k.id, id, 16);
		memcpy(k.sum, sum, SUM);
		r = add_known(c, &k);
		sort(c);
	}
	return r < 0 ? r : 0;
}

/* It is not missing as well. */
static void take_altered(struct recordcheck *c, unsigned bit, const char *name, const uint8_t id[16], const char *id_text)
{
	tell(c, ALTERED, "log file %s: its record %s is not as the host signed it", name, id_text);
	for (size_t at = find_id(c, id); at < c->n && !memcmp(c->v[at].id, id, 16); at++)
		c->v[at].found |= 1u << bit;
}

static int check_record(struct recordcheck *c, unsigned bit, const char *name, const char *text, size_t n)
{
	char id_text[37];
	uint8_t id[16], sum[32];
	size_t at;

	c->filed++;
	if (read_id(text, n, id, id_text) < 0) {
		tell(c, ODD, "log file %s: a record has no eventID", name);
		return 0;
	}
	sha256(text, n, sum);
	at = find_id(c, id);
	if (at == c->n)
		return ask(c, bit, name, id, id_text, sum);
	while (at < c->n && !memcmp(c->v[at].id, id, 16) && memcmp(c->v[at].sum, sum, SUM))
		at++;
	if (at == c->n || memcmp(c->v[at].id, id, 16))
		take_altered(c, bit, name, id, id_text);
	else if (c->v[at].found & 1u << bit)
		tell(c, DOUBLED, "log file %s: its record %s was delivered before", name, id_text);
	else
		c->v[at].found |= 1u << bit;
	return 0;
}

int recordcheck_file(struct recordcheck *c, int64_t trail, const char *name, const char *text, size_t n)
{
	unsigned bit = trail_bit(c, trail);
	size_t at = 0, start, end;
	int r;

	if (bit == RECORDCHECK_TRAILS)
		return 0;
	sort(c);
	while ((r = logtext_next(text, n, &at, &start, &end)) > 0) {
		r = check_record(c, bit, name, text + start, end - start);
		if (r < 0)
			return r;
	}
	if (r < 0)
		tell(c, ODD, "log file %s is not a list of records as the store writes it", name);
	return 0;
}

/* ---- the end */

bool recordcheck_wants(struct recordcheck *c)
{
	sort(c);
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].wanted & ~c->v[i].found)
			return true;
	return false;
}

static void tell_missing(struct recordcheck *c)
{
	char id[37];

	for (size_t i = 0; i < c->n; i++) {
		if (!(c->v[i].wanted & ~c->v[i].found))
			continue;
		uuid_text(c->v[i].id, id);
		tell(c, MISSING, "record %s is in none of the log files that should have it", id);
	}
}

void recordcheck_finish(struct recordcheck *c, bool all, uint64_t *ret_frames, uint64_t *ret_files)
{
	char text[128];

	sort(c);
	if (all)
		tell_missing(c);
	else
		c->fault(c->ctx, "what is missing in log files cannot be told, for not every digest could be read");
	for (unsigned k = 0; k < KIND__MAX; k++) {
		if (c->told[k] <= TELL_MAX)
			continue;
		snprintf(text, sizeof(text), "log files: %llu records are %s in all", (unsigned long long)c->told[k], whats[k]);
		c->fault(c->ctx, text);
	}
	*ret_frames = c->n;
	*ret_files = c->filed;
}
