/* SPDX-License-Identifier: Apache-2.0 */
/* targets.h - what retention and hold are about: an event data store by its name, id or ARN, or bucket:NAME. */
#ifndef HOSTTRAIL_TOOLS_TARGETS_H
#define HOSTTRAIL_TOOLS_TARGETS_H

#include "client.h"

#define TARGET_TEXT 256

/* As the API takes it. 0, or -errno and one line in why. */
int target_find(struct client *c, const char *name, char ret[TARGET_TEXT], char why[256]);

#endif
