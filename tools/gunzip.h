/* SPDX-License-Identifier: Apache-2.0 */
/* gunzip.h - a file that must be one whole gzip member and nothing else. Thread-safe. */
#ifndef HOSTTRAIL_TOOLS_GUNZIP_H
#define HOSTTRAIL_TOOLS_GUNZIP_H

#include "lib/buf.h"

/* Appends what it holds. -EBADMSG: no gzip, damaged or cut; -EFBIG: more than max; -EOVERFLOW: bytes follow the member, which a
 * reader that takes several members, or stops at the first, would see differently (the first's content is appended). -ENOMEM. */
int gunzip_only(const void *p, size_t n, size_t max, struct buf *ret);

#endif
