/* SPDX-License-Identifier: Apache-2.0 */
/* base64.h - base64, and strict decoding of it (RFC 4648): no line ends, no bits that stand for nothing. No state. */
#ifndef HOSTTRAIL_BASE64_H
#define HOSTTRAIL_BASE64_H

#include "lib/buf.h"

/* Appends what text, with its padding, stands for. -EBADMSG: not base64 (out is unchanged), -ENOMEM. */
int base64_decode(const char *text, struct buf *out);
/* Appends the text for n bytes. -ENOMEM. */
int base64_encode(const void *p, size_t n, struct buf *out);
/* base64url without padding, as JSON Web Tokens have it, into at most room bytes. -EBADMSG: not that, or too long. */
int base64url_decode(const char *text, size_t n, void *out, size_t room, size_t *ret_n);

#endif
