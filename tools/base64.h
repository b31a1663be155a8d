/* SPDX-License-Identifier: Apache-2.0 */
/* base64.h - base64, and strict decoding of it (RFC 4648, with padding, no line ends), as the store's answers have it. */
#ifndef HOSTTRAIL_TOOLS_BASE64_H
#define HOSTTRAIL_TOOLS_BASE64_H

#include "lib/buf.h"

/* Appends what text stands for. -EBADMSG: not base64 (out is unchanged), -ENOMEM. */
int base64_decode(const char *text, struct buf *out);
/* Appends the text for n bytes. -ENOMEM. */
int base64_encode(const void *p, size_t n, struct buf *out);

#endif
