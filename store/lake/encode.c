/* SPDX-License-Identifier: Apache-2.0 */
#include "encode.h"

#include <errno.h>
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
	struct buf *out;
	unsigned __int128 at;
	unsigned n;
};

static void put_bits(struct bits *b, uint64_t v, unsigned width)
{
	b->at |= (unsigned __int128)v << b->n;
	for (b->n += width; b->n >= 8; b->n -= 8, b->at >>= 8)
		buf_addc(b->out, (uint8_t)b->at);
}

void encode_bits(const uint8_t *v, size_t n, struct buf *out)
{
	struct bits b = { out, 0, 0 };

	for (size_t i = 0; i < n; i++)
		put_bits(&b, v[i] != 0, 1);
	if (b.n)
		buf_addc(out, (uint8_t)b.at);
}

/* ---- runs and groups of eight */

static void put_run(uint32_t v, size_t n, unsigned width, struct buf *out)
{
	thrift_number(out, (uint64_t)n << 1);
	for (unsigned k = 0; k < width; k += 8)
		buf_addc(out, (uint8_t)(v >> k));
}

/* Missing ones of the last group are zeros; the reader knows how many there are. */
static void put_groups(const uint32_t *v, size_t n, unsigned width, struct buf *out)
{
	size_t groups = (n + 7) / 8;
	struct bits b = { out, 0, 0 };

	thrift_number(out, groups << 1 | 1);
	for (size_t i = 0; i < groups * 8; i++)
		put_bits(&b, i < n ? v[i] : 0, width);
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
	for (size_t i = 0; i < n; i++) {
		unsigned w = width64(d[i] - (uint64_t)least);

		widths[i / PART] = (uint8_t)(w > widths[i / PART] ? w : widths[i / PART]);
	}
	buf_add(out, widths, PARTS);
	for (size_t p = 0; p < parts; p++) {
		struct bits b = { out, 0, 0 };

		for (size_t i = p * PART; i < (p + 1) * PART; i++)
			put_bits(&b, i < n ? d[i] - (uint64_t)least : 0, widths[p]);
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
	size_t n = na < nb ? na : nb, i;

	for (i = 0; i < n && a[i] == b[i]; i++)
		;
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
