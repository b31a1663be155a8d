/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digester.h - decides on a trail's digests: for each account and region, one for every period that is over, empty ones too,
 * each naming the one before; the ledger has them before the bucket does.
 * Errors: 0 or -errno. Threads: the trail's own.
 */
#ifndef HOSTTRAIL_STORE_DIGESTER_H
#define HOSTTRAIL_STORE_DIGESTER_H

#include "store/delivery/deliver.h"

#define DIGEST_ALGORITHM "SHA256withRSA"

/* Those whose period is over. */
int digester_due(struct delivery *d, const struct trail *t, const struct span *s);
/* After the span's last log file: one over what is left. Again is harmless. -EAGAIN: there are more to be made. */
int digester_end(struct delivery *d, const struct trail *t, const struct span *s);

#endif
