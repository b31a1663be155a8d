/* SPDX-License-Identifier: Apache-2.0 */
/* gzip.h - a text as one gzip member, the same bytes every time. Thread-safe. */
#ifndef HOSTTRAIL_STORE_GZIP_H
#define HOSTTRAIL_STORE_GZIP_H

#include "lib/buf.h"

#define GZIP_LEVEL 6
#define GZIP_BITS (15 + 16)	/* zlib: a gzip header, without name and time */

/* What one gzip member and nothing else holds, appended: at most max bytes. -EBADMSG, -EFBIG, -ENOMEM. */
int gunzip_whole(const void *p, size_t n, size_t max, struct buf *ret);
int gzip_whole(const void *p, size_t n, struct buf *ret);	/* appended; 0 or -ENOMEM */

#endif
