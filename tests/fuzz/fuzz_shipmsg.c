/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of the shipping service, as either end reads them from the other. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/shipmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_span s = { data, data + size }, t = s, u = s, frame;
	struct ship_result result;
	struct ship_head head;
	uint8_t stream[16];

	while (ship_request_next(&s, &frame) == 1)
		if (frame.p < data || frame.end > data + size || frame.p > frame.end)
			abort();
	while (ship_reply_next(&t, &result) == 1)
		if (result.status > SHIP_RETRY || result.reason_len > size)
			abort();
	while (heads_reply_next(&u, &head) == 1)
		continue;
	(void)heads_request_read(data, size, stream);
	return 0;
}
