/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode.h - how Parquet packs values: runs and bit-packed groups (levels, places in a dictionary), differences of
 * numbers, and texts after the beginning that they share with their predecessor.
 *
 * All append to out; errors are those of the buf.
 */
#ifndef HOSTTRAIL_STORE_LAKE_ENCODE_H
#define HOSTTRAIL_STORE_LAKE_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

/* A value that repeats. */
struct encode_run {
	uint32_t value, n;
};

/* Bits that the greatest value takes. */
unsigned encode_width(uint32_t max);
/* RLE / bit-packing hybrid, of values below 1 << width; width 0: of zeros. */
void encode_hybrid(const uint32_t *v, size_t n, unsigned width, struct buf *out);
/* The same of runs; scratch has room for all values. */
void encode_runs(const struct encode_run *runs, size_t nruns, unsigned width, uint32_t *scratch, struct buf *out);
/* DELTA_BINARY_PACKED */
void encode_deltas(const int64_t *v, size_t n, struct buf *out);
/* DELTA_BYTE_ARRAY of n texts that lie one behind the other, each after its length (32 bits, little endian). */
int encode_texts(const uint8_t *p, size_t n, struct buf *out);
/* One bit each. */
void encode_bits(const uint8_t *v, size_t n, struct buf *out);

#endif
