/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as an ELF file: whatever they say, sites are sorted, unique, bounded and inside the file. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/tls/plan.h"
#include "agent/tls/stacks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);
	struct tls_plan p = { 0 };

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (!tls_plan_file(fd, &p)) {
		if (p.nsites > TLS_SITES_MAX)
			abort();
		for (unsigned i = 0; i < p.nsites; i++) {
			const struct tls_site *s = &p.sites[i];

			if (s->offset >= size || !s->func || s->func >= tls_nfuncs || !memchr(s->symbol, 0, sizeof(s->symbol)))
				abort();
			if (s->kind == TLS_SITE_RETURN && tls_funcs[s->func].k.abi != HT_TLS_ABI_C)
				abort();
			if (i && (s[-1].offset > s->offset || (s[-1].offset == s->offset && s[-1].kind >= s->kind)))
				abort();
		}
		tls_plan_done(&p);
	}
	close(fd);
	return 0;
}
