/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.h - sixteen bytes looked at at once: the compiler has instructions for them on every machine that we build for. */
#ifndef HOSTTRAIL_BYTES_H
#define HOSTTRAIL_BYTES_H

#include <stdint.h>
#include <string.h>

#define BYTES 16u
typedef int8_t bytes_t __attribute__((vector_size(BYTES)));

/* Each byte -1 (it is so) or 0: the first that is so, or BYTES. Little endian, as everything here. */
static inline unsigned bytes_first(bytes_t is)
{
	uint64_t half[2];

	memcpy(half, &is, sizeof(half));
	if (half[0])
		return (unsigned)__builtin_ctzll(half[0]) / 8;
	return half[1] ? 8 + (unsigned)__builtin_ctzll(half[1]) / 8 : BYTES;
}

#endif
