/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.h - a record as EventBridge hands events on. Pure function. */
#ifndef HOSTTRAIL_STORE_ENVELOPE_H
#define HOSTTRAIL_STORE_ENVELOPE_H

#include "proto/recordread.h"

/* detail: the record's JSON. The event's id is the record's, so that one that comes again is known. 0 or -ENOMEM. */
int envelope_make(const struct record_summary *s, const char *account, const char *region, const void *detail, size_t n, struct buf *ret);

#endif
