/* SPDX-License-Identifier: Apache-2.0 */
/*
 * definitions.h - event data stores as the API makes, shows and changes them, wherever an engine keeps that: the lake's manifest
 * (lake/), or the ledger that the stores over a cluster share (engine_ops.definitions).
 *
 * What is read and then changed stands between begin() and end(): by one at a time. Errors: 0 or -errno; -ENOENT: there is none.
 * Threads: any.
 */
#ifndef HOSTTRAIL_STORE_DEFINITIONS_H
#define HOSTTRAIL_STORE_DEFINITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "journal.h"
#include "lib/buf.h"

#define UUID_TEXT 37
#define STORE_NAME_MAX 128
#define STORES_MAX 10			/* besides the built-in one; CloudTrail's quota for a region */
#define BUILTIN_NAME "default"
#define BUILTIN_DAYS 3653

struct store;
struct reply;

enum store_status { STORE_ENABLED, STORE_STOPPED, STORE_PENDING_DELETION };

/* An event data store. */
struct event_store {
	char id[UUID_TEXT], name[STORE_NAME_MAX + 1];
	enum store_status status;
	int retention_days;
	bool multi_region, organization, protected, fixed_billing, builtin;
	int64_t created, updated, deleted;	/* ns; deleted: when DeleteEventDataStore was called, 0 */
	journal_pos sealed;			/* of the lake: everything before it is in segments */
};

/* selectors: JSON text, "" takes everything. A negative answer ends it. */
typedef int (*definition_fn)(void *ctx, const struct event_store *e, const char *selectors);

struct definitions_ops {
	/* 0, or -EINVAL and the reply says why they cannot be told. */
	int (*ready)(struct store *st, struct reply *r);
	void (*begin)(struct store *st);
	void (*end)(struct store *st);
	int (*get)(struct store *st, const char *id, struct event_store *ret_e, struct buf *ret_selectors);
	int (*find)(struct store *st, const char *name, struct event_store *ret_e);
	/* In the order in which they were made. */
	int (*each)(struct store *st, definition_fn fn, void *ctx);
	/* Takes in what comes from now on, if it is ENABLED. */
	int (*add)(struct store *st, const struct event_store *e, const char *selectors);
	/* As e says from now on; by these selectors (NULL: those that it has, and what comes goes on or ends as its status has it; who begins again
	 * gives them). */
	int (*change)(struct store *st, const struct event_store *e, const char *selectors);
};

const struct definitions_ops *definitions_of(const struct store *st);
extern const struct definitions_ops lake_definitions;

#endif
