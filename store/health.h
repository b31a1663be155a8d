/* SPDX-License-Identifier: Apache-2.0 */
/* health.h - whether the store is well, for machines: /readyz and /metrics. Thread-safe. */
#ifndef HOSTTRAIL_STORE_HEALTH_H
#define HOSTTRAIL_STORE_HEALTH_H

#include "reply.h"
#include "store.h"

/* NULL: ready; else the reason, one line of static text. */
const char *health_why_not(struct store *st);
void health_ready(struct store *st, struct reply *r);
/* Prometheus text. No label takes its values from hosts, users or files. */
void health_metrics(struct store *st, struct buf *out);
/* Bytes of the journal that are not indexed yet, about. */
uint64_t health_behind(struct store *st);

#endif
