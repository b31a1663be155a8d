/* SPDX-License-Identifier: Apache-2.0 */
/* logtext.h - a log file cut into its records, as they are written there; bytes from whoever could write to the bucket. */
#ifndef HOSTTRAIL_TOOLS_LOGTEXT_H
#define HOSTTRAIL_TOOLS_LOGTEXT_H

#include <stddef.h>

/* The next element of a log file's list, as it is written there. at 0: the first. 1: there is one, [*ret_start, *ret_end), and *at moves on; 0:
 * the list and the file are over; -EBADMSG: it is no log file. */
int logtext_next(const char *text, size_t n, size_t *at, size_t *ret_start, size_t *ret_end);

#endif
