/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as Go's table of functions and as its build information: what is answered lies inside them. */
#include <stdlib.h>
#include <string.h>

#include "agent/tls/gotab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + !size); /* of exactly this size: ASan sees what is read behind it */
	uint64_t entry, end;
	char text[64] = "";
	const char *name;
	struct gotab t;
	unsigned minor;
	size_t pointer;

	memcpy(copy, data, size);
	if (!gotab_open(copy, size, &t))
		for (uint64_t i = 0; i <= t.nfunc; i++)
			if (gotab_function(&t, i, &entry, &end, &name) &&
			    (i == t.nfunc || end <= entry || name < (char *)copy || name + strlen(name) >= (char *)copy + size))
				abort();
	if (!gobuildinfo_version(copy, size, text, sizeof(text), &pointer) && (pointer + 8 > size || !memchr(text, 0, sizeof(text))))
		abort();
	goversion_minor(text, &minor);
	free(copy);
	return 0;
}
