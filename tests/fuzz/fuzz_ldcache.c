/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as the linker's cache: names and paths that are given lie in it and end in it. */
#include <stdlib.h>
#include <string.h>

#include "agent/tls/ldcache.h"

struct range {
	const char *p;
	size_t n;
};

static int check(const char *name, const char *path, void *arg)
{
	const struct range *r = arg;

	if (name < r->p || path < r->p || name + strlen(name) >= r->p + r->n || path + strlen(path) >= r->p + r->n || path[0] != '/')
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + !size); /* of exactly this size: ASan sees what is read behind it */
	struct range r = { (const char *)copy, size };

	memcpy(copy, data, size);
	ldcache_each(copy, size, check, &r);
	free(copy);
	return 0;
}
