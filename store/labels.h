/* SPDX-License-Identifier: Apache-2.0 */
/*
 * labels.h - what hosts are called in the store's settings, for keys that may see hosts of some label:
 *
 *   host_labels:
 *     - "4c1f8a52-... env=prod team=web"
 *
 * Pure functions.
 */
#ifndef HOSTTRAIL_STORE_LABELS_H
#define HOSTTRAIL_STORE_LABELS_H

#include <stdbool.h>

#include "lib/conf.h"

bool label_is_good(const char *label);		/* "name=value" */
/* 0, or -EINVAL and why: a line is no host id with labels, or a host has two lines. */
int labels_check(const struct conf_list *lines, char why[256]);
/* Ids of the hosts that have, of each name among the labels that are wanted, one of the values. The list and its texts are the caller's. -ENOMEM */
int labels_hosts(const struct conf_list *lines, char *const *wanted, unsigned n, char ***ret_hosts, unsigned *ret_n);

#endif
