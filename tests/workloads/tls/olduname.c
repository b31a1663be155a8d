// SPDX-License-Identifier: Apache-2.0
/* Preloaded: uname() says that this is the kernel that OLDUNAME names. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

int uname(struct utsname *u)
{
	const char *release = getenv("OLDUNAME");
	int r = (int)syscall(SYS_uname, u);

	if (!r && release)
		snprintf(u->release, sizeof(u->release), "%s", release);
	return r;
}
