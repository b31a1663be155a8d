/* SPDX-License-Identifier: Apache-2.0 */
/* showframe.h - a frame as evidence in an answer: its bytes, and what the sender's certificate bound. Threads: any. */
#ifndef HOSTTRAIL_STORE_SHOWFRAME_H
#define HOSTTRAIL_STORE_SHOWFRAME_H

#include "frames.h"

struct json;

enum {
	SHOW_PAYLOAD = 1,	/* the payload, too */
	SHOW_HEADER_ONLY = 2,	/* it was read without its payload, which cannot be looked at */
};

/* One member of a list, or with a key of an object. 0 or -ENOMEM. */
int show_frame(struct json *j, const char *key, const struct frames_item *f, unsigned what);
/* Bytes as base64. 0 or -ENOMEM. */
int show_base64(struct json *j, const char *key, const void *p, size_t n);

#endif
