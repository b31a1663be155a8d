/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_chanswer - what a ClickHouse server answers when it is asked which frames it has, and for frames. */
#include "store/clickhouse/repeats.h"
#include "store/clickhouse/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str rest = { (const char *)p, n };
	struct frame_row row;
	struct repeats *r;

	if (repeats_new(&r) == 0)
		repeats_read(r, (const char *)p, n);
	repeats_free(&r);
	while (rest.n && frames_next(&rest, &row))
		;
	return 0;
}
