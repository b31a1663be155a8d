/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_shared.c - a ledger that several stores have a copy of, one of them at a time changing it: an image of the whole, and
 * the changes behind it, one for each transaction. They are SQLite's patch sets: rows, not statements, so that every copy
 * comes to hold the same whatever version of SQLite makes it.
 */
#include <errno.h>
#include <string.h>

#include "ledger_internal.h"
#include "lib/cleanup.h"

static int image(struct ledger *l, struct buf *ret)
{
	sqlite3_int64 n;
	unsigned char *p = sqlite3_serialize(l->db, "main", &n, 0);
	int r = p ? buf_add(ret, p, (size_t)n) : -ENOMEM;

	sqlite3_free(p);
	return r;
}

static int shared_tables(struct ledger *l)
{
	int r = ledger_execute(l, ledger_arrivals_schema);

	if (!r)
		r = ledger_execute(l, ledger_definitions_schema);
	return r ? r : ledger_execute(l, ledger_removed_schema);
}

/* What is loaded comes from elsewhere: rows are taken from it, and nothing that it would have run. */
static int distrust(struct ledger *l)
{
	static const struct { int what, on; } config[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 }, { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 }, { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
	};
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(config) && !r; i++)
		r = ledger_error(sqlite3_db_config(l->db, config[i].what, config[i].on, NULL));
	return r ? r : ledger_execute(l, "PRAGMA cell_size_check = ON");
}

int ledger_open_shared(ledger_ship_fn ship, void *ctx, struct ledger **ret_l)
{
	struct ledger *l = NULL;
	int r = ledger_open_at(":memory:", &l);

	if (!r)
		r = shared_tables(l);
	if (!r)
		r = distrust(l);
	if (!r)
		r = image(l, &l->blank);
	if (r < 0) {
		ledger_free(&l);
		return r;
	}
	l->ship = ship;
	l->ship_ctx = ctx;
	*ret_l = l;
	return 0;
}

/* Locked. */
static int load(struct ledger *l, const void *p, size_t n)
{
	unsigned char *copy = sqlite3_malloc64(n);
	int r;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, p, n);
	/* SQLite frees the copy, also when it fails */
	r = ledger_error(sqlite3_deserialize(l->db, "main", copy, (sqlite3_int64)n, (sqlite3_int64)n,
					     SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE));
	if (!r)
		r = ledger_tables(l);
	return r ? r : shared_tables(l);
}

int ledger_load(struct ledger *l, const void *p, size_t n)
{
	int r;

	pthread_mutex_lock(&l->lock);
	r = n ? load(l, p, n) : load(l, l->blank.p, l->blank.n);
	if (r < 0 && n)
		load(l, l->blank.p, l->blank.n);
	pthread_mutex_unlock(&l->lock);
	return r;
}

static int on_conflict(void *ctx, int what, sqlite3_changeset_iter *at)
{
	return SQLITE_CHANGESET_ABORT;
}

int ledger_apply(struct ledger *l, const void *p, size_t n)
{
	int code;

	pthread_mutex_lock(&l->lock);
	code = sqlite3changeset_apply(l->db, (int)n, (void *)(uintptr_t)p, NULL, on_conflict, NULL);
	pthread_mutex_unlock(&l->lock);
	return code == SQLITE_NOMEM ? -ENOMEM : code == SQLITE_OK ? 0 : -EBADMSG;
}

int ledger_image(struct ledger *l, struct buf *ret)
{
	int r;

	pthread_mutex_lock(&l->lock);
	r = image(l, ret);
	pthread_mutex_unlock(&l->lock);
	return r;
}
