/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "proto/recordselect.h"
#include "store/lake/fill.h"
#include "store/lake/walk.h"
#include "tables.h"

void rowmaker_free(struct rowmaker *m)
{
	buf_free(&m->json);
	buf_free(&m->scratch);
	buf_free(&m->members);
}

uint64_t frame_key(const uint8_t hash[32])
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | hash[i];
	return v;
}

uint64_t store_key(const char *id)
{
	uint8_t raw[16] = { 0 };
	uint64_t v = 0;

	uuid_parse(id, raw);
	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | raw[i];
	return v;
}

/* ---- values */

void rows_put_number(struct buf *out, uint64_t v, unsigned bytes)
{
	uint8_t p[8];

	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
	buf_add(out, p, bytes);
}

static void put_length(struct buf *out, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		buf_addc(out, (uint8_t)(n | 0x80));
	buf_addc(out, (uint8_t)n);
}

void rows_put_text(struct buf *out, const void *p, size_t n)
{
	put_length(out, n);
	buf_add(out, p, n);
}

bool rows_take(struct str *s, void *ret, size_t n)
{
	if (s->n < n)
		return false;
	memcpy(ret, s->p, n);
	s->p += n;
	s->n -= n;
	return true;
}

bool rows_take_text(struct str *s, struct str *ret)
{
	uint64_t n = 0;
	uint8_t c = 0x80;

	for (unsigned shift = 0; c & 0x80; shift += 7) {
		if (shift > 28 || !rows_take(s, &c, 1))
			return false;
		n |= (uint64_t)(c & 0x7f) << shift;
	}
	if (n > s->n)
		return false;
	*ret = (struct str){ s->p, (size_t)n };
	s->p += n;
	s->n -= (size_t)n;
	return true;
}

static void put_string(struct buf *out, const char *s)
{
	rows_put_text(out, s, strlen(s));
}

static void put_hex(struct buf *out, const uint8_t *p, unsigned n)
{
	char text[65];

	hex_text(p, n, text);
	rows_put_text(out, text, 2 * n);
}

/* Bytes of any kind as the record's JSON shows them, so that servers and answers have valid UTF-8 only. */
void rows_shown(const void *p, size_t n, struct buf *out)
{
	_cleanup_buf_ struct buf json = { 0 }, scratch = { 0 };
	struct json j = { .out = &json };
	struct piece t = { NULL, 0 };

	json_text(&j, NULL, p, n);
	walk_text((struct piece){ (const char *)json.p, json.n }, &scratch, &t);
	buf_add(out, t.p, t.n);
	if (json.failed || scratch.failed)
		out->failed = true;
}

static bool is_plain(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] <= 0)
			return false;
	return true;
}

static void put_shown(struct rowmaker *m, const struct str *s, struct buf *out)
{
	if (is_plain(s->p, s->n)) {
		rows_put_text(out, s->p, s->n);
		return;
	}
	buf_reset(&m->scratch);
	rows_shown(s->p, s->n, &m->scratch);
	rows_put_text(out, m->scratch.p, m->scratch.n);
}

static void put_texts(struct rowmaker *m, const struct str *v, unsigned n, struct buf *out)
{
	put_length(out, n);
	for (unsigned i = 0; i < n; i++)
		put_shown(m, &v[i], out);
}

/* What a DateTime can hold. */
static void put_seconds(struct buf *out, int64_t s)
{
	rows_put_number(out, s < 0 ? 0 : s > UINT32_MAX ? UINT32_MAX : (uint64_t)s, 4);
}

static int64_t floor_seconds(int64_t ns)
{
	int64_t s = ns / (int64_t)NS_PER_SEC;

	return ns % (int64_t)NS_PER_SEC < 0 ? s - 1 : s;
}

/* ---- the lake's columns */

/* false: the text is no value of this type. */
static bool put_scalar(struct rowmaker *m, const struct column *c, struct piece s, struct buf *out)
{
	struct piece t;
	int64_t v;
	bool truth;

	buf_reset(&m->scratch);
	if (walk_text(s, &m->scratch, &t) < 0)
		return false;
	switch (c->type) {
	case COLUMN_MAYBE_INT64:
		if (!fill_integer(t, &v))
			return false;
		buf_addc(out, 0);
		rows_put_number(out, (uint64_t)v, 8);
		return true;
	case COLUMN_MAYBE_TIME:
		if (!fill_time(t, &v))
			return false;
		buf_addc(out, 0);
		put_seconds(out, v / 1000000);
		return true;
	case COLUMN_MAYBE_BOOL:
		truth = t.n == 4 && !memcmp(t.p, "true", 4);
		if (!truth && (t.n != 5 || memcmp(t.p, "false", 5)))
			return false;
		buf_addc(out, 0);
		buf_addc(out, truth);
		return true;
	default:
		buf_addc(out, 0);
		rows_put_text(out, t.p, t.n);
		return true;
	}
}

struct row {
	const struct ch_frame *frame;
	const struct piece *slots;	/* NULL: the row of the frame itself */
	unsigned record;
	int64_t time;
};

/* Members' names, or their values as text; a member that is null is none. */
static void put_members(struct rowmaker *m, struct piece map, enum column_part part, struct buf *out)
{
	struct piece key, value, text;
	unsigned n = 0;
	struct walk w;

	buf_reset(&m->members);
	if (map.n && walk_begin(&w, map) && w.object)
		while (walk_next(&w, &key, &value) > 0) {
			if (!value.n)
				continue;
			buf_reset(&m->scratch);
			if ((part == PART_KEYS ? walk_unescape(key, &m->scratch, &text) : walk_text(value, &m->scratch, &text)) < 0)
				break;
			rows_put_text(&m->members, text.p, text.n);
			n++;
		}
	put_length(out, n);
	buf_add(out, m->members.p, m->members.n);
}

static void put_lake(struct rowmaker *m, const struct row *r, const struct column *c, struct buf *out)
{
	const struct lake_field *f = c->field;
	struct piece s = { NULL, 0 };

	if (r->slots && f->slot >= 0)
		s = r->slots[f->slot];
	if (c->part != PART_WHOLE) {
		put_members(m, s, c->part, out);
	} else if (f->type == LAKE_RECORD_TEXT) {
		rows_put_text(out, m->json.p, r->slots ? m->json.n : 0);
	} else if (c->type == COLUMN_TIME) {
		put_seconds(out, f->type == LAKE_RECEIVED ? floor_seconds(r->frame->received) : r->slots ? floor_seconds(r->time) : 0);
	} else if (r->slots && (f->type == LAKE_POSITION || f->type == LAKE_NUMBER)) {
		buf_addc(out, 0);
		rows_put_number(out, f->type == LAKE_POSITION ? r->frame->number : r->record, 8);
	} else {
		/* maps and lists stay the JSON that they are */
		if (s.n && (f->type == LAKE_MAP || f->type == LAKE_RESOURCES)) {
			buf_addc(out, 0);
			rows_put_text(out, s.p, s.n);
		} else if (!s.n || !put_scalar(m, c, s, out)) {
			buf_addc(out, 1);
		}
	}
}

static void put_lakes(struct rowmaker *m, const struct row *r, struct buf *out)
{
	for (unsigned i = OWN__MAX; i < ncolumns; i++)
		put_lake(m, r, &columns[i], out);
}

/* ---- ours, in the order of enum own_column */

static void put_place(const struct ch_frame *f, enum row_kind kind, unsigned record, uint64_t batch, uint16_t day, struct buf *out)
{
	buf_addc(out, (uint8_t)kind);
	rows_put_number(out, day, 2);
	put_string(out, f->origin.account);
	put_string(out, f->origin.host_id);
	put_hex(out, f->stream, 16);
	buf_addc(out, f->chain);
	rows_put_number(out, f->number, 8);
	rows_put_number(out, record, 4);
	rows_put_number(out, batch, 8);
	rows_put_number(out, frame_key(f->hash), 8);
	rows_put_number(out, (uint64_t)f->received, 8);
}

/* Of the frame's row: nothing of these. */
static void put_no_summary(struct buf *out)
{
	static const uint8_t none[8 + 1 + 1 + 1 + 1 + 1 + 1] = { 0 };

	buf_add(out, none, sizeof(none));
}

static void put_summary(struct rowmaker *m, const struct record_summary *s, struct buf *out)
{
	rows_put_number(out, (uint64_t)s->time, 8);
	put_texts(m, s->usernames, s->nusernames, out);
	put_texts(m, s->resource_names, s->nresources, out);
	put_texts(m, s->resource_types, s->nresources, out);
	put_shown(m, &s->access_key, out);
	buf_addc(out, s->category == CATEGORY_MANAGEMENT);
}

/* As the lake's: what cannot be told is in none. */
static void put_stores(struct rowmaker *m, struct decoded *d, unsigned i, const struct membership *in, struct buf *out)
{
	uint64_t keys[STORES_MAX];
	unsigned n = 0;

	for (unsigned k = 0; k < in->n; k++) {
		const struct selectors *s = in->v[k].selectors;
		struct select_view view;

		buf_reset(&m->scratch);
		select_view_init(&view);
		if (reader_select_view(d->reader, i, s->uses, &m->scratch, &view) == 0 && selectors_match(s, &view) == SELECT_YES)
			keys[n++] = in->v[k].key;
	}
	put_length(out, n);
	for (unsigned k = 0; k < n; k++)
		rows_put_number(out, keys[k], 8);
}

static void put_evidence(const struct ch_frame *f, const struct decoded *d, struct buf *out)
{
	put_hex(out, f->hash, 32);
	put_hex(out, f->previous, 32);
	put_hex(out, f->origin.key, 32);
	put_string(out, f->origin.region);
	rows_put_number(out, f->flags, 2);
	buf_addc(out, (uint8_t)d->state);
	rows_put_number(out, d->records, 4);
	rows_put_text(out, f->bytes, f->n);
}

/* Of a record's row: its frame's has them. */
static void put_no_evidence(struct buf *out)
{
	static const uint8_t none[4 + 2 + 1 + 4 + 1] = { 0 };

	buf_add(out, none, sizeof(none));
}

static int add_record(struct rowmaker *m, const struct ch_frame *f, struct decoded *d, unsigned i, const struct membership *in, uint64_t batch,
		      uint16_t day, struct buf *out)
{
	struct piece slots[SCHEMA_SLOTS_MAX];
	struct row row = { .frame = f, .slots = slots, .record = i };
	struct record_summary s;
	int r = reader_summary(d->reader, i, &s);

	if (r < 0)
		return r;
	row.time = s.time;
	put_place(f, ROW_RECORD, i, batch, day, out);
	put_summary(m, &s, out);		/* its texts end with the reader's next call */
	put_stores(m, d, i, in, out);
	put_no_evidence(out);
	buf_reset(&m->json);
	r = reader_json(d->reader, i, &m->json);
	if (r < 0)
		return r;
	if (!walk_record((const char *)m->json.p, m->json.n, slots))
		memset(slots, 0, sizeof(slots));
	put_lakes(m, &row, out);
	return 0;
}

int rows_add(struct rowmaker *m, const struct ch_frame *f, struct decoded *d, const struct membership *in, uint64_t batch, uint16_t day, struct buf *out)
{
	const struct row row = { .frame = f };
	int r = 0;

	put_place(f, ROW_FRAME, 0, batch, day, out);
	put_no_summary(out);
	put_evidence(f, d, out);
	put_lakes(m, &row, out);
	decoded_lock(d);
	for (unsigned i = 0; !r && d->state == DECODED_RECORDS && i < d->records; i++)
		r = add_record(m, f, d, i, in, batch, day, out);
	decoded_unlock(d);
	return r ? r : out->failed ? -ENOMEM : 0;
}
