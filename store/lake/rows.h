/* SPDX-License-Identifier: Apache-2.0 */
/* rows.h - a statement run, and its rows sent to the store as texts. One thread. */
#ifndef HOSTTRAIL_STORE_LAKE_ROWS_H
#define HOSTTRAIL_STORE_LAKE_ROWS_H

#include "names.h"
#include "tail.h"

/* 0; -EPIPE: the store is gone; any other -errno and why: what whoever asked is told. */
int rows_send(struct tail *t, duckdb_prepared_statement prepared, const struct names *names, char why[DUCK_WHY_MAX]);

#endif
