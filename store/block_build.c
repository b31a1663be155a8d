/* SPDX-License-Identifier: Apache-2.0 */
/* block_build.c - a tail sorted into the bytes of a block. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "block.h"
#include "lib/cleanup.h"
#include "lib/le.h"
#include "proto/frame.h"

struct item {
	uint64_t key;
	uint32_t row;
};

/* Stable, by 16 bits at a time from the lowest; passes in which all are the same cost a count only. */
static void sort_pass(struct item **v, struct item **spare, uint32_t n, unsigned shift, bool by_row, uint32_t *counts)
{
	struct item *from = *v, *to = *spare;
	uint32_t sum = 0;

#define DIGIT(x) ((by_row ? (x).row >> shift : (uint32_t)((x).key >> shift)) & 0xffff)
	memset(counts, 0, 65536 * sizeof(*counts));
	for (uint32_t i = 0; i < n; i++)
		counts[DIGIT(from[i])]++;
	if (counts[DIGIT(from[0])] == n)
		return;
	for (uint32_t i = 0; i < 65536; i++) {
		uint32_t c = counts[i];

		counts[i] = sum;
		sum += c;
	}
	for (uint32_t i = 0; i < n; i++)
		to[counts[DIGIT(from[i])]++] = from[i];
#undef DIGIT
	*v = to;
	*spare = from;
}

struct build {
	const struct tailmem *t;
	uint32_t rows;
	struct item *a, *b;		/* room for the longest column */
	uint32_t *counts, *rank;	/* rank: row of arrival -> row by time */
	struct item *order;		/* by time; points into a or b only while the columns are written */
	struct buf *out;
	uint8_t header[BLOCK_HEADER];
	uint32_t frames;
};

static int build_alloc(struct build *b)
{
	uint32_t longest = b->rows;

	for (enum attr a = 0; a < ATTR__MAX; a++)
		if (b->t->attrs[a].n > longest)
			longest = b->t->attrs[a].n;
	b->a = reallocarray(NULL, longest + 1, sizeof(*b->a));
	b->b = reallocarray(NULL, longest + 1, sizeof(*b->b));
	b->counts = reallocarray(NULL, 65536, sizeof(*b->counts));
	b->rank = reallocarray(NULL, b->rows + 1, sizeof(*b->rank));
	return b->a && b->b && b->counts && b->rank ? 0 : -ENOMEM;
}

static void build_free(struct build *b)
{
	free(b->a);
	free(b->b);
	free(b->counts);
	free(b->rank);
}

static void section_begin(struct build *b, unsigned section)
{
	static const uint8_t zeros[8];

	buf_add(b->out, zeros, (8 - b->out->n % 8) % 8);
	put64(b->header + 64 + 16 * section, b->out->n);
}

static void section_end(struct build *b, unsigned section)
{
	uint8_t *at = b->header + 64 + 16 * section;
	uint64_t start = get64(at);

	if (b->out->failed)
		return;
	put32(at + 8, (uint32_t)(b->out->n - start));
	put32(at + 12, crc32c(0, b->out->p + start, b->out->n - start));
}

static void sort_by_time(struct build *b)
{
	struct item *v = b->a, *spare = b->b;

	for (uint32_t i = 0; i < b->rows; i++)
		v[i] = (struct item){ (uint64_t)b->t->time[i] ^ 1ull << 63, i };
	for (unsigned shift = 0; shift < 64; shift += 16)
		sort_pass(&v, &spare, b->rows, shift, false, b->counts);
	for (uint32_t i = 0; i < b->rows; i++)
		b->rank[v[i].row] = i;
	b->order = v;
}

static void write_columns(struct build *b)
{
	const struct tailmem *t = b->t;
	uint8_t v[8];

	section_begin(b, SECTION_TIME);
	for (uint32_t i = 0; i < b->rows; i++) {
		put64(v, (uint64_t)t->time[b->order[i].row]);
		buf_add(b->out, v, 8);
	}
	section_end(b, SECTION_TIME);
	section_begin(b, SECTION_RECORD);
	for (uint32_t i = 0; i < b->rows; i++) {
		put32(v, t->record[b->order[i].row]);
		buf_add(b->out, v, 4);
	}
	section_end(b, SECTION_RECORD);
	section_begin(b, SECTION_KIND);
	for (uint32_t i = 0; i < b->rows; i++)
		buf_addc(b->out, t->category[b->order[i].row]);
	section_end(b, SECTION_KIND);
}

/* Frames are numbered in the order of arrival, in which their records lie together. */
static int write_frames(struct build *b)
{
	_cleanup_free_ uint32_t *frame = reallocarray(NULL, b->rows + 1, sizeof(*frame));
	uint8_t v[8];

	if (!frame)
		return -ENOMEM;
	section_begin(b, SECTION_FRAMES);
	for (uint32_t i = 0; i < b->rows; i++) {
		if (i == 0 || b->t->pos[i] != b->t->pos[i - 1]) {
			put64(v, b->t->pos[i]);
			buf_add(b->out, v, 8);
			b->frames++;
		}
		frame[i] = b->frames - 1;
	}
	section_end(b, SECTION_FRAMES);
	section_begin(b, SECTION_FRAME);
	for (uint32_t i = 0; i < b->rows; i++) {
		put32(v, frame[b->order[i].row]);
		buf_add(b->out, v, 4);
	}
	section_end(b, SECTION_FRAME);
	return 0;
}

static void add_varint(struct buf *out, uint32_t v)
{
	uint8_t bytes[5];
	unsigned n = 0;

	while (v >= 0x80) {
		bytes[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	bytes[n++] = (uint8_t)v;
	buf_add(out, bytes, n);
}

/* Pairs sorted by hash, then by row in falling order. */
static struct item *sort_pairs(struct build *b, const struct tail_pairs *pairs)
{
	struct item *v = b->a, *spare = b->b;

	for (uint32_t i = 0; i < pairs->n; i++)
		v[i] = (struct item){ pairs->hash[i], b->rows - 1 - b->rank[pairs->row[i]] };
	sort_pass(&v, &spare, pairs->n, 0, true, b->counts);
	sort_pass(&v, &spare, pairs->n, 16, true, b->counts);
	for (unsigned shift = 0; shift < 64; shift += 16)
		sort_pass(&v, &spare, pairs->n, shift, false, b->counts);
	return v;
}

static int write_attr(struct build *b, enum attr attr)
{
	const struct tail_pairs *pairs = &b->t->attrs[attr];
	unsigned section = SECTION_ATTRS + 3 * (unsigned)attr;
	_cleanup_buf_ struct buf starts = { 0 }, rows = { 0 };
	struct item *v = pairs->n ? sort_pairs(b, pairs) : NULL;
	uint8_t bytes[8];

	section_begin(b, section);
	for (uint32_t i = 0; i < pairs->n; i++) {
		if (i == 0 || v[i].key != v[i - 1].key) {
			put64(bytes, v[i].key);
			buf_add(b->out, bytes, 8);
			put32(bytes, (uint32_t)rows.n);
			buf_add(&starts, bytes, 4);
			add_varint(&rows, b->rows - 1 - v[i].row);
		} else if (v[i].row != v[i - 1].row) {
			add_varint(&rows, v[i].row - v[i - 1].row);
		}
	}
	section_end(b, section);
	put32(bytes, (uint32_t)rows.n);
	buf_add(&starts, bytes, 4);
	if (starts.failed || rows.failed)
		return -ENOMEM;
	section_begin(b, section + 1);
	buf_add(b->out, starts.p, starts.n);
	section_end(b, section + 1);
	section_begin(b, section + 2);
	buf_add(b->out, rows.p, rows.n);
	section_end(b, section + 2);
	return 0;
}

static void write_header(struct build *b, const struct index *ix)
{
	const struct tailmem *t = b->t;
	uint8_t *h = b->header;

	memcpy(h, "HTX1", 4);
	put32(h + 4, 1);
	put32(h + 8, b->rows);
	put32(h + 12, b->frames);
	put64(h + 32, t->from.pos);
	put64(h + 40, t->to.pos);
	put32(h + 48, t->from.record);
	put32(h + 52, t->to.record);
	put64(h + 56, index_hash(ix, "check", 5));
	put32(h + BLOCK_HEADER - 4, crc32c(0, h, BLOCK_HEADER - 4));
	memcpy(b->out->p, h, BLOCK_HEADER);
}

int block_build(const struct tailmem *t, const struct index *ix, struct buf *out)
{
	_cleanup_(build_free) struct build b = { .t = t, .rows = t->rows, .out = out };
	int r = build_alloc(&b);

	if (r < 0)
		return r;
	buf_add(out, b.header, BLOCK_HEADER);
	if (b.rows) {
		sort_by_time(&b);
		put64(b.header + 16, (uint64_t)t->time[b.order[0].row]);
		put64(b.header + 24, (uint64_t)t->time[b.order[b.rows - 1].row]);
		write_columns(&b);
		r = write_frames(&b);
	}
	for (enum attr a = 0; a < ATTR__MAX && !r; a++)
		r = write_attr(&b, a);
	if (r < 0 || out->failed)
		return r < 0 ? r : -ENOMEM;
	write_header(&b, ix);
	return 0;
}
