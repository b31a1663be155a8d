/* SPDX-License-Identifier: Apache-2.0 */
/*
 * views.h - what a connection's views show: event data stores, as a statement names them.
 *
 * To make a view is to open files and bind all columns, which costs as much as binding the statement itself. A view stays as it is
 * where the segments and the conditions on them are the same: what is not sealed yet is read by the table's number in the statement.
 * A view that a query does not name cannot be seen by it: sandbox_check() takes names of event data stores only, and each of those is
 * asked for here.
 *
 * Threads: one.
 */
#ifndef HOSTTRAIL_STORE_LAKE_VIEWS_H
#define HOSTTRAIL_STORE_LAKE_VIEWS_H

#include "proto/record.h"
#include "sandbox.h"

#define VIEWS_MAX (2 * SANDBOX_TABLES_MAX)

struct view {
	char name[SANDBOX_NAME_MAX];
	char *select;
};

struct views {
	struct view v[VIEWS_MAX];
	unsigned n;
};

/* The view of this name shows this from now on. 0 or -errno and why. */
int views_show(struct views *v, duckdb_connection c, struct str name, struct str select, char why[DUCK_WHY_MAX]);

#endif
