/* SPDX-License-Identifier: Apache-2.0 */
/* restore.h - locks and holds as the store's own records in the journal tell them, for where retention.json is gone. */
#ifndef HOSTTRAIL_STORE_RETENTION_RESTORE_H
#define HOSTTRAIL_STORE_RETENTION_RESTORE_H

#include "rules.h"

struct decoded_cache;
struct journal;

/* Reads all frames' headers, and the store's own frames. Records that say nothing sensible are passed over. */
int restore_rules(struct journal *j, struct decoded_cache *c, struct rules *ret);
/* What one record (its JSON) changes. */
void restore_record(struct rules *u, const char *json, size_t n);

#endif
