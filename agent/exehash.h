/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exehash.h - SHA-256 of open files, in a thread of its own: disks are slow, records are not to wait.
 *
 * One queue in, one out, EXEHASH_QUEUE jobs at most. Thread-safe for one user thread.
 */
#ifndef HOSTTRAIL_EXEHASH_H
#define HOSTTRAIL_EXEHASH_H

#include <stdbool.h>

#include "bpf/event.h"

#define EXEHASH_QUEUE 256
#define EXEHASH_SIZE_MAX (2ull << 30)	/* larger files are not hashed */

struct exehash;
struct exehash_result {
	struct ht_exe exe;
	unsigned char sha256[32];
	bool ok;			/* false: unreadable, too large, or changed while it was read */
};

int exehash_new(struct exehash **ret_h);
void exehash_free(struct exehash **h);	/* waits for the file in work */
int exehash_fd(const struct exehash *h);	/* readable when results wait */
/* 0: fd belongs to the hasher now; -EAGAIN: queue full, fd stays the caller's. */
int exehash_submit(struct exehash *h, int fd, const struct ht_exe *exe);
bool exehash_next(struct exehash *h, struct exehash_result *ret_r);
unsigned exehash_pending(struct exehash *h);	/* submitted and not taken back yet */

#endif
