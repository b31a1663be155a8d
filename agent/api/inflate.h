/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inflate.h - a body's text without its content coding, for the few rules that read answers: identity, gzip and deflate.
 *
 * What cannot be read any more (the body is cut off, or damaged) ends the text there. Bounds: `max` bytes come out, and zlib's own
 * state (48 KiB) lies in the arena too, which wipes it. Absent: another coding, nothing there, or no memory.
 */
#ifndef HOSTTRAIL_API_INFLATE_H
#define HOSTTRAIL_API_INFLATE_H

#include "api.h"

struct str inflate_body(const struct http_message *m, size_t max, struct api_arena *a);
/* Can inflate_body() read it? By the head alone. */
bool inflate_readable(const struct http_head *h);

#endif
