/* SPDX-License-Identifier: Apache-2.0 */
/* siphash.h - SipHash-1-3: a keyed 64-bit hash for tables whose keys strangers choose. Not a MAC for us: who
 * finds two names with one hash has won nothing but a few frames decoded in vain. */
#ifndef HOSTTRAIL_STORE_SIPHASH_H
#define HOSTTRAIL_STORE_SIPHASH_H

#include "lib/le.h"

struct siphash_key {
	uint64_t k0, k1;
};

static inline uint64_t siphash_rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void siphash_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = siphash_rotate(v[1], 13) ^ v[0];
	v[3] = siphash_rotate(v[3], 16) ^ v[2];
	v[0] = siphash_rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = siphash_rotate(v[1], 17) ^ v[2];
	v[3] = siphash_rotate(v[3], 21) ^ v[0];
	v[2] = siphash_rotate(v[2], 32);
}

static inline uint64_t siphash(const struct siphash_key *key, const void *p, size_t n)
{
	uint64_t v[4] = {
		key->k0 ^ 0x736f6d6570736575ull, key->k1 ^ 0x646f72616e646f6dull,
		key->k0 ^ 0x6c7967656e657261ull, key->k1 ^ 0x7465646279746573ull,
	};
	const uint8_t *at = p;
	uint64_t last = (uint64_t)n << 56;

	for (; n >= 8; n -= 8, at += 8) {
		uint64_t m = get64(at);

		v[3] ^= m;
		siphash_round(v);
		v[0] ^= m;
	}
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)at[i] << (8 * i);
	v[3] ^= last;
	siphash_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	siphash_round(v);
	siphash_round(v);
	siphash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
