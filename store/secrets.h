/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets.h - the files that hold the store's secrets are for the store: one that everybody may read or write keeps it from starting, as ssh has it.
 * Credentials files are asked for where they are read (auth.h, delivery/bucket.h). Any thread.
 */
#ifndef HOSTTRAIL_STORE_SECRETS_H
#define HOSTTRAIL_STORE_SECRETS_H

#include "config.h"

/* Keys and passwords that the settings name, and those in data_dir, as far as they are there. 0, or -EPERM: logged. */
int secrets_check(const struct store_config *c);

#endif
