/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_tls.h - doctor's section of TLS: the files in which TLS was found, what would be probed in each, and why not. Attaches nothing. */
#ifndef HOSTTRAIL_TOOLS_DOCTOR_TLS_H
#define HOSTTRAIL_TOOLS_DOCTOR_TLS_H

#include <stdbool.h>

/* Prints it: for people, or as JSON, one object a file. 0 or -errno. */
int doctor_tls(bool json, bool colour);

#endif
