/* SPDX-License-Identifier: Apache-2.0 */
/* rules.h - locks and holds as they lie in retention.json. Pure. */
#ifndef HOSTTRAIL_STORE_RETENTION_RULES_H
#define HOSTTRAIL_STORE_RETENTION_RULES_H

#include "lib/buf.h"
#include "retention.h"

struct rules {
	int64_t clock;			/* the kept clock when they were written */
	struct retention_lock locks[RETENTION_LOCKS_MAX];
	struct retention_hold holds[RETENTION_HOLDS_MAX];
	unsigned nlocks, nholds;
};

/* -EBADMSG: that is not what rules_write() writes. */
int rules_read(const char *text, size_t n, struct rules *ret);
int rules_write(const struct rules *u, struct buf *out);

/* A lock in the place of the one that its target has, or a new one. -EDQUOT. */
int rules_lock(struct rules *u, const struct retention_lock *l);
int rules_place(struct rules *u, const struct retention_hold *h);
int rules_release(struct rules *u, const char *name);

#endif
