// SPDX-License-Identifier: Apache-2.0
#include "tlsmapped.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fsx.h"
#include "lib/cleanup.h"

#define MAPS_MAX (8u << 20)

/* Not all that is worth a look (tls_plan_name()): a JVM, Python or curl may have TLS from elsewhere. */
static bool is_tls(const char *name)
{
	static const char *const libraries[] = { "libssl", "libgnutls.", "libnspr4", "libwolfssl", "libmbedtls", "librustls", "libboringssl", "libs2n",
						 "libtls.", "libnode.", "libnetty_tcnative", "libconscrypt", "libquiche" };

	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++)
		if (strstr(name, ".so") && !strncmp(name, libraries[i], strlen(libraries[i])))
			return true;
	return false;
}

bool tls_mapped_in(char *maps)
{
	char *line;

	while ((line = strsep(&maps, "\n"))) {
		char *name = strrchr(line, '/'), *end = name ? strstr(name, " (deleted)") : NULL;

		if (end)
			*end = 0;
		if (name && strstr(line, "xp ") && is_tls(name + 1))
			return true;
	}
	return false;
}

int tls_mapped(uint32_t pid)
{
	_cleanup_buf_ struct buf b = { 0 };
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	r = fsx_read(path, MAPS_MAX, &b);
	if (r < 0 || buf_addc(&b, 0))
		return r < 0 ? r : -ENOMEM;
	return tls_mapped_in((char *)b.p);
}
