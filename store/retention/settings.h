/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.h - settings are not to undo what is locked or held: a directory that is must be named by them as it was, and keep as long. When a store starts.
 */
#ifndef HOSTTRAIL_STORE_RETENTION_SETTINGS_H
#define HOSTTRAIL_STORE_RETENTION_SETTINGS_H

#include "retention.h"

struct buckets;

/* 0, or -EPERM: logged, what and until when. */
int retention_check_settings(struct retention *r, const struct buckets *buckets);

#endif
