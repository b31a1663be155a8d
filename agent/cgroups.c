// SPDX-License-Identifier: Apache-2.0
#include "cgroups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

struct entry {
	uint64_t id;
	UT_hash_handle hh;
	size_t n;
	char path[];
};

struct cgroups {
	struct entry *by_id;	/* oldest first */
};

int cgroups_new(struct cgroups **ret_c)
{
	*ret_c = calloc(1, sizeof(**ret_c));
	return *ret_c ? 0 : -ENOMEM;
}

static void drop(struct cgroups *c, struct entry *e)
{
	HASH_DEL(c->by_id, e);
	free(e);
}

void cgroups_free(struct cgroups **c)
{
	if (!*c)
		return;
	while ((*c)->by_id)
		drop(*c, (*c)->by_id);
	free(*c);
	*c = NULL;
}

static struct entry *find(const struct cgroups *c, uint64_t id)
{
	struct entry *e;

	HASH_FIND(hh, c->by_id, &id, sizeof(id), e);
	return e;
}

void cgroups_note(struct cgroups *c, uint64_t id, struct str path)
{
	struct entry *e = find(c, id);

	if (!path.n)
		return;
	if (e && e->n == path.n && !memcmp(e->path, path.p, path.n))
		return;
	if (e)			/* renamed, or the id is another one's now */
		drop(c, e);
	else if (HASH_COUNT(c->by_id) >= CGROUPS_MAX)
		drop(c, c->by_id);
	e = malloc(sizeof(*e) + path.n);
	if (!e)
		return;
	e->id = id;
	e->n = path.n;
	memcpy(e->path, path.p, path.n);
	HASH_ADD(hh, c->by_id, id, sizeof(e->id), e);
}

struct str cgroups_path(const struct cgroups *c, uint64_t id)
{
	const struct entry *e = find(c, id);

	return e ? (struct str){ e->path, e->n } : (struct str){ NULL, 0 };
}
