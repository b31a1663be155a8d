/* SPDX-License-Identifier: Apache-2.0 */
/* eventid.c - UUIDs as text, and the eventID that is known before its record is written. */
#include <errno.h>
#include <string.h>

#include "keys.h"
#include "recordread.h"

#define SEQ_BITS 50

/*
 * UUIDv8, most significant bit first: 48 bits free, version (4), 12 bits free, variant (2), 62 bits free.
 * Free bits in order: 56 of the stream, 4 ring class, 12 CPU, 50 sequence.
 */
void event_id_make(const uint8_t stream[16], unsigned ring_class, unsigned cpu, uint64_t seq, uint8_t ret_id[16])
{
	uint64_t low = 0x2ull << 62;

	memcpy(ret_id, stream, 6);
	ret_id[6] = (uint8_t)(0x80 | stream[6] >> 4);
	ret_id[7] = (uint8_t)(stream[6] << 4 | (ring_class & 15));
	low |= (uint64_t)(cpu & 0xfff) << SEQ_BITS | (seq & ((1ull << SEQ_BITS) - 1));
	for (int i = 0; i < 8; i++)
		ret_id[8 + i] = (uint8_t)(low >> (56 - 8 * i));
}

void uuid_text(const uint8_t id[16], char ret_text[37])
{
	static const uint8_t at[] = { 0, 4, 6, 8, 10, 16 };
	char *p = ret_text;

	for (int i = 0; i < 5; i++) {
		hex_text(id + at[i], at[i + 1] - at[i], p);
		p += 2 * (at[i + 1] - at[i]);
		*p++ = '-';
	}
	p[-1] = '\0';
}

int uuid_parse(const char *text, uint8_t ret_id[16])
{
	char digits[33];
	unsigned n = 0;

	if (strlen(text) != 36)
		return -EINVAL;
	for (unsigned i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash != (text[i] == '-'))
			return -EINVAL;
		if (!dash)
			digits[n++] = text[i];
	}
	digits[32] = '\0';
	return hex_parse(digits, ret_id, 16);
}
