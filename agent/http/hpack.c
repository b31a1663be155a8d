// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/http/hpack.h"

#define OVERHEAD 32	/* of an entry, RFC 7541 4.1 */

#define F(name, value) { name, sizeof(name) - 1, value, sizeof(value) - 1 }
static const struct {
	const char *name;
	size_t nname;
	const char *value;
	size_t nvalue;
} statics[HPACK_STATIC] = {
	F(":authority", ""), F(":method", "GET"), F(":method", "POST"), F(":path", "/"), F(":path", "/index.html"), F(":scheme", "http"),
	F(":scheme", "https"), F(":status", "200"), F(":status", "204"), F(":status", "206"), F(":status", "304"), F(":status", "400"),
	F(":status", "404"), F(":status", "500"), F("accept-charset", ""), F("accept-encoding", "gzip, deflate"), F("accept-language", ""),
	F("accept-ranges", ""), F("accept", ""), F("access-control-allow-origin", ""), F("age", ""), F("allow", ""), F("authorization", ""),
	F("cache-control", ""), F("content-disposition", ""), F("content-encoding", ""), F("content-language", ""), F("content-length", ""),
	F("content-location", ""), F("content-range", ""), F("content-type", ""), F("cookie", ""), F("date", ""), F("etag", ""), F("expect", ""),
	F("expires", ""), F("from", ""), F("host", ""), F("if-match", ""), F("if-modified-since", ""), F("if-none-match", ""), F("if-range", ""),
	F("if-unmodified-since", ""), F("last-modified", ""), F("link", ""), F("location", ""), F("max-forwards", ""), F("proxy-authenticate", ""),
	F("proxy-authorization", ""), F("range", ""), F("referer", ""), F("refresh", ""), F("retry-after", ""), F("server", ""), F("set-cookie", ""),
	F("strict-transport-security", ""), F("transfer-encoding", ""), F("user-agent", ""), F("vary", ""), F("via", ""), F("www-authenticate", ""),
};
#define LAST_ASKING 7	/* the last of a request's pseudo-header fields */
#define LAST_PSEUDO 14

/* ---- the dynamic table */

static size_t entry_size(const struct hpack_entry *e)
{
	return (e->known ? e->nname : 0) + e->nvalue + OVERHEAD;
}

static void evict(struct hpack *h)
{
	struct hpack_entry *e = &h->ring[h->first];

	h->size -= entry_size(e);
	h->first = (h->first + 1) % h->cap;
	h->n--;
	if (e->p)
		explicit_bzero(e->p, e->nname + e->nvalue);
	free(e->p);
	*e = (struct hpack_entry){ 0 };
}

static void evict_down(struct hpack *h, size_t room)
{
	while (h->n && h->size + room > (h->limit < HPACK_KEPT ? h->limit : HPACK_KEPT)) {
		if (h->size + room <= h->limit)
			h->complete = false;	/* the peer still has it */
		evict(h);
	}
}

static void clear(struct hpack *h)
{
	while (h->n)
		evict(h);
}

void hpack_begin(struct hpack *h, bool complete)
{
	clear(h);
	h->joined++;
	h->inserted = 0;
	h->complete = complete;
	h->limit = complete ? 4096 : SIZE_MAX;
}

void hpack_lost(struct hpack *h)
{
	hpack_begin(h, false);	/* its size may have been changed, too */
}

void hpack_free(struct hpack *h)
{
	hpack_lost(h);
	free(h->ring);
	zbuf_free(&h->name);
	zbuf_free(&h->value);
	*h = (struct hpack){ 0 };
}

static int grow(struct hpack *h)
{
	uint32_t cap = h->cap ? 2 * h->cap : 32;
	struct hpack_entry *ring = calloc(cap, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	for (uint32_t i = 0; i < h->n; i++)
		ring[i] = h->ring[(h->first + i) % h->cap];
	free(h->ring);
	h->ring = ring;
	h->cap = cap;
	h->first = 0;
	return 0;
}

/* The field may lie in the table: it is copied before anything is thrown away. */
static int insert(struct memory *m, struct hpack *h, const struct hpack_field *f)
{
	size_t nname = f->known ? f->name.n : 0;
	struct hpack_entry e = { .nname = (uint32_t)nname, .nvalue = (uint32_t)f->value.n, .known = f->known };
	size_t size = entry_size(&e);

	if (size > h->limit || size > HPACK_KEPT) {	/* such a one empties the table */
		h->complete &= size > h->limit;
		clear(h);
		h->joined++;	/* the peer may have kept it */
		h->inserted = 0;
		return 0;
	}
	if (h->n == h->cap && grow(h) < 0)
		goto no_memory;
	e.p = malloc(nname + f->value.n + 1);
	if (!e.p)
		goto no_memory;
	if (nname)
		memcpy(e.p, f->name.p, nname);
	if (f->value.n)
		memcpy(e.p + nname, f->value.p, f->value.n);
	evict_down(h, size);
	h->ring[(h->first + h->n++) % h->cap] = e;
	h->size += size;
	h->inserted++;
	return 0;
no_memory:
	m->failed = true;
	return -ENOMEM;
}

/* The field of an index. Of one that we never saw: not known. -EBADMSG: there is none. */
static int look_up(const struct hpack *h, uint64_t index, struct hpack_field *ret_f)
{
	const struct hpack_entry *e;

	if (!index)
		return -EBADMSG;
	if (index <= HPACK_STATIC) {
		ret_f->name = (struct str){ statics[index - 1].name, statics[index - 1].nname };
		ret_f->value = (struct str){ statics[index - 1].value, statics[index - 1].nvalue };
		ret_f->known = true;
		return 0;
	}
	index -= HPACK_STATIC + 1;
	ret_f->known = false;
	if (index >= h->n) {
		if (index >= h->inserted)
			ret_f->older = (uint64_t)h->joined << 32 | (uint32_t)(index - h->inserted + 1);
		return h->complete ? -EBADMSG : 0;
	}
	e = &h->ring[(h->first + h->n - 1 - (uint32_t)index) % h->cap];
	ret_f->name = (struct str){ e->p, e->nname };
	ret_f->value = (struct str){ e->p + e->nname, e->nvalue };
	ret_f->known = e->known;
	return 0;
}

/* ---- representations */

struct cursor {
	const uint8_t *p, *end;
};

/* 1: read. 0: the bytes end in it. -EBADMSG. */
static int read_int(struct cursor *c, unsigned bits, uint64_t *ret_v)
{
	uint64_t mask = (1u << bits) - 1, v;

	if (c->p == c->end)
		return 0;
	v = *c->p++ & mask;
	for (unsigned shift = 0; v >= mask; shift += 7) {
		uint8_t b;

		if (shift > 28)
			return -EBADMSG;
		if (c->p == c->end)
			return 0;
		b = *c->p++;
		v += (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			break;
	}
	*ret_v = v;
	return 1;
}

/* Into `out`, decoded; NULL: only past it. */
static int read_string(struct memory *m, struct cursor *c, struct zbuf *out)
{
	bool huffman = c->p < c->end && (*c->p & 0x80);
	uint64_t n;
	int r = read_int(c, 7, &n);

	if (r <= 0)
		return r;
	if (n > (uint64_t)(c->end - c->p))
		return 0;
	if (out) {
		zbuf_reset(out);
		if (huffman)
			r = huffman_read(m, c->p, n, out);
		else
			r = zbuf_add(m, out, c->p, n) ? 0 : -ENOMEM;
	}
	c->p += n;
	return r < 0 ? r : 1;
}

/* Are both strings there? Who sends a byte at a time has nothing decoded a byte at a time. */
static int whole_literal(struct cursor c, bool named)
{
	int r = named ? 1 : read_string(NULL, &c, NULL);

	return r > 0 ? read_string(NULL, &c, NULL) : r;
}

static int read_literal(struct memory *m, struct hpack *h, struct cursor *c, unsigned bits, hpack_fn *fn, void *ctx)
{
	struct hpack_field f = { .sensitive = bits == 4 && (*c->p & 0x10), .known = true };
	uint64_t index;
	int r = read_int(c, bits, &index);

	if (r > 0)
		r = whole_literal(*c, index);
	if (r <= 0)
		return r;
	if (index) {
		r = look_up(h, index, &f);
	} else {
		r = read_string(m, c, &h->name);
		f.name = (struct str){ h->name.p ? h->name.p : "", h->name.n };
	}
	if (r < 0)
		return r;
	r = read_string(m, c, &h->value);
	if (r <= 0)
		return r;
	f.value = (struct str){ h->value.p ? h->value.p : "", h->value.n };
	fn(ctx, &f);
	r = bits == 6 ? insert(m, h, &f) : 0;
	return r < 0 ? r : 1;
}

static int read_size(struct hpack *h, struct cursor *c)
{
	uint64_t n;
	int r = read_int(c, 5, &n);

	if (r <= 0)
		return r;
	h->limit = (size_t)n;
	evict_down(h, 0);
	h->complete |= !n;
	return 1;
}

static int read_field(struct memory *m, struct hpack *h, struct cursor *c, hpack_fn *fn, void *ctx)
{
	struct hpack_field f = { 0 };
	uint8_t b = *c->p;
	uint64_t index;
	int r;

	if (!(b & 0x80))
		return (b & 0xe0) == 0x20 ? read_size(h, c) : read_literal(m, h, c, b & 0x40 ? 6 : 4, fn, ctx);
	r = read_int(c, 7, &index);
	if (r <= 0)
		return r;
	r = look_up(h, index, &f);
	if (r < 0)
		return r;
	fn(ctx, &f);
	return 1;
}

int hpack_read(struct memory *m, struct hpack *h, const uint8_t *p, size_t n, size_t *ret_used, hpack_fn *fn, void *ctx)
{
	struct cursor c = { p, p + n };
	const uint8_t *whole = p;
	int r = 1;

	while (c.p < c.end && (r = read_field(m, h, &c, fn, ctx)) > 0)
		whole = c.p;
	zbuf_reset(&h->name);
	zbuf_reset(&h->value);
	if (r < 0)
		return r;
	*ret_used = (size_t)(whole - p);
	return 0;
}

/* ---- is it one? */

/* Past one representation; its index, of a literal its name's. */
static int pass(struct cursor *c, uint64_t *ret_index)
{
	uint8_t b = *c->p;
	int r = read_int(c, b & 0x80 ? 7 : b & 0x40 ? 6 : b & 0x20 ? 5 : 4, ret_index);

	if (r <= 0 || b & 0x80)
		return r > 0 && *ret_index ? 1 : 0;
	if ((b & 0xe0) == 0x20) {
		*ret_index = 0;
		return 1;
	}
	if (!*ret_index && (c->p == c->end || !(*c->p & 0x7f) || read_string(NULL, c, NULL) <= 0))
		return 0;	/* no field has an empty name */
	return read_string(NULL, c, NULL) > 0;
}

bool hpack_is_block(const uint8_t *p, size_t n)
{
	struct cursor c = { p, p + n };
	uint64_t index;

	while (c.p < c.end)
		if (pass(&c, &index) <= 0)
			return false;
	return n > 0;
}

bool hpack_is_head(const uint8_t *p, size_t n)
{
	bool method = false, scheme = false, status = n && ((p[0] >= 0x88 && p[0] <= 0x8e) || p[0] == 0x48);
	struct cursor c = { p, p + n };
	unsigned others = 0, of_table = 0;	/* what the peer's table has may be anything, a name that begins with : too */
	uint64_t index;

	while (c.p < c.end) {
		bool first = c.p == p;

		if (pass(&c, &index) <= 0)
			return false;
		if (index && index <= LAST_PSEUDO && (others || (status ? !first : index > LAST_ASKING)))
			return false;	/* they come first, and are the request's or the response's */
		method |= index == 2 || index == 3;
		scheme |= index == 6 || index == 7;
		others += index > LAST_PSEUDO && index <= HPACK_STATIC;
		of_table += index > HPACK_STATIC;
	}
	return status ? others + of_table >= 2 : method && scheme;
}
