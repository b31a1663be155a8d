/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from a socket or a disk as a frame: nothing read past the end, no memory beyond the limits. */
#include <stdlib.h>

#include "proto/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[32] = { 1 };
	struct buf raw = { 0 };
	struct frame_header h;
	uint8_t hash[32];
	const char *why;
	size_t total;
	int peeked = frame_peek(data, size, &h, &total), checked;

	/* No mutation finds a checksum: what lies behind it is tried on every header that is well formed. */
	if (peeked == 0 && total <= size) {
		frame_hash(data, &h, hash);
		frame_verify(data, &h, key);
		if (frame_payload(data, &h, &raw) == 0 && raw.n != h.raw_len)
			abort();
		if (raw.n > FRAME_RAW_MAX)
			abort();
	}
	checked = frame_check(data, size, &h, &why);
	if ((checked == 0) != (why == NULL) || (checked == 0 && peeked != 0))
		abort();
	buf_free(&raw);
	return 0;
}
