/* SPDX-License-Identifier: Apache-2.0 */
#include "ready.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "scan.h"

static void close_one(struct ready *r)
{
	duck_disconnect(&r->c);
	for (unsigned i = 0; i < r->nviews; i++)
		free(r->views[i].select);
	free(r);
}

static struct ready *take_idle(struct lake *l, duckdb_database db)
{
	struct ready *r = NULL;

	pthread_mutex_lock(&l->lock);
	for (struct ready **p = &l->ready; *p; p = &(*p)->next)
		if ((*p)->db == db) {
			r = *p;
			*p = r->next;
			l->nready--;
			break;
		}
	pthread_mutex_unlock(&l->lock);
	return r;
}

int ready_take(struct lake *l, duckdb_database db, struct ready **ret_r)
{
	struct ready *r = take_idle(l, db);

	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r)
			return -ENOMEM;
		r->db = db;
		if (duck.connect(db, &r->c) != DuckDBSuccess) {
			free(r);
			return -ENOMEM;
		}
	}
	*ret_r = r;
	return 0;
}

struct ready_view *ready_view(struct ready *r, const char *name)
{
	struct ready_view *v;

	for (unsigned i = 0; i < r->nviews; i++)
		if (!strcasecmp(r->views[i].name, name))
			return &r->views[i];
	v = &r->views[r->nviews++];
	*v = (struct ready_view){ .scan = scan_number() };
	strcpy(v->name, name);
	return v;
}

int ready_show(struct ready *r, struct ready_view *v, const char *select, char why[DUCK_WHY_MAX])
{
	_cleanup_free_ char *copy = NULL;
	_cleanup_buf_ struct buf sql = { 0 };
	int res;

	if (v->select && !strcmp(v->select, select))
		return 0;
	copy = strdup(select);
	buf_addf(&sql, "CREATE OR REPLACE TEMP VIEW \"%s\" AS ", v->name);
	buf_adds(&sql, select);
	if (!copy || sql.failed)
		return -ENOMEM;
	free(v->select);
	v->select = NULL;
	res = duck_run(r->c, buf_text(&sql), NULL, why);
	if (!res)
		v->select = TAKE_PTR(copy);
	return res;
}

void ready_give(struct lake *l, struct ready *r, bool keep)
{
	if (!r)
		return;
	pthread_mutex_lock(&l->lock);
	keep &= l->nready < LAKE_QUERIES_MAX && r->nviews <= SANDBOX_TABLES_MAX && !l->stopping;
	if (keep) {
		r->next = l->ready;
		l->ready = r;
		l->nready++;
	}
	pthread_mutex_unlock(&l->lock);
	if (!keep)
		close_one(r);
}

void ready_free(struct lake *l)
{
	struct ready *r;

	while ((r = l->ready)) {
		l->ready = r->next;
		close_one(r);
	}
}
