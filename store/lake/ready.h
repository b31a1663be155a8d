/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ready.h - connections to the engine that queries leave to the next ones, with their views.
 *
 * To make a view is to open files and bind all columns, which costs as much as binding the statement itself. A view stays as it is
 * where the segments and the conditions on them are the same: what is not sealed yet is read by a number that stays the connection's.
 * A view that a query does not name cannot be seen by it: sandbox_check() takes names of event data stores only, and each of those is
 * asked for here.
 *
 * Ownership: a connection is its query's from ready_take() to ready_give(). Threads: any, under the lake's lock.
 */
#ifndef HOSTTRAIL_STORE_LAKE_READY_H
#define HOSTTRAIL_STORE_LAKE_READY_H

#include "lake_internal.h"
#include "sandbox.h"

#define READY_VIEWS_MAX (2 * SANDBOX_TABLES_MAX)

struct ready_view {
	char name[SANDBOX_NAME_MAX];
	char *select;			/* NULL: none was made */
	uint64_t scan;			/* the id that hosttrail_scan() is asked for */
};

struct ready {
	duckdb_connection c;
	duckdb_database db;		/* the lake's */
	struct ready_view views[READY_VIEWS_MAX];
	unsigned nviews;
	struct ready *next;
};

/* One to this database. 0 or -ENOMEM. */
int ready_take(struct lake *l, duckdb_database db, struct ready **ret_r);
/* The place of the view of this name; of at most SANDBOX_TABLES_MAX new ones between take and give. */
struct ready_view *ready_view(struct ready *r, const char *name);
/* The view shows this from now on. 0 or -errno and why. */
int ready_show(struct ready *r, struct ready_view *v, const char *select, char why[DUCK_WHY_MAX]);
/* Back, for the next; unless its query was interrupted: an interruption may still be on its way. */
void ready_give(struct lake *l, struct ready *r, bool keep);
void ready_free(struct lake *l);	/* all; nobody holds one any more */

#endif
