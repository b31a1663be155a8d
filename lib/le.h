/* SPDX-License-Identifier: Apache-2.0 */
/* le.h - little-endian numbers in our formats, on disk and on the wire, at any alignment. */
#ifndef HOSTTRAIL_LE_H
#define HOSTTRAIL_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define LE_ACCESSORS(bits)                                            \
	static inline void put##bits(uint8_t *p, uint##bits##_t v)    \
	{                                                             \
		v = htole##bits(v);                                   \
		memcpy(p, &v, sizeof(v));                             \
	}                                                             \
	static inline uint##bits##_t get##bits(const uint8_t *p)      \
	{                                                             \
		uint##bits##_t v;                                     \
		memcpy(&v, p, sizeof(v));                             \
		return le##bits##toh(v);                              \
	}
LE_ACCESSORS(16)
LE_ACCESSORS(32)
LE_ACCESSORS(64)
#undef LE_ACCESSORS

#endif
