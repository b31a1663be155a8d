// SPDX-License-Identifier: Apache-2.0
/* errnames.c - names of error numbers. The C library knows those that programs see; the kernel's own ones are
 * seen by probes only, and numbers that nobody knows get "E<number>". */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "calls.h"
#include "lib/cleanup.h"

#define ERRNO_MAX 4095
#define KERNEL_FIRST 512

static const char *const kernel_names[] = {
	"ERESTARTSYS",	  "ERESTARTNOINTR", "ERESTARTNOHAND", "ENOIOCTLCMD", "ERESTART_RESTARTBLOCK", "EPROBE_DEFER", "EOPENSTALE",
	"ENOPARAM",	  NULL,		    "EBADHANDLE",     "ENOTSYNC",    "EBADCOOKIE",	      "ENOTSUPP",     "ETOOSMALL",
	"ESERVERFAULT",	  "EBADTYPE",	    "EJUKEBOX",	      "EIOCBQUEUED", "ERECALLCONFLICT",	      "ENOGRACE",
};

static char numbered[ERRNO_MAX + 2][6];		/* the last one stands for all beyond the range */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void numbered_build(void)
{
	for (unsigned i = 0; i <= ERRNO_MAX; i++)
		snprintf(numbered[i], sizeof(numbered[i]), "E%u", i);
	memcpy(numbered[ERRNO_MAX + 1], "E?", 3);
}

const char *errno_name(int err)
{
	const char *name = err > 0 ? strerrorname_np(err) : NULL;
	unsigned kernel = (unsigned)err - KERNEL_FIRST;

	if (name)
		return name;
	if (kernel < ARRAY_SIZE(kernel_names) && kernel_names[kernel])
		return kernel_names[kernel];
	pthread_once(&once, numbered_build);
	return numbered[err < 0 || err > ERRNO_MAX ? ERRNO_MAX + 1 : err];
}
