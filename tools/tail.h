/* SPDX-License-Identifier: Apache-2.0 */
/* tail.h - follows the store's records; `hosttrail tail`, and `hosttrail up` in a child of its own. */
#ifndef HOSTTRAIL_TOOLS_TAIL_H
#define HOSTTRAIL_TOOLS_TAIL_H

#include "client.h"
#include "show.h"

/* Prints records as they arrive, from "now" or from the "oldest" on, until SIGINT or SIGTERM; then also what the
 * store had by then, and returns 0. -errno and why: the store refused or went away, or output failed. */
int tail_follow(struct client *client, struct show *show, const char *from, char why[256]);

#endif
