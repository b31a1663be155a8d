/* SPDX-License-Identifier: Apache-2.0 */
/* hostinfo.h - what a batch says of its host: ids, name, kernel. Plain data, no pointers: it crosses to the worker. */
#ifndef HOSTTRAIL_HOSTINFO_H
#define HOSTTRAIL_HOSTINFO_H

#include "proto/record.h"

struct hostinfo {
	char host_id[40], machine_id[40], boot_id[40], hostname[72], kernel[72], version[24], region[40], account[24];
};

/* Reads the host's; host_id is machine-id as a UUID until hostinfo_id() reads the enrolled one. */
void hostinfo_read(struct hostinfo *h, const char *region, const char *account);
/* Host id from a file (make run: key/host_id). 0 or -errno; -EBADMSG: not a UUID. */
int hostinfo_id(struct hostinfo *h, const char *path);
void hostinfo_record(const struct hostinfo *h, struct record_host *ret_h);	/* points into h */

#endif
