/* SPDX-License-Identifier: Apache-2.0 */
/* loggroup.h - PutLogEvents of CloudWatch Logs, and CreateLogStream where the stream is not there. Errors as bucket.h's. Threads: any. */
#ifndef HOSTTRAIL_STORE_LOGGROUP_H
#define HOSTTRAIL_STORE_LOGGROUP_H

#include "bucket.h"

/* What one PutLogEvents may hold. */
#define LOGGROUP_EVENTS_MAX 10000
#define LOGGROUP_BYTES_MAX 1048576
#define LOGGROUP_EVENT_MAX (256u << 10)		/* with LOGGROUP_OVERHEAD; larger ones are left out, as CloudTrail does */
#define LOGGROUP_OVERHEAD 26
#define LOGGROUP_SPAN_MS (24 * 3600 * 1000ll)
#define LOGGROUP_OLDEST_MS (13 * 24 * 3600 * 1000ll)	/* it takes 14 days and two hours; clocks differ, and attempts take time */
#define LOGGROUP_NEWEST_MS (3600 * 1000ll)

struct log_event {
	int64_t ms;			/* since the epoch */
	const void *p;			/* the message */
	size_t n;
};

/* Sorts them by time; they must keep the limits above. */
int loggroup_put(const struct bucket *group, const char *stream, struct log_event *v, unsigned n, char *why);

/* What an error's body calls itself, without what may stand before it ("com.amazonaws.logs#ResourceNotFoundException"); "HTTP <status>" where it
 * has no name. */
void loggroup_error(const void *p, size_t n, long status, char *ret, size_t ret_size);

#endif
