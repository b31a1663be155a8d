/* SPDX-License-Identifier: Apache-2.0 */
/* tlsmapped.h - does a process have a library that is known for TLS, by its name? Reads /proc/<pid>/maps: for who may. */
#ifndef HOSTTRAIL_TLSMAPPED_H
#define HOSTTRAIL_TLSMAPPED_H

#include <stdbool.h>
#include <stdint.h>

/* 1, 0, or -errno: -ENOENT the process has ended. */
int tls_mapped(uint32_t pid);
bool tls_mapped_in(char *maps);	/* the same of the text, which is changed */

#endif
