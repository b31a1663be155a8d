/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clocks.h - which hosts' clocks differ from the store's by more than CLOCKS_SKEW_SECONDS, in either direction.
 *
 * Two things tell. A ShipRequest carries the sender's wall clock (sent_at_ns): compared with ours when the request began to
 * arrive, it shows clocks that run ahead and clocks that run behind. Records whose times lie in the future show that a clock ran
 * ahead when they were made, also where a sender says no time. Late records show nothing: they may have waited in a spool.
 *
 * A request may also have been on its way, or in a socket's buffer, for long, which looks like a clock that runs behind. So that is
 * believed only when requests CLOCKS_SURE_MS apart agree; a link on which nothing moves ends before that (forwarder/link.h).
 *
 * Said once when it begins; over when the difference is below half. Kept in memory: said again after a restart of the store.
 * Threads: any.
 */
#ifndef HOSTTRAIL_STORE_CLOCKS_H
#define HOSTTRAIL_STORE_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "journal.h"

#define CLOCKS_SKEW_SECONDS 60
#define CLOCKS_SURE_MS 5000
#define CLOCKS_HOSTS_MAX 65536

struct clocks;

int clocks_new(struct clocks **ret_c);
void clocks_free(struct clocks **c);

/* The sender's clock minus ours, when our boot clock was boot_ns. True: clocks_next() has something to say. */
bool clocks_request(struct clocks *c, const struct journal_origin *origin, int64_t ahead_ns, uint64_t boot_ns);
/* The newest record of a frame minus when the frame was received. True: it is to be said that this clock runs ahead. */
bool clocks_records(struct clocks *c, const struct journal_origin *origin, int64_t ahead_ns);

/* What requests showed and nobody said yet, one at a time; false: nothing more. */
bool clocks_next(struct clocks *c, struct journal_origin *ret_origin, int64_t *ret_ahead_ns);
/* What the last request showed; false: none came. */
bool clocks_ahead(struct clocks *c, const char *host_id, int64_t *ret_ahead_ns);
uint64_t clocks_begun(struct clocks *c);	/* how many times a clock began to differ */

#endif
