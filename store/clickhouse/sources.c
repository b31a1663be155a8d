/* SPDX-License-Identifier: Apache-2.0 */
/* sources.c - what stands for an event data store in a statement: the rows that are in it, still kept, and may be seen. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "jobs_internal.h"
#include "lease.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "store/retention/retention.h"
#include "tables.h"

void sources_free(struct sources *s)
{
	for (unsigned i = 0; i < s->n; i++)
		buf_free(&s->v[i].from);
}

/* What came and happened before is past. Not where some is held; and the one that keeps longest has nothing that is, as long as there is this store. */
static int64_t kept_from(struct cluster *c, const struct event_store *e)
{
	char target[RETENTION_TARGET_MAX];

	retention_store_target(e->id, target);
	if (e->retention_days >= RETENTION_DAYS_MAX || retention_held(c->st->retention, target, INT64_MIN, INT64_MAX))
		return 0;
	return retention_now(c->st->retention) - e->retention_days * RETENTION_DAY_NS;
}

/* Which rows are meant is asked first, of every row, and what is left out never comes to the statement's own conditions: one that fails on
 * somebody else's record would tell of it, or fail for a record that is not in the event data store at all. */
static void show(struct cluster *c, const struct caller *caller, const struct event_store *e, struct buf *from, bool *apart)
{
	int64_t since = kept_from(c, e);
	bool first = caller_is_scoped(caller) || !e->builtin || since;

	buf_addf(from, "FROM %s." TABLE_ALL " %s kind = 0", c->ch.config.database, first ? "PREWHERE" : "WHERE");
	cluster_scope(caller, from);
	if (!e->builtin)
		buf_addf(from, " AND has(stores, toUInt64(%" PRIu64 "))", store_key(e->id));
	if (since)
		buf_addf(from, " AND (received >= %" PRId64 " OR time >= %" PRId64 ")", since, since);
	cluster_hide(c, from);
	if (first)
		buf_adds(from, " WHERE 1");
	*apart |= first;
}

static bool is_builtin(const struct cluster *c, const char *name)
{
	return !strcasecmp(name, "events") || !strcasecmp(name, c->store_id);
}

/* The built-in one is there, whatever the ledger says; what it keeps is as this store last heard. Others are looked up. */
static int find(struct cluster *c, const char *name, struct event_store *ret_e, char *why)
{
	uint8_t raw[16];
	char id[UUID_TEXT];
	int r;

	if (uuid_parse(is_builtin(c, name) ? c->store_id : name, raw) < 0) {
		snprintf(why, DUCK_WHY_MAX, "there is no event data store %.100s", name);
		return -EINVAL;
	}
	uuid_text(raw, id);
	r = cluster_definitions.get(c->st, id, ret_e, NULL);
	if (r == -ENOENT)
		snprintf(why, DUCK_WHY_MAX, "The event data store %s does not exist.", id);
	if (r || ret_e->status != STORE_PENDING_DELETION)
		return r;
	snprintf(why, DUCK_WHY_MAX, "The event data store %s is pending deletion.", id);
	return -ESTALE;
}

static bool is_there(const struct sources *s, const char *id)
{
	for (unsigned i = 0; i < s->n; i++)
		if (!strcmp(s->v[i].id, id))
			return true;
	return false;
}

static int add(struct cluster *c, const struct caller *caller, const char *name, struct sources *ret, char *why)
{
	struct translate_source *s = &ret->v[ret->n];
	struct event_store e;
	int r = find(c, name, &e, why);

	if (r < 0 || is_there(ret, e.id))
		return r;
	*s = (struct translate_source){ .builtin = e.builtin };
	memcpy(s->id, e.id, sizeof(s->id));
	ret->n++;
	show(c, caller, &e, &s->from, &ret->apart);
	return s->from.failed ? -ENOMEM : 0;
}

int sources_find(struct cluster *c, const struct caller *caller, const struct sandbox_tables *named, struct sources *ret, char why[DUCK_WHY_MAX])
{
	bool others = false;
	int r = 0;

	for (unsigned i = 0; i < named->n; i++)
		others |= !is_builtin(c, named->v[i]);
	if (others) {
		char text[CH_WHY_MAX];

		r = lease_refresh(c->lease, text);
		if (r < 0)
			log_limited(LOG_LEVEL_WARN, r, "clickhouse: event data stores: %s", text);
	}
	/* a lost cluster's errors are not those of names */
	if (r < 0 || keeping_refresh(c) < 0)
		return -EHOSTUNREACH;
	for (unsigned i = 0; !r && i < named->n; i++)
		r = add(c, caller, named->v[i], ret, why);
	return r;
}
