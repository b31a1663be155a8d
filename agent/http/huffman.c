// SPDX-License-Identifier: Apache-2.0
/*
 * The Huffman code of RFC 7541, appendix B. It is canonical: codes of one length follow each other in the order of their symbols, and
 * a longer one is greater. So the lengths say it all.
 */
#include <errno.h>
#include <pthread.h>

#include "agent/http/hpack.h"

#define SYMBOLS 257	/* the last one ends the text, and must not occur in it */
#define LENGTH_MAX 30
#define FAST_BITS 10

static const uint8_t lengths[SYMBOLS] = {
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
	30,
};

static uint16_t sorted[SYMBOLS];		/* symbols in the order of their codes */
static uint32_t beyond[LENGTH_MAX + 1];		/* codes up to this length are below it, left-aligned in 32 bits; the longest: unused */
static uint32_t first[LENGTH_MAX + 1];		/* the first code of a length, left-aligned */
static uint16_t place[LENGTH_MAX + 1];		/* and its place in sorted[] */
static uint16_t fast[1 << FAST_BITS];		/* by the first bits: symbol and length, or 0 */

static void prepare(void)
{
	uint32_t code = 0;
	uint16_t n = 0;

	for (unsigned len = 1; len <= LENGTH_MAX; len++) {
		first[len] = code;
		place[len] = n;
		for (uint16_t s = 0; s < SYMBOLS; s++)
			if (lengths[s] == len) {
				sorted[n++] = s;
				for (uint32_t i = 0; len <= FAST_BITS && i < 1u << (FAST_BITS - len); i++)
					fast[(code >> (32 - FAST_BITS)) + i] = (uint16_t)(s << 4 | len);
				code += 1u << (32 - len);
			}
		beyond[len] = code;	/* of the longest: 2^32 is 0 */
	}
}

/* The symbol at the beginning of 32 bits, and its length. */
static unsigned symbol(uint32_t bits, unsigned *ret_len)
{
	unsigned quick = fast[bits >> (32 - FAST_BITS)], len = FAST_BITS + 1;

	if (quick) {
		*ret_len = quick & 15;
		return quick >> 4;
	}
	while (len < LENGTH_MAX && bits >= beyond[len])
		len++;
	*ret_len = len;
	return sorted[place[len] + ((bits - first[len]) >> (32 - len))];
}

int huffman_read(struct memory *m, const uint8_t *p, size_t n, struct zbuf *out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t bits = 0;	/* left-aligned */
	unsigned have = 0, len, s;
	size_t i = 0;
	char *q;

	pthread_once(&once, prepare);
	if (!zbuf_room(m, out, 8 * n / 5 + 1))
		return -ENOMEM;
	q = out->p + out->n;
	for (;;) {
		while (have <= 56 && i < n) {
			bits |= (uint64_t)p[i++] << (56 - have);
			have += 8;
		}
		/* behind the end stand ones, as they do in the padding */
		s = symbol((uint32_t)((bits | (have < 64 ? UINT64_MAX >> have : 0)) >> 32), &len);
		if (len > have)
			break;
		if (s == SYMBOLS - 1)
			return -EBADMSG;
		*q++ = (char)s;
		bits <<= len;
		have -= len;
	}
	out->n = (size_t)(q - out->p);
	return have > 7 || (have && bits >> (64 - have) != (1u << have) - 1) ? -EBADMSG : 0;
}
