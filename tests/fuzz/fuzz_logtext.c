/* SPDX-License-Identifier: Apache-2.0 */
/* A log file's text, and records that no host signed. */
#include <stdlib.h>
#include <string.h>

#include "tools/logtext.h"
#include "tools/recordcheck.h"

static void on_fault(void *ctx, const char *text)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);	/* so that a step beyond its end shows */
	size_t at = 0, start, end, before = 0;
	struct recordcheck *c = NULL;

	memcpy(copy, data, size);
	while (logtext_next(copy, size, &at, &start, &end) > 0) {
		if (start < before || end <= start || end > size || at != end)
			abort();
		before = end;
	}
	if (recordcheck_new(on_fault, NULL, NULL, &c) < 0 || recordcheck_file(c, 1, "file", copy, size) < 0)
		abort();
	recordcheck_free(&c);
	free(copy);
	return 0;
}
