/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remover.h - the thread that removes what is past outside the lake: log files and digests in local directories, then the
 * journal's segments that nothing needs any more. Once a minute,
 * and when it is woken.
 *
 * Nothing goes that no record says: when it cannot be written, nothing is removed. What was not delivered is never removed.
 */
#ifndef HOSTTRAIL_STORE_RETENTION_REMOVER_H
#define HOSTTRAIL_STORE_RETENTION_REMOVER_H

#include "store/store.h"

struct remover;

int remover_start(struct store *st, struct remover **ret_r);
void remover_stop(struct remover *r);		/* ends its thread; it may be woken still. NULL-safe */
void remover_free(struct remover **r);		/* NULL-safe */
void remover_wake(struct remover *r);		/* by any thread; NULL-safe */

#endif
