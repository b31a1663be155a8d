/* SPDX-License-Identifier: Apache-2.0 */
#include "proof.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/keys.h"
#include "proto/pki.h"
#include "proto/recordread.h"

#define CRC 4

struct check {
	const struct proof *p;
	const struct proof_trust *t;
	proof_fault_fn fault;
	void *ctx;
	struct proof_view *v;
	unsigned faults;
};

/* A frame's payload, open. */
struct opened {
	struct buf raw;
	struct reader *reader;
};

static void opened_free(struct opened *o)
{
	reader_free(&o->reader);
	buf_free(&o->raw);
}

void proof_free(struct proof *p)
{
	for (size_t i = 0; i < p->nafter; i++)
		buf_free(&p->after[i]);
	free(p->after);
	buf_free(&p->record);
	buf_free(&p->certificate);
	buf_free(&p->frame);
	buf_free(&p->before);
	*p = (struct proof){ 0 };
}

int proof_add_after(struct proof *p, const void *header, size_t n)
{
	int r;

	if (p->nafter == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 16;
		struct buf *v = reallocarray(p->after, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		p->after = v;
		p->cap = cap;
	}
	p->after[p->nafter] = (struct buf){ 0 };
	r = buf_add(&p->after[p->nafter], header, n);
	if (!r)
		p->nafter++;
	return r;
}

static void __attribute__((format(printf, 2, 3))) tell(struct check *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->faults++;
	c->fault(c->ctx, text);
}

/* ---- the frame and the record in it */

static int open_frame(const struct proof *p, const struct frame_header *h, struct opened *o, const char **ret_why)
{
	struct record_frame f = { .first_time = h->first_time, .wall_offset = h->wall_offset };
	int r;

	memcpy(f.stream, h->stream, sizeof(f.stream));
	*ret_why = "it holds no records";
	if (h->kind != FRAME_BATCH)
		return -EBADMSG;
	*ret_why = "its payload cannot be decompressed";
	r = frame_payload(p->frame.p, h, &o->raw);
	if (!r)
		r = reader_open(o->raw.p, o->raw.n, &f, &o->reader, ret_why);
	if (!r && reader_count(o->reader) != h->records) {
		*ret_why = "its header says another number of records";
		r = -EBADMSG;
	}
	return r;
}

/* 0; -ENOENT: none has the id, -EEXIST: several have. */
static int find_record(const struct proof *p, struct opened *o, unsigned *ret_at)
{
	uint8_t id[16];
	int found = 0;

	if (uuid_parse(p->event_id, id) < 0)
		return -ENOENT;
	for (unsigned i = 0; i < reader_count(o->reader); i++) {
		struct record_summary s;

		if (reader_summary(o->reader, i, &s) < 0 || memcmp(s.event_id, id, 16))
			continue;
		*ret_at = i;
		found++;
	}
	return found == 1 ? 0 : found ? -EEXIST : -ENOENT;
}

int proof_render(const struct proof *p, struct buf *out)
{
	_cleanup_(opened_free) struct opened o = { 0 };
	struct frame_header h;
	const char *why;
	unsigned at;
	int r = frame_check(p->frame.p, p->frame.n, &h, &why);

	if (!r)
		r = open_frame(p, &h, &o, &why);
	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	r = find_record(p, &o, &at);
	return r < 0 ? -ENOENT : reader_json(o.reader, at, out);
}

static void check_host(struct check *c, const struct record_host *host)
{
	if (!host->host_id || strcmp(host->host_id, c->p->host_id))
		tell(c, "the frame's records are of another host: %.60s", host->host_id ? host->host_id : "");
	snprintf(c->v->account, sizeof(c->v->account), "%s", host->account ? host->account : "");
	snprintf(c->v->region, sizeof(c->v->region), "%s", host->region ? host->region : "");
}

static int check_record(struct check *c)
{
	_cleanup_(opened_free) struct opened o = { 0 };
	_cleanup_buf_ struct buf text = { 0 };
	const char *why = "";
	int r = open_frame(c->p, &c->v->frame, &o, &why);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return tell(c, "the frame cannot be read: %s", why), 0;
	check_host(c, reader_host(o.reader));
	r = find_record(c->p, &o, &c->v->record);
	if (r < 0)
		return tell(c, r == -EEXIST ? "several records of the frame have this eventID" : "the frame has no record of this eventID"), 0;
	r = reader_json(o.reader, c->v->record, &text);
	if (r < 0)
		return r;
	if (text.n != c->p->record.n || memcmp(text.p, c->p->record.p, text.n))
		tell(c, "the record that is shown is not the one that the host signed");
	return 0;
}

static int check_frame(struct check *c)
{
	const struct buf *f = &c->p->frame;
	const char *why = "";
	size_t total;

	if (frame_check(f->p, f->n, &c->v->frame, &why) < 0 || frame_peek(f->p, f->n, &c->v->frame, &total) < 0 || total != f->n) {
		tell(c, "the frame is not whole: %s", why && *why ? why : "bytes follow it");
		c->v->frame = (struct frame_header){ 0 };
		return 0;
	}
	if (frame_verify(f->p, &c->v->frame, c->p->key) < 0)
		tell(c, "the frame's signature is not of the host's key");
	return check_record(c);
}

/* ---- the chain */

/* A frame of which there is only the header, without its CRC; signed by the same key, of the same chain. */
static bool check_header(struct check *c, const struct buf *b, const char *what, struct frame_header *h, uint8_t ret_hash[32])
{
	uint8_t p[FRAME_HEADER_MAX] = { 0 };
	size_t total;

	if (b->n + CRC > sizeof(p) || b->n + CRC < FRAME_MIN) {
		tell(c, "%s is no frame", what);
		return false;
	}
	memcpy(p, b->p, b->n);
	if (frame_peek(p, b->n + CRC, h, &total) < 0 || h->header_len != b->n + CRC) {
		tell(c, "%s is no frame", what);
		return false;
	}
	if (h->chain != c->v->frame.chain || memcmp(h->stream, c->v->frame.stream, 16)) {
		tell(c, "%s is of another chain", what);
		return false;
	}
	if (frame_verify(p, h, c->p->key) < 0) {
		tell(c, "the signature of %s is not of the host's key", what);
		return false;
	}
	frame_hash(p, h, ret_hash);
	return true;
}

static void check_before(struct check *c)
{
	static const uint8_t none[32];
	const struct frame_header *f = &c->v->frame;
	struct frame_header h;
	uint8_t hash[32];

	if (!f->number && (c->p->before.n || memcmp(f->previous, none, 32)))
		tell(c, "the first frame of a chain claims a predecessor");
	if (!f->number || !c->p->before.n || !check_header(c, &c->p->before, "the frame before it", &h, hash))
		return;
	if (h.number + 1 != f->number || memcmp(hash, f->previous, 32))
		tell(c, "the frame does not follow from the one before it");
}

static void check_after(struct check *c)
{
	struct frame_header h;
	uint8_t hash[32], next[32];
	char what[64];

	frame_hash(c->p->frame.p, &c->v->frame, hash);
	c->v->last = c->v->frame.number;
	for (size_t i = 0; i < c->p->nafter; i++) {
		snprintf(what, sizeof(what), "frame %llu behind it", (unsigned long long)c->v->last + 1);
		if (!check_header(c, &c->p->after[i], what, &h, next))
			return;
		if (h.number != c->v->last + 1 || memcmp(h.previous, hash, 32)) {
			tell(c, "%s does not follow from the one before it", what);
			return;
		}
		c->v->last = h.number;
		memcpy(hash, next, 32);
	}
}

/* ---- the key */

static int check_certificate(struct check *c)
{
	struct pki_binding b;
	struct pki_term term;
	const char *why;
	int r;

	if (!c->p->certificate.n)
		return 0;
	r = pki_check_host(c->p->certificate.p, c->p->certificate.n, c->t->ca, &b, &term, &why);
	if (r == -EBADMSG)
		return tell(c, "the host's certificate is not good: %s", why), 0;
	if (r < 0)
		return r;
	c->v->cert_from = term.from;
	c->v->cert_to = term.to;
	if (strcmp(b.host_id, c->p->host_id) || memcmp(b.key, c->p->key, 32))
		tell(c, "the certificate binds another host or key");
	else if (strcmp(b.account, c->v->account) || strcmp(b.region, c->v->region))
		tell(c, "the frame claims another account or region than the certificate binds");
	else
		c->v->by_ca = c->t->ca != NULL;
	return 0;
}

static int check_key(struct check *c)
{
	if (c->t->has_key && memcmp(c->t->key, c->p->key, 32))
		tell(c, "the frame is signed by another key than the one that is trusted");
	c->v->by_key = c->t->has_key;
	return check_certificate(c);
}

int proof_check(const struct proof *p, const struct proof_trust *t, proof_fault_fn fault, void *ctx, struct proof_view *ret_v,
		enum proof_verdict *ret_verdict)
{
	struct check c = { .p = p, .t = t, .fault = fault, .ctx = ctx, .v = ret_v };
	int r;

	memset(ret_v, 0, sizeof(*ret_v));
	r = check_frame(&c);
	if (r < 0)
		return r;
	if (c.v->frame.header_len) {
		check_before(&c);
		check_after(&c);
	}
	r = check_key(&c);
	if (r < 0)
		return r;
	*ret_verdict = c.faults ? PROOF_INVALID : c.v->by_key || c.v->by_ca ? PROOF_VALID : PROOF_UNVOUCHED;
	return 0;
}
