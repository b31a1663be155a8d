/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - the status socket: whoever connects gets one JSON object and the end. One thread. Errors 0/-errno. */
#ifndef HOSTTRAIL_FORWARDER_STATUS_H
#define HOSTTRAIL_FORWARDER_STATUS_H

#include "ship.h"

struct status {
	struct loop *loop;
	struct ship *ship;
	const char *path;
	int fd;
	uint64_t started;
	struct loop_source source;
};

/* path NULL or "": no socket. An old socket file at path is replaced. Owner and group may connect. */
int status_open(struct status *st, struct loop *loop, struct ship *ship, const char *path);
void status_close(struct status *st);

#endif
