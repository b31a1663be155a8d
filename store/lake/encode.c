/* SPDX-License-Identifier: Apache-2.0 */
#include "encode.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/wire.h"
#include "thrift.h"

#define BLOCK 128u		/* of differences, in four parts with a width each */
#define PARTS 4u
#define PART (BLOCK / PARTS)

unsigned encode_width(uint32_t max)
{
	return max ? 32u - (unsigned)__builtin_clz(max) : 0;
}

/* ---- bits, the lowest first */

struct bits {
	uint8_t *to;			/* there is room for all, and for eight bytes more */
	uint64_t at;
	unsigned n;			/* below 64 */
};

static bool bits_begin(struct bits *b, struct buf *out, size_t n, unsigned width)
{
	if (buf_reserve(out, n / 8 * width + (n % 8 * width + 7) / 8 + 8) < 0)
		return false;
	*b = (struct bits){ out->p + out->n, 0, 0 };
	return true;
}

/* v is below 1 << width. */
static inline void put_bits(struct bits *b, uint64_t v, unsigned width)
{
	b->at |= v << b->n;
	if (b->n + width < 64) {
		b->n += width;
		return;
	}
	memcpy(b->to, &b->at, 8);
	b->to += 8;
	b->at = b->n ? v >> (64 - b->n) : 0;
	b->n = b->n + width - 64;
}

static void bits_end(struct bits *b, struct buf *out)
{
	memcpy(b->to, &b->at, 8);
	out->n = (size_t)(b->to - out->p) + (b->n + 7) / 8;
}

void encode_bits(const uint8_t *v, size_t n, struct buf *out)
{
	struct bits b;

	if (!bits_begin(&b, out, n, 1))
		return;
	for (size_t i = 0; i < n; i++)
		put_bits(&b, v[i] != 0, 1);
	bits_end(&b, out);
}

/* ---- runs and groups of eight */

static void put_run(uint32_t v, size_t n, unsigned width, struct buf *out)
{
	thrift_number(out, (uint64_t)n << 1);
	for (unsigned k = 0; k < width; k += 8)
		buf_addc(out, (uint8_t)(v >> k));
}

/* There is room. */
static void put_bytes(const uint32_t *v, size_t n, size_t missing, unsigned width, struct buf *out)
{
	uint8_t *to = out->p + out->n;

	for (size_t i = 0; i < n; i++, to += width)
		memcpy(to, &v[i], sizeof(*v));		/* what is too much, the next one covers */
	memset(to, 0, missing * width);
	out->n += (n + missing) * width;
}

/* Missing ones of the last group are zeros; the reader knows how many there are. */
static void put_groups(const uint32_t *v, size_t n, unsigned width, struct buf *out)
{
	size_t groups = (n + 7) / 8;
	struct bits b;

	thrift_number(out, groups << 1 | 1);
	if (!bits_begin(&b, out, groups * 8, width))
		return;
	if (width % 8 == 0) {
		put_bytes(v, n, groups * 8 - n, width / 8, out);
		return;
	}
	for (size_t i = 0; i < n; i++)
		put_bits(&b, v[i], width);
	for (size_t i = n; i < groups * 8; i++)
		put_bits(&b, 0, width);
	bits_end(&b, out);
}

static size_t run_at(const uint32_t *v, size_t n)
{
	size_t i;

	for (i = 1; i < n && v[i] == v[0]; i++)
		;
	return i;
}

void encode_hybrid(const uint32_t *v, size_t n, unsigned width, struct buf *out)
{
	size_t done = 0, i = 0;

	while (i < n) {
		size_t run = run_at(v + i, n - i);

		if (run < 8) {
			i = i + 8 < n ? i + 8 : n;
			continue;
		}
		if (i > done)
			put_groups(v + done, i - done, width, out);
		put_run(v[i], run, width, out);
		i += run;
		done = i;
	}
	if (i > done)
		put_groups(v + done, i - done, width, out);
}

void encode_runs(const struct encode_run *runs, size_t nruns, unsigned width, uint32_t *scratch, struct buf *out)
{
	size_t n = 0;

	if (nruns == 1) {
		put_run(runs[0].value, runs[0].n, width, out);
		return;
	}
	for (size_t i = 0; i < nruns; i++)
		for (uint32_t k = 0; k < runs[i].n; k++)
			scratch[n++] = runs[i].value;
	encode_hybrid(scratch, n, width, out);
}

/* ---- differences */

static unsigned width64(uint64_t v)
{
	return v ? 64u - (unsigned)__builtin_clzll(v) : 0;
}

static void put_block(const uint64_t *d, size_t n, int64_t least, struct buf *out)
{
	uint8_t widths[PARTS] = { 0 };
	size_t parts = (n + PART - 1) / PART;

	thrift_number(out, wire_zigzag(least));
	for (size_t p = 0; p < parts; p++) {
		uint64_t all = 0;

		for (size_t i = p * PART; i < (p + 1) * PART && i < n; i++)
			all |= d[i] - (uint64_t)least;
		widths[p] = (uint8_t)width64(all);
	}
	buf_add(out, widths, PARTS);
	for (size_t p = 0; p < parts; p++) {
		struct bits b;

		if (!bits_begin(&b, out, PART, widths[p]))
			return;
		for (size_t i = p * PART; i < (p + 1) * PART; i++)
			put_bits(&b, i < n ? d[i] - (uint64_t)least : 0, widths[p]);
		bits_end(&b, out);
	}
}

void encode_deltas(const int64_t *v, size_t n, struct buf *out)
{
	uint64_t d[BLOCK];

	thrift_number(out, BLOCK);
	thrift_number(out, PARTS);
	thrift_number(out, n);
	thrift_number(out, wire_zigzag(n ? v[0] : 0));
	for (size_t i = 1; i < n; i += BLOCK) {
		size_t here = n - i < BLOCK ? n - i : BLOCK;
		int64_t least = INT64_MAX;

		for (size_t k = 0; k < here; k++) {
			d[k] = (uint64_t)v[i + k] - (uint64_t)v[i + k - 1];
			least = (int64_t)d[k] < least ? (int64_t)d[k] : least;
		}
		put_block(d, here, least, out);
	}
}

/* ---- texts */

static size_t shared(const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
	size_t n = na < nb ? na : nb, i = 0;
	uint64_t x, y;

	for (; n - i >= 8; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			return i + (size_t)__builtin_ctzll(x ^ y) / 8;
	}
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

int encode_texts(const uint8_t *p, size_t n, struct buf *out)
{
	_cleanup_free_ int64_t *lengths = calloc(2 * n + 1, sizeof(*lengths));
	_cleanup_buf_ struct buf rest = { 0 };
	int64_t *prefix = lengths, *suffix = lengths + n;
	const uint8_t *before = NULL;
	size_t nbefore = 0;

	if (!lengths)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint32_t len;
		size_t same;

		memcpy(&len, p, sizeof(len));
		p += sizeof(len);
		same = shared(before, nbefore, p, len);
		prefix[i] = (int64_t)same;
		suffix[i] = (int64_t)(len - same);
		buf_add(&rest, p + same, len - same);
		before = p;
		nbefore = len;
		p += len;
	}
	encode_deltas(prefix, n, out);
	encode_deltas(suffix, n, out);
	buf_add(out, rest.p, rest.n);
	return rest.failed || out->failed ? -ENOMEM : 0;
}
