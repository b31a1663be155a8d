/* SPDX-License-Identifier: Apache-2.0 */
/* reply.h - what an operation answers: JSON text, or an error with AWS's name. */
#ifndef HOSTTRAIL_STORE_REPLY_H
#define HOSTTRAIL_STORE_REPLY_H

#include <stdint.h>

#include "lib/buf.h"
struct json;

struct reply {
	unsigned status;	/* HTTP; 200 unless reply_error() said otherwise */
	struct buf body;
	char error[64], message[256];	/* what reply_error() said, cut; empty: none */
};

/* Makes the whole answer an error. HTTP 400. Returns -EINVAL so that callers can end with it. */
int reply_error(struct reply *r, const char *type, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As above with another status; for the store's own faults (no details for strangers). */
int reply_fault(struct reply *r, unsigned status, const char *type, const char *message);
void reply_free(struct reply *r);

/* Seconds with three digits, as an AWS timestamp. */
void json_time(struct json *j, const char *key, int64_t ns);

#endif
