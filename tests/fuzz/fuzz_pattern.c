/* SPDX-License-Identifier: Apache-2.0 */
/* An event pattern, and behind the first NUL an event. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/delivery/pattern.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *copy = malloc(size ? size : 1), why[PATTERN_WHY_MAX] = "";	/* so that a step beyond its end shows */
	size_t n = strnlen((const char *)data, size);
	struct pattern *p = NULL;
	int r;

	memcpy(copy, data, size);
	r = pattern_parse(copy, n, &p, why);
	if (r < 0 ? r != -EINVAL || !*why || strlen(why) >= sizeof(why) : !p)
		abort();
	if (!r && n < size)
		pattern_matches_text(p, copy + n + 1, size - n - 1);
	pattern_free(&p);
	free(copy);
	return 0;
}
