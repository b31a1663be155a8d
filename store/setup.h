/* SPDX-License-Identifier: Apache-2.0 */
/* setup.h - the store's parts put together in order, and taken apart again. One thread. Logs what fails. */
#ifndef HOSTTRAIL_STORE_SETUP_H
#define HOSTTRAIL_STORE_SETUP_H

#include "config.h"
#include "store.h"

struct setup;

/* Keys and credentials: what only root may read. */
int setup_secrets(const struct store_config *c, struct setup **ret_s);
/* Everything else, as the user that the store is; ends with the ports file. */
int setup_start(struct setup *s);
/* Once a second: goes on with what a full disk held up at the start.
 * Something has failed that only a new start repairs: one line, or NULL. */
const char *setup_round(struct setup *s);
void setup_stop(struct setup **s, const char *reason);

#endif
