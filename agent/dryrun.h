/* SPDX-License-Identifier: Apache-2.0 */
/* dryrun.h - `hosttraild --dry-run`: which files would be probed for TLS, and why others not. Attaches nothing, loads nothing. */
#ifndef HOSTTRAIL_DRYRUN_H
#define HOSTTRAIL_DRYRUN_H

#include <stdio.h>

#include "config.h"

/* Exit status: 0, or 1 when it could not look. */
int dryrun(const struct agent_config *c, FILE *out);

#endif
