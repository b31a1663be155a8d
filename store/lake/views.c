/* SPDX-License-Identifier: Apache-2.0 */
#include "views.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"

/* The engine's view of a place that is taken anew stays, and nobody can name it before it is shown again. */
static struct view *find(struct views *v, struct str name)
{
	struct view *x;

	for (unsigned i = 0; i < v->n; i++)
		if (strlen(v->v[i].name) == name.n && !strncasecmp(v->v[i].name, name.p, name.n))
			return &v->v[i];
	if (v->n == VIEWS_MAX)
		while (v->n)
			free(v->v[--v->n].select);
	x = &v->v[v->n++];
	memset(x, 0, sizeof(*x));
	memcpy(x->name, name.p, name.n);
	return x;
}

int views_show(struct views *v, duckdb_connection c, struct str name, struct str select, char why[DUCK_WHY_MAX])
{
	_cleanup_free_ char *copy = strndup(select.p, select.n);
	_cleanup_buf_ struct buf sql = { 0 };
	struct view *x;
	int r;

	if (name.n >= SANDBOX_NAME_MAX)
		return -EINVAL;
	x = find(v, name);
	if (copy && x->select && !strcmp(x->select, copy))
		return 0;
	buf_addf(&sql, "CREATE OR REPLACE TEMP VIEW \"%s\" AS ", x->name);
	buf_add(&sql, select.p, select.n);
	if (!copy || sql.failed)
		return -ENOMEM;
	free(TAKE_PTR(x->select));
	r = duck_run(c, buf_text(&sql), NULL, why);
	if (!r)
		x->select = TAKE_PTR(copy);
	return r;
}
