/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c.c - CRC-32C (Castagnoli, reflected polynomial 0x82f63b78): the CPU's
 * instruction where it has one, else eight tables (slicing by eight).
 */
#include <pthread.h>
#include <string.h>

#include "frame.h"

#define POLYNOMIAL 0x82f63b78u

static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_make(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ POLYNOMIAL : c >> 1;
		table[0][i] = c;
	}
	for (int t = 1; t < 8; t++)
		for (int i = 0; i < 256; i++)
			table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 0xff];
}

uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *b = p;

	pthread_once(&table_once, table_make);
	crc = ~crc;
	for (; n >= 8; n -= 8, b += 8) {
		uint32_t lo = crc ^ ((uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24);

		crc = table[7][lo & 0xff] ^ table[6][lo >> 8 & 0xff] ^ table[5][lo >> 16 & 0xff] ^ table[4][lo >> 24] ^
		      table[3][b[4]] ^ table[2][b[5]] ^ table[1][b[6]] ^ table[0][b[7]];
	}
	while (n--)
		crc = crc >> 8 ^ table[0][(crc ^ *b++) & 0xff];
	return ~crc;
}

#ifdef __x86_64__
#define LANE 1024u		/* bytes; the instruction takes a cycle and answers after three, so three lanes go side by side */

static uint32_t lane_table[4][256];	/* what LANE zero bytes make of a state, byte by byte of it */
static pthread_once_t lane_once = PTHREAD_ONCE_INIT;

__attribute__((target("sse4.2"))) static uint64_t words(uint64_t c, const uint8_t *b, size_t n)
{
	for (; n >= 8; n -= 8, b += 8) {
		uint64_t w;

		memcpy(&w, b, 8);
		c = __builtin_ia32_crc32di(c, w);
	}
	return c;
}

/* A state's bits go their ways independently. */
static void lane_make(void)
{
	static const uint8_t zeros[LANE];

	for (unsigned k = 0; k < 4; k++)
		for (unsigned bit = 0; bit < 8; bit++) {
			uint32_t one = (uint32_t)words(1u << (8 * k + bit), zeros, LANE);

			for (unsigned i = 0; i < 256; i++)
				if (i & 1u << bit)
					lane_table[k][i] ^= one;
		}
}

static uint64_t lane_pass(uint64_t c)
{
	return lane_table[0][c & 0xff] ^ lane_table[1][c >> 8 & 0xff] ^ lane_table[2][c >> 16 & 0xff] ^ lane_table[3][c >> 24 & 0xff];
}

__attribute__((target("sse4.2"))) static uint64_t three_lanes(uint64_t c, const uint8_t *b)
{
	uint64_t c1 = 0, c2 = 0;

	for (const uint8_t *end = b + LANE; b < end; b += 8) {
		uint64_t w[3];

		memcpy(&w[0], b, 8);
		memcpy(&w[1], b + LANE, 8);
		memcpy(&w[2], b + 2 * LANE, 8);
		c = __builtin_ia32_crc32di(c, w[0]);
		c1 = __builtin_ia32_crc32di(c1, w[1]);
		c2 = __builtin_ia32_crc32di(c2, w[2]);
	}
	return lane_pass(lane_pass(c) ^ c1) ^ c2;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t c = ~crc;

	if (n >= 3 * LANE)
		pthread_once(&lane_once, lane_make);
	for (; n >= 3 * LANE; n -= 3 * LANE, b += 3 * LANE)
		c = three_lanes(c, b);
	c = words(c, b, n);
	for (b += n & ~(size_t)7, n &= 7; n; n--)
		c = __builtin_ia32_crc32qi((uint32_t)c, *b++);
	return ~(uint32_t)c;
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, p, n) : crc32c_portable(crc, p, n);
}
#else
uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	return crc32c_portable(crc, p, n);
}
#endif
