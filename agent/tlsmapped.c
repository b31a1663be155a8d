// SPDX-License-Identifier: Apache-2.0
#include "tlsmapped.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fsx.h"
#include "tls/plan.h"

#define MAPS_MAX (8u << 20)

int tls_mapped(uint32_t pid)
{
	_cleanup_buf_ struct buf b = { 0 };
	char path[64], *line, *rest;
	int r;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	r = fsx_read(path, MAPS_MAX, &b);
	if (r < 0 || buf_addc(&b, 0))
		return r < 0 ? r : -ENOMEM;
	rest = (char *)b.p;
	while ((line = strsep(&rest, "\n"))) {
		char *name = strrchr(line, '/'), *end = name ? strstr(name, " (deleted)") : NULL;

		if (end)
			*end = 0;
		if (name && strstr(line, "xp ") && tls_plan_name(name + 1))
			return 1;
	}
	return 0;
}
