/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_users.h - for doctor: the processes that have a file mapped whose TLS is not recorded. Zero-initialise; nothing to release. */
#ifndef HOSTTRAIL_TOOLS_DOCTOR_USERS_H
#define HOSTTRAIL_TOOLS_DOCTOR_USERS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/tls/discover.h"

#define DOCTOR_USERS_FILES 256	/* further files are not looked for in processes */

struct doctor_users {
	struct {
		uint64_t dev, ino;
		char why[160];
	} files[DOCTOR_USERS_FILES];
	unsigned n, found;	/* found: processes and files of theirs that were printed */
	bool json;
	uint32_t pid;		/* of the process at hand */
};

void doctor_users_add(struct doctor_users *u, const struct tls_found *f, const char *why);
/* Prints who has one of them mapped now, a line each; needs root. 0 or -errno. */
int doctor_users_print(struct doctor_users *u, bool json);
/* A path that somebody chose, for a terminal. */
void doctor_print_path(const char *path);

#endif
