/* SPDX-License-Identifier: Apache-2.0 */
/* definitions.c - definitions.h of the lake: its manifest. */
#include <errno.h>

#include "op_lake.h"
#include "store/ops.h"
#include "store/retention/retention.h"

struct lake *lake_of(struct store *st, struct reply *r)
{
	struct lake *l = __atomic_load_n(&st->lake, __ATOMIC_ACQUIRE);
	const char *fault = l ? lake_fault(l) : "its manifest cannot be opened yet";

	if (!fault)
		return l;
	reply_error(r, "UnsupportedOperationException", "This store has no lake: %s", fault);
	return NULL;
}

int lake_broken(struct reply *r)
{
	return reply_fault(r, 500, "InternalFailure", "The store could not answer.");
}

static int ready(struct store *st, struct reply *r)
{
	return lake_of(st, r) ? 0 : -EINVAL;
}

static void begin(struct store *st)
{
	retention_change_begin(st->retention);
}

static void end(struct store *st)
{
	retention_change_end(st->retention);
}

static int get(struct store *st, const char *id, struct event_store *ret_e, struct buf *ret_selectors)
{
	return manifest_store_get(st->lake->manifest, id, ret_e, ret_selectors);
}

static int find(struct store *st, const char *name, struct event_store *ret_e)
{
	return manifest_store_find(st->lake->manifest, name, ret_e);
}

static int each(struct store *st, definition_fn fn, void *ctx)
{
	return manifest_stores(st->lake->manifest, fn, ctx);
}

static int add(struct store *st, const struct event_store *e, const char *selectors)
{
	return manifest_store_add(st->lake->manifest, e, selectors, journal_end(st->journal));
}

static int change(struct store *st, const struct event_store *e, const char *selectors)
{
	int r = manifest_store_change(st->lake->manifest, e, selectors, journal_end(st->journal));

	lake_retain_soon(st->lake);
	return r;
}

const struct definitions_ops lake_definitions = {
	.ready = ready, .begin = begin, .end = end, .get = get, .find = find, .each = each, .add = add, .change = change,
};
