/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_chanswer - what a ClickHouse server answers when it is asked which frames it has. */
#include "store/clickhouse/repeats.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct repeats *r;

	if (repeats_new(&r) == 0)
		repeats_read(r, (const char *)p, n);
	repeats_free(&r);
	return 0;
}
