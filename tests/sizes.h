/* SPDX-License-Identifier: Apache-2.0 */
/* sizes.h - how large a test in C is: the rows of sizes.py, which the build writes into gen/sizes.h. */
#ifndef HOSTTRAIL_TESTS_SIZES_H
#define HOSTTRAIL_TESTS_SIZES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct size_row {
	const char *name;
	unsigned everyday, full;
};

static const struct size_row size_rows[] = {
#include "gen/sizes.h"
};

/* size("http2.gaps"), as in Python; a row that is not there ends the test. */
static inline unsigned size(const char *name)
{
	const char *full = getenv("HT_LONG");

	for (size_t i = 0; i < sizeof(size_rows) / sizeof(size_rows[0]); i++)
		if (!strcmp(size_rows[i].name, name))
			return full && !strcmp(full, "1") ? size_rows[i].full : size_rows[i].everyday;
	fprintf(stderr, "tests/sizes.py has no %s\n", name);
	abort();
}

#endif
