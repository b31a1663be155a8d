/* SPDX-License-Identifier: Apache-2.0 */
/* exeopen.h - opens what was executed, checked against the kernel's numbers of that execution. Needs privilege. */
#ifndef HOSTTRAIL_EXEOPEN_H
#define HOSTTRAIL_EXEOPEN_H

#include "probes.h"

/* By /proc/<pid>/exe; when that process is gone, by path (may be NULL). The descriptor (read-only) is certainly of the file
 * that `exe` describes; -ESTALE: it is another one now; -errno. */
int exe_open(struct probes *p, uint32_t pid, const char *path, const struct ht_exe *exe);

#endif
